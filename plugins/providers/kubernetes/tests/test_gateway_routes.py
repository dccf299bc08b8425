"""HTTPRoutes: where they are attached, which goes first, and to which servers (kubernetes.md §4.4, §4.5)."""

import time

import pytest

from pointsman.testing import FakeContext, build
from pointsman_kubernetes.gateway.provider import KubernetesGateway

from .gatewayobjects import GATEWAY, POINTS, gateway, made, middleware, parent, reasons, route, routers, rules, status_of
from .manifests import WEB, cluster

BACK = "backendRefs: [{name: web, port: 80}]"
ANY = f"rules: [{{{BACK}}}]"
GOOD = ("True", "Accepted")
ROUTER = "httproute-default-r-gw-default-gw-ep-web-0-"
PAIR = [{"url": "http://10.42.0.1:8080"}, {"url": "http://10.42.0.2:8080"}]


def of(*matches, more="", hostnames="", **kwargs):
    """A route with these matches in one rule."""
    names = f"hostnames: [{hostnames}], " if hostnames else ""
    return route(f"{names}rules: [{{matches: [{', '.join(matches)}], {BACK}{more}}}]", **kwargs)


def path(kind, value, more=""):
    return f'{{path: {{type: {kind}, value: "{value}"}}{more}}}'


def services(outcome):
    return outcome.document["http"]["services"]


def weighted(outcome):
    """Children of the only weighted service, without their names."""
    (found,) = [each["weighted"]["services"] for each in services(outcome).values() if "weighted" in each]
    return [{key: value for key, value in child.items() if key != "name"} for child in found]


def test_a_route_is_a_router_a_weighted_service_and_servers():
    outcome = made(GATEWAY, route(f"hostnames: [a.org], {ANY}"))
    ((name, router),) = outcome.document["http"]["routers"].items()
    assert name.startswith(ROUTER)
    assert len(name) == len(ROUTER) + 20
    assert router == {
        "entryPoints": ["web"],
        "rule": 'Host("a.org") && PathPrefix("/")',
        "ruleSyntax": "default",
        "service": f"{name}-wrr",
        "priority": 1 + 5 + 1,
    }
    child = f"{name}-svc-default-web-0"
    assert services(outcome) == {
        f"{name}-wrr": {"weighted": {"services": [{"name": child, "weight": 1}]}},
        child: {"loadBalancer": {"servers": PAIR}},
    }
    assert parent(outcome) == {"Accepted": GOOD, "ResolvedRefs": ("True", "ResolvedRefs")}
    assert not outcome.problems


@pytest.mark.spec("K-51")
def test_hostnames_must_meet_those_of_the_listener_and_the_more_specific_one_counts():
    wild = gateway('{name: http, port: 80, protocol: HTTP, hostname: "*.a.org"}')
    outside = made(wild, route(f"hostnames: [b.org, a.org], {ANY}"))
    assert parent(outside)["Accepted"] == ("False", "NoMatchingListenerHostname")
    assert not routers(outside)
    assert list(rules(made(wild, route(ANY)))) == [r'HostRegexp("^[a-z0-9-\\.]+\\.a\\.org$") && PathPrefix("/")']
    within = made(wild, route(f"hostnames: [x.a.org, b.org], {ANY}"))
    assert rules(within) == ['Host("x.a.org") && PathPrefix("/")']
    exact = gateway("{name: http, port: 80, protocol: HTTP, hostname: x.a.org}")
    assert rules(made(exact, route(f'hostnames: ["*.a.org"], {ANY}'))) == ['Host("x.a.org") && PathPrefix("/")']


@pytest.mark.spec("K-52")
def test_routes_of_other_namespaces_need_to_be_allowed():
    elsewhere = route(ANY, namespace="other").replace("name: web,", "name: web, namespace: default,")
    space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: other, labels: {team: a}}\n---\n"
    refused = made(GATEWAY, elsewhere, space)
    assert parent(refused)["Accepted"] == ("False", "NotAllowedByListeners")
    assert not routers(refused)
    for allowed, number in (
        ("{from: All}", 1),
        ("{from: Selector, selector: {matchLabels: {team: a}}}", 1),
        ("{from: Selector, selector: {matchExpressions: [{key: team, operator: NotIn, values: [a]}]}}", 0),
        ("{from: Same}", 0),
    ):
        gate = gateway(f"{{name: http, port: 80, protocol: HTTP, allowedRoutes: {{namespaces: {allowed}}}}}")
        assert len(routers(made(gate, elsewhere, space))) == number


