"""Services and transports to handlers (routing.md §5, §7)."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import define, fields_dict, frozen

from pointsman.api import Balancer, Handler, Peer
from pointsman.catalogue import missing
from pointsman.compile.composites import Child, Composites
from pointsman.compile.health import NO_CARE, Care, care, odd_checks
from pointsman.compile.parts import DEEPEST, SERVICES, TRANSPORTS, Surroundings, Tree, qualify
from pointsman.compile.redirections import redirections
from pointsman.compile.transports import transport_settings
from pointsman.config.dynamic import structure_service, structure_transport
from pointsman.config.http_model import LoadBalancer, Service, Timeouts
from pointsman.errors import ConfigError, Problem
from pointsman.message import Request, Response
from pointsman.upstream.attentive import AttentiveForwarder, Timed
from pointsman.upstream.composite_mirror import Mirroring
from pointsman.upstream.forward import Forwarder
from pointsman.upstream.impatient import NO_LIMITS, ImpatientForwarder, Limits
from pointsman.upstream.retry_budget import RetryBudget
from pointsman.upstream.status import Health, PeersHealth
from pointsman.upstream.sticky import Sticky
from pointsman.upstream.transport import Transport, peer_from

DEFAULT_TRANSPORT = "default@internal"
INTERNAL_OFF = {
    "api@internal": "api is not enabled",
    "dashboard@internal": "dashboard is not enabled",
    "ping@internal": "ping is not enabled",
    "prometheus@internal": "prometheus is not enabled",
    "rest@internal": "rest is not enabled",
    "acme-http@internal": "HTTP challenge is not enabled",
}
_OPTIONS: Final = frozenset(fields_dict(LoadBalancer))
"""What a service says that a strategy may ask for."""
KINDS = ("load_balancer", "weighted", "highest_random_weight", "mirroring", "failover")
SPELLED = dict(zip(KINDS, ("loadBalancer", "weighted", "highestRandomWeight", "mirroring", "failover"), strict=True))


@frozen(eq=False)
class TransportEntry:
    raw: Any
    transport: Transport
    warnings: tuple[Problem, ...] = ()


@frozen(eq=False)
class ServiceEntry:
    """A service ready to be used: its handler, the names of its own middlewares, and what it was built from."""

    name: str
    raw: Any
    handler: Handler
    middlewares: tuple[str, ...] = ()
    needs: tuple[Any, ...] = ()
    peers: tuple[Peer, ...] = ()
    warnings: tuple[Problem, ...] = ()
    health: Health | None = None
    """Whether it is up, if it is one that can tell (routing.md §5.6)."""
    kind: str = ""
    """As it is written: loadBalancer, weighted ...; "" for an internal one."""
    care: Care = NO_CARE
    """Who looks after its peers."""
    drain_seconds: float = 0.0
    """How long a server that has left it may take to finish; negative is without limit."""


def noop(request: Request) -> Response:
    """`noop@internal`: what stands under a redirect; 418 if it is reached (routing.md §2)."""
    return Response(418)


Front = Callable[[ServiceEntry], tuple[Handler, Sequence[Any]]]


def _bare(entry: ServiceEntry) -> tuple[Handler, Sequence[Any]]:
    return entry.handler, ()


@define
class Services:
    """The services of one compilation, built when first asked for. ConfigError for one that cannot be."""

    tree: Tree
    around: Surroundings
    default_transport: TransportEntry
    old: Mapping[str, ServiceEntry]
    old_transports: Mapping[str, TransportEntry]
    built: dict[str, ServiceEntry]
    transports: dict[str, TransportEntry]
    broken: dict[str, tuple[Problem, ...]]
    """Not the errors: their tracebacks hold all of this compilation, in a cycle that nobody would ever collect."""
    broken_transports: dict[str, tuple[Problem, ...]]
    path: list[str]
    successions: list[tuple[ServiceEntry, ServiceEntry]]
    """Running services, and those that will serve in their place, where somebody looks after the servers of either."""
    front: Front = _bare
    """How a service is put behind its own middlewares; whoever knows middlewares sets it."""

    @classmethod
    def begin(
        cls,
        tree: Tree,
        around: Surroundings,
        default_transport: TransportEntry,
        old: Mapping[str, ServiceEntry],
        old_transports: Mapping[str, TransportEntry],
    ) -> "Services":
        return cls(tree, around, default_transport, old, old_transports, {}, {}, {}, {}, [], [])

    def get(self, reference: str, owner: str) -> ServiceEntry:
        """The service that `owner` calls `reference`."""
        name = qualify(reference, owner)
        entry = self.built.get(name)
        if entry is not None:
            return entry
        if name in self.path:
            chain = "->".join(f"service:{part}" for part in [*self.path[self.path.index(name) :], name])
            raise ConfigError(Problem(f"{SERVICES}.{name}", f"recursion detected in {chain}"))
        if name in self.broken:
            raise ConfigError(self.broken[name])
        if len(self.path) >= DEEPEST:
            raise ConfigError(Problem(f"{SERVICES}.{name}", f"is more than {DEEPEST} services deep"))
        self.path.append(name)
        try:
            entry = self._reused(name) or self._build(name)
        except ConfigError as error:
            self.broken[name] = error.problems
            raise
        finally:
            self.path.pop()
        self.built[name] = entry
        old = self.old.get(name)
        if old is not None and old is not entry and (old.care or entry.care):
            self.successions.append((old, entry))
        return entry

    def child(self, reference: str, owner: str) -> Child:
        """The service that the service `owner` calls `reference`, behind its own middlewares (routing.md §1.3)."""
        entry = self.get(reference, owner)
        handler, uses = self.front(entry)
        return Child(reference, entry.kind, handler, entry.health, (entry, *uses))

    def seal(self) -> None:
        """The compilation is done: let go of whoever made `front`, who holds this."""
        self.front = _bare

    def _reused(self, name: str) -> ServiceEntry | None:
        """The running entry, if it and all it needs are as they were."""
        old = self.old.get(name)
        if old is None or self.tree.get(SERVICES, {}).get(name) is not old.raw:
            return None
        for need in old.needs:
            if isinstance(need, TransportEntry):
                if self._transport_by_identity(need) is not need:
                    return None
            elif isinstance(need, ServiceEntry):
                entry = self.get(need.name, name)
                if entry is not need or any(use not in old.needs for use in self.front(entry)[1]):
                    return None
        return old

    def _transport_by_identity(self, entry: TransportEntry) -> TransportEntry | None:
        if entry is self.default_transport:
            return entry
        name = next((name for name, old in self.old_transports.items() if old is entry), None)
        return self.transport(name, name) if name is not None else None

    def _build(self, name: str) -> ServiceEntry:
        path = f"{SERVICES}.{name}"
        if name.endswith("@internal"):
            return self._internal(name)
        raw = self.tree.get(SERVICES, {}).get(name)
        if raw is None:
            raise ConfigError(Problem("", f'the service "{name}" does not exist', missing=name))
        service, problems = structure_service(raw, path)
        if service is None:
            raise ConfigError(problems)
        kinds = [kind for kind in KINDS if getattr(service, kind) is not None]
        if not kinds:
            message = f'the service "{name}" does not have any type defined; give it one of {", ".join(SPELLED.values())}'
            raise ConfigError(Problem(path, message))
        if len(kinds) > 1:
            named = ", ".join(SPELLED[kind] for kind in kinds)
            raise ConfigError(Problem(path, f"multi-types service not supported; here are {named}, keep one"))
        if service.load_balancer is not None:
            return self._load_balancer(name, raw, service, service.load_balancer)
        composites = Composites(self.child, self.around.registry.balancers["wrr"])
        built = composites.build(name, path, service)
        if isinstance(built.handler, Mirroring):
            help = "Requests that were not mirrored since too many were under way"
            built.handler.on_drop = self.around.of_service("pointsman_mirror_dropped_total", help, name).add
        return ServiceEntry(
            name,
            raw,
            built.handler,
            tuple(service.middlewares),
            built.needs,
            (),
            built.warnings,
            built.health,
            SPELLED[kinds[0]],
        )

    def _internal(self, name: str) -> ServiceEntry:
        if name == "noop@internal":
            return ServiceEntry(name, None, noop)
        handler = self.around.internal.get(name)
        if handler is None and name.startswith("redirect-"):
            handler = next((each for each in redirections(self.around.static) if f"{each.service}@internal" == name), None)
        if handler is None:
            raise ConfigError(Problem("", INTERNAL_OFF.get(name, f"unknown internal service {name}")))
        return ServiceEntry(name, None, handler)

    def _load_balancer(self, name: str, raw: Any, service: Service, balancer: LoadBalancer) -> ServiceEntry:
        path = f"{SERVICES}.{name}.loadBalancer"
        strategies = self.around.registry.balancers
        strategy = strategies.get(balancer.strategy or "wrr")
        if strategy is None:
            raise ConfigError(Problem(f"{path}.strategy", missing("balancers", balancer.strategy, strategies)))
        transport = self.transport(balancer.servers_transport or DEFAULT_TRANSPORT, name)
        peers: list[Peer] = []
        problems: list[Problem] = []
        warnings = odd_checks(path, balancer) + _without_effect(path, balancer, strategy)
        for position, server in enumerate(balancer.servers):
            try:
                peer = peer_from(server.url, weight=server.weight, preserve_path=server.preserve_path)
            except ValueError as error:
                problems.append(Problem(f"{path}.servers[{position}].url", str(error)))
                continue
            if peer.h2c and not transport.transport.settings.http2:
                message = "is spoken to in HTTP/2, which its serversTransport disables, so every request to it is a 502"
                warnings.append(Problem(f"{path}.servers[{position}].url", message, warning=True))
            peer.pool = transport.transport.pool_for(peer)
            peers.append(peer)
        if problems:
            raise ConfigError(problems)
        open_to_all = [peer for peer, server in zip(peers, balancer.servers, strict=True) if not server.fenced]
        chooser = strategy(_options(strategy, balancer), None)
        retries = _retries(path, balancer, peers)
        handler = _forwarder(
            _sticky(name, balancer, strategy, peers),
            getattr(chooser, "answered", None),
            retries,
            _limits(balancer.timeouts),
            name,
            chooser.over(open_to_all),
            transport.transport,
            pass_host=balancer.pass_host_header,
            flush_seconds=flush_seconds(balancer.response_forwarding.flush_interval),
        )
        looked_after = care(name, balancer, strategy, peers, _picked(strategy, open_to_all), handler)
        if looked_after.outliers is not None:
            ejected = self.around.of_service("pointsman_ejections_total", "Servers put out by outlier detection", name)
            looked_after.outliers.on_eject = ejected.add
        return ServiceEntry(
            name,
            raw,
            handler,
            tuple(service.middlewares),
            (transport,),
            tuple(peers),
            tuple(warnings),
            PeersHealth(peers) if balancer.health_check is not None else None,
            "loadBalancer",
            looked_after,
            balancer.drain_timeout,
        )

    def transport(self, reference: str, owner: str) -> TransportEntry:
        """The transport that `owner` calls `reference`. ConfigError for one that is not there or is broken."""
        name = qualify(reference, owner)
        if name == DEFAULT_TRANSPORT:
            return self.default_transport
        entry = self.transports.get(name)
        if entry is not None:
            return entry
        if name in self.broken_transports:
            raise ConfigError(self.broken_transports[name])
        raw = self.tree.get(TRANSPORTS, {}).get(name)
        if raw is None:
            raise ConfigError(
                Problem(f"{SERVICES}.{owner}.loadBalancer.serversTransport", f"servers transport not found {name}")
            )
        old = self.old_transports.get(name)
        try:
            entry = old if old is not None and old.raw is raw else self._new_transport(raw, f"{TRANSPORTS}.{name}")
        except ConfigError as error:
            self.broken_transports[name] = error.problems
            raise
        self.transports[name] = entry
        return entry

    def _new_transport(self, raw: Any, path: str) -> TransportEntry:
        transport, problems = structure_transport(raw, path)
        if transport is None:
            raise ConfigError(problems)
        settings, warnings = transport_settings(transport, path)
        return TransportEntry(raw, Transport(settings, self.around.deadlines, self.around.names), tuple(warnings))


def _sticky(name: str, balancer: LoadBalancer, strategy: type[Balancer], peers: list[Peer]) -> Sticky[Peer] | None:
    """The cookie, if there is one: it names whoever may be picked, and who is fenced (routing.md §5.3)."""
    cookie = balancer.sticky.cookie if balancer.sticky is not None else None
    if cookie is None or not getattr(strategy, "sticky", True):
        return None
    return Sticky(cookie, name, [(peer.url, peer) for peer in _picked(strategy, peers)])


def _picked(strategy: type[Balancer], peers: Sequence[Peer]) -> list[Peer]:
    """Those that a strategy ever picks of these."""
    weighs = getattr(strategy, "weighs", True)
    return [peer for peer in peers if peer.weight > 0 or not weighs]


def _options(strategy: type[Balancer], balancer: LoadBalancer) -> Any:
    """The strategy's Config, with what the service says of the options that both have."""
    return strategy.Config(**{name: getattr(balancer, name) for name in fields_dict(strategy.Config) if name in _OPTIONS})


