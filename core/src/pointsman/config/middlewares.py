"""HTTP and TCP middlewares as written: `{kind: options}`, one kind per name (middlewares.md §1.1, §5)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from pointsman.api import Middleware, TcpMiddleware
from pointsman.catalogue import missing
from pointsman.config.blocks import is_on
from pointsman.config.convert import misshapen, structure
from pointsman.config.scalars import kind_of
from pointsman.config.spelling import join
from pointsman.errors import Problem

Kinds = Mapping[str, type[Middleware]] | Mapping[str, type[TcpMiddleware]]
NO_KINDS: Final[Mapping[str, type[TcpMiddleware]]] = {}

NO_TYPE = "invalid middleware type or middleware does not exist"
TWO_TYPES = (
    "cannot create middleware: multi-types middleware not supported, consider declaring two different middlewares instead"
)
PLUGIN_COUNT = "plugin: invalid configuration: no configuration or too many plugin definition"


@frozen
class Written:
    """One kind as found: its name as the registry spells it, if it knows it, its options, and where they stand."""

    kind: str
    options: Any
    path: str
    problem: str = ""
    """Why no plugin can be found, "" if one was."""
    allow_empty: bool = False


def structure_middleware(
    raw: Any, path: str, middlewares: Kinds, called: str = "middlewares"
) -> tuple[str, Any, list[Problem]]:
    """The kind of one middleware as the registry spells it, an instance of its Config, and what is wrong.

    With problems the Config is None. A kind that no plugin provides, two kinds, and none are such problems.
    `plugin: {name: ...}` means the kind `name`. A class may say `allow_empty = True`: its block may then be `{}` or `true`.
    `called` is what the registry calls such plugins, `middlewares` or `tcp_middlewares`.
    """
    if not isinstance(raw, Mapping):
        return "", None, [Problem(path, f"expected a block with one middleware kind, got {kind_of(raw)}")]
    written = list(_written(raw, path, middlewares, called))
    if not written:
        return "", None, [Problem(path, NO_TYPE)]
    if len(written) > 1:
        return "", None, [Problem(path, f"{TWO_TYPES}; here are {', '.join(each.kind for each in written)}")]
    (one,) = written
    if one.problem:
        return one.kind, None, [Problem(one.path, one.problem)]
    config, problems = structure(middlewares[one.kind].Config, one.options, one.path, allow_empty=one.allow_empty)
    return one.kind, config, problems


def misshapen_middleware(raw: Any, path: str, middlewares: Kinds) -> list[Problem]:
    """Problems of shape alone: they refuse the whole document. A kind that is not known is none (routing.md §0)."""
    if not isinstance(raw, Mapping):
        return [Problem(path, f"expected a block with one middleware kind, got {kind_of(raw)}")]
    problems: list[Problem] = []
    for one in _written(raw, path, middlewares):
        if not one.problem:
            problems += misshapen(middlewares[one.kind].Config, one.options, one.path, allow_empty=one.allow_empty)
    return problems


def _written(raw: Mapping[Any, Any], path: str, middlewares: Kinds, called: str = "middlewares") -> Iterator[Written]:
    for key, options in raw.items():
        key = str(key)
        if options is None:
            continue
        if key.lower() == "plugin" and not _find("plugin", middlewares):
            yield _plugin(options, join(path, key), middlewares)
            continue
        place = join(path, key)
        kind = _find(key, middlewares)
        if kind is None:
            yield Written(key, options, place, missing(called, key, middlewares))
            continue
        allow_empty = bool(getattr(middlewares[kind], "allow_empty", False))
        if allow_empty and not isinstance(options, Mapping | list) and not is_on(options):
            continue  # `compress: false` is absent
        yield Written(kind, options, join(path, kind), "", allow_empty)


def _plugin(options: Any, path: str, middlewares: Kinds) -> Written:
    if not isinstance(options, Mapping) or len(options) != 1:
        return Written("plugin", None, path, PLUGIN_COUNT)
    ((name, own),) = options.items()
    kind = _find(str(name), middlewares)
    if kind is None:
        return Written(
            str(name), None, path, f"plugin: unknown plugin type: {name}; see 'pointsman plugins' for what is installed"
        )
    return Written(kind, {} if own is None else own, join(path, kind), "", True)


def _find(name: str, middlewares: Kinds) -> str | None:
    if name in middlewares:
        return name
    lower = name.lower()
    return next((known for known in middlewares if known.lower() == lower), None)
