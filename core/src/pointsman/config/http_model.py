"""`http.*` of the dynamic configuration (routing.md §1.2, §1.3, §5, §7.1).

What only disables an element (an unknown strategy, a percent of 101, two types in one service) is shape enough to load;
whoever compiles the element refuses it.
"""

from attrs import field, frozen

from pointsman.config.tls_model import Certificate, Domain, PeerCertSAN, Spiffe
from pointsman.values import Duration, FileOrContent, Url, allow_empty, option, shown_url


@frozen
class RouterTLS:
    """Present: the router serves only TLS."""

    options: str = ""
    cert_resolver: str = ""
    domains: list[Domain] = field(factory=list)


@frozen
class RouterObservability:
    """Signals for this router; None inherits the entry point's choice."""

    access_logs: bool | None = None
    metrics: bool | None = None
    tracing: bool | None = None
    trace_verbosity: str = ""
    """Empty inherits; any word but `detailed` acts as `minimal`."""
    metadata: dict[str, dict[str, str]] = field(factory=dict)
    """What an orchestrator knows of the router's origin."""


@frozen
class Router:
    """`http.routers.<name>`."""

    entry_points: list[str] = field(factory=list)
    rule: str = ""
    rule_syntax: str = ""
    priority: int = 0
    middlewares: list[str] = field(factory=list)
    service: str = ""
    parent_refs: list[str] = field(factory=list)
    tls: RouterTLS | None = allow_empty(default=None)
    observability: RouterObservability | None = None
    loop_guard: bool = False
    """Refuse requests that come back to it (new). The default rules of providers make such routers."""


def _without_password(url: str) -> Url:
    return Url(shown_url(url))


@frozen
class Server:
    """One server of a load balancer."""

    url: Url = field(default=Url(""), converter=_without_password)
    """A password in it is of no use to servers, and goes no further than this."""
    weight: int = 1
    preserve_path: bool = False
    fenced: bool = False
    """Terminating: keeps its sticky sessions, chosen for nothing new."""


@frozen
class Cookie:
    """The sticky cookie (routing.md §5.3)."""

    name: str = ""
    """Empty: made from the service's name."""
    secure: bool = False
    http_only: bool = False
    same_site: str = ""
    max_age: int = 0
    path: str = "/"
    domain: str = ""
    expires: int = 0


@frozen
class Sticky:
    cookie: Cookie | None = allow_empty(default=None)


@frozen
class HealthCheck:
    """Active probes of servers (routing.md §5.4)."""

    path: str = ""
    scheme: str = ""
    port: int = 0
    hostname: str = ""
    method: str = "GET"
    headers: dict[str, str] = field(factory=dict)
    status: int = 0
    """0: any of 200-399 is healthy."""
    follow_redirects: bool = True
    mode: str = "http"
    interval: Duration = Duration(30.0)
    unhealthy_interval: Duration | None = None
    """None: as `interval`."""
    timeout: Duration = Duration(5.0)
    healthy_threshold: int = 1
    """Good probes in a row that bring a server back (new)."""
    unhealthy_threshold: int = 1
    """Failed probes in a row that put one out (new)."""


@frozen
class PassiveHealthCheck:
    """Judging servers by their answers (routing.md §5.5)."""

    failure_window: Duration = Duration(10.0)
    max_failed_attempts: int = 1


@frozen
class OutlierDetection:
    """Ejecting servers that fail where others do not (new). 0 turns a limit off."""

    consecutive_5xx_errors: int = option("consecutive5xxErrors", default=5)
    consecutive_gateway_errors: int = 0
    """502, 503 and 504, also those that the gateway gives in place of a server."""
    failure_percentage: int = 0
    """Of all requests in an interval, once there were `request_volume`."""
    request_volume: int = 50
    interval: Duration = Duration(10.0)
    base_ejection_time: Duration = Duration(30.0)
    max_ejection_time: Duration = Duration(300.0)
    max_ejection_percent: int = 10


@frozen
class HealthPropagation:
    """`healthCheck: {}` of a composite service (routing.md §5.6)."""


@frozen
class ResponseForwarding:
    flush_interval: Duration = Duration(0.1)


@frozen
class Timeouts:
    """How long a server of this service may take; 0 means none (new)."""

    connect: Duration = Duration(0.0)
    first_byte: Duration = Duration(0.0)
    request: Duration = Duration(0.0)
    idle: Duration = Duration(0.0)


@frozen
class RetryBudget:
    """How many retries may be added to the traffic of a service (new)."""

    percent: float = 20.0
    """Of the requests of the last ten seconds."""
    min_retries_per_second: float = 10.0
    """What is allowed besides, so that a service with little traffic can be retried, too."""


