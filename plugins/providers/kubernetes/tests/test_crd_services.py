"""LoadBalancerSpecs, TraefikServices and their names (kubernetes.md §3.4, §3.8, §3.12)."""

import pytest

from pointsman.testing import FakeContext, build
from pointsman_kubernetes.crd import KubernetesCRDProvider
from pointsman_kubernetes.kinds import NODE

from .routes import TO_WEB, a_route, built, called, http, only_service, refused, thing, to

TO_API = {"name": "api", "port": 80}
CHOICE = {"name": "choice", "kind": "TraefikService"}


def composite(name, **spec):
    return thing("TraefikService", name, spec)


def made_of(kind, spec, **config):
    """What a TraefikService of one kind becomes, and all services."""
    services = http(composite("choice", **{kind: spec}), **config)["services"]
    return services["default_choice" if config.get("safeNaming") else "default-choice"][kind], services


def test_fields_are_taken_over():
    service = only_service(
        {
            **TO_WEB,
            "scheme": "h2c",
            "strategy": "p2c",
            "weight": 5,
            "passHostHeader": False,
            "responseForwarding": {"flushInterval": "5ms"},
            "serversTransport": "slow",
            "sticky": {
                "cookie": {"name": "c", "secure": True, "httpOnly": True, "sameSite": "lax", "maxAge": 3, "path": "/x"}
            },
            "middlewares": [{"name": "limit"}, {"name": "x@file"}],
            "passiveHealthCheck": {"failureWindow": 3, "maxFailedAttempts": 2},
        }
    )

    assert service["middlewares"] == ["default-limit", "x@file"]
    assert service["loadBalancer"] == {
        "servers": [{"url": "h2c://10.42.0.1:8080"}, {"url": "h2c://10.42.0.2:8080"}],
        "strategy": "p2c",
        "passHostHeader": False,
        "responseForwarding": {"flushInterval": "5ms"},
        "serversTransport": "default-slow",
        "sticky": {"cookie": {"name": "c", "secure": True, "httpOnly": True, "sameSite": "lax", "maxAge": 3, "path": "/x"}},
        "passiveHealthCheck": {"failureWindow": "3", "maxFailedAttempts": 2},
    }


@pytest.mark.parametrize("sticky", [None, {}], ids=["null", "empty"])
def test_an_empty_sticky_is_none(sticky):
    assert "sticky" not in only_service({**TO_WEB, "sticky": sticky})["loadBalancer"]


def test_an_empty_cookie_is_one():
    assert only_service({**TO_WEB, "sticky": {"cookie": {}}})["loadBalancer"]["sticky"] == {"cookie": {}}


def test_round_robin_is_an_old_name():
    assert only_service({**TO_WEB, "strategy": "RoundRobin"})["loadBalancer"]["strategy"] == "wrr"


def servers(spec, **config):
    return [server["url"] for server in only_service(spec, **config)["loadBalancer"]["servers"]]


def test_ports_are_found_by_number_and_by_name():
    assert servers(TO_WEB) == servers({"name": "web", "port": "http"}) == ["http://10.42.0.1:8080", "http://10.42.0.2:8080"]


def test_a_service_may_be_reached_by_its_cluster_ip():
    assert servers({**TO_WEB, "nativeLB": True}) == ["http://10.43.0.1:80"]
    assert servers(TO_WEB, nativeLBByDefault=True) == ["http://10.43.0.1:80"]
    assert len(servers({**TO_WEB, "nativeLB": False}, nativeLBByDefault=True)) == 2


def test_the_default_of_cluster_ips_is_for_routes_alone():
    """As in the reference, where headless Services below a TraefikService go on with it."""
    services = http(composite("choice", weighted={"services": [TO_API]}), nativeLBByDefault=True)["services"]

    assert services["default-api-80"]["loadBalancer"]["servers"] == [{"url": "http://10.42.0.3:9090"}]


def test_services_outside_the_cluster_need_to_be_allowed():
    outside = {"name": "outside", "port": 81}

    assert servers(outside, allowExternalNameServices=True) == ["http://outside.example:81"]
    assert "set allowExternalNameServices" in refused(a_route(to(outside)))[1]


