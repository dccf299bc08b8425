"""Why a request went where it went: for every router the words that an operator would need (style.md, errors)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from attrs import frozen

from pointsman.message import Facts, Request
from pointsman.routing.ranking import why_behind
from pointsman.routing.rules import Rule
from pointsman.routing.syntax import And, Call, Node, Not, Or

if TYPE_CHECKING:
    from pointsman.routing.table import Entry

Asked = Request | Facts
"""What rules are asked about: a request, or a connection."""


@frozen
class Loss:
    """A router that did not take the request. `matches` if only its rank was in the way; `columns` are those at fault."""

    name: str
    rule: str
    priority: int
    reason: str
    matches: bool = False
    columns: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@frozen
class Explanation:
    """Who takes the request and why each other router does not, in rank order."""

    winner: str | None
    losses: tuple[Loss, ...]
    rule: str = ""
    priority: int = 0
    ambiguity: str = ""
    """Why the request is refused although a router would take it; empty if it is not."""

    def __str__(self) -> str:
        if self.winner is None:
            head = "no router takes the request"
        elif self.ambiguity:
            head = f"refused with 400: {self.ambiguity}"
        else:
            head = f"{self.winner} takes the request: {self.rule} (priority {self.priority})"
        return "\n".join([head, *(f"  {loss}" for loss in self.losses)])


def explain(ordered: Iterable[Entry], winner: Entry | None, request: Asked, ambiguity: str = "") -> Explanation:
    """`ordered` by rank; `winner` as the table found it."""
    losses = tuple(loss(entry, winner, request) for entry in ordered if entry is not winner)
    if winner is None:
        return Explanation(None, losses)
    return Explanation(winner.name, losses, winner.rule.text, winner.priority, ambiguity)


def loss(entry: Entry, winner: Entry | None, request: Asked) -> Loss:
    """Why `entry` does not take the request."""
    reasons = list(_why_false(entry.rule.tree, entry.rule, request))
    if reasons:
        text = "; ".join(dict.fromkeys(reason for reason, _ in reasons))
        columns = tuple(dict.fromkeys(column for _, column in reasons))
        return Loss(entry.name, entry.rule.text, entry.priority, text, columns=columns)
    behind = ""
    if winner is not None:
        behind = ", but " + why_behind(entry.rank, winner.rank, _by_length(entry), _by_length(winner))
    return Loss(entry.name, entry.rule.text, entry.priority, f"matches too{behind}", matches=True)


def _by_length(entry: Entry) -> bool:
    return entry.priority == entry.rule.default_priority


Reason = tuple[str, int]


def _why_false(tree: Node, rule: Rule, request: Asked) -> Iterator[Reason]:
    """The leaves that make the tree false; nothing if it is true. Of an And the first false part, of an Or all."""
    match tree:
        case Call():
            matcher, test = rule.leaf(tree)
            if not test(request):
                say: Callable[[Any], str] | None = matcher.explain
                has = f": {say(request)}" if say is not None else " does not match"
                yield f"{tree} at column {tree.column}{has}", tree.column
        case Not(part):
            yield from _why_true(part, rule, request)
        case And(parts):
            yield from next(filter(None, (list(_why_false(part, rule, request)) for part in parts)), ())
        case Or(parts):
            every = [list(_why_false(part, rule, request)) for part in parts]
            if all(every):
                yield from (reason for reasons in every for reason in reasons)


def _why_true(tree: Node, rule: Rule, request: Asked) -> Iterator[Reason]:
    """The leaves that make a negated tree true; nothing if it is false."""
    match tree:
        case Call():
            if rule.leaf(tree)[1](request):
                yield f"{tree} at column {tree.column} matched, but is negated", tree.column
        case Not(part):
            yield from _why_false(part, rule, request)
        case And(parts):
            every = [list(_why_true(part, rule, request)) for part in parts]
            if all(every):
                yield from (reason for reasons in every for reason in reasons)
        case Or(parts):
            yield from next(filter(None, (list(_why_true(part, rule, request)) for part in parts)), ())
