"""What a snippet says, level by level, ready to run: the host's (`server`), a `location`'s, that of an `if` that holds.

Of directives about headers and access, a level that has one of a kind takes the place of all levels outside of it; those of
headers-more (`more_...`) add up. nginx's rules, which Traefik follows.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

from attrs import define, field, frozen

from pointsman import Response
from pointsman.dialect.addresses import IP, Ranges
from pointsman.dialect.variables import Scope, Text
from pointsman_nginx.answers import AddHeader, ClearOutput, Expires, SetOutput
from pointsman_nginx.directives import Directive, refused
from pointsman_nginx.requests import ClearInput, SetHeader, SetInput, Wanted
from pointsman_nginx.rewriting import Action, Condition, Outcome, Return, Rewrite, Set, custom_name

REWRITING: Final[dict[str, Callable[[Sequence[str], Collection[str]], Action]]] = {
    "set": Set.read,
    "return": Return.read,
    "rewrite": Rewrite.read,
}
EDITING: Final[dict[str, tuple[str, Callable[[Sequence[str], Collection[str]], Any]]]] = {
    "more_set_input_headers": ("input", SetInput.read),
    "more_clear_input_headers": ("input", ClearInput.read),
    "more_set_headers": ("output", SetOutput.read),
    "more_clear_headers": ("output", ClearOutput.read),
    "add_header": ("added", AddHeader.read),
    "expires": ("expires", Expires.read),
    "allow": ("access", lambda arguments, _: Access.read(True, arguments)),
    "deny": ("access", lambda arguments, _: Access.read(False, arguments)),
    "proxy_set_header": ("told", SetHeader.read),
    "proxy_hide_header": ("hidden", lambda arguments, _: _hidden(arguments)),
    "proxy_method": ("method", lambda arguments, custom: _method(arguments, custom)),
    "auth_request_set": ("vouched", Set.read),
}
_NOT_IN_AN_IF: Final = frozenset(("if", "proxy_set_header", "proxy_hide_header", "proxy_method", "auth_request_set"))


@frozen
class Access:
    """allow, deny"""

    allowed: bool
    ranges: Ranges | None
    """None: all."""

    @classmethod
    def read(cls, allowed: bool, arguments: Sequence[str]) -> "Access":
        if len(arguments) != 1:
            raise ValueError("requires 1 parameter: an address, a range, or all")
        return cls(allowed, None if arguments[0] == "all" else Ranges(arguments))

    def covers(self, ip: IP) -> bool:
        return self.ranges is None or ip in self.ranges


@define
class Level:
    """One block of directives. What is None is left to the levels outside of it."""

    conditional: bool = False
    """Whether it is that of an `if`."""
    actions: list["Action | If"] = field(factory=list)
    input: list[SetInput | ClearInput] = field(factory=list)
    output: list[SetOutput | ClearOutput] = field(factory=list)
    added: list[AddHeader] = field(factory=list)
    expires: list[Expires] = field(factory=list)
    access: list[Access] = field(factory=list)
    told: list[SetHeader] = field(factory=list)
    hidden: list[Wanted] = field(factory=list)
    method: list[Text] = field(factory=list)
    vouched: list[Set] = field(factory=list)


@frozen(eq=False)
class If:
    """The actions of an `if` run where it stands; the rest of it is a level that counts when it holds."""

    condition: Condition
    level: Level

    def run(self, scope: Scope, holding: list[Level]) -> Outcome:
        if not self.condition.holds(scope):
            return None
        holding.append(self.level)
        return run(self.level, scope, holding)


def run(level: Level, scope: Scope, holding: list[Level]) -> Outcome:
    """The actions of a level, up to the first that ends the phase; levels of `if`s that hold are added to `holding`."""
    for action in level.actions:
        outcome = action.run(scope, holding) if isinstance(action, If) else action(scope)
        if outcome is not None:
            return outcome
    return None


class Compiler:
    """Makes levels of directives. ConfigError at `path`, with the line."""

    def __init__(self, path: str, custom: Collection[str]) -> None:
        self._path = path
        self._custom = custom

    def level(self, directives: Iterable[Directive], where: str) -> Level:
        """`where` is `server`, `location`, or `if` within one of them."""
        level = Level(where.startswith("if"))
        for directive in directives:
            try:
                self._add(level, directive, where)
            except ValueError as error:
                raise refused(self._path, directive, f"{directive.name}: {error}") from None
        return level

    def _add(self, level: Level, directive: Directive, where: str) -> None:
        name, inside_if = directive.name, where.startswith("if")
        if name not in REWRITING and name not in EDITING and name not in ("if", "location"):
            raise refused(self._path, directive, f'unsupported directive "{name}"; see the README for those there are')
        if name == "location" or (inside_if and name in _NOT_IN_AN_IF) or (name == "add_header" and where == "if in server"):
            raise refused(self._path, directive, f'directive "{name}" is not allowed in {where}')
        if (directive.block is not None) != (name == "if"):
            raise ValueError("needs a block" if name == "if" else "has no block; a ';' is missing before the '{'")
        if name == "if":
            inner = self.level(directive.block or (), f"if in {where}")
            level.actions.append(If(Condition.read(directive.arguments, self._custom), inner))
        elif name in REWRITING:
            level.actions.append(REWRITING[name](directive.arguments, self._custom))
        else:
            kind, read = EDITING[name]
            getattr(level, kind).append(read(directive.arguments, self._custom))


@frozen
class Effective:
    """What counts for a request, of all its levels."""

    input: tuple[SetInput | ClearInput, ...]
    output: tuple[SetOutput | ClearOutput, ...]
    added: tuple[AddHeader, ...]
    expires: tuple[Expires, ...]
    access: tuple[Access, ...]
    told: tuple[SetHeader, ...]
    hidden: tuple[Wanted, ...]
    method: Text | None
    vouched: tuple[Set, ...]
    edits_answers: bool

    @classmethod
    def of(cls, levels: Sequence[Level], place: Level | None = None) -> "Effective":
        """`levels` from the outermost to the innermost.

        Access rules of an `if` go before all others; those of `place`, a location of the server snippet, before those of the
        configuration snippet, for it is about fewer paths.
        """

        def inner(kind: str) -> tuple[Any, ...]:
            return next((tuple(found) for level in reversed(levels) if (found := getattr(level, kind))), ())

        output = tuple(edit for level in levels for edit in level.output)
        added, expires, hidden, method = inner("added"), inner("expires"), inner("hidden"), inner("method")
        return cls(
            tuple(edit for level in levels for edit in level.input),
            output,
            added,
            expires,
            _access(levels, place),
            inner("told"),
            hidden,
            method[-1] if method else None,
            inner("vouched"),
            bool(output or added or expires or hidden),
        )

    def allows(self, ip: IP) -> bool:
        """The first rule that covers an address decides; who is covered by none may come in."""
        return next((rule.allowed for rule in self.access if rule.covers(ip)), True)

    def edit(self, response: Response, scope: Scope) -> None:
        """What is done to an answer."""
        scope.upstream = response.headers.copy()
        for names in self.hidden:
            names.remove_from(response.headers)
        for each in (*self.expires, *self.added, *self.output):
            each(response, scope)


def _access(levels: Sequence[Level], place: Level | None) -> tuple[Access, ...]:
    conditional = [level for level in reversed(levels) if level.conditional]
    for level in (*conditional, place, *reversed(levels)):
        if level is not None and level.access:
            return tuple(level.access)
    return ()


def variables(directives: Iterable[Directive]) -> frozenset[str]:
    """The names that directives set, at any depth. Those that cannot be set are left for `Compiler` to refuse."""
    found: set[str] = set()
    for directive in directives:
        if directive.name in ("set", "auth_request_set") and directive.arguments:
            try:
                found.add(custom_name(directive.arguments[0]))
            except ValueError:
                continue
        found |= variables(directive.block or ())
    return frozenset(found)


def _hidden(arguments: Sequence[str]) -> Wanted:
    if len(arguments) != 1:
        raise ValueError("requires 1 parameter (header name)")
    return Wanted.read(arguments)


def _method(arguments: Sequence[str], custom: Collection[str]) -> Text:
    if len(arguments) != 1:
        raise ValueError("directive must have 1 parameter")
    return Text(arguments[0], custom)
