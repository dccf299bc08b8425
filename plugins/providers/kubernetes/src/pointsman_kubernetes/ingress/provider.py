"""The provider: which Ingresses are ours, and what all of them mean together (kubernetes.md §2)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from pointsman import ProviderContext
from pointsman.dialect.lookups import blocks, text
from pointsman.errors import ConfigError, Problem
from pointsman_kubernetes.ingress.annotations import CLASS, Misread, class_of, near_misses, of_router
from pointsman_kubernetes.ingress.config import PATH, IngressConfig, mistakes
from pointsman_kubernetes.ingress.routers import Routers
from pointsman_kubernetes.ingress.services import Services, uncrossed
from pointsman_kubernetes.ingress.status import Unknown, entries
from pointsman_kubernetes.ingress.unheeded import Unheeded
from pointsman_kubernetes.kinds import ENDPOINT_SLICE, INGRESS, INGRESS_CLASS, NODE, SECRET, SERVICE, Kind
from pointsman_kubernetes.objects import Object, Objects, born, key_of, name_of, namespace_of
from pointsman_kubernetes.outcome import Outcome, StatusUpdate
from pointsman_kubernetes.provider import KubernetesProvider
from pointsman_kubernetes.secrets import Unusable, pair

CONTROLLER: Final = "traefik.io/ingress-controller"
DEFAULT_CLASS: Final = "traefik"


class KubernetesIngressProvider(KubernetesProvider):
    """Ingresses of Kubernetes"""

    name: ClassVar[str] = "kubernetesIngress"
    Config: ClassVar[type] = IngressConfig
    selected: ClassVar[Sequence[Kind]] = (INGRESS,)

    @classmethod
    def instances(cls, config: IngressConfig) -> Mapping[str, IngressConfig]:
        return {"kubernetes": config}

    def __init__(self, config: IngressConfig, context: ProviderContext) -> None:
        problems = list(mistakes(config))
        if problems:
            raise ConfigError(problems)
        super().__init__(config, context)
        self._config = config

    def kinds(self) -> Sequence[Kind]:
        config = self._config
        return (
            INGRESS,
            SERVICE,
            ENDPOINT_SLICE,
            SECRET,
            *([INGRESS_CLASS] if config.reads_classes else ()),
            *([] if config.disable_cluster_scope_resources else [NODE]),
        )

    def build(self, objects: Objects) -> Outcome:
        config, context = self._config, self._context
        services = Services(config, objects, context.from_labels)
        routers = Routers(
            services,
            context.rule_syntax,
            strict=config.strict_prefix_matching,
            fallback=config.default_backend_fallback,
        )
        certificates = _Certificates(objects)
        problems: list[Problem] = []
        unheeded = Unheeded("ingress")
        served = []
        for ingress in self._ours(objects, problems):
            told = []
            for sentence in near_misses(ingress, "router"):
                unheeded.add(key_of(ingress), sentence)
            try:
                said = of_router(ingress, context.from_labels)
                if said.crossing and not config.may_cross(namespace_of(ingress)):
                    raise Misread(uncrossed(namespace_of(ingress), said.crossing))
            except Misread as error:
                told.append(f"is left out: {error}")
            else:
                served.append(ingress)
                told += certificates.add(ingress)
                routers.add(ingress, said)
            problems += [Problem(f"ingress {key_of(ingress)}", message, warning=True) for message in told]
        statuses = self._statuses(objects, served, problems)
        document = {
            "http": {"routers": routers.made, "services": services.made, "middlewares": {}, "serversTransports": {}},
            "tcp": {"routers": {}, "services": {}, "middlewares": {}, "serversTransports": {}},
            "udp": {"routers": {}, "services": {}},
            "tls": {"certificates": certificates.found, "options": {}, "stores": {}},
        }
        told_once = [*unheeded.problems(), *services.unheeded.problems()]
        return Outcome(document, [*problems, *told_once, *routers.problems], statuses=statuses)

    def _ours(self, objects: Objects, problems: list[Problem]) -> Iterator[Object]:
        """Ingresses to be served, the oldest first: what two of them want, it has."""
        wanted = self._config.ingress_class
        classes = {name_of(each): text(each, "spec", "controller") for each in objects.all(INGRESS_CLASS)}
        ours = {name for name, controller in classes.items() if controller == CONTROLLER and wanted in ("", name)}
        for ingress in sorted(objects.all(INGRESS), key=born):
            named, annotated = class_of(ingress)
            if named is None:
                if annotated == wanted or (not wanted and annotated == DEFAULT_CLASS):
                    yield ingress
            elif named in ours:
                yield ingress
            elif named == (wanted or DEFAULT_CLASS) and named not in classes:
                problems.append(Problem(f"ingress {key_of(ingress)}", self._no_class(named, objects), warning=True))

    def _no_class(self, name: str, objects: Objects) -> str:
        if not self._config.reads_classes:
            return f"is left out: IngressClasses are not read; name the class in the annotation {CLASS}"
        if INGRESS_CLASS in objects.missing:
            return f"is left out: no IngressClass can be read ({objects.missing[INGRESS_CLASS]})"
        return f"is left out: there is no IngressClass {name}; make one with the controller {CONTROLLER}"

    def _statuses(self, objects: Objects, served: Sequence[Object], problems: list[Problem]) -> list[StatusUpdate]:
        try:
            told = entries(self._config, objects)
        except Unknown as error:
            problems.append(Problem(f"{PATH}.ingressEndpoint.publishedService", str(error), warning=True))
            return []
        if told is None:
            return []
        status = {"loadBalancer": {"ingress": told} if told else {}}
        return [StatusUpdate(INGRESS, ingress, status) for ingress in served]


class _Certificates:
    """Those of the Secrets that Ingresses name, each once."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._known: dict[tuple[str, str], dict[str, Any] | str] = {}

    def add(self, ingress: Object) -> Iterator[str]:
        """What is wrong with those of this Ingress."""
        for entry in blocks(ingress, "spec", "tls"):
            name = text(entry, "secretName")
            if not name:
                continue
            key = namespace_of(ingress), name
            known = self._known.get(key)
            if known is None:
                known = self._known[key] = self._read(*key)
            if isinstance(known, str):
                yield f"has no certificate of its own: {known}"

    def _read(self, namespace: str, name: str) -> dict[str, Any] | str:
        try:
            certificate, key = pair(self._objects, namespace, name)
        except Unusable as error:
            return str(error)
        return {"certFile": certificate, "keyFile": key}

    @property
    def found(self) -> list[dict[str, Any]]:
        """By namespace and name of the Secret."""
        return [known for _, known in sorted(self._known.items(), key=lambda each: each[0]) if isinstance(known, dict)]
