"""From LoadBalancerSpecs to services (kubernetes.md §3.4, §3.11)."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from pointsman.dialect.lookups import at, block, text
from pointsman_kubernetes.backends import Allowed, Backend, Unservable, find
from pointsman_kubernetes.crd import fields
from pointsman_kubernetes.crd.fields import Read, boolean, duration, integer, mapping, string, take
from pointsman_kubernetes.crd.names import Names
from pointsman_kubernetes.crd.options import KubernetesCRDConfig
from pointsman_kubernetes.crd.references import Owner, References, Refused
from pointsman_kubernetes.kinds import INGRESS_ROUTE, MIDDLEWARE, SERVERS_TRANSPORT, TRAEFIK_SERVICE
from pointsman_kubernetes.names import digest
from pointsman_kubernetes.objects import Objects

Spec = Mapping[str, Any]
"""A LoadBalancerSpec."""
_STRATEGIES: Final = {"wrr": "wrr", "RoundRobin": "wrr", "p2c": "p2c", "hrw": "hrw", "leasttime": "leasttime"}
_SCHEMES: Final = ("http", "https", "h2c")
STICKY: Final[Mapping[str, Read]] = {
    "cookie": fields.block(
        {
            "name": string,
            "secure": boolean,
            "httpOnly": boolean,
            "sameSite": string,
            "maxAge": integer,
            "path": string,
            "domain": string,
        }
    )
}
_FIELDS: Final[Mapping[str, Read]] = {
    "passHostHeader": boolean,
    "responseForwarding": fields.block({"flushInterval": duration}),
    "sticky": fields.block(STICKY),
    "healthCheck": fields.block(
        {
            "scheme": string,
            "mode": string,
            "path": string,
            "method": string,
            "status": integer,
            "port": integer,
            "interval": duration,
            "unhealthyInterval": duration,
            "timeout": duration,
            "hostname": string,
            "followRedirects": boolean,
            "headers": mapping,
        }
    ),
    "passiveHealthCheck": fields.block({"failureWindow": duration, "maxFailedAttempts": integer}),
}


class Services:
    """Makes services, and keeps those it made in `section`."""

    def __init__(self, objects: Objects, config: KubernetesCRDConfig, names: Names, references: References) -> None:
        self._objects = objects
        self._config = config
        self._names = names
        self._references = references
        self._allowed = Allowed(
            external_names=config.allow_external_name_services, nodes=not config.disable_cluster_scope_resources
        )
        self._found = cache(self._find)  # many routes go to the same Service
        self._kept: dict[str, Any] = {name: TRAEFIK_SERVICE for name, _ in references.own(TRAEFIK_SERVICE)}
        self.section: dict[str, dict[str, Any]] = {}
        """`http.services`."""

    def build(self, spec: Spec, owner: Owner, name: str) -> str:
        """The service that `spec`, somewhere in `owner`, means: its name, which is `name` for a Service (the section has it
        then), that of the object for a TraefikService, and what is written for `name@provider`.

        Refused if there is none to send to, or `owner` may not use it.
        """
        if self._is_named(spec):
            return self._references.resolve(TRAEFIK_SERVICE, spec, owner)
        return self._keep(name, str(owner), self._balancer(spec, owner)[1])

    def child(self, spec: Spec, owner: Owner, role: str) -> str:
        """As `build`, for one of several: a Service is called after itself, and shared by all who want the same of it.

        `role` is what it is there, for the safe names: `default_web_0_wrr_1`.
        """
        if self._is_named(spec):
            return self._references.resolve(TRAEFIK_SERVICE, spec, owner)
        namespace, service = self._balancer(spec, owner)
        wanted, port = text(spec, "name"), spec.get("port")
        balancer = {key: value for key, value in service["loadBalancer"].items() if key != "servers"}
        return self._keep(
            self._names.child(role, namespace, wanted, port),
            (namespace, wanted, port, balancer, service.get("middlewares")),
            service,
        )

    def weighted(self, specs: Sequence[Spec], owner: Owner, role: str) -> list[dict[str, Any]]:
        """The children of a choice by weight, one for each. Refused if any of them is."""
        return [
            {"name": self.child(spec, owner, f"{role}_{index}"), **take(spec, "", {"weight": integer})}
            for index, spec in enumerate(specs)
        ]

    def route(self, specs: Sequence[Spec], owner: Owner, router: str) -> str:
        """The service of a router: "" for none, the one, or a choice among several."""
        if not specs:
            return ""
        if len(specs) == 1:
            return self.build(specs[0], owner, self._names.service(router))
        name = self._names.service(router, several=True)
        return self._keep(name, str(owner), {"weighted": {"services": self.weighted(specs, owner, name)}})

    def _keep(self, name: str, identity: Any, service: dict[str, Any]) -> str:
        """Two that differ are not one, though legacy names may say so: the second is told apart."""
        if self._kept.setdefault(name, identity) != identity:
            name = f"{name}-{digest(repr(identity))}"
        self.section[name] = service
        return name

    def _is_named(self, spec: Spec) -> bool:
        kind = text(spec, "kind") or "Service"
        if kind not in ("Service", "TraefikService"):
            raise Refused(f"service {text(spec, 'name')!r}: kind {kind!r} is neither Service nor TraefikService")
        if kind == "Service" and "@" in text(spec, "name"):
            raise Refused(f"service {text(spec, 'name')!r}: to name a service of a provider, set kind: TraefikService")
        return kind == "TraefikService"

    def _balancer(self, spec: Spec, owner: Owner) -> tuple[str, dict[str, Any]]:
        """The namespace of a Service, and what is made of it."""
        what = f"service {text(spec, 'name')!r}"
        try:
            namespace = self._references.namespace(spec.get("namespace"), owner)
            backend, servers = self._backend(spec, owner, namespace)
            balancer: dict[str, Any] = {"servers": servers, **take(spec, "", _FIELDS)}
            self._adjust(balancer, spec, backend)
        except Unservable as error:
            raise Refused(str(error)) from error
        except Refused as error:
            raise Refused(f"{what}: {error}") from error
        transport = text(spec, "serversTransport")
        if transport:
            reference = {"name": transport, "namespace": "" if "@" in transport else namespace}
            balancer["serversTransport"] = self._references.resolve(SERVERS_TRANSPORT, reference, owner)
        origin = {"namespace": namespace, "name": text(spec, "name"), "port": str(spec.get("port", ""))}
        service: dict[str, Any] = {"loadBalancer": balancer, "observability": {"metadata": {"kubernetes": origin}}}
        named = fields.items(spec.get("middlewares"), "middlewares")
        middlewares = [self._references.resolve(MIDDLEWARE, each, owner) for each in named]
        if middlewares:
            service["middlewares"] = middlewares
        return namespace, service

    def _backend(self, spec: Spec, owner: Owner, namespace: str) -> tuple[Backend, list[dict[str, Any]]]:
        """The Service, and its servers."""
        wanted = take(spec, "", {"scheme": string, "nativeLB": boolean, "nodePortLB": boolean})
        by_default = self._config.native_lb_by_default and owner.kind is INGRESS_ROUTE
        scheme, port = wanted.get("scheme", ""), spec.get("port")
        if scheme and scheme not in _SCHEMES:
            raise Refused(f"scheme {scheme!r} is none of {', '.join(_SCHEMES)}")
        backend, servers = self._found(
            namespace,
            text(spec, "name"),
            port if isinstance(port, int | str) else None,
            wanted.get("nativeLB", by_default),
            wanted.get("nodePortLB", False),
            scheme,
        )
        if not servers and not self._config.allow_empty_services:
            raise Refused("no servers found, for it has no endpoints; set allowEmptyServices to answer 503")
        return backend, servers

    def _find(
        self, namespace: str, name: str, port: int | str | None, native: bool, node_port: bool, scheme: str
    ) -> tuple[Backend, list[dict[str, Any]]]:
        backend = find(self._objects, namespace, name, port, self._allowed, native=native, node_port=node_port)
        return backend, backend.servers(scheme)

    def _adjust(self, balancer: dict[str, Any], spec: Spec, backend: Backend) -> None:
        if "healthCheck" in balancer and at(backend.service, "spec", "type") != "ExternalName":
            raise Refused("healthCheck allowed only for ExternalName services; Kubernetes probes the pods of others itself")
        strategy = text(spec, "strategy")
        if strategy:
            if strategy not in _STRATEGIES:
                raise Refused(f"strategy {strategy!r} is none of wrr, p2c, hrw, leasttime")
            balancer["strategy"] = _STRATEGIES[strategy]
        if not block(balancer, "sticky"):
            balancer.pop("sticky", None)
