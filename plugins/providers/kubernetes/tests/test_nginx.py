"""What Ingresses written for ingress-nginx come to: which are served, their routers and services."""

import pytest

from pointsman import ListeningPoint
from pointsman.errors import ConfigError

from .nginx_objects import CERTIFICATE, CLASS, KEY, TLS, Built, ingress, path, rule, service

POINTS = [
    ListeningPoint("web", 80, "tcp"),
    ListeningPoint("secure", 443, "tcp", tls=True),
    ListeningPoint("traefik", 8080, "tcp"),
]
SKIPPED = "is not served"


def test_a_path_is_a_router_with_a_twin_for_tls():
    built = Built(ingress("web", {}, rule("a.org", "/x")), points=POINTS)

    assert built.router() == {
        "entryPoints": ["web"],
        "rule": 'Host("a.org") && (Path("/x") || PathPrefix("/x/"))',
        "service": "default-web-web-80",
        "middlewares": ["default-web-rule-0-path-0-retry"],
        "observability": {"metadata": {"ingress": {"kind": "Ingress", "namespace": "default", "name": "web"}}},
    }
    assert built.router(end="-tls") == {
        **{key: value for key, value in built.router().items() if key != "entryPoints"},
        "middlewares": ["default-web-rule-0-path-0-tls-retry"],
        "tls": {},
    }
    assert built.service(built.router()) == {
        "loadBalancer": {
            "servers": [{"url": "http://10.42.0.1:8080"}, {"url": "http://10.42.0.2:8080"}],
            "timeouts": {"firstByte": "60s", "idle": "60s"},
            "serversTransport": "default-web",
        },
        "observability": {"metadata": {"kubernetes": {"namespace": "default", "name": "web", "port": "80"}}},
    }
    assert built.problems == []


def test_entry_points_are_those_of_the_options():
    built = Built(ingress(), points=POINTS, httpEntryPoint="plain", httpsEntryPoint="secure")

    assert (built.router()["entryPoints"], built.router(end="-tls")["entryPoints"]) == (["plain"], ["secure"])


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([path("/e", kind="Exact")], 'Host("h") && Path("/e")'),
        ([path("/p/")], 'Host("h") && (Path("/p") || PathPrefix("/p/"))'),
        ([path("/")], 'Host("h") && PathPrefix("/")'),
        ([path("", kind="ImplementationSpecific")], 'Host("h")'),
        ([path("/i", kind="ImplementationSpecific")], 'Host("h") && (Path("/i") || PathPrefix("/i/"))'),
    ],
)
def test_rules_follow_the_type_of_the_path(paths, expected):
    assert Built(ingress("web", {}, rule("h", *paths))).router()["rule"] == expected


def test_what_has_neither_host_nor_path_is_everything():
    assert Built(ingress("web", {}, rule("", path("")))).router()["rule"] == 'PathPrefix("/")'


def test_paths_of_a_host_are_expressions_if_one_ingress_says_so():
    built = Built(
        ingress("regex", {"use-regex": "true"}, rule("h", path("/e", kind="Exact"))), ingress("web", {}, rule("h", "/p"))
    )

    assert built.router("regex")["rule"] == 'Host("h") && Path("/e")'
    assert built.router()["rule"] == 'Host("h") && PathRegexp("(?i)^/p")'


@pytest.mark.spec("K-67")
def test_a_rewritten_path_is_an_expression():
    there = path("/api(/|$)(.*)", kind="ImplementationSpecific")
    built = Built(ingress("web", {"rewrite-target": "/$2", "x-forwarded-prefix": "/api"}, rule("h", there)))

    assert built.router()["rule"] == 'Host("h") && PathRegexp("(?i)^/api(/|$)(.*)")'
    assert built.middleware("rewrite-target") == {
        "rewriteTarget": {"regex": "/api(/|$)(.*)", "replacement": "/$2", "xForwardedPrefix": "/api"}
    }


