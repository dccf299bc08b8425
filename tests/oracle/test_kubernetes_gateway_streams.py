"""GRPCRoutes, TLSRoutes, TCPRoutes and BackendTLSPolicies: what both gateways make of them."""

import base64
import json

import trustme

from pointsman import ListeningPoint
from pointsman.testing import FakeContext, build
from pointsman_kubernetes import kinds
from pointsman_kubernetes.gateway.provider import KubernetesGateway
from pointsman_kubernetes.objects import Objects
from tests.servers.kubernetes_store import kind_key

from .harness import ORACLE
from .kubernetes import both

pytestmark = ORACLE

AUTHORITY = trustme.CA()
OPTIONS = {"experimentalChannel": True}
POINTS = {"web": {}, "secure": {}, "tls": {}, "tcp": {}, "traefik": {}}


def cert() -> str:
    issued = AUTHORITY.issue_cert("*.w.org")
    pair = {"tls.crt": issued.cert_chain_pems[0].bytes(), "tls.key": issued.private_key_pem.bytes()}
    data = {key: base64.b64encode(value).decode() for key, value in pair.items()}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cert"}, "data": data})


SERVICES = "\n---\n".join(
    f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{clusterIP: 10.43.0.{number}, ports: [{{name: main, port: {port}, protocol: TCP{more}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: main, port: 8{port}}}]
endpoints: [{{addresses: [10.42.0.{number}], conditions: {{ready: true}}}}]
"""
    for number, (name, port, more) in enumerate(
        [
            ("web", 80, ""),
            ("tlsgrpc", 81, ", appProtocol: https"),
            ("odd", 82, ", appProtocol: odd"),
            ("sec", 443, ""),
            ("sys", 444, ""),
        ],
        1,
    )
)


def gateway(side) -> str:
    port = side.gateway.port
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: c}}
spec: {{controllerName: traefik.io/gateway-controller}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gw}}
spec:
  gatewayClassName: c
  listeners:
  - {{name: web, port: {port("web")}, protocol: HTTP}}
  - {{name: pass, port: {port("tls")}, protocol: TLS, tls: {{mode: Passthrough}}}}
  - {{name: term, port: {port("secure")}, protocol: TLS, hostname: "*.w.org", tls: {{certificateRefs: [{{name: cert}}]}}}}
  - {{name: tcp, port: {port("tcp")}, protocol: TCP}}
"""


def route(kind: str, name: str, spec: str, section: str = "", born: str = "2026-01-01", version: str = "v1") -> str:
    only = f", sectionName: {section}" if section else ""
    return f"""
---
apiVersion: gateway.networking.k8s.io/{version}
kind: {kind}
metadata: {{name: {name}, creationTimestamp: "{born}T00:00:00Z"}}
spec: {{parentRefs: [{{name: gw{only}}}], {spec}}}
"""


def policy(name: str, target: str, validation: str, born: str = "2026-01-01") -> str:
    return f"""
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: {name}, creationTimestamp: "{born}T00:00:00Z"}}
spec: {{targetRefs: [{{group: "", kind: Service, name: {target}}}], validation: {{hostname: sec.org, {validation}}}}}
"""


WEB = "backendRefs: [{name: web, port: 80}]"
HEADERS = '{name: X, value: "1"}, {name: Y, value: "2.*", type: RegularExpression}'
GRPC = (
    route(
        "GRPCRoute",
        "g",
        f"""hostnames: [g.org], rules: [
        {{matches: [
            {{method: {{service: a.B, method: Get}}}},
            {{method: {{service: "a.*", type: RegularExpression}}, headers: [{HEADERS}]}},
            {{method: {{method: Put}}}}, {{method: {{service: only}}}}],
          backendRefs: [{{name: web, port: 80, weight: 3}}, {{name: gone, port: 80}}]}},
        {{matches: [{{method: {{service: tls}}}}], backendRefs: [{{name: tlsgrpc, port: 81}}, {{name: odd, port: 82}}]}},
        {{matches: [{{method: {{service: odd}}}}], filters: [{{type: Nonsense}}], {WEB}}},
        {{{WEB}}}]""",
        "web",
    )
    + route("GRPCRoute", "any", f"rules: [{{matches: [{{method: {{service: h}}}}], {WEB}}}]", "web", "2026-02-01")
    + route("GRPCRoute", "first", f"hostnames: [f.org], rules: [{{{WEB}}}]", "web", "2025-01-01")
    + route("HTTPRoute", "second", f"hostnames: [f.org], rules: [{{{WEB}}}]", "web")
    + route(
        "HTTPRoute",
        "secured",
        "hostnames: [sec.org], rules: [{backendRefs: [{name: sec, port: 443}, {name: sys, port: 444}]}]",
        "web",
    )
)
STREAMS = (
    route(
        "TLSRoute",
        "t",
        "hostnames: [x.w.org], rules: [{backendRefs: "
        "[{name: web, port: 80, weight: 2}, {name: gone, port: 80}, {name: web, port: 80}]}]",
    )
    + route("TLSRoute", "wild", f"hostnames: ['*.w.org', '*.v.org'], rules: [{{{WEB}}}]")
    + route("TCPRoute", "c", f"rules: [{{{WEB}}}]", version="v1alpha2")
)
BY_CA = 'caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]'
CA = json.dumps(AUTHORITY.cert_pem.bytes().decode())
POLICIES = (
    f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: ca}}\ndata: {{ca.crt: {CA}}}\n"
    + policy(
        "old",
        "sec",
        f"{BY_CA}, subjectAltNames: [{{type: Hostname, hostname: alt.org}}]",
    )
    + policy("young", "sec", "wellKnownCACertificates: System", "2026-02-01")
    + policy("nothing", "sys", 'caCertificateRefs: [{group: "", kind: ConfigMap, name: gone}]')
)


