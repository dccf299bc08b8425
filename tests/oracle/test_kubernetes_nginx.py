"""What kubernetesIngressNGINX makes of a cluster, with the real Traefik as the judge."""

from base64 import b64encode
from typing import Final

import pytest
import trustme

from pointsman.testing import answer, connect, upstream

from .harness import ORACLE
from .kubernetes import both

pytestmark = ORACLE

PREFIX: Final = "nginx.ingress.kubernetes.io/"
AUTHORITY: Final = trustme.CA()
CA: Final = AUTHORITY.cert_pem.bytes().decode()
ISSUED: Final = AUTHORITY.issue_cert("t.test")
PAIR: Final = {
    "tls.crt": ISSUED.cert_chain_pems[0].bytes().decode(),
    "tls.key": ISSUED.private_key_pem.bytes().decode(),
}
TLS: Final = [{"hosts": ["t.test"], "secretName": "pair"}]
ANY: Final = "ImplementationSpecific"


def thing(api, kind, name, namespace="default", **more):
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **more}


def path(path="/", kind="Prefix", service="web", port=80):
    named = {"name" if isinstance(port, str) else "number": port}
    return {"path": path, "pathType": kind, "backend": {"service": {"name": service, "port": named}}}


def rule(host, *paths):
    return {
        **({"host": host} if host else {}),
        "http": {"paths": [path(each) if isinstance(each, str) else each for each in paths]},
    }


def ingress(name, annotations=(), *rules, cls="nginx", **spec):
    known = {key if "/" in key else PREFIX + key: value for key, value in dict(annotations).items()}
    if cls:
        spec["ingressClassName"] = cls
    made = thing(
        "networking.k8s.io/v1", "Ingress", name, spec={"rules": list(rules or [rule(f"{name}.test", "/x")]), **spec}
    )
    made["metadata"]["annotations"] = known
    return made


def service(name, *ips, ports=({"name": "http", "port": 80},), slices=True, **spec):
    yield thing("v1", "Service", name, spec={"clusterIP": "10.43.0.9", "ports": list(ports), **spec})
    if slices:
        slice_of = thing(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            f"{name}-1",
            addressType="IPv4",
            ports=[{"name": port["name"], "port": 8080 + index} for index, port in enumerate(ports)],
            endpoints=[{"addresses": [ip], "conditions": {"ready": True}} for ip in ips],
        )
        slice_of["metadata"]["labels"] = {"kubernetes.io/service-name": name}
        yield slice_of


def secret(name, data, namespace="default"):
    encoded = {key: b64encode(value.encode()).decode() for key, value in data.items()}
    return thing("v1", "Secret", name, namespace, type="Opaque", data=encoded)


def ingress_class(name, controller):
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": name},
        "spec": {"controller": controller},
    }


HTTP: Final = {"name": "http", "port": 80}
SURROUNDINGS: Final = [
    ingress_class("nginx", "k8s.io/ingress-nginx"),
    ingress_class("other", "some/one"),
    *service("web", "10.42.0.1", "10.42.0.2"),
    *service("fallback", "10.42.2.1"),
    *service("canary", "10.42.3.1"),
    *service("empty"),
    *service("two", "10.42.1.1", ports=(HTTP, {"name": "admin", "port": 81})),
    *service("outside", ports=({**HTTP, "targetPort": 8081},), slices=False, type="ExternalName", externalName="e.test"),
    *service("anywhere", ports=(), slices=False, type="ExternalName", externalName="e.test"),
    *service("headless", "10.42.4.1", clusterIP="None"),
    secret("users", {"auth": "u:$apr1$abcdefgh$0123456789012345678901\n# c\n\nv:{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=\n"}),
    secret("users", {"auth": "u:p"}, "other"),
    secret("digest", {"auth": "u:realm:0123456789abcdef0123456789abcdef"}),
    secret("map", {"u": "{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE="}),
    secret("nobody", {}),
    secret("ca", {"ca.crt": CA}),
    secret("ca", {"ca.crt": CA}, "other"),
    secret("pair", {**PAIR, "ca.crt": CA}),
    thing("v1", "ConfigMap", "headers", data={"X-Ok": "v 1"}),
    thing("v1", "ConfigMap", "odd", data={"X-Ok": "v\u00e9"}),
    thing("v1", "ConfigMap", "more", data={"X-No": "1"}),
]

