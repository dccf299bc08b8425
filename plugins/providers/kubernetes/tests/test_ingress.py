"""Ingresses, and what they come to (kubernetes.md §2)."""

import time
from base64 import b64encode

import pytest
import yaml

from pointsman.errors import ConfigError
from pointsman.testing import FakeContext, build
from pointsman_kubernetes.ingress import KubernetesIngressProvider
from pointsman_kubernetes.kinds import ENDPOINT_SLICE, INGRESS, INGRESS_CLASS, NODE, SECRET, SERVICE
from pointsman_kubernetes.objects import NOT_WATCHED, Objects

from .certificates import PAIR, SECOND
from .manifests import WEB, cluster

A = "traefik.ingress.kubernetes.io/"
WEB_URLS = [{"url": "http://10.42.0.1:8080"}, {"url": "http://10.42.0.2:8080"}]


def a_backend(service="web", port=80):
    return {"service": {"name": service, "port": {"name" if isinstance(port, str) else "number": port}}}


def a_path(path="/", kind="Prefix", service="web", port=80):
    return {"path": path, "pathType": kind, "backend": a_backend(service, port)}


def an_ingress(*paths, name="ing", host="a.org", namespace="default", born="2026-01-01T00:00:00Z", annotations=(), **spec):
    """With one rule for these paths, unless `spec` says otherwise; annotations are named without their prefix."""
    spec.setdefault("rules", [{"host": host, "http": {"paths": list(paths or [a_path()])}}])
    known = {key if "/" in key else A + key: value for key, value in dict(annotations).items()}
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": born, "annotations": known}
    return yaml.safe_dump({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec})


def a_service(name="web", annotations=(), *, namespace="default", **spec):
    """And one endpoint of it, 10.0.0.9:8080, of the port called http."""
    spec = {"clusterIP": "10.43.0.9", "ports": [{"name": "http", "port": 80}], **spec}
    metadata = {
        "name": name,
        "namespace": namespace,
        "annotations": {A + key: value for key, value in dict(annotations).items()},
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    piece = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": ["10.0.0.9"]}],
    }
    return yaml.safe_dump_all([service, piece])


def a_class(name, controller="traefik.io/ingress-controller"):
    spec = {"controller": controller}
    return yaml.safe_dump(
        {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name}, "spec": spec}
    )


def a_secret(name, certificate, key, namespace="default"):
    data = {"tls.crt": b64encode(certificate.encode()).decode(), "tls.key": b64encode(key.encode()).decode()}
    return yaml.safe_dump(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": data}
    )


class Made:
    """What came of manifests."""

    def __init__(self, *manifests, web=WEB, namespaces=(), syntax="v3", **options):
        provider = build(KubernetesIngressProvider, options, FakeContext("kubernetes", rule_syntax=syntax))
        self.outcome = provider.build(cluster(web, *manifests, namespaces=namespaces))
        self.routers = self.outcome.document["http"]["routers"]
        self.services = self.outcome.document["http"]["services"]
        self.told = [str(problem) for problem in self.outcome.problems]
        assert all(problem.warning for problem in self.outcome.problems)

    @property
    def rules(self):
        return {name: router["rule"] for name, router in self.routers.items()}

    @property
    def rule(self):
        (rule,) = self.rules.values()
        return rule

    @property
    def servers(self):
        (service,) = self.services.values()
        return service["loadBalancer"]["servers"]


@pytest.mark.spec("K-1")
def test_a_path_is_a_router_and_its_backend_a_service():
    made = Made(an_ingress(a_path("/x")))

    assert made.routers == {
        "default-ing-a-org-x": {
            "rule": 'Host("a.org") && PathPrefix("/x")',
            "service": "default-web-80",
            "observability": {"metadata": {"ingress": {"kind": "Ingress", "name": "ing", "namespace": "default"}}},
        }
    }
    assert made.services == {
        "default-web-80": {
            "loadBalancer": {"servers": WEB_URLS},
            "observability": {"metadata": {"kubernetes": {"name": "web", "namespace": "default", "port": "80"}}},
        }
    }
    assert made.told == []


def test_it_is_called_kubernetes_and_reads_what_it_needs():
    def kinds(**options):
        return set(build(KubernetesIngressProvider, options).kinds())

    assert list(KubernetesIngressProvider.instances(build(KubernetesIngressProvider, {})._config)) == ["kubernetes"]
    always = {INGRESS, SERVICE, ENDPOINT_SLICE, SECRET}
    assert kinds() == always | {INGRESS_CLASS, NODE}
    assert kinds(disableIngressClassLookup=True) == always | {NODE}
    assert kinds(disableClusterScopeResources=True) == always


