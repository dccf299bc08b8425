"""What Gateways and HTTPRoutes come to in both gateways, and what they are told."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest_asyncio
import yaml

from pointsman.testing.wire import eventually
from pointsman_kubernetes import kinds
from pointsman_kubernetes.kinds import Kind

from .harness import ORACLE
from .kubernetes import Both, Side, both

pytestmark = ORACLE

API = "apiVersion: gateway.networking.k8s.io/v1\n"
SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  clusterIP: 10.43.0.1
  ports:
  - {name: http, port: 80}
  - {name: https-x, port: 8443}
  - {name: h2c, port: 81, appProtocol: kubernetes.io/h2c}
  - {name: wss, port: 82, appProtocol: kubernetes.io/wss}
  - {name: odd, port: 83, appProtocol: amqp}
  - {name: secure, port: 443}
  - {name: udp, port: 84, protocol: UDP}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports:
- {name: http, port: 8080}
- {name: https-x, port: 8443}
- {name: h2c, port: 8081}
- {name: wss, port: 8082}
- {name: secure, port: 8443}
- {name: udp, port: 8084}
endpoints:
- {addresses: [10.42.0.1], conditions: {ready: true}}
- {addresses: [10.42.0.2], conditions: {ready: true}}
---
apiVersion: v1
kind: Service
metadata: {name: native, annotations: {traefik.io/service.nativelb: "true"}}
spec: {clusterIP: 10.43.0.2, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: bare}
spec: {clusterIP: 10.43.0.3, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: away, namespace: other}
spec: {clusterIP: 10.43.0.4, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: away-1, namespace: other, labels: {kubernetes.io/service-name: away}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.42.0.3], conditions: {ready: true}}]
---
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {team: ours}}
---
apiVersion: v1
kind: Namespace
metadata: {name: other, labels: {team: theirs}}
---
"""
GATEWAYS = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ours}
spec: {controllerName: traefik.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: theirs}
spec: {controllerName: another.example/controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, generation: 1}
spec:
  gatewayClassName: ours
  listeners:
  - name: http
    port: PORT
    protocol: HTTP
    allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: ours}}}}
  - {name: wild, port: PORT, protocol: HTTP, hostname: "*.wild.org"}
  - {name: twin, port: PORT, protocol: HTTP}
  - {name: nowhere, port: 9, protocol: HTTP}
  - {name: udp, port: PORT, protocol: UDP}
  - {name: tcp, port: PORT, protocol: TCP}
  - {name: tls, port: SECURE, protocol: HTTPS, tls: {certificateRefs: [{name: missing}]}}
  - {name: bare, port: SECURE, protocol: HTTPS, hostname: bare.org}
  - {name: pass, port: SECURE, protocol: HTTPS, hostname: pass.org, tls: {mode: Passthrough}}
  - {name: far, port: SECURE, protocol: HTTPS, hostname: far.org, tls: {certificateRefs: [{name: x, namespace: other}]}}
  - {name: kind, port: PORT, protocol: HTTP, hostname: kind.org, allowedRoutes: {kinds: [{kind: TLSRoute}]}}
  - {name: plain, port: PORT, protocol: HTTP, hostname: plain.org, tls: {certificateRefs: [{name: missing}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: all-wrong}
spec: {gatewayClassName: ours, listeners: [{name: nowhere, port: 9, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: not-ours}
spec: {gatewayClassName: theirs, listeners: [{name: http, port: PORT, protocol: HTTP}]}
---
"""
WEB = "backendRefs: [{name: web, port: 80}]"
ROUTES = r"""
plain: {rules: [{backendRefs: [{name: web, port: 80}]}]}
hosts: {hostnames: [a.org, b.example], rules: [{backendRefs: [{name: web, port: 80}]}]}
wild: {hostnames: ['*.c.org'], rules: [{backendRefs: [{name: web, port: 80}]}]}
exact:
  hostnames: [d.org]
  rules:
  - matches: [{path: {type: Exact, value: /x}}]
    backendRefs: [{name: web, port: 80}]
prefix:
  hostnames: [d.org]
  rules:
  - matches: [{path: {type: PathPrefix, value: /x/}}]
    backendRefs: [{name: web, port: 80}]
regex:
  hostnames: [e.org]
  rules:
  - matches: [{path: {type: RegularExpression, value: '/x[0-9]+'}}]
    backendRefs: [{name: web, port: 80}]
match:
  hostnames: [f.org]
  rules:
  - matches:
    - method: GET
      headers: [{name: A, value: b"c}, {name: B, value: ^c, type: RegularExpression}]
      queryParams: [{name: q, value: v}, {name: r, value: s, type: RegularExpression}]
    backendRefs: [{name: web, port: 80}]
two:
  hostnames: [g.org]
  rules:
  - matches: [{path: {value: /a}}, {path: {value: /b}}]
    backendRefs: [{name: web, port: 80}]
  - backendRefs: [{name: web, port: 80}]
modify:
  hostnames: [h.org]
  rules:
  - filters:
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: A, value: b}], add: [{name: C, value: d}], remove: [E]}
    - {type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: A, value: b}], remove: [E]}}
    backendRefs: [{name: web, port: 80}]
