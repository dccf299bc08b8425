"""Directives that run one after the other, and may end the request: set, return, rewrite, if.

nginx's order of things: the first `return`, or `rewrite` to elsewhere, that is met counts, also within an `if`; `break` and
`last` end this phase of their level and nothing else, so that what stands beside them (`deny` above all) still applies.
"""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Final

from attrs import frozen

from pointsman import Response, encoded, reason
from pointsman.dialect.made_paths import canonical, is_sane
from pointsman.dialect.patterns import Pattern
from pointsman.dialect.variables import Scope, Text, known, uri
from pointsman_nginx.locations import is_written_absolute, redirection

REDIRECTIONS: Final = frozenset((301, 302, 303, 307, 308))
_NOT_IN_A_QUERY: Final = re.compile(rb"[^!-~]|#")
_VARIABLE: Final = re.compile(r"\$?([A-Za-z_]\w*)", re.ASCII)


class Stop:
    """`break`: no more of this phase at this level."""


STOP: Final = Stop()
Outcome = Response | Stop | None
Action = Callable[[Scope], Outcome]


def custom_name(text: str) -> str:
    """The name of a variable that is set, without the `$`. ValueError for one that cannot be."""
    match = _VARIABLE.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is no name of a variable; write $name")
    if known(match[1]):
        raise ValueError(f"'{text}' is a variable of the request, and cannot be set")
    return match[1]


@frozen
class Set:
    name: str
    value: Text

    @classmethod
    def read(cls, arguments: Sequence[str], custom: Collection[str]) -> "Set":
        if len(arguments) != 2:
            raise ValueError("set directive requires 2 parameters (variable and value)")
        return cls(custom_name(arguments[0]), Text(arguments[1], custom))

    def __call__(self, scope: Scope) -> Outcome:
        scope.custom[self.name] = self.value(scope)
        return None


@frozen
class Return:
    """`return 403;`, `return 200 "text";`, `return 301 https://...;` or `return https://...;`"""

    status: int
    text: Text | None

    @classmethod
    def read(cls, arguments: Sequence[str], custom: Collection[str]) -> "Return":
        if not 1 <= len(arguments) <= 2:
            raise ValueError("return directive requires parameters: a status, a status and a text, or a URL")
        first = arguments[0]
        if not (first.isascii() and first.isdigit()):
            if len(arguments) == 2:
                raise ValueError(f"'{first}' is no status")
            return cls(302, Text(first, custom))
        if not 200 <= int(first) <= 999:
            raise ValueError(f"'{first}' is no status of an answer; give 200 to 999")
        return cls(int(first), Text(arguments[1], custom) if len(arguments) == 2 and arguments[1] else None)

    def __call__(self, scope: Scope) -> Outcome:
        text = self.text(scope) if self.text is not None else b""
        if self.status in REDIRECTIONS and self.text is not None:
            return redirection(self.status, text)
        scope.request.exchange.refuse(reason(self.status).decode("latin-1"))
        return Response(self.status, None, text if self.status not in (204, 304) else b"")


@frozen
class Rewrite:
    """`rewrite regex replacement [last|break|redirect|permanent];`"""

    pattern: Pattern
    path: Text
    query: Text | None
    """None: the client's own; what is written here goes before it."""
    ends_query: bool
    """Written `...?`: the client's own query does not go on."""
    status: int
    """Of the redirection that it is; 0 for none."""
    absolute: bool
    stops: bool

    @classmethod
    def read(cls, arguments: Sequence[str], custom: Collection[str]) -> "Rewrite":
        if not 2 <= len(arguments) <= 3:
            raise ValueError("rewrite directive requires at least 2 parameters (regex and replacement)")
        flag = arguments[2] if len(arguments) == 3 else ""
        if flag not in ("", "last", "break", "redirect", "permanent"):
            raise ValueError(f'rewrite directive has invalid flag "{flag}"')
        written = arguments[1]
        absolute = is_written_absolute(written)
        status = {"redirect": 302, "permanent": 301}.get(flag, 302 if absolute else 0)
        path, mark, query = written.partition("?")
        return cls(
            Pattern(arguments[0]),
            Text(path, custom),
            Text(query.removesuffix("?"), custom) if query else None,
            bool(mark) and (not query or query.endswith("?")),
            status,
            absolute,
            flag in ("last", "break"),
        )

    def __call__(self, scope: Scope) -> Outcome:
        request = scope.request
        group = self.pattern.find(uri(request))
        if group is None:
            return None
        scope.remember(group, len(self.pattern.groups) - 1)
        made = self.path(scope)
        query = self.query(scope) if self.query is not None else b""
        if not self.ends_query:
            query = b"&".join(part for part in (query, request.query) if part)
        query = _NOT_IN_A_QUERY.sub(lambda match: b"%%%02X" % match[0][0], query)
        if self.absolute:
            return redirection(self.status, made + (b"?" + query if query else b""))
        path = canonical(encoded(made))
        if not is_sane(path):
            return Response(400)
        if self.status:
            return redirection(self.status, path + (b"?" + query if query else b""))
        request.rewrite(path)
        request.query = query or None
        return STOP if self.stops else None


@frozen
class Condition:
    """`($var)`, `($var = text)`, `!=`, `~`, `~*`, `!~` and `!~*`."""

    left: Text
    right: Text | Pattern | None
    wanted: bool

    @classmethod
    def read(cls, arguments: Sequence[str], custom: Collection[str]) -> "Condition":
        words = list(arguments)
        if not words or not words[0].startswith("(") or not words[-1].endswith(")"):
            raise ValueError("a condition stands in parentheses")
        words[0] = words[0][1:]
        words[-1] = words[-1][:-1]
        words = words[not words[0] :] if len(words) > 1 else words
        words = words[:-1] if len(words) in (2, 4) and not words[-1] else words
        if words == [""]:
            raise ValueError("empty condition")
        if len(words) not in (1, 3) or not words[0].startswith("$"):
            raise ValueError(f"invalid condition format: {' '.join(words)}")
        left = Text(words[0], custom)
        if len(words) == 1:
            return cls(left, None, True)
        operator, right = words[1:]
        if operator in ("=", "!="):
            return cls(left, Text(right, custom), operator == "=")
        if operator not in ("~", "~*", "!~", "!~*"):
            raise ValueError(f"there is no operator {operator}; use =, !=, ~, ~*, !~ or !~*")
        return cls(left, Pattern(("(?i)" if operator.endswith("*") else "") + right), not operator.startswith("!"))

    def holds(self, scope: Scope) -> bool:
        left = self.left(scope)
        right = self.right
        if right is None:
            return self.left.constant is None and left not in (b"", b"0")
        if isinstance(right, Text):
            return (left == right(scope)) == self.wanted
        group = right.find(left)
        if group is not None:
            scope.remember(group, len(right.groups) - 1)
        return (group is not None) == self.wanted