ONE_BY_ONE: Final = {
    "plain": {},
    "basic": {"auth-type": "basic", "auth-secret": "users", "auth-realm": "r"},
    "basic-map": {"auth-type": "basic", "auth-secret": "default/map", "auth-secret-type": "auth-map"},
    "digest": {"auth-type": "digest", "auth-secret": "digest"},
    "asked": {
        "auth-url": "http://a.test/auth",
        "auth-method": "POST",
        "auth-response-headers": "X-A,, X-B",
        "auth-signin": "http://in/",
    },
    "asked-snippet": {"auth-url": "http://a.test/", "auth-snippet": "proxy_set_header X-Q 1;"},
    "client": {"auth-tls-secret": "default/ca"},
    "client-off": {"auth-tls-secret": "default/ca", "auth-tls-verify-client": "off"},
    "client-optional": {
        "auth-tls-secret": "default/ca",
        "auth-tls-verify-client": "optional",
        "auth-tls-pass-certificate-to-upstream": "true",
    },
    "client-unchecked": {
        "auth-tls-secret": "default/ca",
        "auth-tls-verify-client": "optional_no_ca",
        "auth-tls-pass-certificate-to-upstream": "true",
    },
    "client-odd": {"auth-tls-secret": "default/ca", "auth-tls-verify-client": "x"},
    "client-passed-only": {"auth-tls-pass-certificate-to-upstream": "true"},
    "force": {"force-ssl-redirect": "TRUE"},
    "redirect-without-tls": {"ssl-redirect": "true"},
    "regex": {"use-regex": "true"},
    "rewrite": {"rewrite-target": "/$2", "x-forwarded-prefix": "/p/$1"},
    "rewrite-prefix": {"rewrite-target": "/y", "x-forwarded-prefix": "/lit"},
    "rewrite-prefix-true": {"rewrite-target": "/y", "x-forwarded-prefix": "true"},
    "rewrite-prefix-odd": {"rewrite-target": "/y", "x-forwarded-prefix": "/a b;{}"},
    "rewrite-same": {"rewrite-target": "/x"},
    "rewrite-empty": {"rewrite-target": ""},
    "rewrite-url": {"rewrite-target": "https://b.test/$1"},
    "prefix-alone": {"x-forwarded-prefix": "/lit"},
    "root": {"app-root": "/app?x=1"},
    "root-odd": {"app-root": "app"},
    "permanent": {"permanent-redirect": "https://x.test/"},
    "permanent-308": {"permanent-redirect": "https://x.test/", "permanent-redirect-code": "308"},
    "permanent-odd": {"permanent-redirect": "https://x.test/", "permanent-redirect-code": "abc"},
    "temporal": {"temporal-redirect": "https://y.test$request_uri", "permanent-redirect": "https://x.test/"},
    "www": {"from-to-www-redirect": "true"},
    "sticky": {"affinity": "cookie", "affinity-mode": "persistent", "load-balance": "ewma"},
    "sticky-all": {
        "affinity": "cookie",
        "session-cookie-name": "C",
        "session-cookie-secure": "true",
        "session-cookie-path": "/p",
        "session-cookie-domain": "d.test",
        "session-cookie-samesite": "Strict",
        "session-cookie-max-age": "60",
    },
    "cluster": {"service-upstream": "true"},
    "hash": {"upstream-hash-by": "$request_uri"},
    "https": {"backend-protocol": "HTTPS"},
    "https-pair": {
        "backend-protocol": "https",
        "proxy-ssl-secret": "default/pair",
        "proxy-ssl-verify": "ON",
        "proxy-ssl-name": "n.test",
        "proxy-ssl-server-name": "on",
    },
    "http-pair-gone": {"proxy-ssl-secret": "default/gone"},
    "grpc": {"backend-protocol": "GRPC"},
    "grpcs": {"backend-protocol": "GRPCS"},
    "fcgi": {"backend-protocol": "FCGI"},
    "timeouts": {"proxy-connect-timeout": "5", "proxy-read-timeout": "7s", "proxy-send-timeout": "9"},
    "http11": {"proxy-http-version": "1.1"},
    "http10": {"proxy-http-version": "1.0"},
    "next-off": {"proxy-next-upstream": "off"},
    "next-all": {
        "proxy-next-upstream": "http_502 http_503 non_idempotent",
        "proxy-next-upstream-tries": "0",
        "proxy-next-upstream-timeout": "4",
    },
    "next-never": {"proxy-next-upstream-tries": "-1"},
    "next-empty": {"proxy-next-upstream": ""},
    "next-status": {"proxy-next-upstream": "error http_502", "proxy-body-size": "0"},
    "next-status-taken-in": {
        "proxy-next-upstream": "timeout http_403 http_429 x",
        "proxy-request-buffering": "on",
        "proxy-body-size": "8m",
    },
    "next-error": {"proxy-next-upstream": "error", "proxy-body-size": "8m"},
    "next-nothing": {"proxy-next-upstream": "non_idempotent"},
    "cors": {"enable-cors": "true"},
    "cors-all": {
        "enable-cors": "true",
        "cors-allow-origin": "https://a.test, https://*.b.test:8080,*,null, *.c.test, https://*.x_y.test, app://*.d.test",
        "cors-allow-methods": "GET, PUT",
        "cors-allow-headers": "X-A",
        "cors-expose-headers": "X-E, X-F",
        "cors-allow-credentials": "false",
        "cors-max-age": "10",
    },
    "cors-odd": {
        "enable-cors": "true",
        "cors-allow-origin": "https://*, https://*.*.t, https://*., HTTPS://*.q.t, https://*.t/",
        "cors-max-age": "x",
    },
    "cors-off": {"enable-cors": "no", "cors-allow-origin": "*"},
    "allow": {"allowlist-source-range": "10.0.0.0/8, 1.2.3.4", "whitelist-source-range": "9.9.9.9"},
    "white": {"whitelist-source-range": "9.9.9.9"},
    "rps": {"limit-rps": "5"},
    "rpm": {"limit-rpm": "6", "limit-burst-multiplier": "2"},
    "rates": {"limit-rps": "3", "limit-rpm": "100", "limit-burst-multiplier": "0"},
    "no-rates": {"limit-rps": "0", "limit-rpm": "-1"},
    "connections": {"limit-connections": "3"},
    "take-in": {"proxy-request-buffering": "on", "client-body-buffer-size": "32k", "proxy-body-size": " 4 M "},
    "take-in-odd": {"proxy-request-buffering": "on", "client-body-buffer-size": "abc", "proxy-body-size": "-1"},
    "take-in-any": {"proxy-request-buffering": "on", "proxy-body-size": "0"},
    "answers": {
        "proxy-buffering": "on",
        "proxy-buffer-size": "16k",
        "proxy-buffers-number": "8",
        "proxy-max-temp-file-size": "2m",
    },
    "answers-zero": {
        "proxy-buffering": "on",
        "proxy-buffer-size": "1G",
        "proxy-buffers-number": "0",
        "proxy-max-temp-file-size": "0",
    },
    "take-in-both": {"proxy-buffering": "on", "proxy-request-buffering": "on"},
    "errors": {"custom-http-errors": "404,503", "default-backend": "fallback"},
    "errors-nowhere": {"custom-http-errors": "404"},
    "headers": {"custom-headers": "default/headers"},
    "vhost": {"upstream-vhost": "v.$namespace.test"},
    "snippet": {"configuration-snippet": "add_header X-A b;"},
    "log": {"enable-access-log": "false"},
    "useless": {"no-such-thing": "1", "satisfy": "any", "enable-modsecurity": "true"},
}
"""Annotations of an Ingress that has its name, and the path /x on a host of its name."""

