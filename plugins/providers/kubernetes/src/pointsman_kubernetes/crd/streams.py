"""What TCP and UDP have in common: routes to one Service, or to several by weight (kubernetes.md §3.5, §3.6). Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pointsman.dialect.lookups import text
from pointsman_kubernetes.backends import Allowed, Backend, Unservable, find
from pointsman_kubernetes.crd.fields import boolean, integer, take
from pointsman_kubernetes.crd.references import Owner, Refused
from pointsman_kubernetes.crd.view import View
from pointsman_kubernetes.names import digest

Spec = Mapping[str, Any]
"""A Service, as a route names it."""
Balancer = Callable[[Spec, Backend, str], dict[str, Any]]
"""From a Service that a route names, its servers and its namespace to the load balancer. Refused if it cannot be."""


class Streams:
    """The services of one protocol, as they are made."""

    def __init__(self, view: View) -> None:
        self._view = view
        config = view.config
        self._allowed = Allowed(
            external_names=config.allow_external_name_services, nodes=not config.disable_cluster_scope_resources
        )
        self.section: dict[str, Any] = {}
        """`tcp.services` or `udp.services`."""

    def route(self, specs: Sequence[Spec], owner: Owner, router: str, balancer: Balancer) -> tuple[str, list[str]]:
        """The service of a router, and what is wrong: what cannot be sent to is left out, and the others have its share.

        If nothing is left it is the router's own name, which no service has, so that it is closed.
        """
        if not specs:
            return "", ["has no services"]
        if len(specs) == 1:
            name = self._free(self._view.names.service(router), owner)
            wrong = self._add(name, specs[0], owner, balancer)
            return router if wrong else name, wrong
        name = self._free(self._view.names.service(router, several=True), owner)
        children, problems = [], []
        for index, spec in enumerate(specs):
            child = self._child(router, index, spec, owner)
            wrong = self._add(child, spec, owner, balancer)
            problems += wrong
            if not wrong:
                children.append({"name": child, **take(spec, "", {"weight": integer})})
        if not children:
            return router, problems
        self.section[name] = {"weighted": {"services": children}}
        return name, problems

    def _child(self, router: str, index: int, spec: Spec, owner: Owner) -> str:
        namespace = text(spec, "namespace") or owner.namespace
        name = self._view.names.stream_child(router, index, namespace, text(spec, "name"), spec.get("port"))
        return self._free(f"{name}-{index}" if name in self.section else name, owner)

    def _free(self, name: str, owner: Owner) -> str:
        """Legacy names of two objects can be the same: nobody takes the place of what is there."""
        while name in self.section:
            name = f"{name}-{digest(f'{owner} {name}')}"
        return name

    def _add(self, name: str, spec: Spec, owner: Owner, balancer: Balancer) -> list[str]:
        """Make the load balancer of one Service; what is wrong if there is none."""
        try:
            backend, namespace = self._backend(spec, owner)
            self.section[name] = {"loadBalancer": balancer(spec, backend, namespace)}
        except Unservable as error:
            return [str(error)]
        except Refused as error:
            return [f"service {text(spec, 'name')!r}: {error}"]
        return []

    def _backend(self, spec: Spec, owner: Owner) -> tuple[Backend, str]:
        config = self._view.config
        namespace = self._view.references.namespace(spec.get("namespace"), owner)
        flags = take(spec, "", {"nativeLB": boolean, "nodePortLB": boolean})
        port = spec.get("port")
        backend = find(
            self._view.objects,
            namespace,
            text(spec, "name"),
            port if isinstance(port, int | str) else None,
            self._allowed,
            native=flags.get("nativeLB", config.native_lb_by_default),
            node_port=flags.get("nodePortLB", False),
            which="ready",
        )
        if not backend.addresses and not config.allow_empty_services:
            raise Refused("no servers found, for none of its endpoints is ready; set allowEmptyServices to keep it")
        return backend, namespace
