"""Which services the merged tree wants checked, and how (routing.md §5.4). Only what changed is read again. No I/O."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from attrs import frozen

from pointsman.compile.parts import SERVICES, TCP_SERVICES, TCP_TRANSPORTS, TRANSPORTS, qualify
from pointsman.compile.services import DEFAULT_TRANSPORT
from pointsman.compile.tcp_services import within_limits
from pointsman.compile.tcp_transports import default_tcp_settings, tcp_settings
from pointsman.compile.transports import default_settings, transport_settings
from pointsman.config.dynamic import structure_element, structure_service, structure_transport
from pointsman.config.http_model import HealthCheck
from pointsman.config.static import StaticServersTransport, StaticTCPServersTransport
from pointsman.config.tcp_model import TCPHealthCheck, TCPLoadBalancer
from pointsman.control.merge import Delta, Slices, Tree
from pointsman.errors import ConfigError
from pointsman.upstream.tcp import TcpSettings, tcp_peer
from pointsman.upstream.transport import TransportSettings, peer_from

INTERVAL_SECONDS: Final = 30.0
TIMEOUT_SECONDS: Final = 5.0
SLICE: Final = 16
"""Services between two yields; reading one takes some 100 µs."""


class Paced:
    """What checks of every kind have in common: a `config` that says how often."""

    config: Any

    @property
    def timeout(self) -> float:
        seconds: float = self.config.timeout
        return seconds if seconds > 0 else TIMEOUT_SECONDS

    def interval(self, up: bool) -> float:
        """Seconds from one probe of a server to the next."""
        unhealthy: float | None = self.config.unhealthy_interval
        if not up and unhealthy is not None and unhealthy > 0:
            return unhealthy
        seconds: float = self.config.interval
        return seconds if seconds > 0 else INTERVAL_SECONDS

    def needed(self, up: bool) -> int:
        """Probes in a row that must say so before a server is up, or down."""
        threshold: int = self.config.healthy_threshold if up else self.config.unhealthy_threshold
        return max(1, threshold)


@frozen
class Check(Paced):
    """How the servers of one HTTP service are probed."""

    service: str
    urls: tuple[str, ...]
    """Each once."""
    config: HealthCheck
    transport: TransportSettings
    passive: bool = False
    """Whether workers put servers out by themselves, and wait for the next good probe."""


@frozen
class TcpCheck(Paced):
    """How the servers of one TCP service are probed."""

    service: str
    """By its path, since an HTTP service may have the same name."""
    urls: tuple[str, ...]
    """Addresses, each once."""
    config: TCPHealthCheck
    transport: TcpSettings
    secured: frozenset[str] = frozenset()
    """The addresses that are spoken to over TLS."""
    passive: bool = False


AnyCheck = Check | TcpCheck
Changes = dict[str, AnyCheck | None]
"""By service; None where there is no check any more."""


class Checks:
    """The checks of HTTP services, as the tree says that was read last."""

    services: ClassVar[str] = SERVICES
    transports: ClassVar[str] = TRANSPORTS
    prefix: ClassVar[str] = ""
    """Before a service's name, in what is told of it."""

    def __init__(self, default_transport: StaticServersTransport | StaticTCPServersTransport) -> None:
        self._static = default_transport
        self._transports: dict[str, tuple[Any, Any]] = {}
        self._wants: dict[str, str] = {}
        """Service with a check -> full name of its transport."""

    def reading(self, tree: Tree, delta: Delta) -> Slices[Changes]:
        """What `delta` changed, in pieces."""
        changes: Changes = {}
        services = tree.get(self.services, {})
        changed = dict.fromkeys(delta.set.get(self.services, ()))
        gone = delta.delete.get(self.services, ())
        moved = {*delta.set.get(self.transports, ()), *delta.delete.get(self.transports, ())}
        if moved:
            changed |= dict.fromkeys(name for name, transport in self._wants.items() if transport in moved)
        for number, name in enumerate((*changed, *gone)):
            raw = services.get(name)
            if raw is not None and _speaks_of_a_check(raw):
                changes[self.prefix + name] = self._read(name, raw, tree)
            elif self._wants.pop(name, None) is not None:
                changes[self.prefix + name] = None
            if number % SLICE == 0:
                yield
        self._transports = {name: self._transports[name] for name in set(self._wants.values()) & self._transports.keys()}
        return changes

    def _read(self, name: str, raw: Any, tree: Tree) -> AnyCheck | None:
        """The check of a service; None for one that is not served, whose problems its compiler tells."""
        self._wants.pop(name, None)
        service, _ = structure_service(raw, "")
        balancer = service.load_balancer if service is not None else None
        config = balancer.health_check if balancer is not None else None
        if balancer is None or config is None:
            return None
        transport: TransportSettings | None = self._transport(balancer.servers_transport, name, tree)
        urls = tuple(dict.fromkeys(server.url for server in balancer.servers))
        if transport is None or not _is_served(urls):
            return None
        return Check(name, urls, config, transport, balancer.passive_health_check is not None)

    def _transport(self, reference: str, owner: str, tree: Tree) -> Any:
        """The settings of the transport that a service calls so; None if they cannot be used."""
        name = self._wants[owner] = qualify(reference or DEFAULT_TRANSPORT, owner)
        raw = self._static if name == DEFAULT_TRANSPORT else tree.get(self.transports, {}).get(name)
        known = self._transports.get(name)
        if known is not None and known[0] is raw:
            return known[1]
        try:
            settings = self._settings(raw)
        except ConfigError:
            settings = None
        self._transports[name] = (raw, settings)
        return settings

    def _settings(self, raw: Any) -> Any:
        """None for what cannot be structured; ConfigError for what cannot be used."""
        if isinstance(raw, StaticServersTransport):
            return default_settings(raw)[0]
        config, _ = structure_transport(raw, "") if raw is not None else (None, [])
        return transport_settings(config, "")[0] if config is not None else None