DENIED: Final = {
    "denied-basic": {"auth-type": "basic", "auth-secret": "gone"},
    "denied-other": {"auth-type": "basic", "auth-secret": "other/users"},
    "denied-type": {"auth-type": "Basic", "auth-secret": "users"},
    "denied-nobody": {"auth-type": "basic", "auth-secret": "nobody", "auth-secret-type": "auth-map"},
    "denied-client": {"auth-tls-secret": "default/gone"},
    "denied-client-other": {"auth-tls-secret": "other/ca"},
    "denied-pair": {"backend-protocol": "HTTPS", "proxy-ssl-secret": "default/gone"},
}
UNAVAILABLE: Final = {
    "headers-odd": {"custom-headers": "default/odd"},
    "headers-more": {"custom-headers": "default/more"},
    "headers-gone": {"custom-headers": "default/gone"},
    "headers-form": {"custom-headers": "headers"},
}
BACKEND: Final = {"service": {"name": "fallback", "port": {"number": 80}}}


def canary(name, annotations, main=()):
    """An Ingress for /, and its canary."""
    yield from service(f"m-{name}", "10.42.9.1")
    yield ingress(f"main-{name}", main, rule(f"{name}.can.test", path(service=f"m-{name}")))
    yield ingress(f"can-{name}", {"canary": "true", **annotations}, rule(f"{name}.can.test", path(service="canary")))