KINDS = (kinds.GRPC_ROUTE, kinds.HTTP_ROUTE, kinds.TLS_ROUTE, kinds.TCP_ROUTE, kinds.BACKEND_TLS_POLICY)


def held(side, kind):
    return list(side.server.store.shelves[kind_key(kind)].objects.values())


def conditions(kind, name, status):
    """`GRPCRoute g Accepted` -> status and reason; all listeners that a policy is told of say the same."""
    return {
        f"{kind.name} {name} {condition['type']}": (condition["status"], condition["reason"])
        for each in (status or {}).get("parents", (status or {}).get("ancestors", []))
        for condition in each["conditions"]
    }


def told(side):
    """What the reference tells its objects."""
    found = [(kind, thing["metadata"]["name"], thing.get("status")) for kind in KINDS for thing in held(side, kind)]
    return {key: each for one in found for key, each in conditions(*one).items()}


def tells(side):
    """What we would tell them."""
    points = [ListeningPoint(name, side.gateway.port(name), "tcp") for name in POINTS]
    provider = build(KubernetesGateway, OPTIONS, FakeContext(entry_points=points))
    outcome = provider.build(Objects({kind: held(side, kind) for kind in provider.kinds()}))
    found = [(each.kind, each.object["metadata"]["name"], each.status) for each in outcome.statuses if each.kind in KINDS]
    return {key: each for one in found for key, each in conditions(*one).items()}


DECLARED = {
    r"routers\.grpcroute-default-(g|any)-.*\.rule": "a method is the whole path, not found anywhere in it",
    r"routers\.grpcroute-default-g-.*\.priority": "a longer service goes first, then a longer method, then more headers",
    r"services\..*\.weighted\.services\[\d\]\.(grpcStatus|status)": "the reference does not show them",
    r"tcpRouters\.deny-unknown-host\..*": "closed before a certificate is shown, where there are TLSRoutes and behind HTTPS",
}


def settled(side):
    late = [name for name in side.routers if name.startswith("grpcroute-default-any")]
    return len(side.routers) == 9 and len(side.tcpRouters) == 6 and not late


CONFLICT = ("False", "HostnameConflict")


async def test_routes_come_to_the_same_in_both():
    manifests = (SERVICES, cert(), POLICIES)
    async with both(
        "kubernetesGateway", *manifests, options=OPTIONS, entry_points=POINTS, until=lambda side: True
    ) as cluster:
        for side in (cluster.theirs, cluster.ours):
            side.server.apply(gateway(side), GRPC, STREAMS)
        await cluster.until(settled, "all routers, and none of what came late")
        await cluster.theirs.until(lambda side: told(side).get("GRPCRoute any Accepted") == CONFLICT, "statuses")
        assert "\n".join(cluster.differing(DECLARED)) == ""
        theirs, ours = told(cluster.theirs), tells(cluster.ours)
        differing = {key: (theirs.get(key), ours.get(key)) for key in theirs.keys() | ours.keys()}
        assert {key: pair for key, pair in differing.items() if pair[0] != pair[1]} == {
            # nothing is wrong with what it refers to
            "BackendTLSPolicy young ResolvedRefs": (("False", "ResolvedRefs"), ("True", "ResolvedRefs")),
            # it says which filter it does not have
            "GRPCRoute g Accepted": (("True", "Accepted"), ("False", "UnsupportedValue")),
        }
