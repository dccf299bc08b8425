"""Gateways and their listeners: which entry point each is on, what may be attached, what is wrong (§4.3). Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import define, field, frozen

from pointsman import ListeningPoint
from pointsman.dialect.lookups import at, block, blocks, text
from pointsman_kubernetes.gateway.grants import Grants
from pointsman_kubernetes.gateway.selectors import InvalidSelector, selected
from pointsman_kubernetes.gateway.statuses import Condition, condition
from pointsman_kubernetes.kinds import GATEWAY, GRPC_ROUTE, HTTP_ROUTE, NAMESPACE, TCP_ROUTE, TLS_ROUTE, Kind
from pointsman_kubernetes.objects import Object, Objects, name_of, namespace_of
from pointsman_kubernetes.secrets import Unusable, pair

_KINDS: Final[Mapping[str, tuple[Kind, ...]]] = {
    "HTTP": (HTTP_ROUTE, GRPC_ROUTE),
    "HTTPS": (HTTP_ROUTE, GRPC_ROUTE),
    "TLS": (TLS_ROUTE,),
    "TCP": (TCP_ROUTE,),
}


@define(eq=False)
class Listener:
    """One listener of a Gateway."""

    gateway: Object
    spec: Mapping[str, Any]
    name: str
    port: int
    protocol: str
    """HTTP, HTTPS, TLS or TCP; anything else is refused."""
    hostname: str
    """Lower-case; "" for any."""
    entry_point: str = ""
    namespaces: frozenset[str] | None = frozenset()
    """Whose routes may be attached; None for all."""
    kinds: tuple[Kind, ...] = ()
    """Which routes may be attached."""
    passthrough: bool = False
    """A TLS listener that leaves TLS to the servers."""
    attached: bool = False
    """Whether it serves. One that does not still counts its routes."""
    routes: int = 0
    """How many routes are attached. `attach` counts."""
    conditions: list[Condition] = field(factory=list)
    """What is wrong; empty if nothing is."""

    @property
    def terminates(self) -> bool:
        """Whether routers there are for TLS that ends here."""
        return self.protocol in ("HTTPS", "TLS") and not self.passthrough

    def admits(self, kind: Kind, namespace: str) -> bool:
        """Whether such a route may be attached."""
        return kind in self.kinds and (self.namespaces is None or namespace in self.namespaces)

    def refuse(self, kind: str, reason: str, message: str, *, status: bool = False) -> None:
        """Add a condition that says what is wrong."""
        self.conditions.append(condition(self.gateway, kind, status, reason, message))


@frozen(eq=False)
class Gateway:
    """A Gateway that is served."""

    object: Object
    listeners: Sequence[Listener]

    @property
    def namespace(self) -> str:
        return namespace_of(self.object)

    @property
    def name(self) -> str:
        return name_of(self.object)


@frozen(eq=False)
class Listening:
    """What listeners are read with."""

    objects: Objects
    grants: Grants
    entry_points: Sequence[ListeningPoint]
    experimental: bool

    def gateway(self, thing: Object) -> tuple[Gateway, dict[str, Mapping[str, Any]]]:
        """A Gateway with its listeners, and the certificates they serve, by `namespace/name` of the Secret."""
        listeners: list[Listener] = []
        served: dict[str, Mapping[str, Any]] = {}
        taken: set[tuple[str, int, str]] = set()
        for spec in blocks(thing, "spec", "listeners"):
            port = at(spec, "port")
            listener = Listener(
                thing,
                spec,
                text(spec, "name"),
                port if isinstance(port, int) else 0,
                text(spec, "protocol"),
                text(spec, "hostname").lower(),
            )
            listeners.append(listener)
            if self._place(listener) and self._alone(listener, taken):
                self._secure(listener, served)
        return Gateway(thing, listeners), served

    def _place(self, listener: Listener) -> bool:
        """Whether it can be anywhere at all: its protocol, its entry point, and what may be attached."""
        supported = _KINDS.get(listener.protocol, ())
        if not supported:
            listener.refuse("Accepted", "UnsupportedProtocol", f"The protocol {listener.protocol!r} is not supported")
            return False
        point = next((each for each in self.entry_points if self._fits(each, listener)), None)
        if point is None:
            listener.refuse(
                "Accepted",
                "PortUnavailable",
                f"No entry point listens on port {listener.port} for {listener.protocol}; entry points are on "
                + (", ".join(f"{each.port} ({each.name})" for each in self.entry_points) or "no port"),
            )
            return False
        listener.entry_point = point.name
        try:
            listener.namespaces = self._namespaces(listener)
        except InvalidSelector as error:
            listener.refuse("ResolvedRefs", "InvalidRouteNamespacesSelector", f"allowedRoutes.namespaces: {error}")
            return False
        if listener.protocol == "TCP" and not self.experimental:
            listener.refuse(
                "Conflicted",
                "ProtocolConflict",
                "Protocol TCP needs the experimental channel; set experimentalChannel",
                status=True,
            )
            return False
        return self._allow(listener, supported)

    @staticmethod
    def _fits(point: ListeningPoint, listener: Listener) -> bool:
        if point.port != listener.port or point.protocol != "tcp":
            return False
        return not (listener.protocol == "HTTP" and point.tls)

    def _namespaces(self, listener: Listener) -> frozenset[str] | None:
        own = frozenset({namespace_of(listener.gateway)})
        allowed = block(listener.spec, "allowedRoutes", "namespaces")
        match text(allowed, "from"):
            case "" | "Same":
                return own
            case "All":
                return None
            case "Selector":
                selector = block(allowed, "selector")
                selected({}, selector)  # so that a wrong one is told where there is nothing to select, too
                return frozenset(name_of(each) for each in self.objects.all(NAMESPACE) if selected(each, selector))
            case "None":
                return frozenset()
            case other:
                raise InvalidSelector(f"from: {other!r} is none of All, Same, Selector, None")

    @staticmethod
    def _allow(listener: Listener, supported: Sequence[Kind]) -> bool:
        """Which kinds of routes; False if one is asked for that this protocol does not have."""
        wanted = blocks(listener.spec, "allowedRoutes", "kinds")
        if not wanted:
            listener.kinds = tuple(supported)
            return True
        kinds = []
        for each in wanted:
            group = at(each, "group")
            found = [kind for kind in supported if kind.name == text(each, "kind") and group in (None, kind.group)]
            kinds += found
            if not found:
                listener.refuse(
                    "ResolvedRefs",
                    "InvalidRouteKinds",
                    f"Routes of kind {group or ''}/{text(each, 'kind')} cannot be attached to protocol {listener.protocol}",
                )
        listener.kinds = tuple(dict.fromkeys(kinds))
        return not listener.conditions

    @staticmethod
    def _alone(listener: Listener, taken: set[tuple[str, int, str]]) -> bool:
        key = listener.protocol, listener.port, listener.hostname
        if key in taken:
            listener.refuse(
                "Conflicted",
                "DuplicateListener",
                "An earlier listener has the same protocol, port and hostname",
                status=True,
            )
            return False
        taken.add(key)
        return True

    def _secure(self, listener: Listener, served: dict[str, Mapping[str, Any]]) -> None:
        """What it says of TLS; it serves if that is right."""
        tls = at(listener.spec, "tls")
        if listener.protocol in ("HTTP", "TCP"):
            if tls is not None:
                listener.refuse("Accepted", "InvalidTLSConfiguration", f"Protocol {listener.protocol} has no tls; remove it")
                return
        elif not isinstance(tls, Mapping):
            listener.refuse("Accepted", "InvalidTLSConfiguration", f"Protocol {listener.protocol} needs tls")
            return
        elif text(tls, "mode") == "Passthrough":
            if listener.protocol == "HTTPS":
                listener.refuse(
                    "Accepted", "UnsupportedProtocol", "Protocol HTTPS cannot have tls.mode Passthrough; use TLS"
                )
                return
            listener.passthrough = True
        elif _asks_for_clients(listener):
            listener.refuse(
                "Accepted", "UnsupportedValue", "Certificates of clients (frontend validation) are not supported"
            )
            return
        else:
            found = dict(self._certificates(listener, tls))
            if listener.conditions:
                return
            served.update(found)
        listener.attached = True

    def _certificates(self, listener: Listener, tls: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        refs = blocks(tls, "certificateRefs")
        if not refs:
            listener.refuse("ResolvedRefs", "InvalidCertificateRef", "tls.certificateRefs is needed where TLS ends here")
            return
        for ref in refs:
            namespace = text(ref, "namespace") or namespace_of(listener.gateway)
            name, group, kind = text(ref, "name"), text(ref, "group"), text(ref, "kind") or "Secret"
            if group not in ("", "core") or kind != "Secret":
                listener.refuse("ResolvedRefs", "InvalidCertificateRef", f"certificateRefs: {group}/{kind} is no Secret")
            elif not self.grants.permit(GATEWAY, namespace_of(listener.gateway), ("", "Secret", name), namespace):
                listener.refuse(
                    "ResolvedRefs",
                    "RefNotPermitted",
                    f"certificateRefs: Secret {namespace}/{name} needs a ReferenceGrant in its namespace",
                )
            else:
                try:
                    certificate, key = pair(self.objects, namespace, name)
                    yield f"{namespace}/{name}", {"certFile": certificate, "keyFile": key}
                except Unusable as error:
                    listener.refuse("ResolvedRefs", "InvalidCertificateRef", f"certificateRefs: {error}")
        if listener.conditions:
            listener.refuse("Programmed", "Invalid", "Invalid certificateRefs")


def _asks_for_clients(listener: Listener) -> bool:
    """Whether clients are to show certificates there. Nobody may come in without, so such a listener does not serve."""
    frontend = block(listener.gateway, "spec", "tls", "frontend")
    own = [block(each, "tls") for each in blocks(frontend, "perPort") if at(each, "port") == listener.port]
    asked = [at(each, "validation") for each in (block(frontend, "default"), *own)]
    return any(each is not None for each in (*asked, at(listener.spec, "tls", "frontendValidation")))