SEVERAL: Final = [
    ingress("tls", {}, rule("tls.test", "/"), tls=TLS),
    ingress("tls-both", {"ssl-redirect": "false"}, rule("tlsn.test", "/"), tls=TLS),
    ingress("tls-gone", {}, rule("tlsm.test", "/"), tls=[{"secretName": "gone"}]),
    ingress("passed", {"ssl-passthrough": "true"}, rule("pass.test", "/", "/y"), tls=TLS),
    ingress("passed-hostless", {"ssl-passthrough": "true"}, rule("", "/nohost"), rule("pass2.test", "/x")),
    ingress("passed-default", {"ssl-passthrough": "true"}, {"host": "pass4.test"}, defaultBackend=BACKEND),
    ingress(
        "types",
        {},
        rule("types.test", path("/e", "Exact"), "/p/", path("/i", ANY), "/"),
        rule("types.test", "/2"),
        rule("", "/3"),
    ),
    ingress("wild", {}, rule("*.wild.test", "/")),
    ingress("regex-1", {"use-regex": "true"}, rule("regexes.test", path("/e", "Exact"), path("/i/(.*)", ANY))),
    ingress("regex-2", {}, rule("regexes.test", "/p")),
    ingress("quoted", {"rewrite-target": "/y"}, rule("quoted.test", path('/a"b\\d+`\u00e9', ANY))),
    ingress(
        "url",
        {"rewrite-target": "https://b.test/$1"},
        rule("url.test", *(path(each, ANY) for each in ("/f/(.*)", "/b/(.*)/x", "/(.*)"))),
    ),
    ingress("strict", {}, rule("strict.test", "/ok", "/a(b)")),
    ingress("gone", {}, rule("gone.test", path(service="gone"))),
    ingress("no-port", {}, rule("noport.test", path(port=99))),
    ingress(
        "named",
        {},
        rule("named.test", path(port="http"), path("/2", service="two", port="admin"), path("/0", service="two", port=0)),
    ),
    ingress("empty", {}, rule("empty.test", path(service="empty"))),
    ingress("empty-tries", {"proxy-next-upstream-tries": "0"}, rule("emptyt.test", path(service="empty"))),
    ingress("instead", {"default-backend": "fallback"}, rule("instead.test", path(service="empty"))),
    ingress("instead-gone", {"default-backend": "gone"}, rule("insteadg.test", path(service="empty"))),
    ingress("outside", {}, rule("outside.test", path(service="outside"), path("/any", service="anywhere", port=8088))),
    ingress("headless", {}, rule("headless.test", path(service="headless"))),
    ingress(
        "rest",
        {"auth-type": "basic", "auth-secret": "users"},
        rule("rest.test", "/a"),
        rule("rest.test", "/b"),
        defaultBackend=BACKEND,
    ),
    ingress("alone", {"limit-rps": "4"}, tls=TLS, defaultBackend=BACKEND),
    ingress("www-host", {"from-to-www-redirect": "true"}, rule("www.w2.test", "/")),
    ingress(
        "www-both",
        {"from-to-www-redirect": "true"},
        rule("w3.test", "/"),
        rule("www.w3.test", "/"),
        rule("*.w4.test", "/"),
        rule("", "/w"),
    ),
    ingress(
        "www-paths",
        {"from-to-www-redirect": "true", "auth-type": "basic", "auth-secret": "users"},
        rule("w5.test", "/a", "/b"),
        tls=TLS,
    ),
    ingress("root-none", {"app-root": "/app"}, rule("rn.test", "/x", "/y"), rule("rn2.test", "/x"), tls=TLS),
    ingress("root-1", {"app-root": "/app"}, rule("shared.root.test", "/x")),
    ingress("root-2", {}, rule("shared.root.test", "/", "/zz")),
    ingress("alias-1", {"server-alias": "shared.al.test, Own.al.test,plain.test"}),
    ingress("alias-2", {"server-alias": "shared.al.test"}),
    ingress("snippet-1", {"server-snippet": "add_header X-S b;"}, rule("snippets.test", "/1")),
    ingress("snippet-2", {"server-snippet": "add_header X-T c;"}, rule("snippets.test", "/2")),
    ingress("clients-1", {}, rule("clients.test", "/1")),
    ingress("clients-2", {"auth-tls-secret": "default/ca"}, rule("clients.test", "/2")),
    ingress("class-none", {}, cls=None),
    ingress("class-other", {}, cls="other"),
    ingress("class-missing", {"kubernetes.io/ingress.class": "nginx"}, cls="missing"),
    ingress("class-annotation", {"kubernetes.io/ingress.class": "nginx"}, cls=None),
    ingress("dots.in-name", {}),
    *canary("weight", {"canary-weight": "20"}, {"affinity": "cookie"}),
    *canary("header", {"canary-by-header": "X-C"}),
    *canary(
        "value",
        {"canary-by-header": "X-C", "canary-by-header-value": "v", "canary-by-header-pattern": "p", "canary-weight": "1"},
    ),
    *canary("pattern", {"canary-by-header": "X-C", "canary-by-header-pattern": "^v"}),
    *canary("cookie", {"canary-by-cookie": "c.k"}, {"auth-type": "basic", "auth-secret": "users"}),
    *canary(
        "all", {"canary-weight": "30", "canary-weight-total": "200", "canary-by-header": "X-C", "canary-by-cookie": "ck"}
    ),
    *canary("over", {"canary-weight": "300"}),
    *canary("none", {}),
    ingress("can-same", {"canary": "true", "canary-weight": "5"}, rule("plain.test", "/x")),
    ingress("can-nowhere", {"canary": "true", "canary-weight": "5"}, rule("plain.test", path("/nope", service="canary"))),
]
EACH: Final = [ingress(name, annotations) for name, annotations in (ONE_BY_ONE | DENIED | UNAVAILABLE).items()]

