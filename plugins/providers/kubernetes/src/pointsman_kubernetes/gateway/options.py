"""The options of kubernetesGateway (kubernetes.md §4.1)."""

from typing import Any

from attrs import frozen

from pointsman import option
from pointsman_kubernetes.options import CrossingConfig


@frozen(kw_only=True)
class ObjectRef:
    """An object by name."""

    name: str = option(default="", help="Its name")
    namespace: str = option(default="", help="Its namespace")

    def __bool__(self) -> bool:
        return bool(self.name and self.namespace)


@frozen(kw_only=True)
class StatusAddressConfig:
    """What the status of a Gateway says of where it is reached: one of these."""

    ip: str = option(default="", help="IP address that Gateways tell as theirs")
    hostname: str = option(default="", help="Host name that Gateways tell as theirs")
    service: ObjectRef = option(default=ObjectRef(), help="Service whose load balancer's addresses Gateways tell as theirs")

    def __bool__(self) -> bool:
        return bool(self.ip or self.hostname or self.service)


def _whole(_instance: object, _attribute: Any, refs: tuple[ObjectRef, ...]) -> None:
    if not all(refs):
        raise ValueError("each needs a name and a namespace")


@frozen(kw_only=True)
class GatewayConfig(CrossingConfig):
    """And how the Gateway API is read."""

    experimental_channel: bool = option(default=False, help="Read TCPRoutes, which are in the experimental channel")
    status_address: StatusAddressConfig | None = option(default=None, help="What Gateways tell as their address")
    native_lb_by_default: bool = option(
        "nativeLBByDefault", default=False, help="Let the cluster balance, unless a Service says otherwise"
    )
    qps: int = option(default=50, help="Requests per second to the API server; negative for no limit")
    burst: int = option(default=100, help="Requests to the API server at once")
    gateways: tuple[ObjectRef, ...] = option(
        default=(), validator=_whole, help="Gateways to serve, all of our classes if unset"
    )

    def serves(self, namespace: str, name: str) -> bool:
        """Whether a Gateway of one of our classes is to be served."""
        return not self.gateways or ObjectRef(name=name, namespace=namespace) in self.gateways