def test_a_kind_that_a_listener_does_not_allow_is_refused():
    gate = gateway("{name: http, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: GRPCRoute}]}}")
    assert parent(made(gate, route(ANY)))["Accepted"] == ("False", "NotAllowedByListeners")


def test_section_and_port_narrow_what_a_route_is_attached_to():
    gate = gateway("{name: http, port: 80, protocol: HTTP}, {name: other, port: 8000, protocol: HTTP}")
    points = (*POINTS, POINTS[0].__class__("alt", 8000, "tcp"))

    def entry_points(ref):
        outcome = made(gate, route(ANY).replace("name: gw, namespace: default", ref), points=points)
        return sorted(router["entryPoints"][0] for router in routers(outcome)), parent(outcome)["Accepted"]

    assert entry_points("name: gw") == (["alt", "web"], GOOD)
    assert entry_points("name: gw, sectionName: other") == (["alt"], GOOD)
    assert entry_points("name: gw, port: 80") == (["web"], GOOD)
    assert entry_points("name: gw, port: 80, sectionName: other") == ([], ("False", "NoMatchingParent"))


def test_a_route_of_no_gateway_of_ours_is_left_alone():
    for ref in ("name: another", "name: gw, kind: Service, group: ''", "name: gw, namespace: elsewhere"):
        outcome = made(GATEWAY, route(ANY).replace("name: gw, namespace: default", ref))
        with pytest.raises(KeyError):
            status_of(outcome, "HTTPRoute", "r")
        assert not routers(outcome)


def test_entries_of_other_controllers_stay_and_stale_ones_of_ours_go():
    before = """
status:
  parents:
  - {parentRef: {name: theirs}, controllerName: another.example/c, conditions: [{type: Odd}]}
  - {parentRef: {name: gone}, controllerName: traefik.io/gateway-controller, conditions: []}
  - parentRef: {name: gw, namespace: default}
    controllerName: traefik.io/gateway-controller
    conditions:
    - {type: Accepted, status: "True", lastTransitionTime: "2020-01-01T00:00:00Z"}
    - {type: ResolvedRefs, status: "False", lastTransitionTime: "2020-01-01T00:00:00Z"}
---
"""
    theirs, ours = status_of(made(GATEWAY, route(ANY).rstrip("\n-") + before), "HTTPRoute", "r")["parents"]
    assert theirs == {
        "parentRef": {"name": "theirs"},
        "controllerName": "another.example/c",
        "conditions": [{"type": "Odd"}],
    }
    times = {each["type"]: each["lastTransitionTime"] for each in ours["conditions"]}
    assert times["Accepted"] == "2020-01-01T00:00:00Z"
    assert times["ResolvedRefs"] > "2026"
    assert {each["observedGeneration"] for each in ours["conditions"]} == {2}
    selected = {"gateways": [{"name": "gw", "namespace": "default"}]}
    kept = status_of(made(GATEWAY, route(ANY).rstrip("\n-") + before, options=selected), "HTTPRoute", "r")["parents"]
    assert [each["parentRef"]["name"] for each in kept] == ["theirs", "gone", "gw"]


def test_a_route_that_left_its_gateway_is_told_so():
    before = """
status: {parents: [{parentRef: {name: gw}, controllerName: traefik.io/gateway-controller, conditions: []}]}
---
"""
    left = route(ANY).replace("name: gw, namespace: default", "name: theirs").rstrip("\n-") + before
    assert status_of(made(GATEWAY, left), "HTTPRoute", "r") == {"parents": []}


@pytest.mark.spec("K-53")
def test_an_exact_path_goes_before_a_prefix_and_a_longer_prefix_before_a_shorter_one():
    outcome = made(
        GATEWAY,
        of(path("PathPrefix", "/a"), name="prefix"),
        of(path("Exact", "/a"), name="exact"),
        of(path("PathPrefix", "/a/longer"), name="longer"),
        of(path("PathPrefix", "/"), name="all"),
    )
    assert [(router["rule"], router["priority"]) for router in routers(outcome)] == [
        ('Path("/a")', 100_001),
        ('(Path("/a/longer") || PathPrefix("/a/longer/"))', 10_901),
        ('(Path("/a") || PathPrefix("/a/"))', 10_201),
        ('PathPrefix("/")', 2),
    ]


