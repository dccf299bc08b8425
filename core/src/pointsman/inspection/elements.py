"""Every element of a configuration and how it fares: what lists are filtered, sorted and paged by (operations.md §6.3).

An index belongs to one configuration. It is built once, in slices, of the raw tree and of what a worker says of its
statuses; only what is shown is read thoroughly (`shapes`).
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from attrs import Factory, define, field

from pointsman.compile.entrypoints import is_model
from pointsman.compile.parts import (
    MIDDLEWARES,
    ROUTERS,
    SERVICES,
    TCP_MIDDLEWARES,
    TCP_ROUTERS,
    TCP_SERVICES,
    UDP_ROUTERS,
    UDP_SERVICES,
    Tree,
    qualify,
)
from pointsman.compile.redirections import redirections
from pointsman.config.static import Static
from pointsman.inspection.raw import first_key, names, number, option, text

T = TypeVar("T")
Slices = Generator[None, None, T]
"""Work in pieces; the generator's return value is the result."""

SLICE: Final = 128
CATCH_ALL: Final = "HostSNI(`*`)"
SHOWN: Final = (
    ROUTERS, SERVICES, MIDDLEWARES, TCP_ROUTERS, TCP_SERVICES, TCP_MIDDLEWARES, UDP_ROUTERS, UDP_SERVICES,
)  # fmt: skip
_OF_AREA: Final = {
    ROUTERS: (SERVICES, MIDDLEWARES),
    TCP_ROUTERS: (TCP_SERVICES, TCP_MIDDLEWARES),
    UDP_ROUTERS: (UDP_SERVICES, ""),
}


@define(eq=False)
class Row:
    """One element, as far as lists need it."""

    name: str
    """As it is shown: in full, with the entry point before a copy of a router that a model made."""
    raw: Any
    path: str
    """Where it stands in the configuration."""
    errors: tuple[str, ...] = ()
    status: str = "enabled"
    provider: str = ""
    rule: str = ""
    service: str = ""
    middlewares: tuple[str, ...] = ()
    entry_points: tuple[str, ...] = ()
    """Those it asks for, or that it has by default."""
    using: tuple[str, ...] = ()
    priority: int = 0
    model: str = ""
    """The entry point that adds its own middlewares, TLS and observability."""
    kind: str = ""
    """Of a service or a middleware, lower case."""
    servers: int = 0
    used_by: list[str] = Factory(list)


@define
class Judged:
    """What workers say of an element."""

    word: str = "enabled"
    errors: tuple[str, ...] = ()
    using: tuple[str, ...] | None = None


Judgements = Mapping[str, Mapping[str, Judged]]
"""Section -> name -> what is said of it; of what is well nothing is said. Copies of routers stand under their own names."""
_WELL: Final = Judged()