@pytest.mark.parametrize(
    ("path", "kind", "annotated", "rule"),
    [
        pytest.param("/x", "Exact", "", 'Host("a.org") && Path("/x")', marks=pytest.mark.spec("K-2")),
        ("/x", "Exact", "PathRegexp", 'Host("a.org") && Path("/x")'),
        ("/x", "Prefix", "Path", 'Host("a.org") && PathPrefix("/x")'),
        ("/x", "ImplementationSpecific", "", 'Host("a.org") && PathPrefix("/x")'),
        ("/x", None, "Path", 'Host("a.org") && Path("/x")'),
        pytest.param(
            "/x/[0-9]+$",
            "ImplementationSpecific",
            "PathRegexp",
            'Host("a.org") && PathRegexp("/x/[0-9]+$")',
            marks=pytest.mark.spec("K-4"),
        ),
        ("", "ImplementationSpecific", "", 'Host("a.org")'),
        ('/x") || PathPrefix("/', "Prefix", "", 'Host("a.org") && PathPrefix("/x\\") || PathPrefix(\\"/")'),
    ],
)
def test_the_type_of_a_path_says_how_it_matches(path, kind, annotated, rule):
    annotations = {"router.pathmatcher": annotated} if annotated else {}

    assert Made(an_ingress(a_path(path, kind), annotations=annotations)).rule == rule


@pytest.mark.spec("K-4")
def test_a_matcher_that_is_none_leaves_out_the_paths_that_use_it():
    paths = a_path("/a", "ImplementationSpecific"), a_path("/b")
    made = Made(an_ingress(*paths, annotations={"router.pathmatcher": "Foo"}))

    assert list(made.rules) == ["default-ing-a-org-b"]
    assert made.told == [
        "ingress default/ing: a.org/a is left out: router.pathmatcher must be one of Path, PathPrefix, PathRegexp, got 'Foo'"
    ]


def test_a_type_of_path_that_is_none_is_left_out():
    assert Made(an_ingress(a_path("/x", "Glob"))).told == [
        "ingress default/ing: a.org/x is left out: pathType 'Glob' is none; use Exact or Prefix"
    ]


@pytest.mark.spec("K-3")
@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/foo", '(Path("/foo") || PathPrefix("/foo/"))'),
        ("/foo/", '(Path("/foo") || PathPrefix("/foo/"))'),
        ("/", 'PathPrefix("/")'),
    ],
)
def test_strict_prefixes_end_at_a_slash(path, rule):
    assert Made(an_ingress(a_path(path)), strictPrefixMatching=True).rule == f'Host("a.org") && {rule}'


def test_strictness_does_not_touch_exact_paths():
    assert Made(an_ingress(a_path("/foo", "Exact")), strictPrefixMatching=True).rule.endswith('&& Path("/foo")')


@pytest.mark.parametrize(
    ("host", "syntax", "annotated", "rule"),
    [
        ("*.w.org", "v3", "", 'Host("*.w.org") && PathPrefix("/")'),
        ("*.w.org", "v2", "", 'HostRegexp("{subdomain:[a-zA-Z0-9-]+}.w.org") && PathPrefix("/")'),
        ("*.w.org", "v3", "v2", 'HostRegexp("{subdomain:[a-zA-Z0-9-]+}.w.org") && PathPrefix("/")'),
        ("*.w.org", "v2", "v3", 'Host("*.w.org") && PathPrefix("/")'),
        ("w.org", "v2", "", 'Host("w.org") && PathPrefix("/")'),
        ("", "v3", "", 'PathPrefix("/")'),
    ],
)
def test_hosts_may_be_wildcards_or_missing(host, syntax, annotated, rule):
    annotations = {"router.rulesyntax": annotated} if annotated else {}

    assert Made(an_ingress(host=host, annotations=annotations), syntax=syntax).rule == rule


def test_neither_host_nor_path_is_everything():
    assert Made(an_ingress(a_path("", None), host="")).rule == 'PathPrefix("/")'


@pytest.mark.spec("K-5")
def test_routers_of_one_name_are_told_apart_by_their_rules():
    made = Made(an_ingress(a_path("/x"), a_path("/x", "Exact"), a_path("/y")))

    assert made.rules == {
        "default-ing-a-org-x-e21ddca3783988395dbd": 'Host("a.org") && PathPrefix("/x")',
        "default-ing-a-org-x-7dd33dd8bf4107293431": 'Host("a.org") && Path("/x")',
        "default-ing-a-org-y": 'Host("a.org") && PathPrefix("/y")',
    }


def test_of_two_equal_rules_in_an_ingress_the_last_counts():
    made = Made(an_ingress(a_path("/x"), a_path("/x", service="other")), a_service("other"))

    assert [router["service"] for router in made.routers.values()] == ["default-other-80"]
    assert made.told == ['ingress default/ing: says Host("a.org") && PathPrefix("/x") twice; the last one counts']


