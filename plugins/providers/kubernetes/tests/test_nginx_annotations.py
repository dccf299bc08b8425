"""What the annotations of ingress-nginx come to."""

import pytest

from .nginx_objects import CA, CERTIFICATE, KEY, Built, ingress, rule, secret

DENIED = [
    {"auth-type": "basic", "auth-secret": "gone"},
    {"auth-type": "basic", "auth-secret": "a/b/c"},
    {"auth-type": "basic", "auth-secret": "other/users"},
    {"auth-type": "basic", "auth-secret": "nobody"},
    {"auth-type": "basic", "auth-secret": "nobody", "auth-secret-type": "auth-map"},
    {"auth-type": "basic", "auth-secret": "broken"},
    {"auth-type": "basic", "auth-secret": "users", "auth-secret-type": "x"},
    {"auth-type": "basic"},
    {"auth-type": "digest", "auth-secret": "users"},
    {"auth-type": "", "auth-secret": "users"},
    {"auth-tls-secret": "default/gone"},
    {"auth-tls-secret": "other/ca"},
    {"auth-tls-secret": "ca"},
    {"auth-tls-secret": "default/broken"},
    {"backend-protocol": "HTTPS", "proxy-ssl-secret": "default/gone"},
    {"backend-protocol": "HTTPS", "proxy-ssl-secret": "default/broken"},
    {"allowlist-source-range": "nonsense"},
    {"allowlist-source-range": ","},
    {"custom-headers": "default/odd"},
    {"custom-headers": "default/more"},
    {"custom-headers": "default/gone"},
    {"custom-headers": "headers"},
]


@pytest.mark.parametrize("annotations", DENIED, ids=str)
def test_what_cannot_be_had_never_opens_a_path(annotations):
    other = ingress("other", {}, rule("web.test", "/"))
    built = Built(other, ingress("web", annotations, rule("web.test", "/secret")), globalAllowedResponseHeaders=["X-Ok"])

    for end in ("", "-tls"):
        router = built.router(end=end)
        assert router["service"] == "unavailable-service"
        assert "middlewares" not in router
    assert built.http["services"]["unavailable-service"] == {"loadBalancer": {"servers": []}}
    assert built.router("other")["service"] == "default-other-web-80"
    assert any(each.startswith("ingress default/web: answers 503: ") for each in built.problems)
    assert not any("apr1" in each for each in built.problems)