redirect: {hostnames: [i.org], rules: [{filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]}]}
redirects:
  hostnames: [j.org]
  rules:
  - matches: [{path: {value: /p}}]
    filters:
    - type: RequestRedirect
      requestRedirect:
        hostname: k.org
        port: 8080
        statusCode: 301
        path: {type: ReplacePrefixMatch, replacePrefixMatch: /n}
rewrite:
  hostnames: [l.org]
  rules:
  - matches: [{path: {value: /p}}]
    filters:
    - {type: URLRewrite, urlRewrite: {hostname: m.org, path: {type: ReplacePrefixMatch, replacePrefixMatch: /n}}}
    backendRefs: [{name: web, port: 80}]
rewrites:
  hostnames: [n.org]
  rules:
  - filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /n}}}]
    backendRefs: [{name: web, port: 80}]
weights: {hostnames: [o.org], rules: [{backendRefs: [{name: web, port: 80, weight: 3}, {name: none, port: 80}]}]}
nothing: {hostnames: [p.org], rules: [{matches: [{path: {value: /}}]}]}
portless: {hostnames: [q.org], rules: [{backendRefs: [{name: web}]}]}
wrong-port: {hostnames: [q1.org], rules: [{backendRefs: [{name: web, port: 99}]}]}
bare: {hostnames: [q2.org], rules: [{backendRefs: [{name: bare, port: 80}]}]}
kind: {hostnames: [q3.org], rules: [{backendRefs: [{name: web, port: 80, kind: ConfigMap}]}]}
odd: {hostnames: [q4.org], rules: [{backendRefs: [{name: web, port: 83}]}]}
away: {hostnames: [q5.org], rules: [{backendRefs: [{name: away, namespace: other, port: 80}]}]}
schemes:
  hostnames: [r.org]
  rules:
  - backendRefs: [{name: web, port: 8443}, {name: web, port: 81}, {name: web, port: 82}]
secure: {hostnames: [r1.org], rules: [{backendRefs: [{name: web, port: 443}]}]}
udp: {hostnames: [r2.org], rules: [{backendRefs: [{name: web, port: 84}]}]}
native: {hostnames: [s.org], rules: [{backendRefs: [{name: native, port: 80}]}]}
internal:
  hostnames: [t.org]
  rules:
  - backendRefs: [{name: api@internal, group: traefik.io, kind: TraefikService}]
file:
  hostnames: [u.org]
  rules:
  - backendRefs: [{name: x@file, group: traefik.io, kind: TraefikService}, {name: web, port: 80}]
no-at: {hostnames: [u1.org], rules: [{backendRefs: [{name: x, group: traefik.io, kind: TraefikService}]}]}
at-space:
  hostnames: [u2.org]
  rules:
  - backendRefs: [{name: x@file, namespace: default, group: traefik.io, kind: TraefikService}]
extension:
  hostnames: [v.org]
  rules:
  - filters: [{type: ExtensionRef, extensionRef: {group: traefik.io, kind: Middleware, name: m}}]
    backendRefs: [{name: web, port: 80}]