def test_ingresses_of_several_namespaces_do_not_take_each_others_names():
    there = an_ingress(namespace="a", name="b-c"), a_service(namespace="a", name="b-web")
    here = an_ingress(a_path(service="web"), namespace="a-b", name="c", born="2025-01-01T00:00:00Z")
    made = Made(
        here,
        a_service(namespace="a-b"),
        *there,
        a_service(namespace="a"),
        an_ingress(a_path("/2", service="b-web"), namespace="a"),
    )

    assert made.routers["a-b-c-a-org"]["observability"]["metadata"]["ingress"]["namespace"] == "a-b", "the older one has it"
    (other,) = (name for name in made.routers if name.startswith("a-b-c-a-org-"))
    assert made.routers[other]["observability"]["metadata"]["ingress"]["namespace"] == "a"
    assert made.told == [f"ingress a/b-c: a router is called {other}, for there is a a-b-c-a-org of ingress a-b/c"]
    (shared,) = (name for name in made.services if name.startswith("a-b-web-80-"))
    assert made.services["a-b-web-80"]["observability"]["metadata"]["kubernetes"]["namespace"] == "a-b"
    assert made.services[shared]["observability"]["metadata"]["kubernetes"]["namespace"] == "a"


def test_ingresses_share_services():
    made = Made(an_ingress(), an_ingress(a_path(port="http"), name="two"), an_ingress(name="three"))

    assert list(made.services) == ["default-web-80", "default-web-http"]
    assert [router["service"] for router in made.routers.values()] == [
        "default-web-80",
        "default-web-80",
        "default-web-http",
    ]


@pytest.mark.spec("K-6")
@pytest.mark.parametrize(
    ("named", "annotated", "options", "served"),
    [
        (None, None, {}, True),
        (None, None, {"ingressClass": "own"}, False),
        (None, "traefik", {}, True),
        (None, "nginx", {}, False),
        (None, "own", {"ingressClass": "own"}, True),
        (None, "traefik", {"ingressClass": "own"}, False),
        ("own", None, {}, True),
        ("own", None, {"ingressClass": "own"}, True),
        ("own", None, {"ingressClass": "second"}, False),
        ("own", "nginx", {}, True),
        ("other", None, {}, False),
        ("other", "traefik", {}, False),
        ("nowhere", None, {}, False),
        ("", None, {}, False),
        ("own", None, {"disableIngressClassLookup": True}, False),
        ("own", None, {"disableClusterScopeResources": True}, False),
    ],
)
def test_the_class_says_whose_an_ingress_is(named, annotated, options, served):
    spec = {} if named is None else {"ingressClassName": named}
    annotations = {} if annotated is None else {"kubernetes.io/ingress.class": annotated}
    classes = (
        () if options.keys() - {"ingressClass"} else (a_class("own"), a_class("second"), a_class("other", "example.org/x"))
    )
    made = Made(an_ingress(annotations=annotations, **spec), *classes, **options)

    assert (bool(made.routers), made.told) == (served, [])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "there is no IngressClass own; make one with the controller traefik.io/ingress-controller"),
        ({"disableIngressClassLookup": True}, "IngressClasses are not read; name the class in the annotation"),
    ],
)
def test_an_ingress_of_the_class_that_is_wanted_is_told_why_it_is_not_served(options, said):
    made = Made(an_ingress(ingressClassName="own"), ingressClass="own", **options)

    assert made.routers == {}
    assert made.told[0].startswith(f"ingress default/ing: is left out: {said}")


def test_classes_that_cannot_be_read_are_told_where_they_are_missed():
    provider = build(KubernetesIngressProvider, {})
    ingress = cluster(an_ingress(ingressClassName="traefik")).all(INGRESS)
    outcome = provider.build(Objects({INGRESS: ingress}, missing={INGRESS_CLASS: "forbidden"}))

    assert [str(each) for each in outcome.problems] == [
        "ingress default/ing: is left out: no IngressClass can be read (forbidden)"
    ]


@pytest.mark.parametrize(
    ("annotations", "router"),
    [
        ({"router.entrypoints": "web, websecure"}, {"entryPoints": ["web", "websecure"]}),
        ({"router.Middlewares": "a-b@kubernetescrd"}, {"middlewares": ["a-b@kubernetescrd"]}),
        ({"router.priority": "42"}, {"priority": 42}),
        ({"router.rulesyntax": "v2"}, {"ruleSyntax": "v2"}),
        pytest.param({"router.tls": "true"}, {"tls": {}}, marks=pytest.mark.spec("K-8")),
        ({"router.tls": "false"}, {}),
        (
            {"router.tls.certresolver": "le", "router.tls.options": "a-b@kubernetescrd"},
            {"tls": {"certResolver": "le", "options": "a-b@kubernetescrd"}},
        ),
        (
            {
                "router.tls.domains.0.main": "a.org",
                "router.tls.domains.0.sans": "b.org,c.org",
                "router.tls.domains.1.main": "d",
            },
            {"tls": {"domains": [{"main": "a.org", "sans": ["b.org", "c.org"]}, {"main": "d"}]}},
        ),
    ],
)
def test_annotations_say_what_a_router_has_besides(annotations, router):
    made = Made(an_ingress(annotations=annotations))
    found = made.routers["default-ing-a-org"]

    assert {key: value for key, value in found.items() if key not in ("rule", "service", "observability")} == router
    assert made.told == []