NAME: Final = r"default-[a-z0-9.-]+"
SHOWN: Final = {
    rf"routers\.({NAME}|default-backend)-tls(-[a-z-]+)?\.tls": "default options are named",
    rf"routers\.({NAME}|default-backend)(-[a-z-]+)?-tls(-[a-z-]+)?\.tls\.options": "default options are named",
    r"middlewares\..*\.snippet\.auth\.(timeout|tls)": "new, with its default",
    r"middlewares\..*\.retry\.maxRequestBodyBytes": "Traefik shows a 0",
    r"middlewares\..*-(basic|digest)-auth\.(status|error)": "what is wrong with its users is shown",
    r"services\..*\.loadBalancer\.timeouts\..*": "the service's here; Traefik does not show its transports'",
}
"""What the two APIs show of the same."""
SHOWN_TOO: Final = {
    r"middlewares\..*\.redirectScheme\.forcePermanentRedirect": "Traefik does not show it",
    r"middlewares\..*\.redirectRegex\.statusCode": "Traefik does not show it",
    r"middlewares\..*\.caFiles": "certificates are not shown",
    r"services\..*\.weighted\.services\[[01]\]\.weight": "Traefik shows a 0",
}
DENIES: Final = {
    r"(routers|services)\.default-denied-[a-z-]+-rule-0-path-0(-tls)?\..*": "closed, not left to a broader path",
    r"services\.default-headers-(odd|more|gone|form)-web-80\..*": "nothing goes there",
    r"(routers|middlewares)\.default-next-nothing-.*": "what never tries again needs no middleware that cannot be built",
}


async def test_annotations_mean_the_same():
    allowed = ["X-Ok", "not a name"]
    options = {"allowSnippetAnnotations": True, "globalAllowedResponseHeaders": allowed, "httpEntryPoint": "web"}
    everything = [*SURROUNDINGS, *EACH, *SEVERAL]
    async with both(
        "kubernetesIngressNGINX", *everything, options=options, until=lambda side: len(side.routers) > 200
    ) as cluster:
        assert cluster.differing(SHOWN | SHOWN_TOO | DENIES) == []


