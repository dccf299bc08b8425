"""IngressRoutes and what they come to, in few words."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.testing import build
from pointsman_kubernetes.crd import KubernetesCRDProvider
from pointsman_kubernetes.names import digest
from pointsman_kubernetes.outcome import Outcome

from .manifests import WEB, cluster

TO_WEB = {"name": "web", "port": 80}

SECOND = """
apiVersion: v1
kind: Service
metadata: {name: api}
spec: {clusterIP: None, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: api-1, labels: {kubernetes.io/service-name: api}}
addressType: IPv4
ports: [{name: http, port: 9090}]
endpoints: [{addresses: [10.42.0.3], conditions: {ready: true}}]
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: ExternalName, externalName: outside.example}
---
apiVersion: v1
kind: Service
metadata: {name: idle}
spec: {clusterIP: 10.43.0.9, ports: [{port: 80}]}
"""
"""A headless Service, one of another cluster, and one without pods."""


def thing(kind: str, name: str, spec: object, namespace: str = "default", **metadata: Any) -> str:
    """A manifest of one custom resource."""
    named = {"name": name, "namespace": namespace, **metadata}
    return json.dumps({"apiVersion": "traefik.io/v1alpha1", "kind": kind, "metadata": named, "spec": spec})


def to(*services: object, match: str = "Host(`a.org`)", **route: Any) -> dict[str, Any]:
    """One of `routes`."""
    return {"match": match, "kind": "Rule", "services": list(services), **route}


def a_route(
    *routes: object, name: str = "shop", namespace: str = "default", metadata: Mapping[str, Any] = {}, **spec: Any
) -> str:
    """An IngressRoute."""
    return thing("IngressRoute", name, {"routes": list(routes), **spec}, namespace, **metadata)


def built(*manifests: str, **config: Any) -> Outcome:
    return build(KubernetesCRDProvider, config).build(cluster(WEB, SECOND, *manifests))


def http(*manifests: str, **config: Any) -> Any:
    """The section `http`, of manifests with which nothing is wrong."""
    outcome = built(*manifests, **config)
    assert list(map(str, outcome.problems)) == []
    return outcome.document["http"]


def only_router(*manifests: str, **config: Any) -> Any:
    """The only one that these make."""
    ((_, router),) = http(*manifests, **config)["routers"].items()
    return router


def only_service(spec: object, *manifests: str, **config: Any) -> Any:
    """What one service of a route becomes."""
    made = http(a_route(to(spec)), *manifests, **config)
    ((name, router),) = made["routers"].items()
    assert router["service"] in (name, f"{name}_lb")
    return made["services"][router["service"]]


def refused(*manifests: str, **config: Any) -> tuple[Sequence[str], str]:
    """The rules that are left, and the only thing that is wrong."""
    outcome = built(*manifests, **config)
    (problem,) = outcome.problems
    assert problem.warning
    return [router["rule"] for router in outcome.document["http"]["routers"].values()], str(problem)


def called(match: str = "Host(`a.org`)", name: str = "shop", namespace: str = "default") -> str:
    """The legacy name of a router."""
    return f"{namespace}-{name}-{digest(match)}"