def test_annotations_say_what_is_observed_and_metadata_stay():
    annotations = {f"router.observability.{key}": "false" for key in ("accesslogs", "metrics", "tracing")}
    made = Made(an_ingress(annotations={**annotations, "router.observability.traceverbosity": "detailed"}))

    assert made.routers["default-ing-a-org"]["observability"] == {
        "accessLogs": False,
        "metrics": False,
        "tracing": False,
        "traceVerbosity": "detailed",
        "metadata": {"ingress": {"kind": "Ingress", "name": "ing", "namespace": "default"}},
    }


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        pytest.param({"router.priority": "abc"}, "router.priority: expected a whole number", marks=pytest.mark.spec("K-7")),
        ({"router.middleware": "a@file"}, "router.middleware: no such annotation; did you mean router.middlewares?"),
        ({"router.rule": "Host(`b`)"}, "router.rule: no such annotation"),
        ({"router.service": "x"}, "router.service: no such annotation"),
        ({"router.tls.nope": "x"}, "router.tls.nope: "),
        ({"router.observability.tracing": "maybe"}, "router.observability.tracing: "),
    ],
)
def test_an_annotation_that_cannot_be_used_leaves_out_its_ingress_only(annotations, said):
    made = Made(an_ingress(annotations=annotations), an_ingress(name="fine"))

    assert list(made.routers) == ["default-fine-a-org"]
    (told,) = made.told
    assert told.startswith(f"ingress default/ing: is left out: {A}{said}")


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        (
            {"router-middlewares": "x"},
            f"{A}router-middlewares: has no effect: no such annotation; they begin with {A}router.",
        ),
        ({"service.sticky.cookie": "true"}, f"{A}service.sticky.cookie: has no effect: stands on Services only"),
        (
            {"nginx.ingress.kubernetes.io/app-root": "/x"},
            "nginx.ingress.kubernetes.io/app-root: has no effect here; "
            "the provider kubernetesIngressNGINX reads such annotations",
        ),
    ],
)
def test_annotations_without_effect_are_told(annotations, said):
    made = Made(an_ingress(annotations=annotations))

    assert list(made.routers) == ["default-ing-a-org"]
    assert made.told == [f"ingress default/ing: {said}"]


NO_EFFECT = f"{A}odd: has no effect: no such annotation; they begin with {A}router."


@pytest.mark.parametrize(
    ("count", "also"),
    [
        (2, " (on 2 of this kind, also default/i1)"),
        (3, " (on 3 of this kind, also default/i1, default/i2)"),
        (5000, " (on 5000 of this kind, also default/i1, default/i2, ...)"),
    ],
)
def test_an_annotation_without_effect_is_told_once_with_a_number_and_examples(count, also):
    born = "2026-01-01T00:00:{:05}Z"
    known = yaml.safe_load(an_ingress(annotations={"odd": "1"}))
    found = [
        {**known, "metadata": {**known["metadata"], "name": f"i{number}", "creationTimestamp": born.format(number)}}
        for number in range(count)
    ]
    web = cluster(WEB)
    objects = Objects({INGRESS: found, SERVICE: web.all(SERVICE), ENDPOINT_SLICE: web.all(ENDPOINT_SLICE)})
    outcome = build(KubernetesIngressProvider, {}, FakeContext("kubernetes")).build(objects)

    assert [str(each) for each in outcome.problems] == [f"ingress default/i0: {NO_EFFECT}{also}"]


def test_who_makes_up_annotations_is_told_of_a_few():
    made = Made(an_ingress(annotations={f"odd{number:03}": "1" for number in range(60)}))

    assert len(made.told) == 51
    assert made.told[-1] == "ingress default/ing: and 10 more annotations have no effect"


