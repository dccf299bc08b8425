"""What things are called that are made of custom resources (kubernetes.md §3.12).

The names are a promise: users write them in other providers (`default-auth@kubernetescrd`). The legacy ones can be the same
for two objects, which `references` finds out; the safe ones cannot, for no name of Kubernetes holds a `_`.
"""

from attrs import frozen

from pointsman_kubernetes.names import digest, norm

Port = int | str | None


@frozen
class Names:
    """Both ways of naming."""

    safe: bool = False
    """`safeNaming`."""

    def of(self, namespace: str, name: str) -> str:
        """A Middleware, MiddlewareTCP, ServersTransport, ServersTransportTCP or TraefikService."""
        return f"{namespace}_{name}" if self.safe else norm(namespace, name)

    def tls(self, namespace: str, name: str) -> str:
        """A TLSOption or TLSStore. The one called `default` is the same for every namespace."""
        if name == "default":
            return name
        return f"{namespace}_{name}" if self.safe else f"{namespace}-{name}"

    def router(self, namespace: str, name: str, index: int, match: str) -> str:
        """The router of one route of an IngressRoute."""
        return f"{namespace}_{name}_{index}" if self.safe else norm(namespace, name, digest(match))

    def tcp_router(self, namespace: str, name: str, index: int, match: str) -> str:
        """The router of one route of an IngressRouteTCP."""
        return f"{namespace}_{name}_{index}" if self.safe else f"{namespace}-{name}-{digest(match)}"

    def udp_router(self, namespace: str, name: str, index: int) -> str:
        """The router of one route of an IngressRouteUDP."""
        return f"{namespace}_{name}_{index}" if self.safe else f"{namespace}-{name}-{index}"

    def service(self, router: str, *, several: bool = False) -> str:
        """What a router of any protocol sends to: a load balancer, or a choice among several."""
        return f"{router}_{'wrr' if several else 'lb'}" if self.safe else router

    def child(self, role: str, namespace: str, name: str, port: Port) -> str:
        """One Service below an HTTP service; `role` is what it is there: `default_web_0_wrr_1`, `default_shop_fallback`."""
        parts = [namespace, name] if port in (None, "", 0) else [namespace, name, str(port)]
        return "_".join([role, *parts]) if self.safe else norm(*parts)

    def stream_child(self, router: str, index: int, namespace: str, name: str, port: Port) -> str:
        """One of several Services of a TCP or UDP router."""
        return f"{router}_wrr_{index}_{namespace}_{name}_{port}" if self.safe else f"{router}-{name}-{port}"

    def error_page(self, namespace: str, name: str) -> str:
        """The service of the `errors` middleware of that name."""
        return f"{self.of(namespace, name)}-errorpage-service"
