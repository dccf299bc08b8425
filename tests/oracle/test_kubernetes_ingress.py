"""What kubernetesIngress makes of a cluster, with the real Traefik as the judge: routers, services and statuses."""

from base64 import b64encode

import trustme
import yaml

from .harness import ORACLE
from .kubernetes import Condition, both

pytestmark = ORACLE

A = "traefik.ingress.kubernetes.io/"


def a_path(path="/", kind="Prefix", service="web", port=80):
    named = {"name" if isinstance(port, str) else "number": port}
    return {"path": path, "pathType": kind, "backend": {"service": {"name": service, "port": named}}}


def an_ingress(name, *paths, host="", annotations=(), namespace="default", **spec):
    known = {key if "/" in key else A + key: value for key, value in dict(annotations).items()}
    spec.setdefault("rules", [{"host": host or f"{name}.org", "http": {"paths": list(paths or [a_path()])}}])
    metadata = {"name": name, "namespace": namespace, "annotations": known}
    return yaml.safe_dump({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec})


def a_service(
    name, annotations=(), endpoints=({"addresses": ["10.42.0.9"]},), ports=({"name": "http", "port": 80},), **spec
):
    known = {A + key: value for key, value in dict(annotations).items()}
    metadata = {"name": name, "namespace": "default", "annotations": known}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"clusterIP": "10.43.0.9", "ports": list(ports)} | spec,
    }
    piece = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "namespace": "default", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": port.get("name", ""), "port": 8080 + n, "protocol": "TCP"} for n, port in enumerate(ports)],
        "endpoints": list(endpoints),
    }
    return yaml.safe_dump_all([service, piece])


def an_endpoint(address, **conditions):
    return {"addresses": [address], "conditions": conditions}


def of_service(name, annotations=(), port=80, **spec):
    """A Service, and an Ingress that leads to it."""
    return an_ingress(name, a_path(service=name, port=port)) + "---\n" + a_service(name, annotations, **spec)


