"""`tcp.*` and `udp.*` of the dynamic configuration (routing.md §1.4, §1.5, §7.2)."""

from attrs import field, frozen

from pointsman.config.http_model import HealthPropagation
from pointsman.config.tls_model import ClientTLS, Domain
from pointsman.values import Duration, allow_empty


@frozen
class TCPRouterTLS:
    """Present: the router takes only TLS connections."""

    passthrough: bool = False
    options: str = ""
    cert_resolver: str = ""
    domains: list[Domain] = field(factory=list)


@frozen
class TCPRouter:
    """`tcp.routers.<name>`."""

    entry_points: list[str] = field(factory=list)
    rule: str = ""
    rule_syntax: str = ""
    priority: int = 0
    middlewares: list[str] = field(factory=list)
    service: str = ""
    tls: TCPRouterTLS | None = allow_empty(default=None)


@frozen
class TCPServer:
    address: str = ""
    tls: bool = False


@frozen
class ProxyProtocol:
    """Which PROXY header to send; `{}` means version 2."""

    version: int = 2


@frozen
class TCPHealthCheck:
    """Probes by connecting, sending and expecting (routing.md §8.7); `{}` only connects."""

    port: int = 0
    send: str = ""
    expect: str = ""
    interval: Duration = Duration(30.0)
    unhealthy_interval: Duration | None = None
    """None: as `interval`."""
    timeout: Duration = Duration(5.0)
    healthy_threshold: int = 1
    """Good probes in a row that bring a server back (new)."""
    unhealthy_threshold: int = 1
    """Failed probes in a row that put one out (new)."""


@frozen
class TCPLoadBalancer:
    servers: list[TCPServer] = field(factory=list)
    servers_transport: str = ""
    """Empty means `default@internal`."""
    proxy_protocol: ProxyProtocol | None = allow_empty(default=None)
    termination_delay: int | None = None
    """Milliseconds; deprecated for the transport's (routing.md §8.6)."""
    health_check: TCPHealthCheck | None = allow_empty(default=None)


@frozen
class TCPWeightedChild:
    name: str = ""
    weight: int = 1


@frozen
class TCPWeighted:
    services: list[TCPWeightedChild] = field(factory=list)
    health_check: HealthPropagation | None = allow_empty(default=None)


@frozen
class TCPService:
    """`tcp.services.<name>`: one of its types must be there, which the compiler checks."""

    load_balancer: TCPLoadBalancer | None = None
    weighted: TCPWeighted | None = None


@frozen
class TCPServersTransport:
    """`tcp.serversTransports.<name>` (routing.md §7.2)."""

    dial_timeout: Duration = Duration(30.0)
    dial_keep_alive: Duration = Duration(15.0)
    termination_delay: Duration = Duration(0.1)
    proxy_protocol: ProxyProtocol | None = allow_empty(default=None)
    tls: ClientTLS | None = allow_empty(default=None)


@frozen
class UDPRouter:
    """`udp.routers.<name>`."""

    entry_points: list[str] = field(factory=list)
    service: str = ""


@frozen
class UDPServer:
    address: str = ""


@frozen
class UDPLoadBalancer:
    servers: list[UDPServer] = field(factory=list)


@frozen
class UDPWeighted:
    services: list[TCPWeightedChild] = field(factory=list)


@frozen
class UDPService:
    """`udp.services.<name>`."""

    load_balancer: UDPLoadBalancer | None = None
    weighted: UDPWeighted | None = None
