"""UDP routers to one route per entry point, with a status for every element (routing.md §1.5, §8.8)."""

from collections.abc import Generator, Mapping
from typing import Any

from attrs import Factory, define, frozen

from pointsman.api import Peer
from pointsman.compile.elements import StreamServices
from pointsman.compile.parts import UDP_ROUTERS, UDP_SERVICES, Points, Status, Tree, problems_under
from pointsman.config.dynamic import structure_element
from pointsman.config.tcp_model import UDPLoadBalancer, UDPRouter, UDPWeighted
from pointsman.errors import ConfigError, Problem
from pointsman.server.udp import UdpRoute
from pointsman.upstream.shares import Choice, Share, Shares
from pointsman.upstream.tcp import tcp_peer
from pointsman.upstream.udp import UdpServers

SLICE = 64


@frozen(eq=False)
class UdpServiceEntry:
    """A UDP service, ready to be used, and what it was built from."""

    name: str
    raw: Any
    service: Choice[UdpServers]
    addresses: frozenset[str]
    needs: tuple[Any, ...] = ()
    warnings: tuple[Problem, ...] = ()


@frozen(eq=False)
class UdpRow:
    """A router, compiled, and what it was made of."""

    service: UdpServiceEntry
    route: UdpRoute


@define
class CompiledUdp:
    """The result, and what the next compilation may take over."""

    routes: dict[str, UdpRoute] = Factory(dict)
    """By entry point."""
    rows: dict[str, UdpRow] = Factory(dict)
    services: dict[str, UdpServiceEntry] = Factory(dict)
    statuses: dict[str, dict[str, Status]] = Factory(dict)


class UdpServices(StreamServices[UdpServiceEntry]):
    """The UDP services of one compilation."""

    section = UDP_SERVICES

    def _load_balancer(self, name: str, raw: Any, path: str, config: UDPLoadBalancer) -> UdpServiceEntry:
        peers: list[Peer] = []
        warnings: list[Problem] = []
        for place, server in enumerate(config.servers):
            try:
                peers.append(tcp_peer(server.address))
            except ValueError as error:
                warnings.append(Problem(f"{path}.servers[{place}].address", f"left out: {error}", warning=True))
        addresses = frozenset(peer.url for peer in peers)
        return UdpServiceEntry(name, raw, UdpServers(name, peers), addresses, warnings=tuple(warnings))

    def _weighted(self, name: str, raw: Any, path: str, config: UDPWeighted) -> UdpServiceEntry:
        children: list[UdpServiceEntry] = []
        problems: list[Problem] = []
        for place, share in enumerate(config.services):
            try:
                children.append(self.get(share.name, name))
            except ConfigError as error:
                problems += problems_under(f"{path}.services[{place}].name", error)
        if problems:
            raise ConfigError(problems)
        both = list(zip(config.services, children, strict=True))
        shares = [Share[UdpServers](share.name, child.service, share.weight) for share, child in both]
        addresses = frozenset[str]().union(*(child.addresses for share, child in both if share.weight > 0))
        return UdpServiceEntry(name, raw, Shares[UdpServers](name, shares), addresses, tuple(children))


class UdpRun:
    """One compilation of everything below `udp`."""

    def __init__(self, tree: Tree, points: Points, old: CompiledUdp) -> None:
        self._routers: Mapping[str, Any] = tree.get(UDP_ROUTERS, {})
        self._declared_services: Mapping[str, Any] = tree.get(UDP_SERVICES, {})
        self._points = points
        self._old = old
        self._services = UdpServices(tree, old.services)
        self._made = CompiledUdp(statuses={UDP_ROUTERS: {}, UDP_SERVICES: {}})

    def run(self) -> Generator[None, None, CompiledUdp]:
        made = self._made
        for number, name in enumerate(self._declared_services):
            try:
                made.statuses[UDP_SERVICES][name] = Status(list(self._services.get(name, name).warnings))
            except ConfigError as error:
                made.statuses[UDP_SERVICES][name] = Status(problems_under(f"{UDP_SERVICES}.{name}", error))
            if number % SLICE == 0:
                yield
        on_points: dict[str, list[str]] = {}
        for number, name in enumerate(sorted(self._routers, reverse=True)):  # the last by name serves
            status = made.statuses[UDP_ROUTERS][name] = Status()
            route = self._route(name, status)
            for point in status.using if route is not None else ():
                on_points.setdefault(point, []).append(name)
                made.routes.setdefault(point, route)  # type: ignore[arg-type]
            if number % SLICE == 0:
                yield
        for point, names in on_points.items():
            for name in names if len(names) > 1 else ():
                message = f"entry point {point} has several UDP routers, of which {names[0]} serves; keep one"
                made.statuses[UDP_ROUTERS][name].problems.append(Problem(f"{UDP_ROUTERS}.{name}", message, warning=True))
        made.services = self._services.built
        return made

    def _route(self, name: str, status: Status) -> UdpRoute | None:
        """The router compiled; None, and a status that says why, if it cannot be served."""
        path = f"{UDP_ROUTERS}.{name}"
        element, problems = structure_element(UDP_ROUTERS, self._routers[name], path)
        status.problems += problems
        if element is None:
            return None
        router: UDPRouter = element
        status.using = self._points.of(router.entry_points, path, status)
        if not router.service:
            status.problems.append(Problem(path, "router has no service"))
            return None
        try:
            service = self._services.get(router.service, name)
        except ConfigError as error:
            status.problems += problems_under(f"{path}.service", error)
            return None
        old = self._old.rows.get(name)
        row = old if old is not None and old.service is service else None
        if row is None:
            row = UdpRow(service, UdpRoute(name, service.service, service.addresses))
        self._made.rows[name] = row
        return row.route
