"""The table of TCP routers: an index by server name whose answer equals a linear scan in rank order (routing.md §3.7).

Every branch of a rule is filed under its exact server name, under the suffix of its wildcard, or under none. A connection
finds at most one bucket of each, in rank order; what is filed under no name is looked at only as far as it could still win.
"""

from collections.abc import Generator, Iterable, Iterator
from typing import Any, Final

from pointsman.api import TcpPredicate
from pointsman.message import Facts
from pointsman.routing.ranking import Rank, provider_place
from pointsman.routing.rules import Rule
from pointsman.routing.syntax import Call
from pointsman.routing.table import SLICE, Entry, sort_in_slices

Filed = tuple[TcpPredicate, Entry]


def is_catch_all(rule: Rule) -> bool:
    """Whether the rule is HostSNI(`*`) and nothing else."""
    tree = rule.tree
    return isinstance(tree, Call) and tree.name.lower() == "hostsni" and tree.args == ("*",)


def tcp_rank(priority: int, rule: Rule, name: str, precedence: Iterable[str]) -> Rank:
    """The rank of a TCP router: as in HTTP, but that a pure catch-all goes last unless it says otherwise."""
    length = -1 if is_catch_all(rule) else rule.default_priority
    return Rank(-(priority or length), provider_place(name, tuple(precedence)), rule.has_wildcard_host, name)


class TcpRoutes:
    """TCP routers of one entry point. `build` it, or let `building` do so in slices; then `match`."""

    __slots__ = ("_any", "_hosts", "_suffixes", "entries")

    def __init__(self) -> None:
        self.entries: tuple[Entry, ...] = ()
        self._hosts: Final[dict[bytes, list[Filed]]] = {}
        self._suffixes: Final[dict[bytes, list[Filed]]] = {}
        self._any: Final[list[Filed]] = []

    @classmethod
    def build(cls, entries: Iterable[Entry]) -> "TcpRoutes":
        steps = cls.building(entries)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                table: TcpRoutes = stop.value
                return table

    @classmethod
    def building(cls, entries: Iterable[Entry]) -> Generator[None, None, "TcpRoutes"]:
        """The same with other work between the steps; the table is the return value."""
        table = cls()
        table.entries = tuple(entries)
        yield from table._file()
        return table

    def _file(self) -> Iterator[None]:
        for count, entry in enumerate(self.entries):
            for (host, _), test in entry.rule.branches:
                if host is None:
                    self._any.append((test, entry))
                else:
                    named = self._hosts if host[0] == "host" else self._suffixes
                    named.setdefault(host[1], []).append((test, entry))
            if not count % SLICE:
                yield
        for count, bucket in enumerate((self._any, *self._hosts.values(), *self._suffixes.values())):
            if len(bucket) > 1:
                yield from sort_in_slices(bucket, _rank_of)
            elif not count % SLICE:
                yield

    def find(self, facts: Facts) -> Entry | None:
        """The first router in rank order that takes the connection."""
        name = facts.server_name
        best: Entry | None = None
        if name:
            if bucket := self._hosts.get(name):
                best = _first(bucket, facts, best)
            dot = name.find(b".")
            if dot > 0 and (bucket := self._suffixes.get(name[dot:])):
                best = _first(bucket, facts, best)
        return _first(self._any, facts, best)

    def match(self, facts: Facts) -> Any:
        """The target of that router, or None."""
        found = self.find(facts)
        return None if found is None else found.target

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        return f"<TcpRoutes {len(self.entries)} routers, {len(self._hosts)} names, {len(self._suffixes)} wildcards>"


class Part:
    """The routers of a table that are pure catch-alls, or those that are not: found only if they win over all others.

    A connection is offered to the two at different times (routing.md §8.3), but they have one order of priority.
    """

    __slots__ = ("_catch_all", "_count", "_routes")

    def __init__(self, routes: TcpRoutes, catch_all: bool) -> None:
        self._routes = routes
        self._catch_all = catch_all
        self._count = sum(is_catch_all(entry.rule) is catch_all for entry in routes.entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Those of the whole table."""
        return self._routes.entries

    def match(self, facts: Facts) -> Any:
        found = self._routes.find(facts)
        return found.target if found is not None and is_catch_all(found.rule) is self._catch_all else None

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<Part {self._count} of {self._routes!r}>"


def _first(filed: list[Filed], facts: Facts, best: Entry | None) -> Entry | None:
    for test, entry in filed:
        if best is not None and entry.rank >= best.rank:
            return best
        if test(facts):
            return entry
    return best


def _rank_of(filed: Filed) -> Rank:
    return filed[1].rank