@pytest.mark.parametrize(
    ("there", "expected"),
    [("/foo/(.*)", "/foo(?:/(.*))?"), ("/foo/(.*)/x", "/foo/(.*)/x"), ("/(.*)", "/(.*)"), ("/a/(b(c)", "/a/(b(c)")],
)
def test_a_path_rewritten_to_a_url_need_not_have_its_end(there, expected):
    built = Built(
        ingress("web", {"rewrite-target": "https://b.test/$1"}, rule("h", path(there, kind="ImplementationSpecific")))
    )

    assert built.middleware("rewrite-target")["rewriteTarget"]["regex"] == expected
    assert built.router()["rule"].endswith(f'PathRegexp("(?i)^{expected}")')


@pytest.mark.spec("K-68")
def test_characters_of_expressions_in_a_plain_path_leave_the_whole_ingress_out():
    odd = ingress("odd", {}, rule("h", "/fine", "/a(b)"))
    built = Built(odd, ingress())

    assert built.router("odd") is None
    assert built.router()
    assert any(f"ingress default/odd: {SKIPPED}: path /a(b) of type Prefix" in each for each in built.problems)
    assert Built(odd, strictValidatePathType=False).router("odd")


@pytest.mark.spec("K-72")
@pytest.mark.parametrize("kind", ["configuration-snippet", "server-snippet", "auth-snippet"])
def test_a_snippet_that_is_not_allowed_leaves_the_whole_ingress_out(kind):
    built = Built(ingress("web", {kind: "more_set_headers 'X: y';"}))

    assert built.router() is None
    assert built.problems == [
        f"ingress default/web: {SKIPPED}: snippets are not allowed ({kind}); set allowSnippetAnnotations"
    ]


@pytest.mark.spec("K-76")
@pytest.mark.parametrize(
    ("cls", "annotations", "options", "served"),
    [
        ("nginx", {}, {}, True),
        ("other", {}, {}, False),
        ("nginx", {"kubernetes.io/ingress.class": "other"}, {}, True),
        ("missing", {"kubernetes.io/ingress.class": "nginx"}, {}, False),
        (None, {}, {}, False),
        (None, {}, {"watchIngressWithoutClass": True}, True),
        (None, {"kubernetes.io/ingress.class": "nginx"}, {}, True),
        (None, {"kubernetes.io/ingress.class": "mine"}, {"ingressClass": "mine"}, True),
        (None, {"kubernetes.io/ingress.class": "other"}, {"watchIngressWithoutClass": True}, False),
        ("other", {}, {"ingressClassByName": True, "ingressClass": "other"}, True),
        ("nginx", {}, {"controllerClass": "x/y"}, False),
    ],
)
def test_which_ingresses_are_served(cls, annotations, options, served):
    other = {**CLASS, "metadata": {"name": "other"}, "spec": {"controller": "someone/else"}}
    built = Built(other, ingress("web", annotations, cls=cls), **options)

    assert bool(built.router()) is served


@pytest.mark.parametrize(
    ("options", "served"),
    [
        ({"watchNamespace": "b"}, {"b"}),
        ({"watchNamespaceSelector": "stage in (test, live),!closed"}, {"a"}),
        ({"watchNamespaceSelector": "stage!=live"}, {"a", "default"}),
        ({}, {"a", "b", "default"}),
    ],
)
def test_which_namespaces_are_served(options, served):
    spaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        for name, labels in (("a", {"stage": "test"}), ("b", {"stage": "live", "closed": ""}), ("default", {}))
    ]
    built = Built(*spaces, *(ingress("web", {}, namespace=name) for name in ("a", "b", "default")), **options)

    assert {name.split("-")[0] for name in built.routers} == served


@pytest.mark.parametrize(
    "options",
    [
        {"watchNamespace": "a", "watchNamespaceSelector": "b"},
        {"watchNamespaceSelector": "a in b"},
        {"defaultBackendService": "web"},
        {"publishService": "a/b/c"},
    ],
)
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(ConfigError, match=r"providers\.kubernetesIngressNGINX\."):
        Built(**options)