MIDDLEWARES = [
    (
        {"auth-type": "basic", "auth-secret": "users", "auth-realm": "r"},
        "basic-auth",
        {"basicAuth": {"users": ["u:$apr1$x$y"], "realm": "r"}},
    ),
    (
        {"auth-type": "basic", "auth-secret": "default/map", "auth-secret-type": "auth-map"},
        "basic-auth",
        {"basicAuth": {"users": ["u:$apr1$x$y"]}},
    ),
    ({"auth-type": "digest", "auth-secret": "digest"}, "digest-auth", {"digestAuth": {"users": ["u:realm:0123"]}}),
    (
        {"allowlist-source-range": "10.0.0.0/8, ::1", "whitelist-source-range": "9.9.9.9"},
        "allowed-source-range",
        {"ipAllowList": {"sourceRange": ["10.0.0.0/8", "::1"]}},
    ),
    (
        {"allowlist-source-range": "", "whitelist-source-range": "9.9.9.9"},
        "allowed-source-range",
        {"ipAllowList": {"sourceRange": ["9.9.9.9"]}},
    ),
    ({"app-root": "/app"}, "app-root", {"appRoot": {"path": "/app"}}),
    ({"app-root": "app"}, "app-root", None),
    (
        {"permanent-redirect": "https://x/"},
        "redirect",
        {"redirectRegex": {"regex": ".*", "replacement": "https://x/", "statusCode": 301}},
    ),
    (
        {"permanent-redirect": "https://x/", "permanent-redirect-code": "404"},
        "redirect",
        {"redirectRegex": {"regex": ".*", "replacement": "https://x/", "statusCode": 301}},
    ),
    (
        {"permanent-redirect": "https://x/", "temporal-redirect": "https://y/", "temporal-redirect-code": "307"},
        "redirect",
        {"redirectRegex": {"regex": ".*", "replacement": "https://y/", "statusCode": 307}},
    ),
    ({"permanent-redirect": ""}, "redirect", None),
    ({"rewrite-target": "/"}, "rewrite-target", None),
    (
        {"limit-rpm": "6", "limit-burst-multiplier": "2"},
        "limit-rpm",
        {"rateLimit": {"average": 6, "period": "1m", "burst": 12}},
    ),
    ({"limit-rps": "0"}, "limit-rps", None),
    ({"limit-connections": "3"}, "limit-connections", {"inFlightReq": {"amount": 3, "sourceCriterion": {"ipStrategy": {}}}}),
    ({"custom-headers": "default/headers"}, "custom-headers", {"headers": {"customResponseHeaders": {"X-Ok": "v 1"}}}),
    (
        {"upstream-vhost": "v.$namespace"},
        "vhost",
        {
            "upstreamVHost": {
                "vHost": "v.$namespace",
                "vars": {
                    "$namespace": "default",
                    "$ingress_name": "web",
                    "$location_path": "/",
                    "$service_name": "web",
                    "$service_port": "80",
                },
            }
        },
    ),
    ({"configuration-snippet": "return 200;"}, "snippet", {"snippet": {"configurationSnippet": "return 200;"}}),
    (
        {"proxy-request-buffering": "on", "client-body-buffer-size": "32k", "proxy-body-size": "4M"},
        "buffering",
        {
            "buffering": {
                "memRequestBodyBytes": 32768,
                "maxRequestBodyBytes": 4194304,
                "memResponseBodyBytes": 32768,
                "disableResponseBuffer": True,
            }
        },
    ),
    (
        {"proxy-buffering": "on", "proxy-buffer-size": "16k", "proxy-buffers-number": "8", "proxy-max-temp-file-size": "2m"},
        "buffering",
        {
            "buffering": {
                "memRequestBodyBytes": 16384,
                "maxRequestBodyBytes": 1048576,
                "memResponseBodyBytes": 131072,
                "maxResponseBodyBytes": 2228224,
                "disableRequestBuffer": True,
            }
        },
    ),
    ({"proxy-body-size": "4m"}, "buffering", None),
    (
        {
            "proxy-next-upstream": "http_502 http_503 non_idempotent",
            "proxy-next-upstream-tries": "0",
            "proxy-next-upstream-timeout": "4",
        },
        "retry",
        {
            "retry": {
                "attempts": 2,
                "maxRequestBodyBytes": 0,
                "status": ["502", "503"],
                "disableRetryOnNetworkError": True,
                "retryNonIdempotentMethod": True,
                "timeout": "4s",
            }
        },
    ),
    ({"proxy-body-size": "0"}, "retry", {"retry": {"attempts": 3, "maxRequestBodyBytes": -1}}),
    ({"proxy-next-upstream": "error off"}, "retry", None),
    ({"proxy-next-upstream-tries": "-1"}, "retry", None),
    ({"proxy-next-upstream": "non_idempotent"}, "retry", None),
    (
        {
            "enable-cors": "true",
            "cors-allow-origin": "https://a.t, https://*.b.t:81, x.*.t",
            "cors-allow-methods": "GET",
            "cors-allow-headers": "X-A",
            "cors-expose-headers": "X-E, X-F",
            "cors-allow-credentials": "no",
            "cors-max-age": "10",
        },
        "cors",
        {
            "headers": {
                "accessControlAllowCredentials": False,
                "accessControlAllowHeaders": ["X-A"],
                "accessControlAllowMethods": ["GET"],
                "accessControlAllowOriginList": ["https://a.t"],
                "accessControlAllowOriginListRegex": [r"^(?i)https://[A-Za-z0-9-]+\.b\.t:81$"],
                "accessControlExposeHeaders": ["X-E", "X-F"],
                "accessControlMaxAge": 10,
            }
        },
    ),
]


@pytest.mark.parametrize(("annotations", "suffix", "expected"), MIDDLEWARES, ids=lambda each: str(each)[:60])
def test_annotations_become_middlewares(annotations, suffix, expected):
    built = Built(ingress("web", annotations), globalAllowedResponseHeaders=["X-Ok"], allowSnippetAnnotations=True)

    assert built.middleware(suffix) == expected
    assert (f"default-web-rule-0-path-0-{suffix}" in built.router().get("middlewares", [])) is (expected is not None)


