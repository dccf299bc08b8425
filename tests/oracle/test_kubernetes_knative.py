"""Ingresses of Knative: what both gateways make of them."""

from pointsman.testing import build
from pointsman_kubernetes.kinds import KNATIVE_INGRESS
from pointsman_kubernetes.knative import KnativeProvider
from pointsman_kubernetes.objects import Objects

from .harness import ORACLE
from .kubernetes import both
from .test_kubernetes_gateway_streams import cert, held

pytestmark = ORACLE

SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: one}
spec: {clusterIP: 10.43.0.1, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: two}
spec: {clusterIP: 10.43.0.2, ports: [{name: http2, port: 80, appProtocol: kubernetes.io/h2c}]}
"""
SPLITS = """
        - {serviceName: one, serviceNamespace: default, servicePort: 80, percent: 90, appendHeaders: {X-Revision: a}}
        - {serviceName: two, serviceNamespace: default, servicePort: http2, percent: 10}
"""
SINGLE = "splits: [{serviceName: one, serviceNamespace: default, servicePort: 80, percent: 7}]"
MANY = f"""
  - hosts: [a.org, b.org]
    visibility: ExternalIP
    http:
      paths:
      - path: /shop
        headers: {{Tag: {{exact: 'bl"ue'}}, Also: {{exact: x}}}}
        appendHeaders: {{X-Path: "1"}}
        splits: {SPLITS}
      - {{{SINGLE}}}
"""
INSIDE = f"""
  - {{hosts: [a.default], visibility: ClusterLocal, http: {{paths: [{{path: /, {SINGLE}}}]}}}}
"""
SECURED = "  tls: [{hosts: [t.org], secretName: cert, secretNamespace: default}]"


def ingress(name, rules, more="", kind="traefik.ingress.networking.knative.dev"):
    return f"""
---
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata: {{name: {name}, generation: 2, annotations: {{networking.knative.dev/ingress.class: {kind}}}}}
spec:
  rules: {rules}
{more}
"""


MANIFESTS = (
    SERVICES,
    cert(),
    ingress("many", MANY),
    ingress("inside", INSIDE),
    ingress("secured", f"[{{hosts: [t.org], http: {{paths: [{{{SINGLE}}}]}}}}]", SECURED),
    ingress("others", MANY, kind="istio.ingress.networking.knative.dev"),
)
OPTIONS = {
    "publicEntrypoints": ["web"],
    "privateEntrypoints": ["websecure"],
    "publicService": {"name": "edge", "namespace": "gateways"},
}


DECLARED = {
    r"routers\.default-secured-rule-0-path-0-tls\.tls(\.options)?": "the reference does not show the options here",
    r"services\..*\.headers\..*": "the reference does not show them",
}


async def test_ingresses_come_to_the_same_in_both_and_both_tell_them_the_same():
    async with both("knative", *MANIFESTS, options=OPTIONS, static={"experimental": {"knative": True}}) as cluster:
        await cluster.until(lambda side: len(side.routers) == 5, "routers")
        assert "\n".join(cluster.differing(DECLARED)) == ""
        await cluster.theirs.until(lambda side: all("status" in each for each in ingresses(side)), "statuses")
        provider = build(KnativeProvider, OPTIONS)
        objects = {kind: held(cluster.ours, kind) for kind in provider.kinds()}
        told = {each.object["metadata"]["name"]: each.status for each in provider.build(Objects(objects)).statuses}
        theirs = {each["metadata"]["name"]: each["status"] for each in ingresses(cluster.theirs)}
        assert {name: timeless(status) for name, status in theirs.items()} == {
            name: timeless(status) for name, status in told.items()
        }


def ingresses(side):
    return [each for each in held(side, KNATIVE_INGRESS) if each["metadata"]["name"] != "others"]


def timeless(status):
    conditions = [{key: each[key] for key in each if key != "lastTransitionTime"} for each in status["conditions"]]
    return {**status, "conditions": conditions}