@pytest.mark.parametrize(
    ("annotations", "load_balancer"),
    [
        ({"service.serversscheme": "h2c"}, {"servers": [{"url": "h2c://10.0.0.9:8080"}]}),
        ({"service.serverstransport": "a-b@kubernetescrd"}, {"serversTransport": "a-b@kubernetescrd"}),
        ({"service.passhostheader": "false"}, {"passHostHeader": False}),
        pytest.param(
            {"service.nativelb": "true"}, {"servers": [{"url": "http://10.43.0.9:80"}]}, marks=pytest.mark.spec("K-14")
        ),
        ({"service.sticky.cookie": "true"}, {"sticky": {"cookie": {}}}),
        (
            {
                "service.sticky.cookie.name": "c",
                "service.sticky.cookie.SameSite": "none",
                "service.sticky.cookie.maxage": "9",
            }
            | {f"service.sticky.cookie.{key}": "1" for key in ("secure", "httponly")},
            {"sticky": {"cookie": {"name": "c", "sameSite": "none", "maxAge": 9, "secure": True, "httpOnly": True}}},
        ),
    ],
)
def test_annotations_of_a_service_say_how_it_is_reached(annotations, load_balancer):
    made = Made(an_ingress(), a_service(annotations=annotations), web="")

    assert made.services["default-web-80"]["loadBalancer"] == {"servers": [{"url": "http://10.0.0.9:8080"}], **load_balancer}
    assert made.told == []


def test_a_service_may_have_middlewares():
    made = Made(an_ingress(), a_service(annotations={"service.middlewares": "a@file, b-c@kubernetescrd"}), web="")

    assert made.services["default-web-80"]["middlewares"] == ["a@file", "b-c@kubernetescrd"]


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        ({"service.nativelb": "yes"}, "service.nativelb: must be true or false, got 'yes'"),
        ({"service.serversscheme": "ftp"}, "service.serversscheme: must be one of http, https, h2c, got 'ftp'"),
        ({"service.passhostheader": "x"}, "service.passhostheader: "),
        ({"service.stiky": "true"}, "service.stiky: no such annotation; did you mean service.sticky?"),
        ({"service.healthcheck.path": "/"}, "service.healthcheck.path: no such annotation"),
    ],
)
def test_an_annotation_of_a_service_that_cannot_be_used_leaves_out_its_paths_only(annotations, said):
    bad, good = a_path("/bad", service="bad"), a_path("/good")
    made = Made(an_ingress(bad, good), a_service("bad", annotations))

    assert list(made.services) == ["default-web-80"]
    assert list(made.rules) == ["default-ing-a-org-good"]
    (told,) = made.told
    assert told.startswith(f"ingress default/ing: a.org/bad is left out: service default/bad: {A}{said}")


def test_annotations_of_an_ingress_on_a_service_are_told_once():
    made = Made(an_ingress(), an_ingress(name="two"), a_service(annotations={"router.tls": "true"}), web="")

    assert made.told == [f"service default/web: {A}router.tls: has no effect: stands on Ingresses only"]


def test_native_balancing_may_be_the_default_and_not_for_all():
    services = a_service(), a_service("own", {"service.nativelb": "false"})
    made = Made(an_ingress(a_path("/1"), a_path("/2", service="own")), *services, web="", nativeLBByDefault=True)

    assert [each["loadBalancer"]["servers"][0]["url"] for each in made.services.values()] == [
        "http://10.43.0.9:80",
        "http://10.0.0.9:8080",
    ]


@pytest.mark.spec("K-15")
def test_node_ports_are_used_where_a_service_says_so():
    nodes = "\n---\n".join(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": address},
                "status": {"addresses": [{"type": "InternalIP", "address": address}]},
            }
        )
        for address in ("192.0.2.1", "192.0.2.2")
    )
    ports = [{"name": "http", "port": 80, "nodePort": 30080}]
    service = a_service(annotations={"service.nodeportlb": "true"}, type="NodePort", ports=ports)

    assert Made(an_ingress(), service, nodes, web="").servers == [
        {"url": "http://192.0.2.1:30080"},
        {"url": "http://192.0.2.2:30080"},
    ]
    assert len(Made(an_ingress(), service, nodes, web="", nativeLBByDefault=True).servers) == 2
    left_out = Made(an_ingress(), service, web="", disableClusterScopeResources=True)
    assert "disableClusterScopeResources leaves out" in left_out.told[0]


@pytest.mark.spec("K-8")
def test_certificates_of_secrets_are_served_and_change_no_router():
    tls = [{"secretName": "b", "hosts": ["x"]}, {"secretName": "a"}, {"hosts": ["without"]}]
    secrets = a_secret("a", *PAIR), a_secret("b", *SECOND)
    made = Made(an_ingress(tls=tls), an_ingress(name="two", tls=tls), *secrets)

    certificates = made.outcome.document["tls"]["certificates"]
    assert certificates == [{"certFile": PAIR[0], "keyFile": PAIR[1]}, {"certFile": SECOND[0], "keyFile": SECOND[1]}]
    assert "tls" not in made.routers["default-ing-a-org"]
    assert made.told == []


