"""The route table: an index over rules whose answer equals a linear scan in rank order (design.md §4).

Every branch of a rule (`Rule.branches`) is filed under its host key, and there under its path key. A request finds at most
three buckets (its host, the wildcard above it, any host) and in each the branches filed under its exact path, under every
prefix of it, and under no path. Each list is in rank order, so a list is left as soon as something better is known. A
table never changes; many may share entries.
"""

from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from heapq import merge
from operator import attrgetter, itemgetter
from typing import Any, Final

from attrs import field, frozen

from pointsman import paths
from pointsman.api import Predicate
from pointsman.errors import GatewayError
from pointsman.message import Request
from pointsman.routing.explain import Explanation, explain
from pointsman.routing.ranking import Rank
from pointsman.routing.rules import IndexKey, Rule

SLICE = 256
"""Steps of work between two yields of `Building`: well below a millisecond."""
_FEW = 4
"""A bucket of so few is scanned; an index would cost more."""
_PERCENT, _BACKSLASH = b"%\\"
"""Numbers: CPython finds a byte in bytes ten times faster by its number, for `b"%" in path` raises an exception inside."""


@frozen(eq=False)
class Entry:
    """A router on the table: its full name, its rule, where it ranks, and what a match leads to."""

    name: str
    rule: Rule = field(repr=False)
    rank: Rank
    target: Any = field(default=None, repr=False)

    @property
    def priority(self) -> int:
        return self.rank.priority


class Ambiguous(GatewayError):
    """The path means one router as it stands and another once it is decoded further: 400 (design.md §4)."""

    def __init__(self, entry: Entry, other: Entry, reading: bytes) -> None:
        as_read = repr(reading.decode("utf-8", "backslashreplace"))
        message = f"the path reaches router {entry.name}, but read as {as_read} router {other.name}"
        super().__init__(400, message, side="client")
        self.entry = entry
        self.other = other
        self.reading = reading


Filed = tuple[Predicate, Entry]
_filed_rank = attrgetter("rank")


def _rank_of(filed: Filed) -> Rank:
    return filed[1].rank


class PathIndex:
    """The branches of one host bucket, by path. Prefixes stand in one sorted list, each with its next shorter one: whatever
    prefixes of a path are there, they are on the chain that begins where the path would be inserted."""

    __slots__ = ("_chain", "_exact", "_prefixes", "_rest", "_under")

    def __init__(self) -> None:
        self._exact: dict[bytes, list[Filed]] = {}
        self._rest: list[Filed] = []
        self._prefixes: list[bytes] = []
        self._chain: list[int] = []
        self._under: list[list[Filed]] = []

    def file(self, branches: Iterable[tuple[IndexKey, Filed]]) -> Iterator[None]:
        """Take in the branches, in slices; yields after each."""
        prefixes: dict[bytes, list[Filed]] = {}
        for count, ((_, path), filed) in enumerate(branches):
            if path is None:
                self._rest.append(filed)
            else:
                (self._exact if path[0] == "path" else prefixes).setdefault(path[1], []).append(filed)
            if not count % SLICE:
                yield
        lists = [self._rest, *self._exact.values(), *prefixes.values()]
        for count, one in enumerate(lists):
            if len(one) > 1:
                yield from sort_in_slices(one, _rank_of)
            elif not count % SLICE:
                yield
        ordered = list(prefixes.items())
        yield from sort_in_slices(ordered, itemgetter(0))
        yield from self._link(ordered)

    def _link(self, ordered: list[tuple[bytes, list[Filed]]]) -> Iterator[None]:
        for place, (prefix, under) in enumerate(ordered):
            shorter = place - 1
            while shorter >= 0 and not prefix.startswith(self._prefixes[shorter]):
                shorter = self._chain[shorter]
            self._prefixes.append(prefix)
            self._chain.append(shorter)
            self._under.append(under)
            if not place % SLICE:
                yield

    def best(self, request: Request, best: Entry | None) -> Entry | None:
        """The first in rank order that matches, unless `best` goes before it."""
        path = request.routing_path
        exact = self._exact.get(path)
        if exact is not None:
            best = first(exact, request, best)
        prefixes = self._prefixes
        place = bisect_right(prefixes, path) - 1
        while place >= 0:
            if path.startswith(prefixes[place]):
                best = first(self._under[place], request, best)
            place = self._chain[place]
        return first(self._rest, request, best) if self._rest else best


def first(filed: Sequence[Filed], request: Request, best: Entry | None) -> Entry | None:
    if best is None:
        for test, entry in filed:
            if test(request):
                return entry
        return None
    limit = best.rank
    for test, entry in filed:
        if entry.rank >= limit:
            return best
        if test(request):
            return entry
    return best


def sort_in_slices(items: list[Any], key: Callable[[Any], Any]) -> Iterator[None]:
    """Sort in place; a long list in runs which are then merged, yielding every now and then."""
    size = SLICE * 4
    if len(items) <= size:
        items.sort(key=key)
        return
    runs = []
    for start in range(0, len(items), size):
        runs.append(sorted(items[start : start + size], key=key))
        yield
    for place, item in enumerate(merge(*runs, key=key)):
        items[place] = item
        if not place % SLICE:
            yield


Bucket = tuple[Filed, ...] | PathIndex