@pytest.mark.spec("K-54")
def test_prefixes_end_at_segments():
    assert rules(made(GATEWAY, of(path("PathPrefix", "/p/")))) == ['(Path("/p") || PathPrefix("/p/"))']


@pytest.mark.spec("K-55")
def test_methods_headers_and_query_parameters_are_parts_of_the_rule_and_of_the_order():
    headers = (
        ", headers: [{name: A, value: b}, {name: B, type: RegularExpression, value: ^c}, {name: a, value: again}, {name: E}]"
    )
    queries = ", queryParams: [{name: q, value: 1x}, {name: r, type: RegularExpression, value: ^s}, {name: t}]"
    outcome = made(
        GATEWAY,
        of(path("PathPrefix", "/a"), name="bare"),
        of(path("PathPrefix", "/a", ", method: GET" + headers + queries)),
    )
    assert rules(outcome)[0] == (
        '(Path("/a") || PathPrefix("/a/")) && Method("GET") && Header("A","b") && HeaderRegexp("B","^c")'
        ' && HeaderRegexp("E","^$") && Query("q","1x") && QueryRegexp("r","^s") && Query("t")'
    )
    assert [router["priority"] for router in routers(outcome)] == [10_200 + 1000 + 300 + 30 + 1, 10_201]


def test_many_headers_and_queries_do_not_overtake_what_is_more_precise():
    headers = ", headers: [" + ", ".join(f"{{name: H{number}, value: x}}" for number in range(16)) + "]"
    queries = ", queryParams: [" + ", ".join(f"{{name: Q{number}, value: x}}" for number in range(16)) + "]"
    outcome = made(
        GATEWAY,
        of(path("PathPrefix", "/ab"), name="longer"),
        of(path("PathPrefix", "/a", ", method: GET"), name="method"),
        of(path("PathPrefix", "/a", headers), name="headers"),
        of(path("PathPrefix", "/a", ", headers: [{name: H, value: x}]"), name="header"),
        of(path("PathPrefix", "/a", queries), name="queries"),
        of(path("Exact", "/a"), name="exact"),
        of(path("PathPrefix", "/" + "a" * 1000), name="endless"),
    )
    first = [rule.split("&& ")[-1][:18] for rule in rules(outcome)]
    assert first[0] == 'Path("/a")'
    assert first[1].startswith('(Path("/aaaaaaa')
    assert first[2].startswith('(Path("/ab")')
    assert first[3] == 'Method("GET")'
    assert [first[4], first[5], first[6]] == ['Header("H15","x")', 'Header("H","x")', 'Query("Q15","x")']


def test_the_older_route_goes_first_then_the_name_and_then_the_earlier_rule():
    def tie(name, born, header):
        return of(path("PathPrefix", "/a", f", headers: [{{name: {header}, value: x}}]"), name=name, born=born)

    young, old = "2026-05-01T00:00:00Z", "2025-01-01T00:00:00Z"
    outcome = made(GATEWAY, tie("a", young, "Young"), tie("z", old, "Old"), tie("b", young, "Second"))
    assert [rule.split('"')[-4] for rule in rules(outcome)] == ["Old", "Young", "Second"]
    assert len({router["priority"] for router in routers(outcome)}) == 3
    header = "matches: [{headers: [{name: %s, value: x}]}]"
    two = route(f"rules: [{{{header % 'A'}, {BACK}}}, {{{header % 'B'}, {BACK}}}]")
    assert [rule.split('"')[-4] for rule in rules(made(GATEWAY, two))] == ["A", "B"]


def test_a_more_precise_host_goes_first_whatever_the_paths_are():
    outcome = made(
        GATEWAY,
        of(path("Exact", "/a"), name="anywhere"),
        of(path("PathPrefix", "/a"), hostnames='"*.org"', name="wildest"),
        of(path("PathPrefix", "/"), hostnames='"*.a.org"', name="wild"),
        of(path("PathPrefix", "/"), hostnames="x.a.org", name="host"),
        of(path("PathPrefix", "/"), hostnames="b.com", name="aside"),
    )
    first = [rule.split(" &&")[0] for rule in rules(outcome)]
    assert first.index('Host("x.a.org")') < first.index(r'HostRegexp("^[a-z0-9-\\.]+\\.a\\.org$")')
    assert first.index(r'HostRegexp("^[a-z0-9-\\.]+\\.a\\.org$")') < first.index(r'HostRegexp("^[a-z0-9-\\.]+\\.org$")')
    assert first[-1] == 'Path("/a")'


