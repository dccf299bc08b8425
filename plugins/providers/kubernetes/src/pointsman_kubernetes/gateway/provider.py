"""Routes from the Gateway API of a cluster (kubernetes.md §4)."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from pointsman import ProviderContext
from pointsman.errors import ConfigError, Problem
from pointsman_kubernetes import kinds
from pointsman_kubernetes.client import Pace
from pointsman_kubernetes.crd.options import KubernetesCRDConfig
from pointsman_kubernetes.fitting import fitted
from pointsman_kubernetes.gateway import gateways, grpc, http, order, tcp, tls_routes
from pointsman_kubernetes.gateway.attach import Attachment, attach
from pointsman_kubernetes.gateway.claims import Claims
from pointsman_kubernetes.gateway.draft import Draft
from pointsman_kubernetes.gateway.extensions import Extensions
from pointsman_kubernetes.gateway.grants import Grants
from pointsman_kubernetes.gateway.listeners import Listening
from pointsman_kubernetes.gateway.options import GatewayConfig
from pointsman_kubernetes.gateway.policies import Policies
from pointsman_kubernetes.kinds import Kind
from pointsman_kubernetes.objects import Objects, born, key_of
from pointsman_kubernetes.outcome import Outcome
from pointsman_kubernetes.provider import KubernetesProvider

_KINDS: Final = (
    kinds.NAMESPACE,
    kinds.GATEWAY_CLASS,
    kinds.GATEWAY,
    kinds.HTTP_ROUTE,
    kinds.GRPC_ROUTE,
    kinds.TLS_ROUTE,
    kinds.BACKEND_TLS_POLICY,
    kinds.REFERENCE_GRANT,
    kinds.SERVICE,
    kinds.ENDPOINT_SLICE,
    kinds.SECRET,
    kinds.CONFIG_MAP,
)


class KubernetesGateway(KubernetesProvider):
    """Gateways and the routes attached to them."""

    name: ClassVar[str] = "kubernetesGateway"
    Config: ClassVar[type] = GatewayConfig
    selected: ClassVar[Sequence[Kind]] = (kinds.GATEWAY_CLASS,)

    def __init__(self, config: GatewayConfig, context: ProviderContext) -> None:
        if config.status_address is not None and not config.status_address:
            raise ConfigError(
                Problem(
                    "providers.kubernetesGateway.statusAddress", "is empty: set ip, hostname, or service.name and .namespace"
                )
            )
        super().__init__(config, context)
        self._config = config
        self.pace = Pace(config.qps, config.burst)
        self._crd: KubernetesCRDConfig | None = context.configured("kubernetesCRD")
        self._entry_points = context.entry_points

    def kinds(self) -> Sequence[Kind]:
        streams = (kinds.TCP_ROUTE,) if self._config.experimental_channel else ()
        return (*_KINDS, *streams, *self.scopes)

    @property
    def scopes(self) -> Mapping[Kind, tuple[Sequence[str], str]]:
        """Middlewares as kubernetesCRD sees them, for names among them are its own."""
        return {kinds.MIDDLEWARE: self._crd.scope} if self._crd is not None else {}

    def build(self, objects: Objects) -> Outcome:
        grants = Grants(objects)
        extensions = Extensions(objects, self._crd, self._config.endpoint)
        listening = Listening(objects, grants, self._entry_points, self._config.experimental_channel)
        draft = Draft(objects, self._config, grants, extensions.middleware)
        for thing in gateways.ours(objects, self._config):
            gateway, certificates = listening.gateway(thing)
            draft.gateways[gateway.namespace, gateway.name] = gateway
            draft.certificates.update(certificates)
        policies = Policies(draft)
        found = self._attached(draft)
        http.load(draft, [each for each in found if each.kind is kinds.HTTP_ROUTE])
        grpc.load(draft, [each for each in found if each.kind is kinds.GRPC_ROUTE])
        tls_routes.load(draft)
        if self._config.experimental_channel:
            tcp.load(draft)
        policies.tell()
        order.settle(draft.contenders)
        self._tell(draft)
        return fitted(Outcome(draft.document(), draft.problems, statuses=draft.statuses), self._context.check)

    @staticmethod
    def _attached(draft: Draft) -> list[Attachment]:
        """HTTPRoutes and GRPCRoutes, the oldest first: where names meet, the older route has them."""
        routes = [(each, kind) for kind in (kinds.HTTP_ROUTE, kinds.GRPC_ROUTE) for each in draft.objects.all(kind)]
        claims, found = Claims(), []
        for route, kind in sorted(routes, key=lambda pair: born(pair[0])):
            found.append(attach(draft.gateways, route, kind))
            claims.settle(found[-1])
        return found

    def _tell(self, draft: Draft) -> None:
        """The Gateways and their classes, now that the routes are counted."""
        told = [gateways.class_status(each) for each in gateways.classes(draft.objects)]
        try:
            addresses = gateways.addresses(draft.objects, self._config.status_address)
        except ValueError as error:
            draft.problems.append(Problem("statusAddress", str(error), warning=True))
            addresses = []
        for gateway in draft.gateways.values():
            told.append(gateways.gateway_status(gateway, addresses))
            for listener in gateway.listeners:
                for each in listener.conditions:
                    where = f"gateway {key_of(gateway.object)}"
                    message = f"listener {listener.name}: {each['reason']}: {each['message']}"
                    draft.problems.append(Problem(where, message, warning=True))
        draft.statuses[:0] = told
