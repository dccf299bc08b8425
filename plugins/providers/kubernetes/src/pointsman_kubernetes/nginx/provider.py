"""The provider: what it reads, and which namespaces count."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from pointsman import ProviderContext
from pointsman.dialect.lookups import texts
from pointsman.errors import ConfigError, Problem
from pointsman_kubernetes.fitting import fitted
from pointsman_kubernetes.kinds import (
    CONFIG_MAP_NOT_HELM,
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    NAMESPACE,
    SECRET,
    SERVICE,
    Kind,
)
from pointsman_kubernetes.nginx.build import Build
from pointsman_kubernetes.nginx.config import PATH, KubernetesIngressNGINXConfig
from pointsman_kubernetes.nginx.selectors import selector
from pointsman_kubernetes.nginx.status import statuses
from pointsman_kubernetes.objects import Objects, name_of
from pointsman_kubernetes.outcome import Outcome
from pointsman_kubernetes.provider import KubernetesProvider

_INTERNAL: Final = "traefik"
"""The entry point of the API, where nothing else belongs."""


class KubernetesIngressNGINXProvider(KubernetesProvider):
    """Ingresses written for ingress-nginx"""

    name: ClassVar[str] = "kubernetesIngressNGINX"
    Config: ClassVar[type] = KubernetesIngressNGINXConfig

    def __init__(self, config: KubernetesIngressNGINXConfig, context: ProviderContext) -> None:
        super().__init__(config, context)
        self._nginx = config
        if config.watch_namespace and config.watch_namespace_selector:
            raise ConfigError(Problem(f"{PATH}.watchNamespaceSelector", "excludes watchNamespace; leave out one of them"))
        try:
            self._selector = selector(config.watch_namespace_selector)
        except ValueError as error:
            raise ConfigError(Problem(f"{PATH}.watchNamespaceSelector", str(error))) from None
        for key, value in (
            ("defaultBackendService", config.default_backend_service),
            ("publishService", config.publish_service),
        ):
            if value and (value.count("/") != 1 or not all(value.split("/"))):
                raise ConfigError(Problem(f"{PATH}.{key}", f"must be namespace/name, not {value!r}"))
        points = [point for point in context.entry_points if point.protocol == "tcp" and point.name != _INTERNAL]
        self._plaintext = [config.http_entry_point] if config.http_entry_point else [p.name for p in points if not p.tls]
        self._secured = [config.https_entry_point] if config.https_entry_point else []

    def kinds(self) -> Sequence[Kind]:
        read = [INGRESS, INGRESS_CLASS, SERVICE, ENDPOINT_SLICE, SECRET, CONFIG_MAP_NOT_HELM]
        return [*read, NAMESPACE] if self._nginx.watch_namespace_selector else read

    def build(self, objects: Objects) -> Outcome:
        build = Build(self._nginx, objects, self._watched(objects), self._plaintext, self._secured)
        updates, problems = statuses(self._nginx, objects, build.ingresses)
        return fitted(Outcome(build.document, [*build.problems, *problems], statuses=updates), self._context.check)

    def _watched(self, objects: Objects) -> Callable[[str], bool]:
        if self._nginx.watch_namespace:
            return lambda namespace: namespace == self._nginx.watch_namespace
        if self._nginx.watch_namespace_selector:
            spaces = objects.all(NAMESPACE)
            return {name_of(each) for each in spaces if self._selector(texts(each, "metadata", "labels"))}.__contains__
        return lambda namespace: True
