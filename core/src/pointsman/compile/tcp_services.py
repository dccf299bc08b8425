"""TCP services and their transports (routing.md §7.2, §8.7)."""

from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from pointsman.api import Peer
from pointsman.compile.elements import StreamServices
from pointsman.compile.health import odd_thresholds
from pointsman.compile.parts import TCP_SERVICES, TCP_TRANSPORTS, Tree, qualify
from pointsman.compile.services import DEFAULT_TRANSPORT
from pointsman.compile.tcp_transports import default_tcp_settings, tcp_settings
from pointsman.config.dynamic import structure_element
from pointsman.config.static import StaticTCPServersTransport
from pointsman.config.tcp_model import TCPHealthCheck, TCPLoadBalancer, TCPWeighted
from pointsman.errors import ConfigError, Problem
from pointsman.net.names import Names
from pointsman.upstream.shares import Choice, Share, Shares
from pointsman.upstream.status import AnyHealth, Health, PeersHealth
from pointsman.upstream.tcp import TcpServers, TcpSettings, tcp_peer

MAX_PAYLOAD = 65_535


@frozen(eq=False)
class TcpTransportEntry:
    """A TCP `serversTransport`, ready to be used."""

    name: str
    raw: Any
    settings: TcpSettings
    warnings: tuple[Problem, ...] = ()


@frozen(eq=False)
class TcpServiceEntry:
    """A TCP service, ready to be used, and what it was built from."""

    name: str
    raw: Any
    service: Choice[TcpServers]
    needs: tuple[Any, ...] = ()
    peers: tuple[Peer, ...] = ()
    warnings: tuple[Problem, ...] = ()
    health: Health | None = None
    """Whether it is up, if it is one that can tell."""


class TcpServices(StreamServices[TcpServiceEntry]):
    """The TCP services of one compilation."""

    section = TCP_SERVICES

    def __init__(
        self,
        tree: Tree,
        default: TcpTransportEntry,
        old: Mapping[str, TcpServiceEntry],
        old_transports: Mapping[str, TcpTransportEntry],
        names: Names,
    ) -> None:
        super().__init__(tree, old)
        self._names = names
        self.transports: dict[str, TcpTransportEntry] = {}
        self._default = default
        self._old_transports = old_transports
        self._raw_transports: Mapping[str, Any] = tree.get(TCP_TRANSPORTS, {})

    def transport(self, reference: str, owner: str) -> TcpTransportEntry:
        """The transport that a service calls so. ConfigError if there is none that can be used."""
        name = qualify(reference, owner)
        if name == DEFAULT_TRANSPORT:
            return self._default
        entry = self.transports.get(name)
        if entry is not None:
            return entry
        raw, path = self._raw_transports.get(name), f"{TCP_TRANSPORTS}.{name}"
        if raw is None:
            raise ConfigError(
                Problem(f"{TCP_SERVICES}.{owner}.loadBalancer.serversTransport", f"servers transport not found {name}")
            )
        entry = self._old_transports.get(name)
        if entry is None or entry.raw is not raw:
            config, problems = structure_element(TCP_TRANSPORTS, raw, path)
            if config is None:
                raise ConfigError(problems)
            settings, warnings = tcp_settings(config, path)
            entry = TcpTransportEntry(name, raw, settings, tuple(warnings))
        self.transports[name] = entry
        return entry

    def _still(self, need: Any, owner: str) -> bool:
        if isinstance(need, TcpTransportEntry):
            return self.transport(need.name, owner) is need
        return super()._still(need, owner)

    def _load_balancer(self, name: str, raw: Any, path: str, config: TCPLoadBalancer) -> TcpServiceEntry:
        transport = self.transport(config.servers_transport or DEFAULT_TRANSPORT, name)
        settings, warnings = _with_old_places(transport, config, path)
        peers: list[Peer] = []
        for place, server in enumerate(config.servers):
            try:
                peers.append(tcp_peer(server.address, server.tls))
            except ValueError as error:
                warnings.append(Problem(f"{path}.servers[{place}].address", f"left out: {error}", warning=True))
        check = config.health_check
        if check is not None:
            warnings += odd_check(check, path)
        health = PeersHealth(peers) if check is not None else None
        service = TcpServers(name, peers, settings, self._names)
        return TcpServiceEntry(name, raw, service, (transport,), tuple(peers), tuple(warnings), health)

    def _weighted(self, name: str, raw: Any, path: str, config: TCPWeighted) -> TcpServiceEntry:
        children: list[TcpServiceEntry] = []
        problems: list[Problem] = []
        for place, share in enumerate(config.services):
            at = f"{path}.services[{place}].name"
            try:
                child = self.get(share.name, name)
                if config.health_check is not None and child.health is None:
                    raise ConfigError(Problem(at, _not_enabled(share.name)))
                children.append(child)
            except ConfigError as error:
                problems += [problem if problem.path else Problem(at, problem.message) for problem in error.problems]
        if problems:
            raise ConfigError(problems)
        shares = [
            Share[TcpServers](
                share.name, child.service, share.weight, child.health if config.health_check is not None else None
            )
            for share, child in zip(config.services, children, strict=True)
        ]
        watched = [share.health for share in shares if share.health is not None and share.weight > 0]
        health = AnyHealth(watched) if watched else None
        return TcpServiceEntry(name, raw, Shares[TcpServers](name, shares), tuple(children), health=health)