inner:
  hostnames: [w.org]
  rules:
  - backendRefs:
    - name: web
      port: 80
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: A, value: b}]}}]
odd-ext:
  hostnames: [x.org]
  rules:
  - filters: [{type: ExtensionRef, extensionRef: {group: x, kind: Y, name: m}}]
    backendRefs: [{name: web, port: 80}]
mirror:
  hostnames: [y.org]
  rules:
  - filters: [{type: RequestMirror, requestMirror: {backendRef: {name: web, port: 81}}}]
    backendRefs: [{name: web, port: 80}]
empty:
  hostnames: [z.org]
  rules:
  - filters: [{type: URLRewrite, urlRewrite: {}}]
    backendRefs: [{name: web, port: 80}]
in-wild: {hostnames: [x.wild.org], rules: [{backendRefs: [{name: web, port: 80}]}]}
"""
"""Specs of HTTPRoutes, but for their parents, by name."""


def routes(port: int) -> str:
    """All of them, and those that are attached in other ways."""
    found = []
    for name, spec in yaml.safe_load(ROUTES).items():
        whole = {"parentRefs": [{"name": "gw", "sectionName": "http"}], **spec}
        found.append(f"{API}kind: HTTPRoute\nmetadata: {{name: {name}}}\nspec: {json.dumps(whole)}\n---\n")
    for name, ref, spec in (
        ("outside", "{name: gw, sectionName: wild}", f"hostnames: [no.org], rules: [{{{WEB}}}]"),
        ("nohosts", "{name: gw, sectionName: wild}", f"rules: [{{{WEB}}}]"),
        ("nosection", "{name: gw, sectionName: none}", f"hostnames: [aa.org], rules: [{{{WEB}}}]"),
        ("port", f"{{name: gw, port: {port}}}", f"hostnames: [x.wild.org, ab.org], rules: [{{{WEB}}}]"),
        ("noport", "{name: gw, port: 77}", f"hostnames: [ac.org], rules: [{{{WEB}}}]"),
        ("twin", "{name: gw, sectionName: twin}", f"hostnames: [ad.org], rules: [{{{WEB}}}]"),
        ("tls", "{name: gw, sectionName: tls}", f"hostnames: [ae.org], rules: [{{{WEB}}}]"),
        ("wrong", "{name: all-wrong}", f"hostnames: [af.org], rules: [{{{WEB}}}]"),
        ("theirs", "{name: not-ours}", f"hostnames: [ag.org], rules: [{{{WEB}}}]"),
        ("unknown", "{name: unknown}", f"hostnames: [ah.org], rules: [{{{WEB}}}]"),
    ):
        found.append(f"{API}kind: HTTPRoute\nmetadata: {{name: {name}}}\nspec: {{parentRefs: [{ref}], {spec}}}\n---\n")
    foreign = f"{{parentRefs: [{{name: gw, namespace: default}}], hostnames: [ai.org], rules: [{{{WEB}}}]}}"
    found.append(f"{API}kind: HTTPRoute\nmetadata: {{name: foreign, namespace: other}}\nspec: {foreign}\n---\n")
    return "".join(found)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster():
    dynamic = {"http": {"services": {"x": {"loadBalancer": {"servers": [{"url": "http://10.42.0.9"}]}}}}}
    async with both("kubernetesGateway", SERVICES, dynamic=dynamic, until=lambda side: True) as found:
        for side in (found.theirs, found.ours):
            port, secure = side.gateway.port("web"), side.gateway.port("websecure")
            side.server.apply(routes(port), GATEWAYS.replace("PORT", str(port)).replace("SECURE", str(secure)))
        await found.until(_is_complete, "routers of all routes")
        yield found


DIFFERENT = {
    r"services\..*\.weighted\.services\[\d+\]\.status": "the reference's API does not show it",
    r"middlewares\..*\.(url|URL)Rewrite\..*": "written as all names are; either is read in any case",
    r"middlewares\..*\.requestRedirect\.port": "what is empty is not shown",
    r"(routers|services)\.httproute-default-mirror-.*": "mirrors are there",
    r"services\.httproute-default-redirects?-.*-wrr\.weighted.*": "a service that is never asked is no empty one",
    r"routers\.httproute-default-(in-wild|port)-.*\.priority": "an exact host goes before a wildcard of other routes",
}
TOLD = {
    ("HTTPRoute", "empty", "0", "Accepted"): (("True", "Accepted"), ("False", "UnsupportedValue")),
    **{
        ("HTTPRoute", name, "0", "ResolvedRefs"): (("True", "ResolvedRefs"), ("False", "InvalidKind"))
        for name in ("odd-ext", "extension")
    },
}
"""A filter that cannot be had is told, not only logged."""


async def test_gateways_and_their_routes_come_to_the_same(cluster: Both):
    assert not cluster.differing(DIFFERENT)


def _is_complete(side: Side) -> bool:
    routed = {*yaml.safe_load(ROUTES), "nohosts", "port"}
    return routed == {name.removeprefix("httproute-default-").split("-gw-")[0] for name in side.routers}


async def test_gateways_and_their_routes_are_told_the_same(cluster: Both):
    def differing() -> dict[tuple[str, ...], tuple[Any, Any]]:
        theirs, ours = dict(_written(cluster.theirs)), dict(_written(cluster.ours))
        keys = theirs.keys() | ours.keys()
        return {key: (theirs.get(key), ours.get(key)) for key in keys if theirs.get(key) != ours.get(key)}

    with suppress(TimeoutError):
        await eventually(lambda: differing() == TOLD, "equal statuses")
    assert differing() == TOLD


EXTENDED = f"""
{API}kind: GatewayClass
metadata: {{name: ours}}
spec: {{controllerName: traefik.io/gateway-controller}}
---
{API}kind: Gateway
metadata: {{name: gw}}
spec: {{gatewayClassName: ours, listeners: [{{name: http, port: PORT, protocol: HTTP}}]}}
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {{name: m}}
spec: {{addPrefix: {{prefix: /x}}}}
---
{API}kind: HTTPRoute
metadata: {{name: r}}
spec:
  parentRefs: [{{name: gw}}]
  rules:
  - filters: [{{type: ExtensionRef, extensionRef: {{group: traefik.io, kind: Middleware, name: m}}}}]
    backendRefs: [{{name: web, port: 80}}]
