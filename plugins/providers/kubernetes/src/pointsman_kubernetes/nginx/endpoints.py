"""From a path's Service to addresses, as ingress-nginx finds them (kubernetes.md §1.3, §5.4). Pure."""

from collections.abc import Sequence
from typing import Any, Final

from attrs import evolve, frozen

from pointsman.dialect.lookups import blocks, text
from pointsman_kubernetes.backends import Address, Allowed, Unservable, find
from pointsman_kubernetes.kinds import SERVICE
from pointsman_kubernetes.nginx.annotations import Annotations
from pointsman_kubernetes.nginx.config import KubernetesIngressNGINXConfig
from pointsman_kubernetes.nginx.ingress import Target
from pointsman_kubernetes.objects import Object, Objects

_REFUSED: Final = "is an ExternalName service, which is not allowed; set disableSvcExternalName to false"
_LIMIT: Final = 65536


@frozen
class Endpoints:
    """Where requests for a path may go, found once for all of one look at the cluster."""

    config: KubernetesIngressNGINXConfig
    objects: Objects

    def of(self, namespace: str, target: Target, annotations: Annotations) -> Sequence[Address]:
        """The servers of a Service; if it has none, those of `default-backend`. Unservable for one that cannot be used."""
        found = self._found(namespace, target, cluster=annotations.flag("service-upstream"))
        instead = annotations.text("default-backend")
        if found or instead in ("", target.service):
            return found
        return self._found(namespace, Target(instead))

    def alone(self, namespace: str, target: Target) -> Sequence[Address]:
        """The same without regard to annotations."""
        return self._found(namespace, target)

    def _found(self, namespace: str, target: Target, *, cluster: bool = False) -> Sequence[Address]:
        service = self.objects.get(SERVICE, target.service, namespace)
        external = text(service, "spec", "type") == "ExternalName"
        if external and self.config.disable_svc_external_name:
            raise Unservable(f"service {namespace}/{target.service}: {_REFUSED}")
        port = _port(service, target)
        backend = find(
            self.objects, namespace, target.service, port, Allowed(external_names=True), native=cluster and not external
        )
        if not external:
            return backend.addresses
        inside = backend.port.get("targetPort")
        number = inside if type(inside) is int and 0 < inside < _LIMIT else backend.port["port"]
        return [evolve(address, port=number) for address in backend.addresses]


def _port(service: Object | None, target: Target) -> int | str:
    """The port that is meant: the first one if none is named, and a number that stands in place of a name."""
    if target.port != 0:
        name = target.port
        return int(name) if isinstance(name, str) and name.isascii() and name.isdigit() and len(name) < 6 else name
    first: Any = next((each.get("port") for each in blocks(service, "spec", "ports")), 0)
    return first if type(first) is int else 0