def test_exact_and_wildcard_names_of_one_route_have_routers_of_their_own():
    outcome = made(
        GATEWAY,
        of(path("PathPrefix", "/"), hostnames='shop.a.org, "*.a.org", a.org', name="both"),
        of(path("PathPrefix", "/"), hostnames="x.a.org", name="host"),
    )
    wild = r'HostRegexp("^[a-z0-9-\\.]+\\.a\\.org$") && PathPrefix("/")'
    assert sorted(rules(outcome)) == sorted(
        ['(Host("shop.a.org") || Host("a.org")) && PathPrefix("/")', wild, 'Host("x.a.org") && PathPrefix("/")']
    )
    assert rules(outcome)[-1] == wild


def test_routes_of_disjoint_hosts_keep_the_priorities_of_the_dialect():
    outcome = made(GATEWAY, *(of(path("PathPrefix", "/p"), hostnames=f"h{each}.org", name=f"r{each}") for each in range(5)))
    assert {router["priority"] for router in routers(outcome)} == {10_200 + 6 + 1}


@pytest.mark.spec("K-58")
def test_the_share_of_a_backend_that_is_missing_is_errors():
    outcome = made(GATEWAY, route("rules: [{backendRefs: [{name: web, port: 80, weight: 3}, {name: none, port: 80}]}]"))
    assert weighted(outcome) == [{"weight": 3}, {"weight": 1, "status": 500}]
    assert parent(outcome) == {"Accepted": GOOD, "ResolvedRefs": ("False", "BackendNotFound")}
    assert [str(problem) for problem in outcome.problems] == [
        "httproute default/r: BackendNotFound: service default/none: not found"
    ]


@pytest.mark.spec("K-59")
def test_a_rule_without_backends_answers_500():
    outcome = made(GATEWAY, route('rules: [{matches: [{path: {value: "/"}}]}]'))
    assert weighted(outcome) == [{"weight": 1, "status": 500}]
    assert parent(outcome)["ResolvedRefs"] == ("True", "ResolvedRefs")
    nothing = made(GATEWAY, route("rules: [{backendRefs: [{name: web, port: 80, weight: 0}]}]"))
    assert weighted(nothing) == [{"weight": 0}, {"weight": 1, "status": 500}]


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        ("name: web", "UnsupportedProtocol"),
        ("name: web, port: 81", "BackendNotFound"),
        ("name: web, port: 80, kind: ConfigMap", "InvalidKind"),
        ("name: web, port: 80, group: apps", "InvalidKind"),
        ("name: web, port: 80, namespace: other", "RefNotPermitted"),
        ("name: external, port: 80", "BackendNotFound"),
        ("name: bare, port: 80", "BackendNotFound"),
        ("name: odd, port: 80", "UnsupportedProtocol"),
        ("name: odd, port: 53", "UnsupportedProtocol"),
        ("name: web, group: traefik.io, kind: TraefikService", "InvalidKind"),
        ("name: api@internal, namespace: default, group: traefik.io, kind: TraefikService", "RefNotPermitted"),
    ],
)
def test_what_keeps_a_backend_from_being_used_is_told(ref, reason):
    more = """
apiVersion: v1
kind: Service
metadata: {name: external}
spec: {type: ExternalName, externalName: a.example, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: bare}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: odd}
spec: {ports: [{port: 80, appProtocol: amqp}, {port: 53, name: dns, protocol: UDP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: odd-1, labels: {kubernetes.io/service-name: odd}}
ports: [{port: 80}]
---
"""
    outcome = made(GATEWAY, more, route(f"rules: [{{backendRefs: [{{{ref}}}]}}]"))
    assert parent(outcome)["ResolvedRefs"] == ("False", reason)
    assert weighted(outcome)[0] == {"weight": 1, "status": 500}


def test_a_backend_without_endpoints_is_there_and_has_no_servers():
    gone = WEB.replace("ready: true", "ready: false")
    outcome = made(GATEWAY, route(ANY), web=gone)
    assert parent(outcome)["ResolvedRefs"] == ("True", "ResolvedRefs")
    assert {"loadBalancer": {"servers": []}} in services(outcome).values()