OPTIONS: Final = {
    "httpEntryPoint": "web",
    "httpsEntryPoint": "websecure",
    "ingressClass": "mine",
    "watchIngressWithoutClass": True,
    "defaultBackendService": "default/fallback",
    "globalAuthURL": "http://asked/",
    "ipAllowListStrategy": {"depth": 2, "excludedIPs": ["10.0.0.1"]},
    "customHTTPErrors": ["418"],
    "allowCrossNamespaceResources": True,
    "strictValidatePathType": False,
    "disableSvcExternalName": True,
    "proxyRequestBuffering": True,
    "proxyBuffering": True,
    "clientBodyBufferSize": 1000,
    "proxyBodySize": 2000,
    "proxyBufferSize": 3000,
    "proxyBuffersNumber": 2,
    "proxyConnectTimeout": 5,
    "proxyNextUpstream": "http_503",
    "proxyNextUpstreamTries": 2,
    "proxyNextUpstreamTimeout": 9,
}
OPTIONAL: Final = [
    ingress("plain", {"allowlist-source-range": "1.2.3.4"}),
    ingress(
        "own", {"auth-url": "http://own/", "proxy-buffering": "off", "proxy-body-size": "1k", "proxy-next-upstream": "error"}
    ),
    ingress("off", {"enable-global-auth": "false", "proxy-request-buffering": "off"}),
    ingress("pages", {"custom-http-errors": "404", "default-backend": "canary"}),
    ingress("instead", {"default-backend": "canary"}),
    ingress("crossing", {"auth-type": "basic", "auth-secret": "other/users", "auth-tls-secret": "other/ca"}),
    ingress("expressions", {}, rule("expressions.test", "/a(b)")),
    ingress("outside", {}, rule("outside.test", path(service="outside"))),
    ingress("alone", {}, defaultBackend=BACKEND),
    ingress("class-none", {}, cls=None),
    ingress("class-mine", {"kubernetes.io/ingress.class": "mine"}, cls=None),
    ingress("class-nginx", {"kubernetes.io/ingress.class": "nginx"}, cls=None),
    ingress("class-other", {}, cls="other"),
]


async def test_options_mean_the_same():
    everything = [*SURROUNDINGS, *OPTIONAL]
    async with both(
        "kubernetesIngressNGINX", *everything, options=OPTIONS, until=lambda side: len(side.routers) > 20
    ) as cluster:
        assert cluster.differing(SHOWN) == []


def reached(port, *more):
    """Services whose pods are servers of this machine."""
    for name, number in {"web": port, **dict(more)}.items():
        known, slices = service(name, "127.0.0.1")
        slices["ports"][0]["port"] = number
        yield from (known, slices)


SHOP: Final = [
    ingress("tls", {}, rule("tls.test", "/"), tls=TLS),
    ingress("both", {"ssl-redirect": "false"}, rule("both.test", "/"), tls=TLS),
    ingress("rewrite", {"rewrite-target": "/$2"}, rule("rewrite.test", path("/api(/|$)(.*)", ANY))),
    ingress("rate", {"limit-rpm": "2"}, rule("rate.test", "/")),
    ingress("canary-main", {}, rule("can.test", path(service="main"))),
    ingress(
        "canary",
        {"canary": "true", "canary-weight": "20", "canary-by-header": "X-C"},
        rule("can.test", path(service="second")),
    ),
    ingress("gone", {}, rule("gone.test", path(service="gone"))),
    ingress("denied", {"auth-type": "basic", "auth-secret": "users"}, rule("denied.test", "/")),
    ingress("sticky", {"affinity": "cookie"}, rule("sticky.test", "/")),
    ingress("www", {"from-to-www-redirect": "true"}, rule("a.org", "/")),
    ingress("instead", {"default-backend": "second"}, rule("instead.test", path(service="empty"))),
    ingress("root", {"app-root": "/app"}, rule("root.test", "/x")),
    ingress("vhost", {"upstream-vhost": "$service_name.in"}, rule("vhost.test", "/")),
    ingress("moved", {"permanent-redirect": "https://b.org", "permanent-redirect-code": "308"}, rule("moved.test", "/")),
    ingress("pages", {"custom-http-errors": "503", "default-backend": "second"}, rule("pages.test", path(service="gone"))),
    ingress("snippet", {"configuration-snippet": 'add_header X-A "b";'}, rule("snippet.test", "/")),
    ingress("wild", {}, rule("*.wild.test", "/")),
]
ASKED: Final = [
    ("K-65", "tls.test", "/a?b"),
    ("K-66", "both.test", "/"),
    ("K-67", "rewrite.test", "/api/x?y"),
    ("K-67", "rewrite.test", "/apix"),
    *[("K-69", "rate.test", "/")] * 11,
    ("K-70", "can.test", "/", {"x_c": "always"}),
    ("K-70", "can.test", "/", {"x_c": "never"}),
    ("K-71", "asked.test", "/in"),
    ("K-73", "gone.test", "/"),
    ("K-74", "sticky.test", "/"),
    ("K-75", "www.a.org", "/x?y"),
    ("K-77", "instead.test", "/"),
    ("", "denied.test", "/"),
    ("", "root.test", "/"),
    ("", "root.test", "/x"),
    ("", "vhost.test", "/"),
    ("", "moved.test", "/"),
    ("", "pages.test", "/a"),
    ("", "snippet.test", "/"),
    ("", "x.wild.test", "/"),
    ("", "nobody.test", "/"),
]