def test_ingresses_whose_routers_would_share_a_name_are_told_apart():
    there = service("web", "10.42.7.1", namespace="a-b")
    built = Built(
        *there,
        ingress("c", {}, namespace="a-b", born="2026-01-02T00:00:00Z"),
        ingress("b-c", {"force-ssl-redirect": "true"}, namespace="a"),
    )

    assert built.routers["a-b-c-rule-0-path-0"]["middlewares"][0].endswith("redirect-scheme")
    assert any("ingress a-b/c: its routers would be called as those of a/b-c" in each for each in built.problems)


def test_services_that_would_share_a_name_are_told_apart():
    built = Built(
        *service("b-c", "10.42.7.1"),
        *service("c", "10.42.7.2"),
        ingress("a", {}, rule("a.test", path("/", "b-c"))),
        ingress("a-b", {}, rule("b.test", path("/", "c"))),
    )

    servers = {name: built.service(built.router(name))["loadBalancer"]["servers"][0]["url"] for name in ("a", "a-b")}
    assert servers == {"a": "http://10.42.7.1:8080", "a-b": "http://10.42.7.2:8080"}


@pytest.mark.spec("K-65")
def test_certificates_are_served_and_plaintext_is_redirected():
    built = Built(ingress("web", {}, tls=TLS))

    assert built.middleware("redirect-scheme") == {"redirectScheme": {"scheme": "https", "forcePermanentRedirect": True}}
    assert built.router()["middlewares"][0] == "default-web-rule-0-path-0-redirect-scheme"
    assert built.router(end="-tls")["middlewares"] == ["default-web-rule-0-path-0-tls-retry"]
    assert built.document["tls"]["certificates"] == [{"certFile": CERTIFICATE, "keyFile": KEY}]


@pytest.mark.spec("K-66")
@pytest.mark.parametrize(
    ("annotations", "tls", "redirected"),
    [
        ({"ssl-redirect": "false"}, TLS, False),
        ({"ssl-redirect": "false", "force-ssl-redirect": "true"}, TLS, True),
        ({"ssl-redirect": "true"}, [], False),
        ({"force-ssl-redirect": "TRUE"}, [], True),
    ],
)
def test_when_plaintext_is_redirected(annotations, tls, redirected):
    built = Built(ingress("web", annotations, tls=tls))

    assert (built.middleware("redirect-scheme") is not None) is redirected
    assert built.router(end="-tls")


@pytest.mark.parametrize("name", ["gone", "broken"])
def test_a_certificate_that_is_missing_closes_nothing(name):
    built = Built(ingress("web", {}, tls=[{"secretName": name}]))

    assert built.router()
    assert built.router(end="-tls")
    assert built.document["tls"]["certificates"] == []
    assert len(built.problems) == 1
    assert "the default certificate is served" in built.problems[0]


@pytest.mark.spec("K-73")
@pytest.mark.parametrize("there", [path("/", "gone"), path("/", "web", 99), path("/", "empty")])
def test_a_path_without_servers_is_there(there):
    built = Built(ingress("web", {}, rule("h", there)))

    assert built.service(built.router())["loadBalancer"]["servers"] == []


@pytest.mark.spec("K-77")
def test_the_default_backend_stands_in_for_a_service_without_endpoints():
    built = Built(ingress("web", {"default-backend": "fallback"}, rule("h", path("/", "empty"))))

    assert built.service(built.router())["loadBalancer"]["servers"] == [{"url": "http://10.42.2.1:8080"}]


