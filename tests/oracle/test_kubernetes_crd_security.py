"""Middlewares, TLS, transports, TCP and UDP of a cluster: what Traefik and Pointsman make of the same manifests."""

from base64 import b64encode

import pytest_asyncio
import trustme
import yaml

from .harness import ORACLE
from .kubernetes import both

pytestmark = ORACLE

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
endpoints: [{addresses: [10.42.0.1], conditions: {ready: true}}, {addresses: [10.42.0.2], conditions: {ready: true}}]
"""
LEAF = trustme.CA().issue_cert("a.org")
CERT, KEY = LEAF.cert_chain_pems[0].bytes().decode(), LEAF.private_key_pem.bytes().decode()
CA = trustme.CA().cert_pem.bytes().decode()


def thing(kind, name, spec, namespace="default"):
    metadata = {"name": name, "namespace": namespace}
    return yaml.safe_dump({"apiVersion": "traefik.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})


def secret(name, data, type_="Opaque"):
    encoded = {key: b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": "default"}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": type_, "data": encoded})


SECRETS = [
    secret("admin", {"username": "admin", "password": "pw"}, "kubernetes.io/basic-auth"),
    secret(
        "users",
        {"users": "# staff\nann:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/\n\nbob:$apr1$d9hr9HBB$4HxwgUir3HP4EsggP/QNo0\n"},
    ),
    secret("digests", {"x": "ann:traefik:a2688e031edb4be6a3797f3882655c05"}),
    secret("two", {"a": "ann:x", "b": "bob:x"}),
    secret("cert", {"tls.crt": CERT, "tls.key": KEY}, "kubernetes.io/tls"),
    secret("ca", {"ca.crt": CA}),
    secret("login", {"username": "u", "password": "swordfish"}),
    secret("s", {"k": "hunter2"}),
]
SERVICE = {"name": "web", "port": 80}
MIDDLEWARES = {
    "basic": {"basicAuth": {"secret": "admin", "realm": "shop", "removeHeader": True, "headerField": "X-User"}},
    "lines": {"basicAuth": {"secret": "users"}},
    "digest": {"digestAuth": {"secret": "digests"}},
    "two": {"basicAuth": {"secret": "two"}},
    "missing": {"basicAuth": {"secret": "none"}},
    "wrong-type": {"digestAuth": {"secret": "admin"}},
    "door": {"forwardAuth": {"address": "https://door/", "tls": {"caSecret": "ca", "certSecret": "cert"}}},
    "door-open": {
        "forwardAuth": {"address": "https://door/", "tls": {"insecureSkipVerify": True}, "authResponseHeaders": ["A"]}
    },
    "door-missing": {"forwardAuth": {"address": "https://door/", "tls": {"caSecret": "none"}}},
    "pages": {"errors": {"status": ["500-599"], "query": "/{status}.html", "service": SERVICE}},
    "pages-missing": {"errors": {"status": ["500-599"], "query": "/", "service": {"name": "none", "port": 80}}},
    "pages-crossing": {"errors": {"status": ["500"], "query": "/", "service": {**SERVICE, "namespace": "other"}}},
    "pages-named": {
        "errors": {"status": ["500"], "query": "/", "service": {"name": "noop@internal", "kind": "TraefikService"}}
    },
    "chain": {"chain": {"middlewares": [{"name": "prefix"}, {"name": "x@file"}]}},
    "chain-crossing": {"chain": {"middlewares": [{"name": "prefix"}, {"name": "x", "namespace": "other"}]}},
    "chain-ours": {"chain": {"middlewares": [{"name": "default-prefix@kubernetescrd"}]}},
    "limit": {"rateLimit": {"average": 100, "period": 60, "burst": 5, "sourceCriterion": {"requestHost": True}}},
    "limit-plain": {"rateLimit": {"average": 100}},
    "limit-text": {"rateLimit": {"average": 100, "period": "1m30s"}},
    "limit-redis": {
        "rateLimit": {
            "average": 100,
            "redis": {"endpoints": ["127.0.0.1:1"], "secret": "login", "dialTimeout": 2, "readTimeout": "700ms", "db": 3},
        }
    },
    "limit-redis-missing": {"rateLimit": {"average": 100, "redis": {"endpoints": ["127.0.0.1:1"], "secret": "none"}}},
    "breaker": {
        "circuitBreaker": {"expression": "NetworkErrorRatio() > 0.5", "checkPeriod": "200ms", "fallbackDuration": 7}
    },
    "retry": {"retry": {"attempts": 3, "initialInterval": "100ms"}},
    "retry-seconds": {"retry": {"attempts": 3, "initialInterval": 2, "status": ["503"], "maxRequestBodyBytes": 1000}},
    "compress": {"compress": {"minResponseBodyBytes": 100, "excludedContentTypes": ["text/event-stream"]}},
    "compress-plain": {"compress": {}},
    "buffer": {"buffering": {"maxRequestBodyBytes": 1000, "retryExpression": "IsNetworkError() && Attempts() < 2"}},
    "prefix": {"addPrefix": {"prefix": "/x"}},
    "strip": {"stripPrefix": {"prefixes": ["/y"]}},
    "strip-nothing": {"stripPrefix": {}},
    "allow": {"ipAllowList": {"sourceRange": ["10.0.0.0/8"], "ipStrategy": {"depth": 1}}},
    "lines-of-headers": {"headers": {"customRequestHeaders": {"X-A": "1"}, "stsSeconds": 10, "frameDeny": True}},
    "few": {"inFlightReq": {"amount": 3}},
    "client": {"passTLSClientCert": {"info": {"subject": {"commonName": True}}}},
    "type": {"contentType": {}},
    "move": {"redirectScheme": {"scheme": "https", "permanent": True}},
    "regex": {"redirectRegex": {"regex": "^(.*)$", "replacement": "/x"}},
    "web": {"grpcWeb": {"allowOrigins": ["*"]}},
    "none": {},
    "both": {"addPrefix": {"prefix": "/x"}, "stripPrefix": {"prefixes": ["/y"]}},
    "plugin": {"plugin": {"absent": {"deep": [{"key": "urn:k8s:secret:s:k"}]}}},
    "plugin-missing": {"plugin": {"absent": {"key": "urn:k8s:secret:s:none"}}},
}
TCP_MIDDLEWARES = {
    "few": {"inFlightConn": {"amount": 3}},
    "office": {"ipAllowList": {"sourceRange": ["10.0.0.0/8"]}},
    "old": {"ipWhiteList": {"sourceRange": ["10.0.0.0/8"]}},
    "none": {},
}
SNI = "HostSNI(`{}.org`)".format


def tcp(name, services, tls=None, **route):
    spec = {"entryPoints": ["web"], "routes": [{"match": SNI(name), "services": services, **route}]}
    return thing("IngressRouteTCP", name, {**spec, **({} if tls is None else {"tls": tls})})


TCP = [
    tcp("one", [SERVICE], {}),
    tcp("two", [{**SERVICE, "weight": 3}, {"name": "web", "port": "http"}], {}),
    tcp("half", [{"name": "none", "port": 80}, SERVICE], {}),
    tcp("lost", [{"name": "none", "port": 80}], {}),
    tcp("all-lost", [{"name": "none", "port": 80}, {"name": "web", "port": 81}], {}),
    tcp("plaintext", [SERVICE]),
    tcp(
        "secure",
        [{**SERVICE, "tls": True, "serversTransport": "t", "terminationDelay": 100}],
        {"options": {"name": "strict"}},
    ),
    tcp("old", [{**SERVICE, "terminationDelay": 100, "proxyProtocol": {"version": 1}}], {"passthrough": True}),
    tcp("guarded", [SERVICE], {}, middlewares=[{"name": "few"}, {"name": "x@file"}], priority=7),
    tcp("crossing", [SERVICE], {}, middlewares=[{"name": "few", "namespace": "other"}]),
    tcp("native", [{**SERVICE, "nativeLB": True}], {}),
    tcp("abroad", [{**SERVICE, "namespace": "other"}], {}),
    tcp("certified", [SERVICE], {"secretName": "none"}),
]
UDP = [
    thing("IngressRouteUDP", "dns", {"entryPoints": ["udp1"], "routes": [{"services": [SERVICE]}]}),
    thing(
        "IngressRouteUDP",
        "more",
        {
            "entryPoints": ["udp2"],
            "routes": [{"services": [{**SERVICE, "weight": 3}, {"name": "none", "port": 80}]}],
        },
    ),
    thing("IngressRouteUDP", "lost", {"entryPoints": ["udp3"], "routes": [{"services": [{"name": "none", "port": 80}]}]}),
]
OTHERS = [
    thing("ServersTransportTCP", "t", {"dialTimeout": 3, "tls": {"serverName": "x"}}),
    thing("TLSOption", "strict", {"minVersion": "VersionTLS13"}),
]
ROUTES = [
    thing(
        "IngressRoute",
        f"r-{name}",
        {
            "entryPoints": ["web"],
            "routes": [
                {"match": f"Host(`{name}.org`)", "kind": "Rule", "services": [SERVICE], "middlewares": [{"name": name}]},
            ],
        },
    )
    for name in MIDDLEWARES
]
POINTS = {"web": {}, "traefik": {}, **{f"udp{number}": {"address": "127.0.0.1:0/udp"} for number in (1, 2, 3)}}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[False, True], ids=["legacy", "safe"])
async def cluster(request):
    manifests = [
        WEB,
        *SECRETS,
        *(thing("Middleware", name, spec) for name, spec in MIDDLEWARES.items()),
        *(thing("MiddlewareTCP", name, spec) for name, spec in TCP_MIDDLEWARES.items()),
        *TCP,
        *UDP,
        *OTHERS,
        *ROUTES,
    ]
    async with both(
        "kubernetesCRD",
        *manifests,
        options={"safeNaming": request.param},
        entry_points=POINTS,
        until=lambda side: side.routers,
    ) as found:
        yield found


SECTIONS = ("middlewares", "tcpRouters", "tcpServices", "tcpMiddlewares", "udpRouters", "udpServices")
DECLARED = {
    r"[a-zA-Z]+\.[^.]*\.error": "other words; whether there is one shows in the status",
    r"middlewares\.default.both\.(addPrefix|stripPrefix)\..*": "what cannot be used is shown without its options",
    r"middlewares\.default.plugin\.plugin\..*": "the same",
    r"middlewares\.default.chain\.chain\.middlewares": "names are shown as they were given",
    r"middlewares\.default.door\.forwardAuth\.tls\..*": "masked",
    r"middlewares\.default.limit.redis\.rateLimit\.redis\.password": "masked",
    r"middlewares\.default.limit.redis\.rateLimit\.redis\.onFailure": "new",
    r"middlewares\.default.lines\.status": "comments among users are passed over, as in a usersFile",
    r"middlewares\.default.door(-open)?\.status": "what it warns of is shown, and its owner reads no log",
    r"tcpMiddlewares\.default.none\.status": "one that says nothing is told where it stands, not only where it is used",
    r"tcpMiddlewares\.default.old\.status": "it is deprecated",
    r"tcpServices\.default.old[^.]*\.status": "its options are deprecated",
}


async def test_both_make_the_same_of_it(cluster):
    assert cluster.differing(DECLARED, SECTIONS) == []


async def test_the_same_routers_are_closed(cluster):
    def statuses(side):
        return {
            name: router["status"]
            for name, router in side.routers.items()
            if "-lines" not in name and "_r-lines_" not in name
        }

    theirs, ours = statuses(cluster.theirs), statuses(cluster.ours)
    assert ours == theirs
    assert set(theirs.values()) == {"enabled", "disabled"}


async def test_what_secrets_hold_is_neither_logged_nor_shown(cluster):
    for content in ("$apr1$d9hr9HBB", "a2688e031edb", KEY.splitlines()[1], "swordfish", "hunter2"):
        assert content not in str(cluster.ours.raw)
        assert content not in cluster.ours.log()
