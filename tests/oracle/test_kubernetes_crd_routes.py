"""IngressRoutes and TraefikServices of a cluster: what Traefik and Pointsman make of them, by both kinds of names."""

import json

import pytest_asyncio

from .harness import ORACLE
from .kubernetes import both

pytestmark = ORACLE

SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, clusterIP: 10.43.0.1, ports: [{name: http, port: 80, nodePort: 30080}, {name: https-x, port: 8443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}, {name: https-x, port: 8443}]
endpoints:
- {addresses: [10.42.0.1], conditions: {ready: true}}
- {addresses: [10.42.0.2], conditions: {ready: false, serving: true, terminating: true}}
- {addresses: [10.42.0.3], conditions: {ready: false, serving: false}}
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: headless-1, labels: {kubernetes.io/service-name: headless}}
addressType: IPv6
ports: [{name: http, port: 8080}]
endpoints: [{addresses: ["fd00::1"], conditions: {ready: true}}]
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
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: other}
spec: {clusterIP: 10.43.0.8, ports: [{port: 80}]}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: Hostname, address: n1}, {type: InternalIP, address: 192.0.2.1}]}
"""
WEB, HEADLESS = {"name": "web", "port": 80}, {"name": "headless", "port": 80}
BY_NAME = {"name": "web", "port": "http"}
COOKIE = {"name": "c", "secure": True, "httpOnly": True, "sameSite": "lax", "maxAge": 3, "path": "/x", "domain": "a.org"}
CHECK = {
    "path": "/h",
    "interval": 5,
    "timeout": "2s",
    "status": 200,
    "port": 9,
    "hostname": "h",
    "method": "HEAD",
    "scheme": "https",
}


def thing(kind, name, spec, namespace="default", **metadata):
    named = {"name": name, "namespace": namespace, **metadata}
    return json.dumps({"apiVersion": "traefik.io/v1alpha1", "kind": kind, "metadata": named, "spec": spec})


def named(name):
    return {"name": name, "kind": "TraefikService"}


ROUTES = {
    "plain": {"services": [{**WEB, "weight": 3}]},
    "byname": {"services": [BY_NAME], "priority": 7},
    "secure": {"services": [{"name": "web", "port": 8443}]},
    "observed": {"services": [WEB], "observability": {"accessLogs": False, "tracing": False, "traceVerbosity": "detailed"}},
    "several": {"services": [{**WEB, "weight": 3}, HEADLESS, {**named("weighted"), "weight": 4}]},
    "ways": {"services": [{**BY_NAME, "strategy": "p2c"}, {**BY_NAME, "strategy": "hrw"}]},
    "none": {"services": []},
    "settings": {
        "services": [
            {
                **WEB,
                "strategy": "p2c",
                "scheme": "h2c",
                "passHostHeader": False,
                "responseForwarding": {"flushInterval": "5ms"},
                "sticky": {"cookie": COOKIE},
                "middlewares": [{"name": "mark"}],
                "passiveHealthCheck": {"failureWindow": 3, "maxFailedAttempts": 2},
            }
        ]
    },
    "old": {"services": [{**WEB, "strategy": "RoundRobin"}]},
    "native": {"services": [{**WEB, "nativeLB": True}]},
    "nodes": {"services": [{**WEB, "nodePortLB": True}]},
    "outside": {"services": [{"name": "outside", "port": 81, "healthCheck": CHECK}]},
    "checked": {"services": [{**WEB, "healthCheck": CHECK}]},
    "idle": {"services": [{"name": "idle", "port": 80}]},
    "noport": {"services": [{"name": "web", "port": 99}]},
    "gone": {"services": [{"name": "gone", "port": 80}]},
    "oneofmany": {"services": [{"name": "gone", "port": 80}, WEB]},
    "scheme": {"services": [{**WEB, "scheme": "ftp"}]},
    "strategy": {"services": [{**WEB, "strategy": "best"}]},
    "headless": {"services": [HEADLESS]},
    "foreign": {"services": [{**WEB, "namespace": "other", "nativeLB": True}]},
    "api": {"services": [named("api@internal")]},
    "notapi": {"services": [{"name": "api@internal"}]},
    "suffixed": {"services": [{"name": "web@kubernetescrd", "port": 80}]},
    "middlewares": {"services": [WEB], "middlewares": [{"name": "mark"}, {"name": "spelled-so"}]},
    "missing": {"services": [WEB], "middlewares": [{"name": "missing"}]},
    "apart": {"services": [WEB], "middlewares": [{"name": "mark", "namespace": "other"}]},
    "fullname": {"services": [WEB], "middlewares": [{"name": "default-mark@kubernetescrd"}]},
    "kind": {"services": [WEB], "kind": "Other"},
    "transport": {"services": [{**WEB, "serversTransport": "x@kubernetescrd"}]},
}
CHOICES = {
    "weighted": {"weighted": {"services": [{**WEB, "weight": 2}, HEADLESS], "sticky": {"cookie": {"name": "c"}}}},
    "random": {"highestRandomWeight": {"services": [{**WEB, "weight": 2}, HEADLESS]}},
    "mirroring": {"mirroring": {**WEB, "mirrorBody": False, "maxBodySize": 9, "mirrors": [{**HEADLESS, "percent": 10}]}},
    "failover": {
        "failover": {"service": WEB, "fallback": HEADLESS, "errors": {"status": ["500-599"], "maxRequestBodyBytes": 5}}
    },
    "nested": {"weighted": {"services": [named("weighted"), named("failover")]}},
    "empty": {},
    "two": {"mirroring": WEB, "weighted": {"services": [WEB]}},
    "half": {"weighted": {"services": [HEADLESS, {"name": "gone", "port": 80}]}},
    "self": {"weighted": {"services": [named("self")]}},
}
OBJECTS = [
    *(
        thing(
            "IngressRoute",
            name,
            {"entryPoints": ["web"], "routes": [{"match": f"Host(`{name}.org`)", "kind": "Rule", **route}]},
        )
        for name, route in ROUTES.items()
    ),
    *(thing("TraefikService", name, spec) for name, spec in CHOICES.items()),
    *(
        thing(
            "IngressRoute",
            f"to-{name}",
            {"routes": [{"match": f"Host(`to-{name}.org`)", "kind": "Rule", "services": [named(name)]}]},
        )
        for name in CHOICES
    ),
    thing("Middleware", "mark", {"addPrefix": {"prefix": "/x"}}),
    thing("Middleware", "spelled-so", {"addPrefix": {"prefix": "/x"}}),
    thing("Middleware", "mark", {"addPrefix": {"prefix": "/y"}}, "other"),
    thing("TLSOption", "strict", {"minVersion": "VersionTLS13"}),
    thing("TLSOption", "default", {"minVersion": "VersionTLS12"}),
    *(
        thing(
            "IngressRoute",
            f"tls-{option}",
            {
                "routes": [{"match": f"Host(`tls-{option}.org`)", "kind": "Rule", "services": [WEB]}],
                "tls": {
                    "secretName": "gone",
                    "options": {"name": option},
                    "domains": [{"main": "a.org", "sans": ["b.org"]}],
                },
            },
        )
        for option in ("strict", "default", "gone")
    ),
    thing("IngressRoute", "top", {"routes": [{"match": f"PathPrefix(`/{path}`)", "kind": "Rule"} for path in "ab"]}),
    thing(
        "IngressRoute",
        "below",
        {"parentRefs": [{"name": "top"}], "routes": [{"match": "Path(`/a/x`)", "kind": "Rule", "services": [WEB]}]},
    ),
    thing(
        "IngressRoute",
        "orphan",
        {"parentRefs": [{"name": "gone"}], "routes": [{"match": "Path(`/o`)", "kind": "Rule", "services": [WEB]}]},
    ),
    *(
        thing(
            "IngressRoute",
            f"class-{number}",
            {**spec, "routes": [{"match": "Path(`/c`)", "kind": "Rule", "services": [WEB]}]},
            **more,
        )
        for number, (spec, more) in enumerate(
            [
                ({"ingressClassName": "other"}, {}),
                ({"ingressClassName": "traefik"}, {"annotations": {"kubernetes.io/ingress.class": "other"}}),
                ({}, {"annotations": {"kubernetes.io/ingress.class": "traefik"}}),
                ({}, {"annotations": {"kubernetes.io/ingress.class": "other"}}),
            ]
        )
    ),
    thing(
        "IngressRoute",
        "twice",
        {"routes": [{"match": "Path(`/t`)", "kind": "Rule", "priority": number, "services": [WEB]} for number in (1, 2)]},
    ),
]
EVERYTHING = {
    "safeNaming": True,
    "allowCrossNamespace": True,
    "allowExternalNameServices": True,
    "allowEmptyServices": True,
    "nativeLBByDefault": True,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[{}, EVERYTHING], ids=["legacy", "safe"])
async def cluster(request):
    async with both("kubernetesCRD", SERVICES, *OBJECTS, options=request.param, until=lambda side: side.routers) as found:
        yield found


REASONS = {
    r"routers\..*[-_]tls-default[-_].*": "the option called default is the default one",
    r"(routers|services)\..*\.error(\[.*)?": "reasons are told in other words",
    r"routers\..*[-_]orphan[-_].*\.priority": "a child has a priority, too",
}
DECLARED = {
    "legacy": {
        **REASONS,
        r"services\.default-web-http.*": "a Service that is wanted in two ways is two services, not the last for all",
        r"services\.default-ways-.*\.name": "and the second has a name of its own",
    },
    "safe": {
        **REASONS,
        r"services\..*\.healthCheck\.(mode|unhealthyInterval)": "what is not said is shown as in other services",
    },
}


async def test_both_make_the_same_of_it(cluster):
    declared = DECLARED["safe" if "default_plain_0" in cluster.ours.routers else "legacy"]

    assert "\n".join(cluster.differing(declared)) == ""