@pytest.mark.spec("K-30")
def test_only_services_outside_the_cluster_have_health_checks():
    check = {"path": "/up", "interval": 5, "timeout": "2s", "unhealthyInterval": "1s", "headers": {"x": "y"}, "mode": "http"}

    outside = only_service({"name": "outside", "port": 81, "healthCheck": check}, allowExternalNameServices=True)
    assert outside["loadBalancer"]["healthCheck"] == {**check, "interval": "5"}
    rules, problem = refused(a_route(to({**TO_WEB, "healthCheck": check}), to(TO_WEB, match="Host(`b.org`)")))
    assert rules == ["Host(`b.org`)"]
    assert "healthCheck allowed only for ExternalName services" in problem


def test_a_service_without_pods_is_left_out_or_answers_503():
    idle = {"name": "idle", "port": 80}

    assert servers(idle, allowEmptyServices=True) == []
    rules, problem = refused(a_route(to(idle), to(TO_WEB, match="Host(`b.org`)")))
    assert rules == ["Host(`b.org`)"]
    assert "no servers found" in problem


def test_services_of_other_namespaces_need_allow_cross_namespace():
    there = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: edge}
spec: {clusterIP: 10.43.9.9, ports: [{port: 80}]}
"""
    route = a_route(to({**TO_WEB, "namespace": "edge", "nativeLB": True, "serversTransport": "slow"}))

    assert "service 'web': namespace 'edge' is not its own" in refused(route, there)[1]
    (service,) = http(route, there, allowCrossNamespace=True)["services"].values()
    assert service["loadBalancer"]["servers"] == [{"url": "http://10.43.9.9:80"}]
    assert service["loadBalancer"]["serversTransport"] == "edge-slow"


ODD = [
    ({"scheme": "ftp"}, "scheme 'ftp' is none of http, https, h2c"),
    ({"strategy": "best"}, "strategy 'best' is none of wrr, p2c, hrw, leasttime"),
    ({"port": 99}, "has no port 99; it has 80 (http)"),
    ({"port": None}, "no port was named"),
    ({"nativeLB": "yes"}, "nativeLB: must be true or false"),
    ({"passHostHeader": 1}, "passHostHeader: must be true or false"),
    ({"sticky": {"cookie": {"maxAge": "long"}}}, "sticky.cookie.maxAge: must be a whole number"),
    ({"responseForwarding": {"flushInterval": "soon"}}, "responseForwarding.flushInterval: must be a duration"),
    ({"passiveHealthCheck": {"failureWindow": "9999999h"}}, "passiveHealthCheck.failureWindow: is longer than 292 years"),
    ({"serversTransport": "x@kubernetescrd"}, "may be of any namespace"),
]


@pytest.mark.parametrize(("spec", "why"), ODD, ids=[next(iter(spec)) for spec, _ in ODD])
def test_an_odd_service_leaves_out_its_route_alone(spec, why):
    rules, problem = refused(a_route(to({**TO_WEB, **spec}), to(TO_WEB, match="Host(`b.org`)")))

    assert rules == ["Host(`b.org`)"]
    assert why in problem


@pytest.mark.spec("K-23")
def test_several_services_are_a_choice_by_weight():
    made = http(a_route(to({**TO_WEB, "weight": 3}, {**TO_API, "weight": 1}, CHOICE)), composite("choice", weighted={}))

    assert made["services"][called()] == {
        "weighted": {
            "services": [
                {"name": "default-web-80", "weight": 3},
                {"name": "default-api-80", "weight": 1},
                {"name": "default-choice"},
            ]
        }
    }
    assert made["services"].keys() == {called(), "default-web-80", "default-api-80", "default-choice"}
    safe = http(a_route(to(TO_WEB, TO_API)), safeNaming=True)
    assert safe["routers"]["default_shop_0"]["service"] == "default_shop_0_wrr"
    assert [child["name"] for child in safe["services"]["default_shop_0_wrr"]["weighted"]["services"]] == [
        "default_shop_0_wrr_0_default_web_80",
        "default_shop_0_wrr_1_default_api_80",
    ]


def test_weighted_services():
    weighted, services = made_of(
        "weighted", {"services": [{**TO_WEB, "weight": 0}, TO_API], "sticky": {"cookie": {"name": "c"}}}
    )

    assert weighted == {
        "services": [{"name": "default-web-80", "weight": 0}, {"name": "default-api-80"}],
        "sticky": {"cookie": {"name": "c"}},
    }
    assert services["default-api-80"]["loadBalancer"]["servers"] == [{"url": "http://10.42.0.3:9090"}]


def test_services_by_highest_random_weight():
    assert made_of("highestRandomWeight", {"services": [TO_WEB]}, safeNaming=True)[0] == {
        "services": [{"name": "default_choice_hrw_0_default_web_80"}]
    }


@pytest.mark.spec("K-35")
def test_mirroring():
    spec = {**TO_WEB, "mirrorBody": False, "maxBodySize": 9, "mirrors": [{**TO_API, "percent": 10}]}

    assert made_of("mirroring", spec)[0] == {
        "service": "default-web-80",
        "mirrors": [{"name": "default-api-80", "percent": 10}],
        "mirrorBody": False,
        "maxBodySize": 9,
    }
    safe, _ = made_of("mirroring", spec, safeNaming=True)
    assert safe["service"] == "default_choice_mirroring_default_web_80"
    assert safe["mirrors"][0]["name"] == "default_choice_mirror_0_default_api_80"


@pytest.mark.spec("K-36")
def test_failover():
    spec = {"service": TO_WEB, "fallback": TO_API, "errors": {"status": ["500-599"], "maxRequestBodyBytes": 5}}

    assert made_of("failover", spec)[0] == {
        "service": "default-web-80",
        "fallback": "default-api-80",
        "errors": {"status": ["500-599"], "maxRequestBodyBytes": 5},
    }
    safe, _ = made_of("failover", spec, safeNaming=True)
    assert safe["service"] == "default_choice_failover_default_web_80"
    assert safe["fallback"] == "default_choice_fallback_default_api_80"


BROKEN = [
    ({}, "unspecified service type; it needs one of weighted, highestRandomWeight, mirroring, failover"),
    ({"weighted": {"services": [TO_WEB, {"name": "gone", "port": 80}]}}, "service default/gone: not found"),
    ({"mirroring": {"mirrors": []}}, "service default/: not found"),
    ({"mirroring": {**TO_WEB, "mirrors": [{**TO_WEB, "percent": "all"}]}}, "percent: must be a whole number"),
    ({"failover": {"service": TO_WEB}}, "not found"),
    (
        {"failover": {"service": TO_WEB, "fallback": TO_WEB, "errors": {"status": [500]}}},
        "errors.status[0]: must be a string",
    ),
]


@pytest.mark.parametrize(("spec", "why"), BROKEN, ids=[str(index) for index, _ in enumerate(BROKEN)])
def test_a_broken_traefik_service_leaves_its_name_in_the_routes(spec, why):
    """So that the compiler closes them."""
    outcome = built(composite("choice", **spec), a_route(to(CHOICE)))

    assert "default-choice" not in outcome.document["http"]["services"]
    assert outcome.document["http"]["routers"][called()]["service"] == "default-choice"
    (problem,) = outcome.problems
    assert str(problem).startswith("traefikservice default/choice: is left out: ")
    assert why in str(problem)


def test_of_two_kinds_in_one_the_first_counts():
    outcome = built(composite("choice", mirroring=TO_WEB, weighted={"services": [TO_WEB]}))

    assert outcome.document["http"]["services"]["default-choice"].keys() == {"weighted"}
    (problem,) = outcome.problems
    assert str(problem) == "traefikservice default/choice: has weighted and mirroring; weighted counts, take the rest out"


def test_no_service_of_another_namespace_is_had_by_its_name():
    """`default-b/web` is `default-b-web-80` below others, and so would be a TraefikService `b-web-80` of `default`."""
    there = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default-b}
spec: {clusterIP: 10.43.9.9, ports: [{port: 80}]}
"""
    native = {**TO_WEB, "nativeLB": True}
    theirs = a_route(to(native, native, match="Host(`b.org`)"), namespace="default-b")
    rules, problem = refused(there, theirs, a_route(to({"name": "b-web-80", "kind": "TraefikService"})))

    assert rules == ["Host(`b.org`)"]
    assert "routes[0] is left out: TraefikService 'b-web-80': there is none in namespace 'default'" in problem