@pytest.mark.spec("K-69")
def test_a_rate_has_a_burst_of_five_times_as_many():
    built = Built(ingress("web", {"limit-rps": "5"}))

    assert built.middleware("limit-rps") == {"rateLimit": {"average": 5, "period": "1s", "burst": 25}}


@pytest.mark.spec("K-71")
def test_somebody_else_is_asked():
    annotations = {
        "auth-url": "http://a/",
        "auth-method": "POST",
        "auth-response-headers": "X-A,, X-B",
        "auth-signin": "http://in/",
    }
    auth = {"address": "http://a/", "method": "POST", "authResponseHeaders": ["X-A", "X-B"], "authSigninURL": "http://in/"}

    assert Built(ingress("web", annotations)).middleware("snippet") == {"snippet": {"auth": auth}}
    assert Built(ingress(), globalAuthURL="http://g/").middleware("snippet") == {
        "snippet": {"auth": {"address": "http://g/"}}
    }
    assert Built(ingress("web", {"enable-global-auth": "false"}), globalAuthURL="http://g/").middleware("snippet") is None


@pytest.mark.spec("K-74")
def test_an_affinity_is_a_cookie():
    balancer = Built(ingress("web", {"affinity": "cookie"})).http["services"]["default-web-web-80"]["loadBalancer"]

    assert balancer["sticky"] == {"cookie": {"name": "INGRESSCOOKIE", "httpOnly": True, "path": "/"}}


def test_the_cookie_has_what_is_said_of_it():
    said = {
        "name": "C",
        "secure": "true",
        "path": "/p",
        "domain": "d.t",
        "samesite": "Strict",
        "max-age": "60",
        "expires": "30",
    }
    built = Built(ingress("web", {"affinity": "cookie", **{f"session-cookie-{key}": value for key, value in said.items()}}))

    assert built.http["services"]["default-web-web-80"]["loadBalancer"]["sticky"]["cookie"] == {
        "name": "C", "httpOnly": True, "secure": True, "path": "/p", "domain": "d.t", "sameSite": "strict", "maxAge": 60,
        "expires": 30,
    }  # fmt: skip


@pytest.mark.spec("K-75")
@pytest.mark.parametrize(
    ("host", "others", "other"),
    [
        ("a.org", [], "www.a.org"),
        ("www.a.org", [], "a.org"),
        ("a.org", ["www.a.org"], None),
        ("*.a.org", [], None),
        ("", [], None),
    ],
)
def test_the_other_form_of_a_host_is_redirected(host, others, other):
    built = Built(ingress("web", {"from-to-www-redirect": "true"}, rule(host, "/"), *(rule(each, "/") for each in others)))

    name = "default-web-rule-0-path-0-from-to-www-redirect"
    if other is None:
        assert name not in built.routers
        return
    assert built.routers[name]["rule"] == f'Host("{other}")'
    assert built.routers[name]["service"] == "unavailable-service"
    redirect = built.http["middlewares"][name]["redirectRegex"]
    assert (redirect["replacement"], redirect["statusCode"]) == (f"$1://{host}$2/$3", 308)
    assert f"{name[:-21]}-tls-from-to-www-redirect" in built.routers


def test_an_app_root_has_a_router_where_nobody_serves_the_root():
    built = Built(ingress("web", {"app-root": "/app"}, rule("h", "/x", "/y"), rule("i", "/")))

    extra = {name: router for name, router in built.routers.items() if name.endswith("app-root-redirect")}
    assert sorted(extra) == [
        "default-web-rule-0-path-0-app-root-redirect",
        "default-web-rule-0-path-0-tls-app-root-redirect",
    ]
    assert extra["default-web-rule-0-path-0-app-root-redirect"]["rule"] == 'Host("h") && Path("/")'


def test_an_app_root_goes_for_the_root_of_other_ingresses_of_the_host():
    built = Built(ingress("web", {"app-root": "/app"}, rule("h", "/x")), ingress("root", {}, rule("h", "/", "/y")))

    assert built.middleware("app-root", "root") == {"appRoot": {"path": "/app"}}
    assert "default-root-rule-0-path-1-app-root" not in built.http["middlewares"]


