"""The provider: asks each part what it makes of the cluster, and puts that together."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pointsman import ProviderContext
from pointsman.errors import Problem
from pointsman_kubernetes.crd import middlewares, tcp, tls, transports, udp
from pointsman_kubernetes.crd.composites import composites
from pointsman_kubernetes.crd.options import KubernetesCRDConfig
from pointsman_kubernetes.crd.routers import routers
from pointsman_kubernetes.crd.view import View
from pointsman_kubernetes.fitting import fitting
from pointsman_kubernetes.kinds import CONFIG_MAP, ENDPOINT_SLICE, NODE, SECRET, SERVICE, TRAEFIK, Kind
from pointsman_kubernetes.objects import Objects
from pointsman_kubernetes.outcome import Outcome
from pointsman_kubernetes.provider import KubernetesProvider


class KubernetesCRDProvider(KubernetesProvider):
    """Custom resources of Kubernetes, such as IngressRoute"""

    name: ClassVar[str] = "kubernetesCRD"
    Config: ClassVar[type] = KubernetesCRDConfig
    selected: ClassVar[Sequence[Kind]] = TRAEFIK

    def __init__(self, config: KubernetesCRDConfig, context: ProviderContext) -> None:
        super().__init__(config, context)
        self._config = config

    def kinds(self) -> Sequence[Kind]:
        nodes = () if self._config.disable_cluster_scope_resources else (NODE,)
        return (*TRAEFIK, SERVICE, ENDPOINT_SLICE, SECRET, CONFIG_MAP, *nodes)

    def build(self, objects: Objects) -> Outcome:
        view = View.of(objects, self._config)
        problems: list[Problem] = []

        def made(part: tuple[Any, list[Problem]]) -> Any:
            problems.extend(part[1])
            return part[0]

        chosen = made(composites(view))  # first, for then the Services below them are called as in the reference
        routes = made(routers(view))
        http_middlewares = made(middlewares.http(view, self._context.check))
        tcp_routes, udp_routes = made(tcp.routes(view)), made(udp.routes(view))
        document = {
            "http": {
                "routers": routes,
                "services": {**view.services.section, **chosen},  # last of all, for every part may have made some
                "middlewares": http_middlewares,
                "serversTransports": made(transports.http(view)),
            },
            "tcp": {
                **tcp_routes,
                "middlewares": made(middlewares.tcp(view, self._context.check)),
                "serversTransports": made(transports.tcp(view)),
            },
            "udp": udp_routes,
            "tls": {
                "certificates": made(tls.certificates(view)),
                "options": made(tls.options(view)),
                "stores": made(tls.stores(view)),
            },
        }
        fit, misfits = fitting(document, self._context.check)
        return Outcome(fit, [*view.references.problems, *problems, *misfits])
