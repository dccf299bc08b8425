"""Which services the merged tree wants checked, and how (routing.md §5.4). Only what changed is read again. No I/O."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import frozen

from pointsman.compile.health import active_check
from pointsman.compile.parts import SERVICES, TRANSPORTS, qualify
from pointsman.compile.services import DEFAULT_TRANSPORT
from pointsman.compile.transports import default_settings, transport_settings
from pointsman.config.dynamic import structure_service, structure_transport
from pointsman.config.http_model import HealthCheck
from pointsman.config.static import StaticServersTransport
from pointsman.control.merge import Delta, Slices, Tree
from pointsman.errors import ConfigError
from pointsman.upstream.transport import TransportSettings, peer_from

INTERVAL_SECONDS: Final = 30.0
TIMEOUT_SECONDS: Final = 5.0
SLICE: Final = 16
"""Services between two yields; reading one takes some 100 µs."""


@frozen
class Check:
    """How the servers of one service are probed."""

    service: str
    urls: tuple[str, ...]
    """Each once."""
    config: HealthCheck
    transport: TransportSettings
    passive: bool = False
    """Whether workers put servers out by themselves, and wait for the next good probe."""

    @property
    def timeout(self) -> float:
        return self.config.timeout if self.config.timeout > 0 else TIMEOUT_SECONDS

    def interval(self, up: bool) -> float:
        """Seconds from one probe of a server to the next."""
        unhealthy = self.config.unhealthy_interval
        if not up and unhealthy is not None and unhealthy > 0:
            return unhealthy
        return self.config.interval if self.config.interval > 0 else INTERVAL_SECONDS


Changes = dict[str, Check | None]
"""By service; None where there is no check any more."""


class Checks:
    """The checks of the tree that was read last."""

    def __init__(self, default_transport: StaticServersTransport) -> None:
        self._static = default_transport
        self._transports: dict[str, tuple[Any, TransportSettings | None]] = {}
        self._wants: dict[str, str] = {}
        """Service with a check -> full name of its transport."""

    def reading(self, tree: Tree, delta: Delta) -> Slices[Changes]:
        """What `delta` changed, in pieces."""
        changes: Changes = {}
        services = tree.get(SERVICES, {})
        changed = dict.fromkeys(delta.set.get(SERVICES, ()))
        gone = delta.delete.get(SERVICES, ())
        moved = {*delta.set.get(TRANSPORTS, ()), *delta.delete.get(TRANSPORTS, ())}
        if moved:
            changed |= dict.fromkeys(name for name, transport in self._wants.items() if transport in moved)
        for number, name in enumerate((*changed, *gone)):
            raw = services.get(name)
            if raw is not None and _speaks_of_a_check(raw):
                changes[name] = self._read(name, raw, tree)
            elif self._wants.pop(name, None) is not None:
                changes[name] = None
            if number % SLICE == 0:
                yield
        self._transports = {name: self._transports[name] for name in set(self._wants.values()) & self._transports.keys()}
        return changes

    def _read(self, name: str, raw: Any, tree: Tree) -> Check | None:
        """The check of a service; None for one that is not served, whose problems its compiler tells."""
        self._wants.pop(name, None)
        service, _ = structure_service(raw, "")
        balancer = service.load_balancer if service is not None else None
        config = active_check(balancer) if balancer is not None else None
        if balancer is None or config is None:
            return None
        wanted = qualify(balancer.servers_transport or DEFAULT_TRANSPORT, name)
        self._wants[name] = wanted
        transport = self._transport(wanted, tree)
        urls = tuple(dict.fromkeys(server.url for server in balancer.servers))
        if transport is None or not _is_served(urls):
            return None
        return Check(name, urls, config, transport, balancer.passive_health_check is not None)

    def _transport(self, name: str, tree: Tree) -> TransportSettings | None:
        raw = self._static if name == DEFAULT_TRANSPORT else tree.get(TRANSPORTS, {}).get(name)
        known = self._transports.get(name)
        if known is not None and known[0] is raw:
            return known[1]
        try:
            settings = _settings(raw)
        except ConfigError:
            settings = None
        self._transports[name] = (raw, settings)
        return settings


def _settings(raw: Any) -> TransportSettings | None:
    """None for what cannot be structured; ConfigError for what cannot be used."""
    if isinstance(raw, StaticServersTransport):
        return default_settings(raw)[0]
    config, _ = structure_transport(raw, "") if raw is not None else (None, [])
    return transport_settings(config, "")[0] if config is not None else None


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
