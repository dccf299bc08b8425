"""The provider: which Ingresses are ours, and what becomes of all of them together."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pointsman import ProviderContext
from pointsman.dialect.lookups import text
from pointsman.errors import Problem
from pointsman_kubernetes.fitting import fitted
from pointsman_kubernetes.kinds import KNATIVE_INGRESS, SECRET, SERVICE, Kind
from pointsman_kubernetes.knative.config import KnativeConfig
from pointsman_kubernetes.knative.ingress import Ingress
from pointsman_kubernetes.knative.status import status_of
from pointsman_kubernetes.objects import Object, Objects, born, key_of
from pointsman_kubernetes.outcome import Outcome, StatusUpdate
from pointsman_kubernetes.provider import KubernetesProvider

CLASS = "traefik.ingress.networking.knative.dev"
_ANNOTATION = "networking.knative.dev/ingress.class"


class KnativeProvider(KubernetesProvider):
    name: ClassVar[str] = "knative"
    Config: ClassVar[type] = KnativeConfig
    selected: ClassVar[Sequence[Kind]] = (KNATIVE_INGRESS,)

    def __init__(self, config: KnativeConfig, context: ProviderContext) -> None:
        super().__init__(config, context)
        self._knative = config

    def kinds(self) -> Sequence[Kind]:
        return KNATIVE_INGRESS, SERVICE, SECRET

    def build(self, objects: Objects) -> Outcome:
        sections: dict[str, dict[str, Any]] = {"routers": {}, "services": {}, "middlewares": {}, "serversTransports": {}}
        certificates: dict[str, Any] = {}
        owners: dict[str, Object] = {}
        problems: list[Problem] = []
        statuses = []
        for thing in sorted(filter(_ours, objects.all(KNATIVE_INGRESS)), key=born):
            ingress = Ingress(thing, self._knative, objects)
            ingress.read()
            other = next((owners[name] for name in ingress.sections["routers"] if name in owners), None)
            if other is not None:
                ingress.refuse(f"its routers are called as those of {key_of(other)}, which is older; rename one of them")
            owners |= dict.fromkeys(ingress.sections["routers"], thing)
            for section, elements in ingress.sections.items():
                sections[section] |= elements
            certificates |= ingress.certificates
            problems += ingress.problems
            statuses.append(StatusUpdate(KNATIVE_INGRESS, thing, status_of(thing, self._knative, ingress.problems)))
        document = {
            "http": sections,
            "tcp": {"routers": {}, "services": {}, "middlewares": {}, "serversTransports": {}},
            "udp": {"routers": {}, "services": {}},
            "tls": {"certificates": [certificates[key] for key in sorted(certificates)], "options": {}, "stores": {}},
        }
        return fitted(Outcome(document, problems, statuses=statuses), self._context.check)


def _ours(thing: Object) -> bool:
    return text(thing, "metadata", "annotations", _ANNOTATION) == CLASS
