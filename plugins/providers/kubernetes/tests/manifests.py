"""Objects of a cluster from manifests in YAML, as `kubectl apply` takes them."""

from collections.abc import Sequence
from typing import Any

import yaml

from pointsman_kubernetes import kinds
from pointsman_kubernetes.kinds import Kind
from pointsman_kubernetes.objects import Objects

KINDS = {
    (f"{kind.group}/{kind.version}".lstrip("/"), kind.name): kind for kind in vars(kinds).values() if isinstance(kind, Kind)
}
BORN = "2026-01-01T00:00:00Z"

WEB = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.43.0.1, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- {addresses: [10.42.0.1], conditions: {ready: true}}
- {addresses: [10.42.0.2], conditions: {ready: true}}
"""
"""The cluster of the acceptance cases (kubernetes.md §8): one Service with two pods."""


def things(*manifests: str) -> list[tuple[Kind, dict[str, Any]]]:
    """Every object with its kind; those without a namespace are in `default`."""
    found = []
    for manifest in manifests:
        for thing in yaml.safe_load_all(manifest):
            if thing:
                kind = KINDS[thing["apiVersion"], thing["kind"]]
                if kind.namespaced:
                    thing["metadata"].setdefault("namespace", "default")
                thing["metadata"].setdefault("creationTimestamp", BORN)
                found.append((kind, thing))
    return found


def cluster(*manifests: str, namespaces: Sequence[str] = ()) -> Objects:
    """What is known of a cluster that has these objects."""
    found: dict[Kind, list[dict[str, Any]]] = {}
    for kind, thing in things(*manifests):
        found.setdefault(kind, []).append(thing)
        if kind.plural == "configmaps":
            found[kinds.CONFIG_MAP] = found[kinds.CONFIG_MAP_NOT_HELM] = found[kind]
    return Objects(found, namespaces)