def _without_effect(path: str, balancer: LoadBalancer, strategy: type[Balancer]) -> list[Problem]:
    found = []
    if balancer.slow_start > 0 and not getattr(strategy, "sticky", True):
        message = f"has no effect with strategy {balancer.strategy}, whose clients keep their servers; leave it out"
        found.append(Problem(f"{path}.slowStart", message, warning=True))
    if balancer.nginx_upstream_hash_by and "nginx_upstream_hash_by" not in fields_dict(strategy.Config):
        way_out = "choose one that keeps servers by a key, or leave it out"
        message = f"has no effect with strategy {balancer.strategy or 'wrr'}; {way_out}"
        found.append(Problem(f"{path}.nginxUpstreamHashBy", message, warning=True))
    return found


def _retries(path: str, balancer: LoadBalancer, peers: Sequence[Peer]) -> RetryBudget | None:
    """The retry budget, if there is one, which these peers remember. ConfigError for shares below 0."""
    config = balancer.retry_budget
    if config is None:
        return None
    for key, value in (("percent", config.percent), ("minRetriesPerSecond", config.min_retries_per_second)):
        if value < 0:
            raise ConfigError(Problem(f"{path}.retryBudget.{key}", f"{value:g} is less than nothing; give 0 or more"))
    budget = RetryBudget(config.percent, config.min_retries_per_second)
    for peer in peers:
        peer.retries = budget
    return budget


def _limits(timeouts: Timeouts) -> Limits:
    seconds = (timeouts.connect, timeouts.first_byte, timeouts.request, timeouts.idle)
    return Limits(*(max(0.0, each) for each in seconds))


def _forwarder(
    sticky: Sticky[Peer] | None,
    timed: Timed | None,
    retries: RetryBudget | None,
    limits: Limits,
    *args: Any,
    **options: Any,
) -> Forwarder:
    if limits != NO_LIMITS:
        return ImpatientForwarder(*args, sticky=sticky, timed=timed, retries=retries, limits=limits, **options)
    if sticky is None and timed is None and retries is None:
        return Forwarder(*args, **options)
    return AttentiveForwarder(*args, sticky=sticky, timed=timed, retries=retries, **options)


def flush_seconds(interval: float) -> float:
    """`flushInterval` as responses carry it: negative means every write, 0 only what is full or over (routing.md §6.6)."""
    if interval < 0:
        return 0.0
    return interval or math.inf