"""


async def test_a_middleware_is_called_as_the_provider_of_custom_resources_calls_it():
    for options, name in (({}, "default-m@kubernetescrd"), ({"safeNaming": True}, "default_m@kubernetescrd")):
        others = {"kubernetesCRD": options}
        async with both("kubernetesGateway", SERVICES, others=others, until=lambda side: True) as found:
            for side in (found.theirs, found.ours):
                side.server.apply(EXTENDED.replace("PORT", str(side.gateway.port("web"))))
            await found.until(lambda side: side.routers, "the router")
            named = [next(iter(side.routers.values())).get("middlewares") for side in (found.theirs, found.ours)]
            assert named == [[name], [name]]


def _written(side: Side) -> Iterator[tuple[tuple[str, ...], Any]]:
    for kind in (kinds.GATEWAY_CLASS, kinds.GATEWAY, kinds.HTTP_ROUTE):
        for thing in side.server.store.listed(kind, "", lambda _: True):
            yield from _told(kind, thing, thing.get("status", {}))


def _told(kind: Kind, thing: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    own = kind.name, thing["metadata"]["name"]
    for each in status.get("conditions", ()):
        yield (*own, each["type"]), (each["status"], each["reason"])
    for listener in status.get("listeners", ()):
        name = *own, listener["name"]
        yield (*name, "kinds"), [each["kind"] for each in listener["supportedKinds"]]
        yield (*name, "routes"), listener["attachedRoutes"]
        for each in listener["conditions"]:
            yield (*name, each["type"]), (each["status"], each["reason"])
    for number, parent in enumerate(status.get("parents", ())):
        for each in parent["conditions"]:
            yield (*own, str(number), each["type"]), (each["status"], each["reason"])