def test_aliases_belong_to_the_first_who_claims_them():
    first = ingress("first", {"server-alias": "shared.t, web.test"}, born="2025-01-01T00:00:00Z")
    built = Built(ingress("web", {"server-alias": "Shared.t,own.t"}), first)

    assert built.router("first")["rule"].startswith('(Host("first.test") || Host("shared.t")) && ')
    assert built.router()["rule"].startswith('(Host("web.test") || Host("own.t")) && ')
    assert any("server-alias: Shared.t is taken by ingress default/first" in each for each in built.problems)


def test_a_snippet_of_a_server_goes_for_its_host():
    first = ingress("first", {"server-snippet": "return 201;"}, rule("h", "/a"), born="2025-01-01T00:00:00Z")
    built = Built(ingress("web", {"server-snippet": "return 202;"}, rule("h", "/b")), first, allowSnippetAnnotations=True)

    assert built.middleware("snippet") == {"snippet": {"serverSnippet": "return 201;"}}


@pytest.mark.parametrize(
    ("said", "kind", "word"),
    [
        (None, "RequireAndVerifyClientCert", "require-and-verify-client-cert"),
        ("off", "NoClientCert", "no-client-cert"),
        ("optional", "VerifyClientCertIfGiven", "verify-client-cert-if-given"),
        ("optional_no_ca", "RequestClientCert", "request-client-cert"),
    ],
)
def test_certificates_of_clients_are_asked_for(said, kind, word):
    annotations = {"auth-tls-secret": "default/ca", "auth-tls-pass-certificate-to-upstream": "true"}
    built = Built(ingress("web", annotations | ({"auth-tls-verify-client": said} if said else {})))

    name = f"default-7-ca-2-{word}"
    assert built.router(end="-tls")["tls"] == {"options": name}
    assert built.document["tls"]["options"] == {name: {"clientAuth": {"caFiles": [CA], "clientAuthType": kind}}}
    passed = built.middleware("pass-certificate-to-upstream")["authTLSPassCertificateToUpstream"]
    assert passed == {"clientAuthType": kind, **({"caFiles": [CA]} if said == "optional_no_ca" else {})}
    assert any("plaintext requests are served without a certificate" in each for each in built.problems)


def test_a_host_asks_all_its_clients_for_certificates_as_strictly_as_one_ingress_wants():
    wanted = {"auth-tls-secret": "default/ca"}
    built = Built(
        ingress("mild", {**wanted, "auth-tls-verify-client": "optional"}, rule("h", "/mild"), born="2025-01-01T00:00:00Z"),
        ingress("strict", wanted, rule("h", "/strict")),
        ingress("none", {}, rule("h", "/none")),
    )

    options = {built.router(name, end="-tls")["tls"]["options"] for name in ("mild", "strict", "none")}
    assert options == {"default-7-ca-2-require-and-verify-client-cert"}


def test_a_client_check_that_would_not_happen_closes_the_tls_router():
    hostless = Built(ingress("web", {"auth-tls-secret": "default/ca"}, rule("", "/")))
    assert hostless.router(end="-tls")["service"] == "unavailable-service"

    first = ingress("first", {"auth-tls-secret": "default/ca"}, rule("h", "/a"), born="2025-01-01T00:00:00Z")
    second = ingress("web", {"auth-tls-secret": "default/own"}, rule("h", "/b"))
    own = secret("own", {"ca.crt": CERTIFICATE})
    both = Built(first, second, own)
    assert both.router(end="-tls")["service"] == "unavailable-service"
    assert both.router("first", end="-tls")["service"] == "default-first-web-80"


def test_servers_are_reached_as_the_annotations_say():
    annotations = {
        "backend-protocol": "https",
        "proxy-ssl-secret": "default/pair",
        "proxy-ssl-verify": "on",
        "proxy-ssl-name": "n.t",
        "proxy-connect-timeout": "5",
        "proxy-read-timeout": "7",
        "proxy-http-version": "1.1",
        "upstream-hash-by": "$request_uri",
        "service-upstream": "true",
    }
    built = Built(ingress("web", annotations), proxySendTimeout=9)

    assert built.http["serversTransports"]["default-web"] == {
        "forwardingTimeouts": {"dialTimeout": "5s", "idleConnTimeout": "60s"},
        "disableHTTP2": True,
        "insecureSkipVerify": False,
        "serverName": "n.t",
        "rootCAs": [CA],
        "certificates": [{"certFile": CERTIFICATE, "keyFile": KEY}],
    }
    assert built.http["services"]["default-web-web-80"]["loadBalancer"] == {
        "servers": [{"url": "https://10.43.0.9:80"}],
        "timeouts": {"firstByte": "7s", "idle": "9s"},
        "serversTransport": "default-web",
        "strategy": "hrw",
        "nginxUpstreamHashBy": "$request_uri",
    }