CLASSES = """
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: ours}
spec: {controller: traefik.io/ingress-controller}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: others}
spec: {controller: example.org/controller}
"""
NODES = """
apiVersion: v1
kind: Node
metadata: {name: one}
status:
  addresses:
  - {type: InternalIP, address: 192.0.2.1}
  - {type: InternalIP, address: "2001:db8::1"}
  - {type: ExternalIP, address: 198.51.100.1}
---
apiVersion: v1
kind: Node
metadata: {name: two}
status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}
"""
INGRESSES = (
    an_ingress("exact", a_path("/x", "Exact"), a_path("/y")),
    an_ingress("specific", a_path("/x", "ImplementationSpecific"), a_path("", "ImplementationSpecific")),
    an_ingress("twice", a_path("/x", "Exact"), a_path("/x"), a_path("/x/")),
    an_ingress("regexp", a_path("/x/[0-9]+", "ImplementationSpecific"), annotations={"router.pathmatcher": "PathRegexp"}),
    an_ingress("matcher", a_path("/x", "ImplementationSpecific"), a_path("/y"), annotations={"router.pathmatcher": "Foo"}),
    an_ingress("anycase", a_path("/x", "ImplementationSpecific"), annotations={"router.pathmatcher": "path"}),
    an_ingress("wildcard", host="*.w.org"),
    an_ingress("wildcard2", host="*.w2.org", annotations={"router.rulesyntax": "v2"}),
    an_ingress("nohost", rules=[{"http": {"paths": [a_path("/nohost")]}}]),
    an_ingress("named", a_path(port="http")),
    an_ingress("missing", a_path("/x", service="nope"), a_path("/y", port=81), a_path("/z", port="http")),
    an_ingress("resource", {"path": "/x", "pathType": "Prefix", "backend": {"resource": {"kind": "B", "name": "x"}}}),
    an_ingress("ours", ingressClassName="ours"),
    an_ingress("others", ingressClassName="others"),
    an_ingress("annotated", annotations={"kubernetes.io/ingress.class": "traefik"}),
    an_ingress("annotated-other", annotations={"kubernetes.io/ingress.class": "nginx"}),
    an_ingress("both-classes", annotations={"kubernetes.io/ingress.class": "nginx"}, ingressClassName="ours"),
    an_ingress("points", annotations={"router.entrypoints": "web,websecure"}),
    an_ingress("case", annotations={"Router.EntryPoints": "web", "router.PRIORITY": "7"}),
    an_ingress("priority", annotations={"router.priority": "-3"}),
    an_ingress("bad-priority", annotations={"router.priority": "abc"}),
    an_ingress("unknown", annotations={"router.nope": "abc"}),
    an_ingress("rule", annotations={"router.rule": "Host(`x`)"}),
    an_ingress("unknown-word", annotations={"nope.x": "abc"}),
    an_ingress("service-word", annotations={"service.nativelb": "true"}),
    an_ingress("tls", annotations={"router.tls": "true", "router.entrypoints": "websecure"}),
    an_ingress("no-tls", annotations={"router.tls": "no"}),
    an_ingress(
        "domains",
        annotations={
            "router.tls.domains.0.main": "a.org",
            "router.tls.domains.0.sans": "b.org,c.org",
            "router.tls.domains.1.main": "d.org",
        },
    ),
    an_ingress("observed", annotations={"router.observability.tracing": "false", "router.observability.metrics": "0"}),
    an_ingress("no-secret", tls=[{"secretName": "nope"}]),
    an_ingress("cert", tls=[{"secretName": "cert"}, {"hosts": ["x"]}]),
    an_ingress("fallback", a_path("/x"), defaultBackend=a_path()["backend"]),
    an_ingress("default", rules=[], defaultBackend=a_path()["backend"], annotations={"router.entrypoints": "web"}),
)
SERVICES = (
    of_service("scheme", {"service.serversscheme": "h2c"}),
    of_service("https-name", port=8443, ports=[{"name": "https-x", "port": 8443}]),
    of_service("https-port", port=443, ports=[{"name": "x", "port": 443}]),
    of_service("native", {"service.nativelb": "true"}),
    of_service("not-native", {"service.nativelb": "false"}),
    of_service("bad-native", {"service.nativelb": "yes"}),
    of_service("bad-key", {"service.nope": "yes"}),
    of_service("transport", {"service.serverstransport": "a-b@file", "service.passhostheader": "false"}),
    of_service("sticky", {"service.sticky.cookie": "true", "service.sticky.cookie.maxage": "7"}),
    of_service("headless", {"service.nativelb": "true"}, clusterIP="None"),
    of_service(
        "nodes", {"service.nodeportlb": "true"}, type="NodePort", ports=[{"name": "http", "port": 80, "nodePort": 30080}]
    ),
    of_service("no-nodes", {"service.nodeportlb": "true"}),
    of_service("external", type="ExternalName", externalName="shop.example"),
    of_service("empty", endpoints=[]),
    of_service("several", endpoints=[{"addresses": ["10.42.1.2", "10.42.1.1"]}, {"addresses": ["10.42.1.2"]}]),
    of_service("ready", endpoints=[an_endpoint("10.42.1.1", ready=True)]),
    of_service("not-ready", endpoints=[an_endpoint("10.42.1.1", ready=False)]),
    of_service("serving", endpoints=[an_endpoint("10.42.1.1", ready=False, serving=True)]),
    of_service("not-serving", endpoints=[an_endpoint("10.42.1.1", ready=True, serving=False)]),
    of_service(
        "going", endpoints=[an_endpoint("10.42.1.1", ready=False, serving=True, terminating=True), an_endpoint("10.42.1.2")]
    ),
    of_service(
        "gone", endpoints=[an_endpoint("10.42.1.1", ready=False, serving=False, terminating=True), an_endpoint("10.42.1.2")]
    ),
    of_service("one-port", port=81, ports=[{"name": "a", "port": 80}, {"name": "b", "port": 81}]),
    of_service("unnamed", ports=[{"port": 80}]),
    of_service("one-host"),
    """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: one-host-2, namespace: default, labels: {kubernetes.io/service-name: one-host}}
addressType: IPv4
ports: [{name: http, port: 8090, protocol: TCP}]
endpoints: [{addresses: [10.42.0.9]}]
""",
)
ISSUED = trustme.CA().issue_cert("cert.org")
CERTIFICATE = yaml.safe_dump(
    {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "cert", "namespace": "default"},
        "type": "kubernetes.io/tls",
        "data": {
            "tls.crt": b64encode(ISSUED.cert_chain_pems[0].bytes()).decode(),
            "tls.key": b64encode(ISSUED.private_key_pem.bytes()).decode(),
        },
    }
)