class TcpChecks(Checks):
    """The checks of TCP services."""

    services: ClassVar[str] = TCP_SERVICES
    transports: ClassVar[str] = TCP_TRANSPORTS
    prefix: ClassVar[str] = f"{TCP_SERVICES}."

    def _read(self, name: str, raw: Any, tree: Tree) -> AnyCheck | None:
        self._wants.pop(name, None)
        service, _ = structure_element(TCP_SERVICES, raw, "")
        balancer: TCPLoadBalancer | None = service.load_balancer if service is not None else None
        if balancer is None or balancer.health_check is None:
            return None
        transport: TcpSettings | None = self._transport(balancer.servers_transport, name, tree)
        if transport is None:
            return None
        servers = [server for server in balancer.servers if _is_address(server.address)]
        urls = tuple(dict.fromkeys(server.address for server in servers))
        secured = frozenset(server.address for server in servers if server.tls)
        return TcpCheck(self.prefix + name, urls, within_limits(balancer.health_check), transport, secured)

    def _settings(self, raw: Any) -> Any:
        if isinstance(raw, StaticTCPServersTransport):
            return default_tcp_settings(raw)[0]
        config, _ = structure_element(TCP_TRANSPORTS, raw, "") if raw is not None else (None, [])
        return tcp_settings(config, "")[0] if config is not None else None


def _is_address(text: str) -> bool:
    """Others are left out by the compiler."""
    try:
        tcp_peer(text)
    except ValueError:
        return False
    return True


def _is_served(urls: Iterable[str]) -> bool:
    """One wrong URL, and the compiler refuses the service."""
    try:
        for url in urls:
            peer_from(url)
    except ValueError:
        return False
    return True


def _speaks_of_a_check(raw: Any) -> bool:
    """Cheaply, for the many services that have none."""
    balancer = _find(raw, "loadbalancer")
    return balancer is not None and _find(balancer, "healthcheck") is not None


def _find(block: Any, key: str) -> Any:
    """The value of a key, which may be written in any case."""
    if not isinstance(block, Mapping):
        return None
    return next((value for name, value in block.items() if isinstance(name, str) and name.lower() == key), None)
