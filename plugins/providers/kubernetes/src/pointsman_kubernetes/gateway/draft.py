"""What one build makes of a cluster, while it is being made."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

from pointsman.errors import Problem
from pointsman_kubernetes.backends import Backend
from pointsman_kubernetes.crd.references import Owner
from pointsman_kubernetes.gateway.grants import Grants
from pointsman_kubernetes.gateway.listeners import Gateway
from pointsman_kubernetes.gateway.options import GatewayConfig
from pointsman_kubernetes.gateway.order import Contender
from pointsman_kubernetes.kinds import Kind
from pointsman_kubernetes.objects import Object, Objects, key_of
from pointsman_kubernetes.outcome import StatusUpdate

Section = dict[str, Any]


class Refused(Exception):
    """What a route names is not to be had: the reason as conditions give it, and a message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class Unresolved(Refused):
    """So is an object that a filter names: the reason is one of ResolvedRefs."""


Secure = Callable[[Any, Backend], Mapping[str, Any] | None]
"""The serversTransport that policies want for a backend of an `Attachment`; None for no TLS. Raises Refused."""


def _plainly(attachment: Any, backend: Backend) -> None:
    return None


@define(eq=False)
class Draft:
    """The cluster, and what has been made of it until now. Kinds of routes add to the sections and to the rest."""

    objects: Objects
    config: GatewayConfig
    grants: Grants
    extension: Callable[[Owner, str], str]
    """What the Middleware of that name beside a route is called. Raises Unresolved."""
    gateways: dict[tuple[str, str], Gateway] = field(factory=dict)
    """Those that are served, by namespace and name."""
    http: dict[str, Section] = field(
        factory=lambda: {"routers": {}, "services": {}, "middlewares": {}, "serversTransports": {}}
    )
    tcp: dict[str, Section] = field(
        factory=lambda: {"routers": {}, "services": {}, "middlewares": {}, "serversTransports": {}}
    )
    certificates: dict[str, Mapping[str, Any]] = field(factory=dict)
    """What listeners serve, by `namespace/name` of the Secret."""
    contenders: list[Contender] = field(factory=list)
    """HTTP routers that are to be put in order when all are known (`order.settle`)."""
    secure: Secure = _plainly
    """What `backends` asks about TLS to servers. BackendTLSPolicies put their own here."""
    backends: dict[tuple[str, str, int], Backend | Refused] = field(factory=dict)
    """Those that were asked for, by namespace, name and port."""
    catch_alls: dict[tuple[str, bool], int] = field(factory=dict)
    """How many TCP routers take any name, by entry point, and whether they are for TLS."""
    owners: dict[str, bool] = field(factory=dict)
    """Whether routers, by their names, leave TLS to the servers."""
    problems: list[Problem] = field(factory=list)
    statuses: list[StatusUpdate] = field(factory=list)

    def complain(self, kind: Kind, thing: Object, message: str) -> None:
        """Warn of an object."""
        self.problems.append(Problem(f"{kind.name.lower()} {key_of(thing)}", message, warning=True))

    def document(self) -> dict[str, Any]:
        """With all sections."""
        return {
            "http": self.http,
            "tcp": self.tcp,
            "udp": {"routers": {}, "services": {}},
            "tls": {"certificates": [each for _, each in sorted(self.certificates.items())]},
        }