def default_tcp_transport(static: StaticTCPServersTransport) -> TcpTransportEntry:
    """`default@internal` of TCP."""
    settings, warnings = default_tcp_settings(static)
    return TcpTransportEntry(DEFAULT_TRANSPORT, None, settings, tuple(warnings))


def _with_old_places(transport: TcpTransportEntry, config: TCPLoadBalancer, path: str) -> tuple[TcpSettings, list[Problem]]:
    """The settings with what is written in its old place, which counts only where no transport is named."""
    settings, warnings = transport.settings, []
    version, delay = config.proxy_protocol, config.termination_delay
    if version is not None and version.version not in (1, 2):
        raise ConfigError(Problem(f"{path}.proxyProtocol.version", f"unknown version {version.version}; write 1 or 2"))
    for key, value in (("proxyProtocol", version), ("terminationDelay", delay)):
        if value is not None:
            has = "has no effect beside serversTransport" if config.servers_transport else "is deprecated"
            message = f"{has}; write it in a serversTransport"
            warnings.append(Problem(f"{path}.{key}", message, warning=True))
    if not config.servers_transport:
        if version is not None:
            settings = evolve(settings, proxy_version=version.version)
        if delay is not None:
            settings = evolve(settings, termination_delay=delay / 1000)
    return settings, warnings


def odd_check(check: TCPHealthCheck, path: str) -> list[Problem]:
    """What in a health check does not mean what it says."""
    problems = []
    for key, text in (("send", check.send), ("expect", check.expect)):
        if len(text.encode()) > MAX_PAYLOAD:
            problems.append(
                Problem(f"{path}.healthCheck.{key}", f"is longer than {MAX_PAYLOAD} bytes, so it is left out", warning=True)
            )
    if check.interval <= 0:
        message = f"{check.interval:g}s is no interval, so it is 30s; give a duration above 0"
        problems.append(Problem(f"{path}.healthCheck.interval", message, warning=True))
    return problems + odd_thresholds(check, path)


def within_limits(check: TCPHealthCheck) -> TCPHealthCheck:
    """The check without what is too long to be said or expected."""
    send, expect = ("" if len(text.encode()) > MAX_PAYLOAD else text for text in (check.send, check.expect))
    return evolve(check, send=send, expect=expect)


def _not_enabled(name: str) -> str:
    return f"healthCheck not enabled in config for this service: '{name}'; give it a healthCheck"