@frozen
class LoadBalancer:
    """Servers, and how to choose among them."""

    servers: list[Server] = field(factory=list)
    strategy: str = "wrr"
    sticky: Sticky | None = allow_empty(default=None)
    health_check: HealthCheck | None = None
    passive_health_check: PassiveHealthCheck | None = None
    outlier_detection: OutlierDetection | None = allow_empty(default=None)
    slow_start: Duration = Duration(0.0)
    """How long the share of a server that comes back grows to its weight (new); 0: it has it at once."""
    pass_host_header: bool = True
    response_forwarding: ResponseForwarding = field(factory=ResponseForwarding)
    servers_transport: str = ""
    """Empty means `default@internal`."""
    nginx_upstream_hash_by: str = ""
    """Text with variables: what strategies that can keep servers by, in place of the client's address."""
    timeouts: Timeouts = field(factory=Timeouts)
    drain_timeout: Duration = Duration(60.0)
    """How long servers that leave may take to finish what they have begun; negative is without limit (new)."""
    retry_budget: RetryBudget | None = allow_empty(default=None)


@frozen
class WeightedChild:
    name: str = ""
    weight: int = 1
    headers: dict[str, str] = field(factory=dict)
    status: int = 0
    grpc_status: int | None = None


@frozen
class Weighted:
    """Weighted round robin over services."""

    services: list[WeightedChild] = field(factory=list)
    sticky: Sticky | None = allow_empty(default=None)
    health_check: HealthPropagation | None = allow_empty(default=None)


@frozen
class HighestRandomWeight:
    """Rendezvous hashing over services."""

    services: list[WeightedChild] = field(factory=list)
    health_check: HealthPropagation | None = allow_empty(default=None)


@frozen
class Mirror:
    name: str = ""
    percent: int = 0


@frozen
class Mirroring:
    """One service answers, others get copies (routing.md §5.7)."""

    service: str = ""
    mirrors: list[Mirror] = field(factory=list)
    mirror_body: bool = True
    max_body_size: int = -1
    health_check: HealthPropagation | None = allow_empty(default=None)


@frozen
class FailoverErrors:
    status: list[str] = field(factory=list)
    max_request_body_bytes: int = -1


@frozen
class Failover:
    """A service and its stand-in (routing.md §5.8)."""

    service: str = ""
    fallback: str = ""
    health_check: HealthPropagation | None = allow_empty(default=None)
    errors: FailoverErrors | None = None


@frozen
class ServiceObservability:
    metadata: dict[str, dict[str, str]] = field(factory=dict)


@frozen
class Service:
    """`http.services.<name>`: exactly one of its types must be there, which the compiler checks."""

    middlewares: list[str] = field(factory=list)
    load_balancer: LoadBalancer | None = None
    weighted: Weighted | None = None
    highest_random_weight: HighestRandomWeight | None = None
    mirroring: Mirroring | None = None
    failover: Failover | None = None
    observability: ServiceObservability | None = None


@frozen
class ForwardingTimeouts:
    """0 means none."""

    dial_timeout: Duration = Duration(30.0)
    response_header_timeout: Duration = Duration(0.0)
    idle_conn_timeout: Duration = Duration(90.0)
    read_idle_timeout: Duration = Duration(0.0)
    ping_timeout: Duration = Duration(15.0)
    read_timeout: Duration = Duration(0.0)
    write_timeout: Duration = Duration(0.0)


@frozen
class ServersTransport:
    """`http.serversTransports.<name>` (routing.md §7.1)."""

    server_name: str = ""
    insecure_skip_verify: bool = False
    root_cas: list[FileOrContent] = option("rootCAs", factory=list)
    certificates: list[Certificate] = field(factory=list)
    cipher_suites: list[str] = field(factory=list)
    min_version: str = ""
    max_version: str = ""
    max_idle_conns_per_host: int = 0
    forwarding_timeouts: ForwardingTimeouts = field(factory=ForwardingTimeouts)
    disable_http2: bool = option("disableHTTP2", default=False)
    peer_cert_uri: str = option("peerCertURI", default="")
    peer_cert_sans: list[PeerCertSAN] = option("peerCertSANs", factory=list)
    spiffe: Spiffe | None = allow_empty(default=None)


@frozen
class Model:
    """`http.models.<name>`: read, and without effect outside the internal provider (routing.md §1.1)."""

    middlewares: list[str] = field(factory=list)
    tls: RouterTLS | None = allow_empty(default=None)
    observability: RouterObservability | None = None
    denied_encoded_path_characters: dict[str, bool] = field(factory=dict)