@pytest.mark.spec("K-9")
def test_a_secret_that_is_missing_or_bad_is_told_and_routes_stay():
    tls = [{"secretName": "none"}, {"secretName": "bad"}, {"secretName": "good"}]
    made = Made(an_ingress(tls=tls), a_secret("bad", PAIR[0], SECOND[1]), a_secret("good", *PAIR))

    assert made.told == [
        "ingress default/ing: has no certificate of its own: secret default/none: not found",
        "ingress default/ing: has no certificate of its own: secret default/bad: "
        "tls.key is not the key of the certificate in tls.crt",
    ]
    assert list(made.routers) == ["default-ing-a-org"]
    assert len(made.outcome.document["tls"]["certificates"]) == 1


def test_secrets_of_other_namespaces_are_not_reached():
    made = Made(an_ingress(tls=[{"secretName": "x"}]), a_secret("x", *PAIR, namespace="other"))

    assert made.outcome.document["tls"]["certificates"] == []


EMPTY = WEB.partition("---")[0]


@pytest.mark.spec("K-10")
def test_a_service_without_endpoints_leaves_out_its_path_unless_that_is_allowed():
    made = Made(an_ingress(), web=EMPTY)
    assert made.routers == made.services == {}
    assert made.told == [
        "ingress default/ing: a.org/ is left out: service default/web: has no endpoints; "
        "allowEmptyServices would have it answer 503"
    ]
    assert Made(an_ingress(), web=EMPTY, allowEmptyServices=True).servers == []


@pytest.mark.spec("K-13")
def test_external_names_are_served_if_that_is_allowed():
    service = a_service(type="ExternalName", externalName="shop.example")

    assert "set allowExternalNameServices" in Made(an_ingress(), service, web="").told[0]
    assert Made(an_ingress(), service, web="", allowExternalNameServices=True).servers == [{"url": "http://shop.example:80"}]


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ({"resource": {"kind": "Bucket", "name": "x"}}, "resource backends are not supported; name a service"),
        ({"service": {}}, "its backend names no service"),
        ({"service": {"name": "web"}}, "service default/web: no port was named; it has 80 (http)"),
        (a_backend("web", 81), "service default/web: has no port 81; it has 80 (http)"),
        (a_backend("web", "x"), "service default/web: has no port 'x'; it has 80 (http)"),
        (a_backend("nope"), "service default/nope: not found"),
        (None, "its backend names no service"),
    ],
)
def test_a_path_without_a_service_is_left_out_and_told(backend, said):
    made = Made(an_ingress({"path": "/x", "pathType": "Prefix", "backend": backend}, a_path("/y")))

    assert list(made.rules) == ["default-ing-a-org-y"]
    assert made.told == [f"ingress default/ing: a.org/x is left out: {said}"]


@pytest.mark.spec("K-17")
def test_a_default_backend_alone_takes_what_nobody_else_does():
    made = Made(an_ingress(rules=[], defaultBackend=a_backend(), annotations={"router.entrypoints": "web"}))

    assert made.routers["default-router"] == {
        "rule": 'PathPrefix("/")',
        "priority": -2147483648,
        "service": "default-backend",
        "entryPoints": ["web"],
        "observability": {"metadata": {"ingress": {"kind": "Ingress", "name": "ing", "namespace": "default"}}},
    }
    assert made.services["default-backend"]["loadBalancer"]["servers"] == WEB_URLS


def test_the_oldest_default_backend_has_it():
    younger = an_ingress(name="a", rules=[], defaultBackend=a_backend(), born="2026-02-01T00:00:00Z")
    older = an_ingress(name="b", rules=[], defaultBackend=a_backend(), born="2026-01-01T00:00:00Z")
    made = Made(
        younger, older, an_ingress(name="c", rules=[], defaultBackend=a_backend("nope"), born="2025-01-01T00:00:00Z")
    )

    assert made.routers["default-router"]["observability"]["metadata"]["ingress"]["name"] == "b"
    assert made.told == [
        "ingress default/c: its default backend is left out: service default/nope: not found",
        "ingress default/a: its default backend has no effect: there is that of default/b already",
    ]


def test_no_ingress_takes_the_name_of_the_default_router():
    made = Made(an_ingress(a_path("/"), name="router", host=""), an_ingress(name="z", rules=[], defaultBackend=a_backend()))

    assert made.routers["default-router"]["priority"] == -2147483648
    assert len(made.routers) == 2