def test_a_backend_of_another_namespace_needs_a_grant():
    grant = """
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: other}
spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default}], to: [{group: "", kind: Service}]}
---
"""
    there = WEB.replace("metadata: {name: web", "metadata: {namespace: other, name: web")
    to = route("rules: [{backendRefs: [{name: web, namespace: other, port: 80}]}]")
    assert parent(made(GATEWAY, to, web=there))["ResolvedRefs"] == ("False", "RefNotPermitted")
    assert parent(made(GATEWAY, to, grant, web=there))["ResolvedRefs"] == ("True", "ResolvedRefs")


@pytest.mark.parametrize(
    ("spoken", "scheme"),
    [
        ("kubernetes.io/h2c", "h2c"),
        ("kubernetes.io/ws", "http"),
        ("kubernetes.io/wss", "https"),
        ("https", "https"),
        ("http", "http"),
    ],
)
def test_the_app_protocol_of_a_port_is_the_scheme_of_its_servers(spoken, scheme):
    outcome = made(GATEWAY, route(ANY), web=WEB.replace("port: 80}", f"port: 80, appProtocol: {spoken}}}"))
    servers = next(each["loadBalancer"]["servers"] for each in services(outcome).values() if "loadBalancer" in each)
    assert servers[0]["url"] == f"{scheme}://10.42.0.1:8080"


def test_a_port_without_app_protocol_is_http_whatever_its_number():
    outcome = made(GATEWAY, route(ANY.replace("80", "443")), web=WEB.replace("port: 80}", "port: 443}"))
    servers = next(each["loadBalancer"]["servers"] for each in services(outcome).values() if "loadBalancer" in each)
    assert servers[0]["url"] == "http://10.42.0.1:8080"


def test_filters_are_middlewares_in_their_order():
    filters = """filters: [
      {type: RequestHeaderModifier,
       requestHeaderModifier: {set: [{name: A, value: b}], add: [{name: C, value: d}], remove: [E]}},
      {type: ResponseHeaderModifier, responseHeaderModifier: {remove: [F]}},
      {type: ExtensionRef, extensionRef: {group: traefik.io, kind: Middleware, name: m}},
      {type: CORS,
       cors: {allowOrigins: ["https://a.org", "https://*.b.org"], allowMethods: [PUT], allowCredentials: true}}]"""
    outcome = made(GATEWAY, middleware("m"), route(f"rules: [{{{filters}, {BACK}}}]"), crd={})
    ((name, router),) = outcome.document["http"]["routers"].items()
    assert router["middlewares"] == [
        f"{name}-requestheadermodifier-0",
        f"{name}-responseheadermodifier-1",
        "default-m@kubernetescrd",
        f"{name}-cors-3",
    ]
    assert outcome.document["http"]["middlewares"] == {
        f"{name}-requestheadermodifier-0": {
            "requestHeaderModifier": {"set": {"A": "b"}, "add": {"C": "d"}, "remove": ["E"]}
        },
        f"{name}-responseheadermodifier-1": {"responseHeaderModifier": {"remove": ["F"]}},
        f"{name}-cors-3": {
            "headers": {
                "accessControlAllowOriginList": ["https://a.org"],
                "accessControlAllowOriginListRegex": [r"^https://[^/]+\.b\.org$"],
                "accessControlAllowCredentials": True,
                "accessControlAllowMethods": ["PUT"],
                "accessControlMaxAge": 5,
            }
        },
    }


@pytest.mark.parametrize(
    ("spec", "middleware"),
    [
        ("{type: RequestRedirect, requestRedirect: {scheme: https}}", {"scheme": "https", "port": "", "statusCode": 302}),
        (
            "{type: RequestRedirect, requestRedirect: {hostname: b.org, port: 8443, statusCode: 301,"
            " path: {type: ReplaceFullPath, replaceFullPath: /n}}}",
            {"hostname": "b.org", "port": "8443", "path": "/n", "statusCode": 301},
        ),
        (
            "{type: URLRewrite, urlRewrite: {hostname: b.org, path: {type: ReplacePrefixMatch, replacePrefixMatch: /n}}}",
            {"hostname": "b.org", "path": "/n", "pathPrefix": "/p"},
        ),
    ],
)
def test_redirections_and_rewriting_are_middlewares(spec, middleware):
    outcome = made(GATEWAY, of(path("PathPrefix", "/p/"), more=f", filters: [{spec}]"))
    (found,) = outcome.document["http"]["middlewares"].values()
    assert list(found.values()) == [middleware]