@pytest.mark.spec("K-37")
def test_traefik_services_that_go_round_in_a_circle_are_named_for_the_compiler():
    self = {"name": "round", "kind": "TraefikService"}
    made = http(
        composite("round", weighted={"services": [self]}),
        composite("choice", mirroring={**TO_WEB, "mirrors": [{"name": "back", "kind": "TraefikService", "percent": 1}]}),
        composite("back", failover={"service": CHOICE, "fallback": CHOICE}),
        a_route(to(self), to(CHOICE, match="Host(`b.org`)")),
    )

    assert made["services"]["default-round"] == {"weighted": {"services": [{"name": "default-round"}]}}
    assert made["services"]["default-back"]["failover"] == {"service": "default-choice", "fallback": "default-choice"}
    assert made["routers"][called()]["service"] == "default-round"


def test_one_service_wanted_in_two_ways_is_two():
    """In the reference the last of them is used for all."""
    made = http(a_route(to({**TO_WEB, "strategy": "p2c"}, TO_API)), composite("choice", weighted={"services": [TO_WEB]}))

    assert "strategy" not in made["services"]["default-web-80"]["loadBalancer"]
    first, second = made["services"][called()]["weighted"]["services"]
    assert first["name"].startswith("default-web-80-")
    assert made["services"][first["name"]]["loadBalancer"]["strategy"] == "p2c"
    assert second["name"] == "default-api-80"


