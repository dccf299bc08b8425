"""A cluster with a Gateway, and what is asked of builds of it."""

from typing import Any

from pointsman import ListeningPoint
from pointsman.testing import FakeContext, build
from pointsman_kubernetes.crd.options import KubernetesCRDConfig
from pointsman_kubernetes.gateway.provider import KubernetesGateway
from pointsman_kubernetes.outcome import Outcome

from .manifests import WEB, cluster

POINTS = (ListeningPoint("web", 80, "tcp"), ListeningPoint("websecure", 443, "tcp"))
CLASS = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ours}
spec: {controllerName: traefik.io/gateway-controller}
---
"""
GATEWAY = (
    CLASS
    + """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, generation: 3}
spec:
  gatewayClassName: ours
  listeners:
  - {name: http, port: 80, protocol: HTTP}
---
"""
)


def gateway(listeners: str, *, name: str = "gw", spec: str = "") -> str:
    """The class, and a Gateway with these listeners in YAML flow style."""
    return f"""{CLASS}
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}}}
spec: {{gatewayClassName: ours, listeners: [{listeners}]{spec}}}
---
"""


def route(
    spec: str, *, name: str = "r", namespace: str = "default", born: str = "2026-01-01T00:00:00Z", kind: str = "HTTPRoute"
) -> str:
    """A route to the Gateway, with the rest of its spec in YAML flow style."""
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: {kind}
metadata: {{name: {name}, namespace: {namespace}, generation: 2, creationTimestamp: "{born}"}}
spec: {{parentRefs: [{{name: gw, namespace: default}}], {spec}}}
---
"""


def middleware(name: str, namespace: str = "default", *, born: str = "2026-01-01T00:00:00Z") -> str:
    """A Middleware."""
    return f"""
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {{name: {name}, namespace: {namespace}, creationTimestamp: "{born}"}}
spec: {{addPrefix: {{prefix: /{namespace}}}}}
---
"""


def provider(options: Any = None, crd: Any = None, points: Any = POINTS) -> KubernetesGateway:
    """One with these options, beside a kubernetesCRD with those of `crd`; without one for None."""
    others = {} if crd is None else {"kubernetesCRD": KubernetesCRDConfig(**crd)}
    return build(KubernetesGateway, options, FakeContext(entry_points=points, providers=others))


def made(
    *manifests: str, options: Any = None, web: str = WEB, points: Any = POINTS, crd: Any = None, **kwargs: Any
) -> Outcome:
    """What a cluster with these objects, and the Service web, comes to."""
    return provider(options, crd, points).build(cluster(web, *manifests, **kwargs))


def status_of(outcome: Outcome, kind: str, name: str) -> dict[str, Any]:
    """What an object is told. KeyError if nothing."""
    found = {(each.kind.name, each.object["metadata"]["name"]): each.status for each in outcome.statuses}
    return dict(found[kind, name])


def reasons(conditions: Any) -> dict[str, tuple[str, str]]:
    """Status and reason by the type of the condition."""
    return {each["type"]: (each["status"], each["reason"]) for each in conditions}


def listener(outcome: Outcome, name: str = "http", gateway: str = "gw") -> dict[str, tuple[str, str]]:
    """What a listener is told."""
    found = {each["name"]: each for each in status_of(outcome, "Gateway", gateway)["listeners"]}
    return reasons(found[name]["conditions"])


def parent(outcome: Outcome, name: str = "r", kind: str = "HTTPRoute") -> dict[str, tuple[str, str]]:
    """What a route is told for its only parent."""
    (found,) = status_of(outcome, kind, name)["parents"]
    return reasons(found["conditions"])


def routers(outcome: Outcome) -> list[dict[str, Any]]:
    """The HTTP routers, the one that goes first first."""
    return sorted(outcome.document["http"]["routers"].values(), key=lambda router: -router["priority"])


def rules(outcome: Outcome) -> list[str]:
    """Their rules, in that order."""
    return [router["rule"] for router in routers(outcome)]