@define
class Index:
    """All elements of one configuration, by section, in order of name."""

    rows: dict[str, dict[str, Row]] = field(factory=lambda: {section: {} for section in SHOWN})

    def find(self, section: str, name: str) -> Row | None:
        return self.rows[section].get(name)

    @property
    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Totals, warnings and errors by area and kind (operations.md §6.4)."""
        found: dict[str, dict[str, dict[str, int]]] = {}
        for section, rows in self.rows.items():
            area, _, kind = section.partition(".")
            words = [row.status for row in rows.values()]
            count = {"total": len(words), "warnings": words.count("warning"), "errors": words.count("disabled")}
            found.setdefault(area, {})[kind] = count
        return found


class Indexing:
    """Builds indexes for one static configuration."""

    def __init__(self, static: Static, internal: Iterable[str]) -> None:
        """`internal`: the services that the control side answers, without `@internal`."""
        points = static.entry_points
        udp = {name for name, point in points.items() if point.listen.protocol == "udp"}
        self._tcp_points = [name for name in points if name not in udp]
        self._udp_points = sorted(udp)
        self._defaults = list(static.default_entry_points)
        self._models = {name: tuple(points[name].http.middlewares) for name in self._tcp_points if is_model(points[name])}
        """Entry points that add something to routers, with the middlewares that they put before theirs."""
        self._internal = sorted({"noop", *internal, *(each.service for each in redirections(static))})

    def building(self, tree: Tree, judged: Judgements) -> Slices[Index]:
        index = Index()
        for section in SHOWN:
            found = index.rows[section]
            for number_, row in enumerate(self._rows(section, tree.get(section, {}), judged.get(section, {}))):
                found[row.name] = row
                if not number_ % SLICE:
                    yield
            if section == SERVICES:
                for name in self._internal:
                    full = f"{name}@internal"
                    found.setdefault(full, Row(full, None, f"{SERVICES}.{full}", provider="internal"))
        yield
        for section, others in _OF_AREA.items():
            yield from _used(index, section, *others)
        for section, rows in index.rows.items():
            index.rows[section] = dict(sorted(rows.items()))
            yield
        return index

    def _rows(self, section: str, elements: Mapping[str, Any], judged: Mapping[str, Judged]) -> Iterator[Row]:
        kind = section.rpartition(".")[2]
        for name, raw in elements.items():
            row = Row(name, raw, f"{section}.{name}", provider=name.rpartition("@")[2])
            _judge(row, judged.get(name, _WELL))
            if kind == "routers":
                yield from self._router(section, row, judged)
                continue
            row.kind = first_key(raw)
            if kind == "services":
                row.servers = len(option(option(raw, "loadBalancer"), "servers") or ())
            yield row

    def _router(self, section: str, row: Row, judged: Mapping[str, Judged]) -> Iterator[Row]:
        raw = row.raw
        row.service = text(raw, "service")
        if section == UDP_ROUTERS:
            row.entry_points = names(raw, "entryPoints") or tuple(self._udp_points)
            row.using = tuple(point for point in row.entry_points if point in self._udp_points)
            yield row
            return
        row.rule = text(raw, "rule")
        row.middlewares = tuple(qualify(each, row.name) for each in names(raw, "middlewares"))
        length = -1 if section == TCP_ROUTERS and row.rule.replace('"', "`") == CATCH_ALL else len(row.rule.encode())
        row.priority = number(raw, "priority") or length
        if section == ROUTERS and option(raw, "parentRefs"):
            yield row
            return
        row.entry_points = names(raw, "entryPoints") or tuple(self._defaults)
        row.using = tuple(point for point in dict.fromkeys(row.entry_points) if point in self._tcp_points)
        if section == ROUTERS and not self._models.keys().isdisjoint(row.using):
            yield from self._copies(row, judged)
        else:
            yield row

    def _copies(self, row: Row, judged: Mapping[str, Judged]) -> Iterator[Row]:
        """The router on each entry point that adds something, and on the others (operations.md §1.9)."""
        split = [point for point in row.using if point in self._models]
        for point in split:
            name = f"{point}-{row.name}" if len(row.using) > 1 else row.name
            copy = Row(
                name,
                row.raw,
                row.path,
                provider=row.provider,
                rule=row.rule,
                service=row.service,
                middlewares=(*(qualify(each, row.name) for each in self._models[point]), *row.middlewares),
                entry_points=(point,),
                using=(point,),
                priority=row.priority,
                model=point,
            )
            _judge(copy, judged.get(name) or judged.get(row.name, _WELL))
            yield copy
        row.entry_points = tuple(point for point in row.entry_points if point not in split)
        row.using = tuple(point for point in row.using if point not in split)
        if row.entry_points:
            yield row


def _judge(row: Row, judged: Judged) -> None:
    row.status, row.errors = judged.word, judged.errors


def _used(index: Index, routers: str, services: str, middlewares: str) -> Slices[None]:
    """Who uses each service and each middleware: the routers that name it."""
    by_service = index.rows[services]
    by_middleware = index.rows.get(middlewares, {})
    for number_, row in enumerate(sorted(index.rows[routers].values(), key=lambda row: row.name)):
        used = {qualify(row.service, row.name)} if row.service else set()
        for name, known in [(each, by_service) for each in used] + [(each, by_middleware) for each in set(row.middlewares)]:
            if (found := known.get(name)) is not None:
                found.used_by.append(row.name)
        if not number_ % SLICE:
            yield
