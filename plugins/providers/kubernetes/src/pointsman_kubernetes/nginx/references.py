"""Secrets and ConfigMaps that annotations name (kubernetes.md §5.4). What they hold is never in a message. Pure."""

from collections.abc import Mapping
from typing import Final

from cryptography.x509 import load_pem_x509_certificates

from pointsman.dialect.lookups import block, texts
from pointsman_kubernetes.kinds import CONFIG_MAP_NOT_HELM
from pointsman_kubernetes.nginx.config import KubernetesIngressNGINXConfig
from pointsman_kubernetes.nginx.ingress import Denied, Ingress
from pointsman_kubernetes.objects import NOT_WATCHED, Object, Objects
from pointsman_kubernetes.secrets import CERTIFICATE, KEY, Unusable, held, pair, secret

AUTHORITY: Final = "ca.crt"


class References:
    """What Ingresses may see of the cluster besides Services. Every fault is a Denied, which names the annotation."""

    def __init__(self, config: KubernetesIngressNGINXConfig, objects: Objects) -> None:
        self._crossing = config.allow_cross_namespace_resources
        self._objects = objects

    def secret(self, ingress: Ingress, annotation: str, *, with_namespace: bool = True) -> Object:
        """The Secret that it names, as `namespace/name`, or by the name alone if that is allowed."""
        namespace, name = self._place(ingress, annotation, with_namespace)
        try:
            return secret(self._objects, namespace, name)
        except Unusable as error:
            raise Denied(f"{annotation}: {error}") from None

    def authority(self, ingress: Ingress, annotation: str) -> str:
        """The certificates at `ca.crt` of that Secret, as PEM text."""
        text = held(self.secret(ingress, annotation), AUTHORITY)
        if text is None or not _are_certificates(text):
            raise Denied(f"{annotation}: the secret has no certificates in PEM at {AUTHORITY}")
        return text

    def identity(self, ingress: Ingress, annotation: str) -> tuple[str, tuple[str, str] | None]:
        """Authorities ("" if there are none), and a certificate with its key: at least one of both."""
        thing = self.secret(ingress, annotation)
        data = block(thing, "data")
        own = None
        if CERTIFICATE in data and KEY in data:
            try:
                own = pair(self._objects, *self._place(ingress, annotation, True))
            except Unusable as error:
                raise Denied(f"{annotation}: {error}") from None
        if AUTHORITY not in data and own is None:
            raise Denied(f"{annotation}: the secret has neither {AUTHORITY} nor {CERTIFICATE} and {KEY}")
        return (self.authority(ingress, annotation) if AUTHORITY in data else ""), own

    def certificate(self, ingress: Ingress, name: str) -> tuple[str, str] | None:
        """What is served to clients; None, and the Ingress is told, if there is nothing: then it is the default one."""
        try:
            return pair(self._objects, ingress.namespace, name)
        except Unusable as error:
            ingress.tell(f"tls: {error}; the default certificate is served")
            return None

    def config_map(self, ingress: Ingress, annotation: str) -> Mapping[str, str]:
        """The texts of the ConfigMap that it names, as `namespace/name`."""
        namespace, name = self._place(ingress, annotation, True)
        found = self._objects.get(CONFIG_MAP_NOT_HELM, name, namespace)
        if found is None:
            unread = self._objects.missing.get(CONFIG_MAP_NOT_HELM)
            why = f"cannot be read: {unread}" if unread else "not found"
            why = why if self._objects.watches(namespace) else NOT_WATCHED
            raise Denied(f"{annotation}: configmap {namespace}/{name}: {why}")
        return texts(found, "data")

    def _place(self, ingress: Ingress, annotation: str, with_namespace: bool) -> tuple[str, str]:
        said = ingress.annotations.text(annotation)
        parts = said.split("/")
        if len(parts) == 1 and not with_namespace:
            parts = [ingress.namespace, said]
        if len(parts) != 2 or not all(parts):
            raise Denied(
                f"{annotation}: {said!r} is not of the form {'namespace/name' if with_namespace else '[namespace/]name'}"
            )
        if parts[0] != ingress.namespace and not self._crossing:
            raise Denied(f"{annotation}: {said} is in another namespace; set allowCrossNamespaceResources")
        return parts[0], parts[1]


def _are_certificates(text: str) -> bool:
    try:
        return bool(load_pem_x509_certificates(text.encode()))
    except ValueError:
        return False