def test_beside_rules_a_default_backend_has_no_effect_unless_it_is_asked_for():
    ingress = an_ingress(defaultBackend=a_backend("rest"), rules=[
        {"host": "a.org", "http": {"paths": [a_path("/x")]}}, {"host": "b.org"}, {"http": {"paths": [a_path("/y")]}},
    ])  # fmt: skip

    assert list(Made(ingress, a_service("rest")).routers) == ["default-ing-a-org-x", "default-ing-y"]
    made = Made(ingress, a_service("rest"), defaultBackendFallback=True)
    fallbacks = {
        router["rule"]: router["priority"] for router in made.routers.values() if router["service"] == "default-rest-80"
    }
    assert fallbacks == {'Host("a.org")': -2147483647, 'Host("b.org")': -2147483647, 'PathPrefix("/")': -2147483648}
    assert len(made.routers) == 5


def test_a_fallback_without_its_service_is_told_and_paths_stay():
    made = Made(an_ingress(defaultBackend=a_backend("nope")), defaultBackendFallback=True)

    assert list(made.routers) == ["default-ing-a-org"]
    assert made.told == ["ingress default/ing: its default backend is left out: service default/nope: not found"]


@pytest.mark.spec("K-19")
@pytest.mark.parametrize(
    "annotations",
    [{"router.middlewares": "x@kubernetescrd"}, {"router.middlewares": "x"}, {"router.tls.options": "default"}],
)
@pytest.mark.parametrize(("allowed", "served"), [(None, True), (["default"], True), (["other"], False), ([], False)])
def test_what_other_providers_say_is_named_from_some_namespaces_only(annotations, allowed, served):
    made = Made(an_ingress(annotations=annotations), crossProviderNamespaces=allowed)

    assert bool(made.routers) is served
    assert bool(made.told) is not served
    assert served or "add default to crossProviderNamespaces" in made.told[0]


@pytest.mark.parametrize("annotations", [{"service.middlewares": "x@file"}, {"service.serverstransport": "x@file"}])
def test_so_it_is_for_services(annotations):
    assert Made(an_ingress(), a_service(annotations=annotations), web="").routers
    made = Made(an_ingress(), a_service(annotations=annotations), web="", crossProviderNamespaces=[])
    assert made.routers == {}
    assert "may not use x@file; add default to crossProviderNamespaces" in made.told[0]


def statuses(*manifests, **options):
    made = Made(*manifests, **options)
    return [(update.object["metadata"]["name"], update.status) for update in made.outcome.statuses], made.told


def test_without_an_endpoint_no_status_is_written():
    assert statuses(an_ingress()) == ([], [])


@pytest.mark.parametrize(
    ("endpoint", "entry"),
    [
        ({"ip": "192.0.2.7"}, {"ip": "192.0.2.7"}),
        ({"hostname": "lb.example"}, {"hostname": "lb.example"}),
        ({"ip": "192.0.2.7", "hostname": "lb.example"}, {"ip": "192.0.2.7", "hostname": "lb.example"}),
    ],
)
def test_every_ingress_that_is_served_is_told_the_endpoint(endpoint, entry):
    ingresses = (
        an_ingress(),
        an_ingress(name="other", ingressClassName="x"),
        an_ingress(annotations={"router.x": "1"}, name="bad"),
    )
    default = an_ingress(name="z", rules=[], defaultBackend=a_backend())
    found, _ = statuses(*ingresses, default, ingressEndpoint=endpoint)

    assert found == [(name, {"loadBalancer": {"ingress": [entry]}}) for name in ("ing", "z")]


PORTS = [{"name": "http", "port": 80, "nodePort": 30080}, {"name": "dns", "port": 53, "protocol": "UDP"}]
NODES = """
apiVersion: v1
kind: Node
metadata: {name: one}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}, {type: ExternalIP, address: 198.51.100.1}]}
"""


@pytest.mark.spec("K-18")
@pytest.mark.parametrize(
    ("spec", "status", "load_balancer"),
    [
        (
            {"type": "LoadBalancer"},
            {"loadBalancer": {"ingress": [{"ip": "1.2.3.4", "ipMode": "VIP"}, {"hostname": "x.example"}]}},
            {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "x.example"}]},
        ),
        ({"type": "LoadBalancer"}, {}, None),
        (
            {"type": "ClusterIP", "externalIPs": ["192.0.2.9"], "ports": PORTS},
            {},
            {"ingress": [{"ip": "192.0.2.9", "ports": [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}]},
        ),
        ({}, {}, {}),
        (
            {"type": "NodePort", "ports": PORTS},
            {},
            {"ingress": [{"ip": "198.51.100.1", "ports": [{"port": 30080, "protocol": "TCP"}]}]},
        ),
        ({"type": "ExternalName", "externalName": "x.example"}, {}, {"ingress": [{"hostname": "x.example"}]}),
    ],
)
def test_the_published_service_says_what_ingresses_are_told(spec, status, load_balancer):
    service = yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "lb", "namespace": "edge"},
            "spec": spec,
            "status": status,
        }
    )
    found, told = statuses(an_ingress(), service, NODES, ingressEndpoint={"publishedService": "edge/lb"})

    assert told == []
    assert found == ([] if load_balancer is None else [("ing", {"loadBalancer": load_balancer})])