def test_what_is_no_variable_in_a_hash_is_told():
    built = Built(ingress("web", {"upstream-hash-by": "$binary_remote_addr$host$nope"}), ingress("b"))

    assert built.problems == [
        "ingress default/web: upstream-hash-by: $binary_remote_addr, $nope is no variable here,"
        " and the same for all requests; write $remote_addr"
    ]


def test_errors_have_pages_of_the_default_backend():
    built = Built(ingress("web", {"custom-http-errors": "404,503", "default-backend": "fallback"}))

    errors = built.middleware("custom-http-errors")["errors"]
    assert errors == {
        "status": ["404", "503"],
        "service": "default-backend-default-web-rule-0-path-0",
        "nginxHeaders": {
            "X-Namespaces": ["default"],
            "X-Ingress-Name": ["web"],
            "X-Service-Name": ["web"],
            "X-Service-Port": ["80"],
        },
    }
    assert built.http["services"][errors["service"]]["loadBalancer"]["servers"] == [{"url": "http://10.42.2.1:8080"}]
    common = Built(ingress(), customHTTPErrors=["418"], defaultBackendService="default/fallback")
    assert common.middleware("custom-http-errors")["errors"]["service"] == "default-backend"


@pytest.mark.parametrize("options", [{}, {"defaultBackendService": "default/gone"}])
def test_errors_without_a_backend_for_pages_stay_as_they_are(options):
    built = Built(ingress("web", {"custom-http-errors": "404", "default-backend": "gone"}), **options)

    assert built.middleware("custom-http-errors") is None
    assert built.router()


def test_middlewares_have_their_order():
    annotations = {
        "force-ssl-redirect": "true", "custom-http-errors": "404", "default-backend": "fallback", "app-root": "/app",
        "permanent-redirect": "https://x/", "auth-type": "basic", "auth-secret": "users", "proxy-buffering": "on",
        "allowlist-source-range": "::1", "enable-cors": "true", "rewrite-target": "/y", "upstream-vhost": "v",
        "limit-rpm": "1",
        "limit-rps": "1", "limit-connections": "1", "auth-tls-secret": "default/ca",
        "auth-tls-pass-certificate-to-upstream": "true", "custom-headers": "default/headers", "auth-url": "http://a/",
    }  # fmt: skip
    built = Built(ingress("web", annotations), globalAllowedResponseHeaders=["X-Ok"])

    order = [each.removeprefix("default-web-rule-0-path-0-") for each in built.router()["middlewares"]]
    assert order == [
        "redirect-scheme", "custom-http-errors", "app-root", "redirect", "basic-auth", "buffering", "allowed-source-range",
        "cors", "rewrite-target", "vhost", "limit-rpm", "limit-rps", "limit-connections", "pass-certificate-to-upstream",
        "custom-headers", "snippet", "retry",
    ]  # fmt: skip
    assert built.http["services"]["default-web-web-80"]["middlewares"] == ["default-web-web-80-remove-authorization-header"]


def test_annotations_without_effect_are_one_warning():
    built = Built(ingress("web", {"satisfy": "any", "mirror-target": "x", "limit-rp": "1", "limit-rps": "many", "zzz": "1"}))

    assert built.problems == [
        "ingress default/web: annotations limit-rps is no number, so it counts as absent;"
        " without effect here: mirror-target, satisfy; unknown: limit-rp (did you mean limit-rps?), zzz"
    ]
    assert built.outcome.problems[0].loud


def test_the_access_log_is_a_routers_choice():
    built = Built(ingress("web", {"enable-access-log": "false"}))

    assert built.router()["observability"]["accessLogs"] is False