DIFFER = {
    r"(routers|services)\.default-not-ready-.*": "without `serving`, `ready` counts: so the reference of the API",
    r"services\.default-one-host-80\.loadBalancer\.servers\[1\]\.url": "an address may serve on several ports",
    r"routers\.default-wildcard2-w2-org\.(error|status)": "a router in v2 syntax says that this is deprecated",
    r"(routers|services)\.default-transport-.*\.error": "the transport that is missing is told where it stands",
    r"routers\.default-(tls|domains)-.*\.tls(\.options)?": "a router for TLS says which options it has",
}
CLOSER = {
    r"(routers|services)\.default-external-any-.*": "an ExternalName service takes any port, as with custom resources",
}


def count(number: int) -> Condition:
    return lambda side: len(side.routers) >= number


async def test_ingresses_and_services_mean_the_same():
    web = a_service("web", endpoints=[{"addresses": ["10.42.0.1"]}, {"addresses": ["10.42.0.2"]}])
    manifests = web, CLASSES, NODES, CERTIFICATE, *INGRESSES, *SERVICES
    async with both("kubernetesIngress", *manifests, until=count(40)) as cluster:
        assert cluster.differing(DIFFER) == []


OURS = {"kubernetes.io/ingress.class": "ours"}


def ours(name, *paths, annotations=(), **spec):
    return an_ingress(name, *paths, annotations={**OURS, **dict(annotations)}, **spec)


def of_ours(name, annotations=(), port=80, **spec):
    return ours(name, a_path(service=name, port=port)) + "---\n" + a_service(name, annotations, **spec)


SPECIFIC = "ImplementationSpecific"
NAMED = "a@file", "a-b@kubernetescrd", "a@kubernetes", "a", "default"
NODE_PORT = {"name": "http", "port": 80, "nodePort": 30080}
EXTERNAL = {"type": "ExternalName", "externalName": "shop.example"}


async def test_options_mean_the_same():
    options = {
        "ingressClass": "ours",
        "allowEmptyServices": True,
        "allowExternalNameServices": True,
        "strictPrefixMatching": True,
        "nativeLBByDefault": True,
        "crossProviderNamespaces": ["other"],
    }
    paths = [a_path(path) for path in ("/a", "/b/", "/c//", "/")]
    manifests = (
        CLASSES,
        NODES,
        a_service("web"),
        *(ours(f"m-{n}", annotations={"router.middlewares": name}) for n, name in enumerate(NAMED)),
        *(ours(f"o-{n}", annotations={"router.tls.options": name}) for n, name in enumerate(NAMED)),
        *(of_ours(f"t-{n}", {"service.serverstransport": name}) for n, name in enumerate(NAMED)),
        *(of_ours(f"s-{n}", {"service.middlewares": name}) for n, name in enumerate(NAMED)),
        an_ingress("without-class"),
        an_ingress("by-spec", ingressClassName="ours"),
        an_ingress("other-spec", ingressClassName="others"),
        ours("strict", *paths, a_path("/d", "Exact"), a_path("/e", SPECIFIC), a_path("", SPECIFIC)),
        ours("strict-regexp", a_path("/e", SPECIFIC), annotations={"router.pathmatcher": "PathRegexp"}),
        of_ours("external", **EXTERNAL),
        of_ours("external-any", port=99, **EXTERNAL),
        of_ours("external-native", {"service.nativelb": "true"}, port=443, ports=[{"port": 443}], **EXTERNAL),
        of_ours("empty", {"service.nativelb": "false"}, endpoints=[]),
        of_ours("headless", clusterIP="None"),
        of_ours("nodes", {"service.nodeportlb": "true"}, type="NodePort", ports=[NODE_PORT]),
        of_ours("v6", clusterIP="fd00::1"),
        ours("default", rules=[], defaultBackend=a_path()["backend"]),
    )
    async with both("kubernetesIngress", *manifests, options=options, until=count(10)) as cluster:
        assert cluster.differing(CLOSER) == []