def test_a_name_of_its_own_does_not_change_with_the_pods():
    route = a_route(to({**TO_WEB, "strategy": "p2c"}, TO_WEB))
    names = [
        {child["name"] for child in http(route, *more)["services"][called()]["weighted"]["services"]}
        for more in (
            [],
            [
                """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-2, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.42.0.9], conditions: {ready: true}}]
"""
            ],
        )
    ]

    assert names[0] == names[1]
    assert len(names[0]) == 2


def test_a_traefik_service_keeps_its_name_from_services_below_others():
    made = http(composite("web-80", weighted={"services": [TO_API]}), a_route(to(TO_WEB, TO_API)))

    assert made["services"]["default-web-80"] == {"weighted": {"services": [{"name": "default-api-80"}]}}
    assert made["services"][called()]["weighted"]["services"][0]["name"].startswith("default-web-80-")


@pytest.mark.spec("K-47")
def test_legacy_names_that_collide_are_told_and_safe_ones_do_not():
    limit = {"inFlightReq": {"amount": 1}}
    older = thing("Middleware", "b-c", limit, "a", creationTimestamp="2025-01-01T00:00:00Z")
    younger = thing("Middleware", "c", {"addPrefix": {"prefix": "/x"}}, "a-b", creationTimestamp="2026-01-01T00:00:00Z")
    outcome = built(younger, older)

    assert outcome.document["http"]["middlewares"] == {"a-b-c": limit}
    (problem,) = outcome.problems
    assert str(problem) == (
        "middleware a-b/c: is left out: 'a-b-c' is the name of a/b-c, too, which is older; rename one, or set safeNaming"
    )
    assert http(younger, older, safeNaming=True)["middlewares"].keys() == {"a_b-c", "a-b_c"}


def test_a_route_never_gets_a_middleware_of_another_namespace_by_its_name():
    """Neither in place of its own, nor of one that is not there."""
    older = thing("Middleware", "b-c", {"addPrefix": {"prefix": "/x"}}, "a", creationTimestamp="2025-01-01T00:00:00Z")
    route = a_route(to(match="Host(`a.org`)", middlewares=[{"name": "c"}]), namespace="a-b")

    rules, problem = refused(older, route)
    assert rules == []
    assert "routes[0] is left out: Middleware 'c': 'a-b-c' is the name of a/b-c already" in problem


def test_a_name_spelled_otherwise_is_found_in_the_own_namespace():
    limit = thing("Middleware", "my-limit", {"inFlightReq": {"amount": 1}})

    made = http(limit, a_route(to(middlewares=[{"name": "my_limit"}])))
    assert made["routers"][called()]["middlewares"] == ["default-my-limit"]


def test_nodes_are_read_unless_cluster_scope_is_off():
    provider = build(KubernetesCRDProvider, {"endpoint": "http://127.0.0.1:1"}, FakeContext())

    assert NODE in provider.kinds()
    assert (
        NODE
        not in build(KubernetesCRDProvider, {"endpoint": "http://127.0.0.1:1", "disableClusterScopeResources": True}).kinds()
    )