@pytest.mark.parametrize(
    "spec",
    [
        "{type: ExternalAuth}",
        "{type: URLRewrite, urlRewrite: {}}",
        "{type: RequestRedirect, requestRedirect: {statusCode: 304}}",
        "{type: RequestRedirect, requestRedirect: {scheme: ftp}}",
        "{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /n}}}",
    ],
)
def test_a_filter_that_is_not_supported_is_told_and_its_rule_answers_500(spec):
    outcome = made(GATEWAY, of(path("Exact", "/p"), more=f", filters: [{spec}]"))
    assert parent(outcome)["Accepted"] == ("False", "UnsupportedValue")
    ((name, router),) = outcome.document["http"]["routers"].items()
    assert router["service"] == f"{name}-err-wrr"
    assert services(outcome)[router["service"]]["weighted"]["services"][0]["status"] == 500
    inner = route(
        f"rules: [{{backendRefs: [{{name: web, port: 80, filters: [{spec.replace('ReplacePrefixMatch,', 'Odd,')}]}}]}}]"
    )
    assert weighted(made(GATEWAY, inner))[0] == {"weight": 1, "status": 500}


def test_filters_of_a_backend_are_middlewares_of_its_service():
    edit = "{type: RequestHeaderModifier, requestHeaderModifier: {remove: [A]}}"
    outcome = made(GATEWAY, route(f"rules: [{{backendRefs: [{{name: web, port: 80, filters: [{edit}]}}]}}]"))
    ((name, _),) = outcome.document["http"]["routers"].items()
    child = f"{name}-svc-default-web-0"
    assert services(outcome)[child]["middlewares"] == [f"{child}-requestheadermodifier-0"]


def test_a_mirror_is_a_service_of_its_own():
    mirror = "{type: RequestMirror, requestMirror: {%s backendRef: {name: %s, port: 80}}}"

    def mirrored(share, name="web"):
        outcome = made(GATEWAY, route(f"rules: [{{filters: [{mirror % (share, name)}], {BACK}}}]"))
        ((router, found),) = outcome.document["http"]["routers"].items()
        return outcome, router, services(outcome)[found["service"]]

    outcome, router, service = mirrored("percent: 10,")
    child = f"{router}-mirror-default-web-0"
    assert service == {"mirroring": {"service": f"{router}-wrr", "mirrors": [{"name": child, "percent": 10}]}}
    assert services(outcome)[child] == {"loadBalancer": {"servers": PAIR}}
    assert mirrored("")[2]["mirroring"]["mirrors"][0]["percent"] == 100
    assert mirrored("fraction: {numerator: 1, denominator: 1000},")[2]["mirroring"]["mirrors"][0]["percent"] == 1
    assert "weighted" in mirrored("percent: 0,")[2]
    lost, _, service = mirrored("", "none")
    assert parent(lost)["ResolvedRefs"] == ("False", "BackendNotFound")
    assert "weighted" in service


def test_timeouts_limit_the_request_and_each_attempt():
    outcome = made(GATEWAY, route(f"rules: [{{timeouts: {{request: 10s, backendRequest: 500ms}}, {BACK}}}]"))
    ((name, router),) = outcome.document["http"]["routers"].items()
    assert outcome.document["http"]["middlewares"] == {f"{name}-timeout": {"timeout": {"request": "10s"}}}
    assert router["middlewares"] == [f"{name}-timeout"]
    assert services(outcome)[f"{name}-svc-default-web-0"]["loadBalancer"]["timeouts"] == {"request": "500ms"}
    none = made(GATEWAY, route(f"rules: [{{timeouts: {{request: 0s, backendRequest: 0h0m}}, {BACK}}}]"))
    assert not none.document["http"]["middlewares"]
    wrong = made(GATEWAY, route(f"rules: [{{timeouts: {{request: soon}}, {BACK}}}]"))
    assert parent(wrong)["Accepted"] == ("False", "UnsupportedValue")