class RouteTable:
    """`build` it, or let `building` do so in slices; then `match` and `explain` requests."""

    __slots__ = ("_any", "_hosts", "_suffixes", "entries")

    def __init__(self) -> None:
        self.entries: tuple[Entry, ...] = ()
        """As given, in no particular order."""
        self._hosts: Final[dict[bytes, Bucket]] = {}
        self._suffixes: Final[dict[bytes, Bucket]] = {}
        self._any: Bucket = ()

    @classmethod
    def build(cls, entries: Iterable[Entry]) -> "RouteTable":
        building = cls.building(entries)
        for _ in building:
            pass
        return building.table

    @classmethod
    def building(cls, entries: Iterable[Entry]) -> "Building":
        """To be iterated to its end, with other work between the steps; then its `table` is ready."""
        return Building(entries)

    def match(self, request: Request) -> Entry | None:
        """The entry that takes the request, or None. Raises Ambiguous for a path that means two routers."""
        best = self.find(request)
        if best is not None:
            path = request.routing_path
            if _PERCENT in path or _BACKSLASH in path:
                self._refuse_double_meaning(request, best)
        return best

    def find(self, request: Request) -> Entry | None:
        """The same for the path as it stands, whatever else it may mean."""
        host = request.host
        if host[-1:] == b".":
            host = host[:-1] or host
        best: Entry | None = None
        bucket = self._hosts.get(host)
        if isinstance(bucket, tuple):
            for test, entry in bucket:  # `first`, without the call
                if test(request):
                    best = entry
                    break
        elif bucket is not None:
            best = bucket.best(request, None)
        if self._suffixes:
            dot = host.find(b".")
            bucket = self._suffixes.get(host[dot:]) if dot > 0 else None
            if bucket is not None:
                best = first(bucket, request, best) if isinstance(bucket, tuple) else bucket.best(request, best)
        bucket = self._any
        if bucket:
            best = first(bucket, request, best) if isinstance(bucket, tuple) else bucket.best(request, best)
        return best

    def _refuse_double_meaning(self, request: Request, best: Entry) -> None:
        path = request.routing_path
        try:
            for reading in other_readings(request.path):
                request.routing_path = reading
                other = self.find(request)
                if other is not None and other is not best:
                    raise Ambiguous(best, other, reading)
        finally:
            request.routing_path = path

    def explain(self, request: Request) -> Explanation:
        """Who takes the request, and why each other does not."""
        ambiguous: Ambiguous | None = None
        try:
            winner = self.match(request)
        except Ambiguous as error:
            winner, ambiguous = error.entry, error
        return explain(sorted(self.entries, key=_filed_rank), winner, request, str(ambiguous) if ambiguous else "")

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        return f"<RouteTable {len(self.entries)} routers, {len(self._hosts)} hosts, {len(self._suffixes)} wildcards>"


def other_readings(path: bytes) -> set[bytes]:
    """What a more eager reader may take a canonical path for: decoded once, and decoded until nothing changes."""
    once = paths.sanitise(paths.decoded(path).replace(b"\\", b"/"))
    return {once, paths.literal_reading(path)}


class Building:
    """A table on its way. Each step of the iteration is a slice of work that takes well below a millisecond."""

    __slots__ = ("_steps", "_table")

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._table: RouteTable | None = None
        self._steps = self._build(entries)

    def __iter__(self) -> Iterator[None]:
        return self._steps

    @property
    def table(self) -> RouteTable:
        if self._table is None:
            raise RuntimeError("the table is not complete yet; iterate to the end first")
        return self._table

    def _build(self, entries: Iterable[Entry]) -> Generator[None, None, None]:
        table = RouteTable()
        table.entries = tuple(entries)
        hosts: dict[bytes, list[tuple[IndexKey, Filed]]] = {}
        suffixes: dict[bytes, list[tuple[IndexKey, Filed]]] = {}
        anywhere: list[tuple[IndexKey, Filed]] = []
        for count, entry in enumerate(table.entries):
            for key, test in entry.rule.branches:
                host = key[0]
                if host is None:
                    anywhere.append((key, (test, entry)))
                else:
                    (hosts if host[0] == "host" else suffixes).setdefault(host[1], []).append((key, (test, entry)))
            if not count % SLICE:
                yield

        while hosts:  # emptied on the way: to free it all at once would hold the loop
            host_name, branches = hosts.popitem()
            if not len(hosts) % SLICE:
                yield
            table._hosts[host_name] = _small(branches) if len(branches) <= _FEW else (yield from _large(branches))
        for count, (suffix, branches) in enumerate(suffixes.items()):
            if not count % SLICE:
                yield
            table._suffixes[suffix] = _small(branches) if len(branches) <= _FEW else (yield from _large(branches))
        table._any = _small(anywhere) if len(anywhere) <= _FEW else (yield from _large(anywhere))
        self._table = table


def _small(branches: list[tuple[IndexKey, Filed]]) -> tuple[Filed, ...]:
    if len(branches) == 1:
        return (branches[0][1],)
    return tuple(sorted((filed for _, filed in branches), key=_rank_of))


def _large(branches: list[tuple[IndexKey, Filed]]) -> Generator[None, None, PathIndex]:
    index = PathIndex()
    yield from index.file(branches)
    return index
