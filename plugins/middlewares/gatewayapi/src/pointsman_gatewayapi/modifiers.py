"""requestHeaderModifier and responseHeaderModifier: headers are set, then added, then removed."""

from collections.abc import Awaitable, Iterable, Iterator, Mapping
from typing import ClassVar, Final

from attrs import Factory, frozen

from pointsman import BuildContext, Handler, HeaderEdit, Headers, Request, Response, amended, option
from pointsman.errors import ConfigError, Problem

FRAMING: Final = frozenset((b"content-length", b"transfer-encoding"))
"""They say where a message ends, which the gateway alone decides (RFC 9112 section 6)."""
HOP_BY_HOP: Final = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"))
"""They are about one connection, which is the gateway's own."""
HOST: Final = b"host"


@frozen
class ModifierConfig:
    set: dict[str, str] = option(default=Factory(dict), help="headers that get this value in place of any other")
    add: dict[str, str] = option(default=Factory(dict), help="headers that get this value besides others")
    remove: tuple[str, ...] = option(default=(), help="headers that are removed")


@frozen
class _Lines:
    """What a configuration says, as lines."""

    set: Mapping[bytes, bytes]
    add: Mapping[bytes, bytes]
    remove: frozenset[bytes]

    @classmethod
    def of(cls, config: ModifierConfig) -> "_Lines":
        """ConfigError, with every problem, for what is no header, or is about the connection and not the message."""
        problems: list[Problem] = []
        lines = cls(
            dict(_lines("set", config.set.items(), problems)),
            dict(_lines("add", config.add.items(), problems)),
            frozenset(name for name, _ in _lines("remove", ((name, "") for name in config.remove), problems)),
        )
        if problems:
            raise ConfigError(problems)
        return lines

    def edit(self, *, response: bool) -> HeaderEdit:
        """The three steps as one."""
        added = [line for line in (*self.set.items(), *self.add.items()) if line[0] not in self.remove]
        return HeaderEdit({*self.set, *self.remove}, added, response=response)


def _lines(key: str, items: Iterable[tuple[str, str]], problems: list[Problem]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in items:
        line = name.strip().lower().encode(), value.strip(" \t").encode()
        try:
            Headers().add(*line)
            if line[0] in FRAMING | HOP_BY_HOP:
                raise ValueError("it is about the connection, or where the message ends, which the gateway alone decides")
        except ValueError as error:
            problems.append(Problem(f"{key}.{name}", str(error)))
            continue
        yield line


class RequestHeaderModifier:
    name: ClassVar[str] = "requestHeaderModifier"
    Config: ClassVar[type] = ModifierConfig

    def __init__(self, config: ModifierConfig, context: BuildContext) -> None:
        lines = _Lines.of(config)
        set_ = dict(lines.set)
        self._authority = set_.pop(HOST, b"")
        plain = _Lines(set_, {name: value for name, value in lines.add.items() if name != HOST}, lines.remove - {HOST})
        if plain.add != lines.add or plain.remove != lines.remove:
            context.logger.warning("requestHeaderModifier: a request has one Host; it can be set, not added or removed")
        self._edit = plain.edit(response=False)
        self._withheld = ((self._edit.names | frozenset(plain.add)).__contains__,)

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        if self._authority:
            request.authority = self._authority
        self._edit.apply(request.headers)
        body = request.body
        if not body.ended or body.trailers:  # some servers take trailers for headers
            request.withheld += self._withheld
        return call_next(request)


class ResponseHeaderModifier:
    name: ClassVar[str] = "responseHeaderModifier"
    Config: ClassVar[type] = ModifierConfig

    def __init__(self, config: ModifierConfig, context: BuildContext) -> None:
        self._edit = _Lines.of(config).edit(response=True)

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        return amended(call_next, request, self._amend)

    def _amend(self, response: Response) -> None:
        self._edit.apply(response.headers)
