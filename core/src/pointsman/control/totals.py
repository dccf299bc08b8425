"""What all workers have counted since the start: taken as they tell it, given as metrics (operations.md §4). No I/O.

Theory of operation. An *owner* is an entry point, a router, a service or a server, with cells by status, method, protocol.
A row of a worker is added to each owner it concerns. An owner that has left the configuration, or was not in it when the row
came, is *gone*: each reader gets it once more, and when all have it is dropped; nobody waits for a reader for more than ten
minutes. What clients choose (values of headers, hosts) is `_other` once there is too much of it. What a worker that died
has counted stays; its gauges go.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pointsman.control.families import GONE_SECONDS, Family
from pointsman.control.merge import Tree
from pointsman.measures import Kind, Metric, Needs
from pointsman.observe.meter import SEMANTIC, Counted
from pointsman.observe.series import OTHER, united
from pointsman.values import shown_url

REFUSED: Final = "Requests that a middleware did not let pass"
Sources = Callable[[], Iterable[Metric]]


class Cell:
    """Requests of one status, method and protocol."""

    __slots__ = ("bytes_in", "bytes_out", "count", "places", "seconds")

    def __init__(self, places: int) -> None:
        self.count = self.bytes_in = self.bytes_out = 0
        self.seconds = 0.0
        self.places = [0] * places

    def add(self, count: int, seconds: float, places: list[int], bytes_in: int, bytes_out: int) -> None:
        self.count += count
        self.seconds += seconds
        self.places = [one + other for one, other in zip(self.places, places, strict=True)]
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out


class Owner:
    """Somebody that requests are counted for."""

    __slots__ = ("cells", "gone", "labelled", "retries", "shown", "tls")

    def __init__(self) -> None:
        self.cells: dict[tuple[str, ...], Cell] = {}
        self.labelled: dict[tuple[str, ...], int] = {}
        """The same requests with the values of headers, if any are labels."""
        self.tls: dict[tuple[str, str], int] = {}
        self.retries = 0
        self.gone = 0.0
        """Since when it is in no configuration; 0: it is in one."""
        self.shown: set[int] = set()
        """Readers that know it since."""


Owners = dict[tuple[str, ...], Owner]


class Totals:
    """All counts of one gateway. `take`, `lost` as workers tell; `expect`, then `keep`, as configurations come."""

    def __init__(self, needs: Iterable[Needs], max_label_values: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.all_needs = tuple(needs)
        self.needs = united(self.all_needs)
        self.sources: list[Sources] = []
        """What the control side knows itself."""
        self.points: Owners = {}
        self.routers: Owners = {}
        self.services: Owners = {}
        self.servers: Owners = {}
        self.semantic: dict[str, dict[tuple[str, ...], Cell]] = {"server": {}, "client": {}}
        self.numbers: dict[str, Family] = {}
        self.readers = 0
        self._places = len(self.needs.boundaries) + 1
        self._most = max_label_values
        self._seen: dict[int, set[str]] = {}
        self._clock = clock
        self._live: tuple[Tree, ...] = ()
        self._urls: dict[str, set[str]] = {}
        self._entry_points: set[str] = set()

    # what workers say

    def take(self, worker: int, news: Counted) -> None:
        """Add what a worker has counted. ValueError, TypeError or LookupError if it makes no sense."""
        for row in news.get("routes", ()):
            self._take_route(row)
        for row in news.get("attempts", ()):
            self._take_attempt(row)
        for side in ("server", "client"):
            for row in news.get(side, ()):
                self._take_semantic(side, row)
        for kind, owner, router, service, version, cipher, count in news.get("tls", ()):
            for each in self._owners(kind, owner, router, service):
                each.tls[version, cipher] = each.tls.get((version, cipher), 0) + count
        for service, count in news.get("retries", ()):
            if self.needs.services and "://" not in service:
                self._owner(self.services, (service,)).retries += count
        for router, why, count in news.get("refusals", ()):
            labels = {"router": router, "reason": self._cap(-2, why)}
            self._take_number(worker, "pointsman_refused_requests_total", "counter", REFUSED, labels, count)
        for row in news.get("numbers", ()):
            self._take_number(worker, *row)

    def _take_number(
        self, worker: int, name: str, kind: Kind, help: str, labels: Mapping[str, str], value: float | None
    ) -> None:
        family = self.numbers.get(name)
        if family is None:
            family = self.numbers[name] = Family(kind, help, tuple(sorted(labels)))
        family.take(worker, tuple(labels[each] for each in family.labels), value)

    def lost(self, worker: int) -> None:
        """That worker is no more."""
        for family in self.numbers.values():
            family.lose(worker)

    def _take_route(self, row: list[Any]) -> None:
        point, router, service, code, method, kind, *values = row[:-5]
        what = row[-5:]
        key = (code, method, kind)
        labelled = self._capped(values)
        for owner in self._owners("route", point, router, service):
            self._add(owner, key, labelled, what)

    def _take_attempt(self, row: list[Any]) -> None:
        service, url, code, method, kind, *values = row[:-5]
        if "://" in service:  # a server that is in none
            return
        what = row[-5:]
        if self.needs.services:
            self._add(self._owner(self.services, (service,)), (code, method, kind), self._capped(values), what)
        if self.needs.servers and url:
            self._add(self._owner(self.servers, (service, url)), (code,), (), what)

    def _take_semantic(self, side: str, row: list[Any]) -> None:
        labels, what = list(row[:-5]), row[-5:]
        host, port = (SEMANTIC.index(f"server.{part}") for part in ("address", "port"))
        if side == "server" and self._cap(-1, f"{labels[host]} {labels[port]}") == OTHER:  # clients choose both
            labels[host], labels[port] = OTHER, ""
        cells = self.semantic[side]
        key = tuple(labels)
        if key not in cells:
            cells[key] = Cell(self._places)
        cells[key].add(*what)

    def _add(self, owner: Owner, key: tuple[str, ...], labelled: tuple[str, ...], what: list[Any]) -> None:
        cell = owner.cells.get(key)
        if cell is None:
            cell = owner.cells[key] = Cell(self._places)
        cell.add(*what)
        if labelled:
            owner.labelled[key + labelled] = owner.labelled.get(key + labelled, 0) + what[0]

    def _owners(self, kind: str, owner: str, router: str, service: str) -> list[Owner]:
        found = []
        if kind == "service":
            if self.needs.services and "://" not in owner:
                found.append(self._owner(self.services, (owner,)))
            return found
        if self.needs.entry_points:
            found.append(self._owner(self.points, (owner,)))
            self._entry_points.add(owner)
        if self.needs.routers and router:
            found.append(self._owner(self.routers, (router, service)))
        return found

    def _owner(self, owners: Owners, name: tuple[str, ...]) -> Owner:
        owner = owners.get(name)
        if owner is None:
            owner = owners[name] = Owner()
            self._judge(owners, name, owner)
        elif owner.gone:
            owner.shown.clear()
        return owner

    def _capped(self, values: list[str]) -> tuple[str, ...]:
        return tuple(self._cap(number, value) for number, value in enumerate(values))

    def _cap(self, number: int, value: str) -> str:
        seen = self._seen.setdefault(number, set())
        if value in seen or not value:
            return value
        if len(seen) >= self._most:
            return OTHER
        seen.add(value)
        return value

    # what is configured

    def expect(self, tree: Tree) -> None:
        """Workers are about to serve by this: what is in it is not gone."""
        self._live = (*self._live[-1:], tree)
        self._urls = {}

    def keep(self, tree: Tree) -> None:
        """All workers serve by this, and by nothing else."""
        self._live = (tree,)
        self._urls = {}
        now = self._clock()
        for owners in (self.routers, self.services, self.servers):
            for name, owner in list(owners.items()):
                self._judge(owners, name, owner)
                if owner.gone and now - owner.gone > GONE_SECONDS:
                    del owners[name]
        for family in self.numbers.values():
            family.judge(self._is_there, now)

    def _judge(self, owners: Owners, name: tuple[str, ...], owner: Owner) -> None:
        if owners is self.points:
            return
        if owners is self.routers:
            there = self._has("http.routers", name[0])
        elif owners is self.services:
            there = self._has("http.services", name[0])
        else:
            there = name[1] in self._urls_of(name[0])
        if there:
            owner.gone = 0.0
        elif not owner.gone:
            owner.gone = self._clock() or 1e-9
            owner.shown = set()

    def _urls_of(self, service: str) -> set[str]:
        if service not in self._urls:
            trees = (tree.get("http.services", {}) for tree in self._live)
            self._urls[service] = {url for services in trees for url in urls_of(services.get(service))}
        return self._urls[service]

    def _has(self, section: str, name: str) -> bool:
        if name.endswith("@internal"):
            return True
        if any(name in tree.get(section, ()) for tree in self._live):
            return True
        if section != "http.routers":
            return False
        # one with another name on an entry point that adds to routers (operations.md §1.9)
        copies = (name[len(point) + 1 :] for point in self._entry_points if name.startswith(f"{point}-"))
        return any(copy in tree.get(section, ()) for copy in copies for tree in self._live)

    def _is_there(self, label: str, value: str) -> bool:
        if not value or label not in ("router", "service", "middleware"):
            return True
        return any(
            value in tree.get(f"{protocol}.{label}s", ()) for protocol in ("http", "tcp") for tree in self._live
        ) or self._has(f"http.{label}s", value)

    def shown_to(self, reader: int, owners: Owners, name: tuple[str, ...]) -> bool:
        """Whether a reader is to know of this owner; one that is gone is dropped when all know."""
        owner = owners[name]
        if not owner.gone:
            return True
        if reader in owner.shown:
            return False
        owner.shown.add(reader)
        if len(owner.shown) >= self.readers:
            del owners[name]
        return True


def urls_of(service: Any) -> set[str]:
    """The URLs of the servers of a load balancer, as it is written."""
    balancer = _at(service, "loadbalancer")
    servers = _at(balancer, "servers")
    return {shown_url(str(_at(server, "url"))) for server in servers} if isinstance(servers, list | tuple) else set()


def _at(block: Any, lower: str) -> Any:
    if not isinstance(block, Mapping):
        return None
    return next((value for key, value in block.items() if str(key).lower() == lower), None)