def test_what_is_ignored_is_told():
    outcome = made(GATEWAY, route(f"rules: [{{retry: {{attempts: 2}}, sessionPersistence: {{}}, {BACK}}}]"))
    assert [str(each) for each in outcome.problems] == [
        "httproute default/r: rule 0: retry is not supported, and ignored",
        "httproute default/r: rule 0: sessionPersistence is not supported, and ignored",
    ]
    assert parent(outcome)["Accepted"] == GOOD


def test_the_cluster_balances_where_the_options_or_the_service_say_so():
    def servers(options, note=""):
        noted = WEB.replace("metadata: {name: web}", f"metadata: {{name: web{note}}}")
        outcome = made(GATEWAY, route(ANY), web=noted, options=options)
        return next(each["loadBalancer"]["servers"] for each in services(outcome).values() if "loadBalancer" in each)

    native = [{"url": "http://10.43.0.1:80"}]
    assert servers({"nativeLBByDefault": True}) == native
    assert servers({}, ', annotations: {traefik.io/service.nativelb: "true"}') == native
    assert servers({"nativeLBByDefault": True}, ', annotations: {traefik.io/service.nativelb: "false"}') == PAIR


def test_a_service_of_another_provider_may_be_named_where_that_is_allowed():
    internal = route("rules: [{backendRefs: [{name: api@internal, group: traefik.io, kind: TraefikService}]}]")
    assert routers(made(GATEWAY, internal))[0]["service"] == "api@internal"
    both = route(
        "rules: [{backendRefs: [{name: shop@file, group: traefik.io, kind: TraefikService}, {name: web, port: 80}]}]"
    )
    wrr = next(each for each in services(made(GATEWAY, both)).values() if "weighted" in each)
    assert wrr["weighted"]["services"][0] == {"name": "shop@file", "weight": 1}
    refused = made(GATEWAY, internal, options={"crossProviderNamespaces": []})
    assert parent(refused)["ResolvedRefs"] == ("False", "RefNotPermitted")
    assert weighted(refused)[0] == {"weight": 1, "status": 500}
    assert routers(made(GATEWAY, internal, options={"crossProviderNamespaces": ["default"]}))[0]["service"] == "api@internal"


def test_routes_whose_names_run_together_have_routers_of_their_own():
    gate = gateway("{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}")
    outcome = made(gate, route(ANY, namespace="a-b", name="c"), route(ANY, namespace="a", name="b-c"))
    assert len(routers(outcome)) == 2
    assert len({router["service"] for router in routers(outcome)}) == 2


def test_one_route_on_several_gateways_has_routers_for_each():
    second = gateway("{name: http, port: 80, protocol: HTTP, hostname: b.org}", name="other")
    outcome = made(GATEWAY, second, route(ANY).replace("parentRefs: [", "parentRefs: [{name: other}, "))
    assert sorted(rules(outcome)) == ['Host("b.org") && PathPrefix("/")', 'PathPrefix("/")']
    told = status_of(outcome, "HTTPRoute", "r")["parents"]
    assert [reasons(each["conditions"])["Accepted"] for each in told] == [GOOD, GOOD]


def test_two_thousand_routes_on_several_gateways_are_built_in_about_a_second():
    gates = "".join(gateway("{name: http, port: 80, protocol: HTTP}", name=name) for name in ("gw", "second", "third"))
    one = of(path("PathPrefix", "/p", ", method: GET"), path("Exact", "/x"), hostnames='"*.a.org", a.org', name="r")
    objects = cluster(WEB, gates, one.replace("parentRefs: [", "parentRefs: [{name: second}, {name: third}, "))
    ((kind, thing),) = [(kind, thing) for kind in objects._found if kind.name == "HTTPRoute" for thing in objects.all(kind)]
    objects._found[kind] = {
        ("default", f"r{number}"): {
            **thing,
            "metadata": {**thing["metadata"], "name": f"r{number}"},
            "spec": {**thing["spec"], "hostnames": [f"h{number % 500}.org", "*.b.org"]},
        }
        for number in range(2000)
    }
    provider = build(KubernetesGateway, None, FakeContext(entry_points=POINTS))
    began = time.process_time()
    outcome = provider.build(objects)
    assert time.process_time() - began < 6
    assert len(routers(outcome)) == 2000 * 3 * 2 * 2
    wild = [each["priority"] for each in routers(outcome) if "HostRegexp" in each["rule"]]
    assert len(set(wild)) == len(wild)