def test_external_names_are_servers_unless_they_are_refused():
    port = {"name": "http", "port": 80, "targetPort": 8081}
    outside = service("outside", ports=(port,), slices=False, type="ExternalName", externalName="ext.test")
    shown = ingress("web", {}, rule("h", path("/", "outside")))

    assert Built(*outside, shown).http["services"]["default-web-outside-80"]["loadBalancer"]["servers"] == [
        {"url": "http://ext.test:8081"}
    ]
    refused = Built(*outside, shown, disableSvcExternalName=True)
    assert refused.http["services"]["default-web-outside-80"]["loadBalancer"]["servers"] == []
    assert any("disableSvcExternalName" in each for each in refused.problems)


def test_a_default_backend_with_rules_serves_the_rest_of_each_host():
    there = {"service": {"name": "fallback", "port": {"number": 80}}}
    rules = [rule("a.test", "/a"), rule("a.test", "/b"), rule("b.test", "/b")]
    built = Built(ingress("web", {"auth-type": "basic", "auth-secret": "users"}, *rules, defaultBackend=there))

    made = [router for name, router in built.routers.items() if "default-backend" in name and not name.endswith("-tls")]
    assert sorted(router["rule"] for router in made) == ['Host("a.test")', 'Host("b.test")']
    assert all(any(each.endswith("-basic-auth") for each in router["middlewares"]) for router in made)


def test_a_default_backend_without_rules_serves_everything_else():
    there = {"service": {"name": "fallback", "port": {"number": 80}}}
    alone = ingress("alone", {"limit-rps": "4"}, defaultBackend=there)
    alone["spec"]["rules"] = []
    built = Built(alone)

    assert {key: built.routers["default-backend"][key] for key in ("rule", "priority", "service", "middlewares")} == {
        "rule": 'PathPrefix("/")',
        "priority": -(2**31),
        "service": "default-backend",
        "middlewares": ["default-backend-limit-rps", "default-backend-retry"],
    }
    assert built.routers["default-backend-tls"]["tls"] == {}

    of_options = Built(alone, defaultBackendService="default/web")
    assert "middlewares" not in of_options.routers["default-backend"]
    assert any("its default backend has no effect" in each for each in of_options.problems)


def test_a_passed_host_gets_connections_as_they_are_and_keeps_its_plaintext():
    built = Built(ingress("web", {"ssl-passthrough": "true"}, rule("a.test", "/")), httpsEntryPoint="secure")

    assert built.document["tcp"]["routers"] == {
        "default-web-a-test": {
            "rule": 'HostSNI("a.test")',
            "service": "default-web-80",
            "tls": {"passthrough": True},
            "entryPoints": ["secure"],
        }
    }
    servers = [{"address": "10.42.0.1:8080"}, {"address": "10.42.0.2:8080"}]
    assert built.document["tcp"]["services"]["default-web-80"] == {"loadBalancer": {"servers": servers}}
    assert built.router()
    assert built.router(end="-tls") is None


@pytest.mark.parametrize(("host", "there"), [("", "/"), ("a.test", "/x")])
def test_what_cannot_be_passed_is_told(host, there):
    built = Built(ingress("web", {"ssl-passthrough": "true"}, rule(host, there)))

    assert built.document["tcp"]["routers"] == {}
    assert any("ssl-passthrough: " in each for each in built.problems)


def test_odd_objects_take_nothing_with_them():
    odd = [
        {**ingress(f"odd{number}"), "spec": {"ingressClassName": "nginx", **spec}}
        for number, spec in enumerate(
            [
                {"rules": 5, "tls": "x", "defaultBackend": []},
                {
                    "rules": [
                        None,
                        {"host": 5},
                        {"host": "h", "http": {"paths": [None, {"path": 5}, {"backend": {"service": 1}}]}},
                    ]
                },
                {"rules": [{"http": {"paths": [{"backend": {"service": {"name": "web", "port": {"number": "x"}}}}]}}]},
            ]
        )
    ]
    odd[0]["metadata"]["annotations"] = {"nginx.ingress.kubernetes.io/limit-rps": 5}

    assert Built(*odd, ingress()).router()