@pytest.mark.spec("K-65", "K-66", "K-67", "K-69", "K-70", "K-71", "K-73", "K-74", "K-75", "K-77")
async def test_requests_are_answered_the_same():
    async with upstream(say(b"first")) as first, upstream(say(b"second")) as second, upstream(refuse) as authority:
        asks = {"auth-url": f"http://127.0.0.1:{authority.port}/auth", "auth-signin": "http://in.test/"}
        manifests = [
            *SURROUNDINGS,
            *reached(first.port, ("main", first.port), ("second", second.port)),
            *SHOP,
            ingress("asked", asks, rule("asked.test", "/")),
        ]
        options = {"httpEntryPoint": "web", "httpsEntryPoint": "websecure", "allowSnippetAnnotations": True}
        done = lambda side: len(side.routers) >= 2 * len(SHOP)  # noqa: E731
        async with both("kubernetesIngressNGINX", *manifests, options=options, until=done) as cluster:
            theirs, ours = [[await asked(side, *each[1:]) for each in ASKED] for side in (cluster.theirs, cluster.ours)]

    for case, expected, found in zip(ASKED, theirs, ours, strict=True):
        assert found == expected, case


def say(name):
    """A server that says who it is, and what it was asked for."""

    def answered(request):
        return answer(
            200, {"Content-Type": "text/plain"}, b" ".join((name, request.target, (request.get("host") or "").encode()))
        )

    return answered


def refuse(request):
    return answer(401)


async def asked(side, host, target, headers=None):
    """What can be compared: the status, where it leads, whether there is a cookie, what the server says."""
    async with connect(side.gateway.port("web")) as client:
        got = await client.get(target, host, **(headers or {}))
    cookie = (got.get("set-cookie") or "").split("=")[0], "HttpOnly" in (got.get("set-cookie") or "")
    location = (got.get("location") or "").replace(str(side.gateway.port("web")), "PORT")
    return got.status, location, cookie, got.body if got.status == 200 else b"", got.get("x-a")


HASHED: Final = {
    "uri": "$request_uri",
    "path": "$host$uri",
    "tenant": "${http_x_tenant}-1",
    "cookie": "$cookie_c",
    "client": "$remote_addr",
    "unknown": "$binary_remote_addr",
}


async def test_the_same_server_has_the_same_keys():
    """`upstream-hash-by`: the very same choice of each request, for the same formula makes it of the same text."""
    async with upstream(say(b"first")) as first, upstream(say(b"second"), host="127.9.8.7") as second:
        known, one = service("web", "127.0.0.1")
        _, two = service("web", "127.9.8.7")
        two["metadata"]["name"] = "web-2"
        one["ports"][0]["port"], two["ports"][0]["port"] = first.port, second.port
        manifests = [ingress_class("nginx", "k8s.io/ingress-nginx"), known, one, two]
        manifests += [ingress(name, {"upstream-hash-by": by}, rule(f"{name}.test", "/")) for name, by in HASHED.items()]
        options = {"httpEntryPoint": "web", "httpsEntryPoint": "websecure"}
        done = lambda side: len(side.routers) >= 2 * len(HASHED)  # noqa: E731
        async with both("kubernetesIngressNGINX", *manifests, options=options, until=done) as cluster:
            theirs, ours = [await chosen(side) for side in (cluster.theirs, cluster.ours)]

    assert ours == theirs
    assert len(set(ours["uri"])) == len(set(ours["tenant"])) == 2
    assert len(set(ours["client"])) == 1


async def chosen(side):
    """The servers of forty requests for each host."""
    found = {}
    async with connect(side.gateway.port("web")) as client:
        for name in HASHED:
            answers = [
                await client.get(f"/{n}?a={n}", f"{name}.test", **{"x-tenant": f"t{n}", "cookie": f"c=c{n}"})
                for n in range(40)
            ]
            found[name] = [each.body.partition(b" ")[0] for each in answers]
    return found
