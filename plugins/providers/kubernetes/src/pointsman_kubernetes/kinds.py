"""The kinds of objects that are read (kubernetes.md §1.2)."""

from typing import Final

from attrs import frozen


@frozen
class Kind:
    """One resource of the API, in the version that is read."""

    group: str
    """"" for the core group."""
    version: str
    name: str
    """As in `kind`."""
    plural: str
    namespaced: bool = True
    selector: str = ""
    """Labels that are asked for besides the user's."""

    @property
    def resource(self) -> str:
        """As rights name it: `services`, `ingressroutes.traefik.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "") -> str:
        """Below the address of the server; "" for all namespaces, and for all names."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        within = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{root}{within}/{self.plural}" + (f"/{name}" if name else "")


_NOT_HELM: Final = "owner!=helm"

SERVICE: Final = Kind("", "v1", "Service", "services")
SECRET: Final = Kind("", "v1", "Secret", "secrets", selector=_NOT_HELM)
CONFIG_MAP: Final = Kind("", "v1", "ConfigMap", "configmaps")
CONFIG_MAP_NOT_HELM: Final = Kind("", "v1", "ConfigMap", "configmaps", selector=_NOT_HELM)
NODE: Final = Kind("", "v1", "Node", "nodes", namespaced=False)
NAMESPACE: Final = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
ENDPOINT_SLICE: Final = Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
INGRESS: Final = Kind("networking.k8s.io", "v1", "Ingress", "ingresses")
INGRESS_CLASS: Final = Kind("networking.k8s.io", "v1", "IngressClass", "ingressclasses", namespaced=False)


def _traefik(name: str) -> Kind:
    return Kind("traefik.io", "v1alpha1", name, f"{name.lower()}s")


INGRESS_ROUTE: Final = _traefik("IngressRoute")
INGRESS_ROUTE_TCP: Final = _traefik("IngressRouteTCP")
INGRESS_ROUTE_UDP: Final = _traefik("IngressRouteUDP")
MIDDLEWARE: Final = _traefik("Middleware")
MIDDLEWARE_TCP: Final = _traefik("MiddlewareTCP")
TRAEFIK_SERVICE: Final = _traefik("TraefikService")
TLS_OPTION: Final = _traefik("TLSOption")
TLS_STORE: Final = _traefik("TLSStore")
SERVERS_TRANSPORT: Final = _traefik("ServersTransport")
SERVERS_TRANSPORT_TCP: Final = _traefik("ServersTransportTCP")
TRAEFIK: Final = (
    INGRESS_ROUTE,
    INGRESS_ROUTE_TCP,
    INGRESS_ROUTE_UDP,
    MIDDLEWARE,
    MIDDLEWARE_TCP,
    TRAEFIK_SERVICE,
    TLS_OPTION,
    TLS_STORE,
    SERVERS_TRANSPORT,
    SERVERS_TRANSPORT_TCP,
)


def _gateway(name: str, plural: str = "", *, version: str = "v1", namespaced: bool = True) -> Kind:
    return Kind("gateway.networking.k8s.io", version, name, plural or f"{name.lower()}s", namespaced=namespaced)


GATEWAY_CLASS: Final = _gateway("GatewayClass", "gatewayclasses", namespaced=False)
GATEWAY: Final = _gateway("Gateway")
HTTP_ROUTE: Final = _gateway("HTTPRoute")
GRPC_ROUTE: Final = _gateway("GRPCRoute")
TLS_ROUTE: Final = _gateway("TLSRoute")
TCP_ROUTE: Final = _gateway("TCPRoute", version="v1alpha2")
BACKEND_TLS_POLICY: Final = _gateway("BackendTLSPolicy", "backendtlspolicies")
REFERENCE_GRANT: Final = _gateway("ReferenceGrant", version="v1beta1")

KNATIVE_INGRESS: Final = Kind("networking.internal.knative.dev", "v1alpha1", "Ingress", "ingresses")
