"""Services of the document, each made once: those that Ingresses share are one (kubernetes.md §1.3, §2.4)."""

from collections.abc import Mapping
from typing import Any

from pointsman.dialect.lookups import at, text
from pointsman_kubernetes.backends import Allowed, Unservable, find
from pointsman_kubernetes.ingress.annotations import Labels, Misread, ServiceSays, near_misses, of_service
from pointsman_kubernetes.ingress.config import IngressConfig
from pointsman_kubernetes.ingress.unheeded import Unheeded
from pointsman_kubernetes.kinds import SERVICE
from pointsman_kubernetes.names import digest, norm
from pointsman_kubernetes.objects import Objects

_Key = tuple[str, str, int | str | None]


class Services:
    """What is made of the Services that Ingresses name. `made` and `unheeded` are read at the end."""

    def __init__(self, config: IngressConfig, objects: Objects, from_labels: Labels) -> None:
        self.made: dict[str, dict[str, Any]] = {}
        self.unheeded = Unheeded("service")
        self._config = config
        self._objects = objects
        self._from_labels = from_labels
        self._allowed = Allowed(
            external_names=config.allow_external_name_services, nodes=not config.disable_cluster_scope_resources
        )
        self._known: dict[_Key, str | Unservable] = {}
        self._said: dict[tuple[str, str], ServiceSays | Unservable] = {}

    def name_of(self, namespace: str, backend: Mapping[str, Any]) -> str:
        """What the service for this backend of an Ingress is called. Unservable if there is none."""
        key = self._key(namespace, backend)
        known = self._known.get(key)
        if known is None:
            try:
                service = self._service(key)
                known = self._free_name(key)
                self.made[known] = service
            except Unservable as error:
                known = error
            self._known[key] = known
        if isinstance(known, Unservable):
            raise known
        return known

    def default(self, namespace: str, backend: Mapping[str, Any]) -> dict[str, Any]:
        """The same as an element that somebody else names."""
        return self._service(self._key(namespace, backend))

    def _free_name(self, key: _Key) -> str:
        """Namespaces and Services may make the same name, joined by dashes: none takes the place of another's."""
        name = norm(*map(str, key))
        return f"{name}-{digest('/'.join(map(str, key)))}" if name in self.made else name

    @staticmethod
    def _key(namespace: str, backend: Mapping[str, Any]) -> _Key:
        if backend.get("resource") is not None:
            raise Unservable("resource backends are not supported; name a service")
        name = text(backend, "service", "name")
        if not name:
            raise Unservable("its backend names no service")
        number = at(backend, "service", "port", "number")
        return namespace, name, text(backend, "service", "port", "name") or (number if type(number) is int else None)

    def _service(self, key: _Key) -> dict[str, Any]:
        namespace, name, port = key
        said = self._says(namespace, name)
        config = self._config
        on_nodes = said.node_port and text(self._objects.get(SERVICE, name, namespace), "spec", "type") == "NodePort"
        native = (config.native_lb_by_default if said.native is None else said.native) and not on_nodes
        found = find(self._objects, namespace, name, port, self._allowed, native=native, node_port=on_nodes)
        if not found.addresses and not config.allow_empty_services:
            raise Unservable(f"service {namespace}/{name}: has no endpoints; allowEmptyServices would have it answer 503")
        service: dict[str, Any] = {
            "loadBalancer": {**said.load_balancer, "servers": found.servers(said.scheme)},
            "observability": {"metadata": {"kubernetes": {"name": name, "namespace": namespace, "port": str(port)}}},
        }
        if said.middlewares:
            service["middlewares"] = list(said.middlewares)
        return service

    def _says(self, namespace: str, name: str) -> ServiceSays:
        said = self._said.get((namespace, name))
        if said is None:
            said = self._said[namespace, name] = self._read(namespace, name)
        if isinstance(said, Unservable):
            raise said
        return said

    def _read(self, namespace: str, name: str) -> ServiceSays | Unservable:
        service = self._objects.get(SERVICE, name, namespace)
        for sentence in near_misses(service or {}, "service"):
            self.unheeded.add(f"{namespace}/{name}", sentence)
        try:
            said = of_service(service or {}, self._from_labels)
        except Misread as error:
            return Unservable(f"service {namespace}/{name}: {error}")
        if said.crossing and not self._config.may_cross(namespace):
            return Unservable(f"service {namespace}/{name}: {uncrossed(namespace, said.crossing)}")
        return said


def uncrossed(namespace: str, names: list[str]) -> str:
    """Why these names may not be used."""
    return f"may not use {', '.join(names)}; add {namespace} to crossProviderNamespaces"