def test_a_published_service_that_cannot_be_seen_is_told():
    path = "providers.kubernetesIngress.ingressEndpoint.publishedService"
    options = {"ingressEndpoint": {"publishedService": "edge/lb"}}
    assert statuses(an_ingress(), **options) == ([], [f"{path}: service edge/lb: not found"])
    _, told = statuses(an_ingress(), namespaces=["default"], **options)
    assert told == [f"{path}: service edge/lb: {NOT_WATCHED}"]
    nodes = a_service("lb", namespace="edge", type="NodePort")
    _, told = statuses(an_ingress(), nodes, disableClusterScopeResources=True, **options)
    assert told == [f"{path}: service edge/lb: is a NodePort service, and disableClusterScopeResources leaves nodes out"]


def test_nodes_may_be_what_ingresses_are_told():
    found, _ = statuses(an_ingress(), NODES, reportNodeInternalIPs=True)

    assert found == [("ing", {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}})]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ingressEndpoint": {"ip": ""}}, r"ingressEndpoint: publishedService or ip or hostname must be defined"),
        ({"ingressEndpoint": {"publishedService": "lb"}}, r"publishedService: must be namespace/name, got 'lb'"),
        ({"ingressEndpoint": {"publishedService": "a/b/c"}}, r"publishedService: must be namespace/name, got 'a/b/c'"),
        (
            {"ingressEndpoint": {"ip": "lb.example"}},
            r"ingressEndpoint\.ip: is no IP address: 'lb\.example'; a name is a 'hostname'",
        ),
        (
            {"reportNodeInternalIPs": True, "ingressEndpoint": {"ip": "::1"}},
            r"reportNodeInternalIPs: excludes ingressEndpoint",
        ),
        ({"reportNodeInternalIPs": True, "disableClusterScopeResources": True}, r"reportNodeInternalIPs: needs nodes"),
    ],
)
def test_options_that_cannot_be_used_say_why(options, said):
    with pytest.raises(ConfigError, match=r"providers\.kubernetesIngress\.(ingressEndpoint\.)?" + said):
        build(KubernetesIngressProvider, options)


@pytest.mark.parametrize(
    "ingress",
    [
        5,
        {},
        {"spec": 5},
        {"spec": {"rules": 5}},
        {"spec": {"rules": [5, {"host": 5, "http": 5}, {"http": {"paths": [5, {"path": 5, "pathType": 5, "backend": 5}]}}]}},
        {"spec": {"tls": [5, {"secretName": 5}], "defaultBackend": 5, "ingressClassName": 5}},
        {"metadata": {"name": 5, "annotations": {A + "router.priority": 5, 5: 5}}, "spec": {"rules": []}},
        {"metadata": {"annotations": {A: "x", A + "router": "x", A + "router.": "x", A + ".": "x"}}},
        {
            "spec": {
                "rules": [
                    {"host": "\ud800", "http": {"paths": [{"path": "\ud800", "backend": {"service": {"name": "web"}}}]}}
                ]
            }
        },
    ],
)
def test_odd_ingresses_are_no_routers_and_disturb_nobody(ingress):
    (good,) = cluster(an_ingress()).all(INGRESS)
    web = cluster(WEB)
    objects = Objects({INGRESS: [ingress, good], SERVICE: web.all(SERVICE), ENDPOINT_SLICE: web.all(ENDPOINT_SLICE)})
    outcome = build(KubernetesIngressProvider, {"defaultBackendFallback": True}).build(objects)

    assert list(outcome.document["http"]["routers"]) == ["default-ing-a-org"]


def test_thousands_of_ingresses_take_less_than_a_second():
    (ingress,) = cluster(an_ingress(a_path("/a"), annotations={"router.tls": "true", "router.entrypoints": "web"})).all(
        INGRESS
    )
    web = cluster(WEB)
    (service,), (piece,) = web.all(SERVICE), web.all(ENDPOINT_SLICE)

    def moved(thing, number):
        return {**thing, "metadata": {**thing["metadata"], "namespace": f"team-{number}"}}

    numbers = range(5000)
    found = {
        kind: [moved(each, n) for n in numbers]
        for kind, each in ((INGRESS, ingress), (SERVICE, service), (ENDPOINT_SLICE, piece))
    }
    objects = Objects(found)
    provider = build(KubernetesIngressProvider, {})
    begin = time.process_time()
    outcome = provider.build(objects)

    assert time.process_time() - begin < 2.0, "about half a second here"
    assert len(outcome.document["http"]["routers"]) == len(outcome.document["http"]["services"]) == 5000
