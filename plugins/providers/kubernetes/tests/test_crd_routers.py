"""IngressRoutes and what they come to (kubernetes.md §3.2, §3.3, §3.11)."""

import pytest

from .certificates import PAIR
from .routes import TO_WEB, a_route, built, called, http, only_router, refused, thing, to
from .secretmanifests import CERTIFIED

LIMIT = {"inFlightReq": {"amount": 1}}
B_ORG = to(TO_WEB, match="Host(`b.org`)")


@pytest.mark.spec("K-22")
def test_a_route_and_its_service_share_their_name():
    made = http(a_route(to(TO_WEB), entryPoints=["web"]))

    assert made["routers"] == {
        "default-shop-25b4b3b4ecb93a4458c5": {
            "rule": "Host(`a.org`)",
            "entryPoints": ["web"],
            "service": "default-shop-25b4b3b4ecb93a4458c5",
            "observability": {"metadata": {"ingress": {"kind": "IngressRoute", "namespace": "default", "name": "shop"}}},
        }
    }
    assert made["services"] == {
        "default-shop-25b4b3b4ecb93a4458c5": {
            "loadBalancer": {"servers": [{"url": "http://10.42.0.1:8080"}, {"url": "http://10.42.0.2:8080"}]},
            "observability": {"metadata": {"kubernetes": {"namespace": "default", "name": "web", "port": "80"}}},
        }
    }


def test_fields_of_routes_are_taken_over():
    router = only_router(
        a_route(
            to(TO_WEB, priority=7, syntax="v2", observability={"accessLogs": False, "traceVerbosity": "detailed"}),
            tls={"certResolver": "le", "domains": [{"main": "a.org", "sans": ["b.org"]}], "store": {"name": "other"}},
        )
    )

    assert router["priority"] == 7
    assert router["ruleSyntax"] == "v2"
    assert router["observability"].keys() == {"accessLogs", "traceVerbosity", "metadata"}
    assert router["tls"] == {"certResolver": "le", "domains": [{"main": "a.org", "sans": ["b.org"]}]}


@pytest.mark.parametrize(
    ("config", "served"),
    [({}, ["none", "ours"]), ({"ingressClass": "traefik"}, ["ours"]), ({"ingressClass": "other"}, ["noted", "other"])],
    ids=["unset", "traefik", "other"],
)
def test_only_routes_of_our_class_are_served(config, served):
    annotated = {"annotations": {"kubernetes.io/ingress.class": "other"}}
    outcome = built(
        a_route(to(TO_WEB), name="none"),
        a_route(to(TO_WEB), name="ours", ingressClassName="traefik"),
        a_route(to(TO_WEB), name="other", ingressClassName="other"),
        a_route(to(TO_WEB), name="noted", metadata=annotated),
        **config,
    )

    routers = outcome.document["http"]["routers"].values()
    assert sorted(router["observability"]["metadata"]["ingress"]["name"] for router in routers) == served
    deprecated = "ingressroute default/noted: the annotation kubernetes.io/ingress.class is deprecated; set ingressClassName"
    assert [str(problem) for problem in outcome.problems] == ([deprecated] if "noted" in served else [])


@pytest.mark.spec("K-24")
def test_a_middleware_of_another_namespace_needs_allow_cross_namespace():
    there = thing("Middleware", "limit", LIMIT, "edge")
    route = a_route(to(TO_WEB, middlewares=[{"name": "limit", "namespace": "edge"}]), B_ORG)

    assert refused(route, there) == (
        ["Host(`b.org`)"],
        "ingressroute default/shop: routes[0] is left out: Middleware 'limit': namespace 'edge' is not its own; "
        "set allowCrossNamespace to refer to others",
    )
    allowed = http(route, there, allowCrossNamespace=True)
    assert allowed["routers"][called()]["middlewares"] == ["edge-limit"]
    assert "edge-limit" in allowed["middlewares"]


@pytest.mark.spec("K-25")
def test_names_of_other_providers_need_a_namespace_that_may_use_them():
    route = a_route(to(TO_WEB, middlewares=[{"name": "x@file"}]), B_ORG)

    assert http(route)["routers"][called()]["middlewares"] == ["x@file"]
    assert http(route, crossProviderNamespaces=["default"])["routers"][called()]["middlewares"] == ["x@file"]
    assert refused(route, crossProviderNamespaces=[]) == (
        ["Host(`b.org`)"],
        "ingressroute default/shop: routes[0] is left out: Middleware 'x@file': "
        "namespace 'default' is not in crossProviderNamespaces",
    )


@pytest.mark.spec("K-26")
def test_the_full_name_of_a_middleware_could_lead_anywhere():
    route = a_route(to(TO_WEB, middlewares=[{"name": "other-x@kubernetescrd"}]), B_ORG)

    rules, problem = refused(route)
    assert rules == ["Host(`b.org`)"]
    assert "'other-x@kubernetescrd': may be of any namespace" in problem
    assert http(route, allowCrossNamespace=True)["routers"][called()]["middlewares"] == ["other-x@kubernetescrd"]


def test_a_namespace_beside_a_providers_name_is_passed_over_with_a_warning():
    rules, problem = refused(a_route(to(TO_WEB, middlewares=[{"name": "x@file", "namespace": "edge"}])))

    assert rules == ["Host(`a.org`)"]
    assert (
        problem
        == "ingressroute default/shop: Middleware 'x@file': its namespace 'edge' has no meaning beside a provider's name"
    )


def test_the_name_of_a_middleware_that_is_not_there_stays_for_the_compiler_to_close_the_router():
    assert only_router(a_route(to(TO_WEB, middlewares=[{"name": "gone"}])))["middlewares"] == ["default-gone"]


@pytest.mark.spec("K-27")
def test_a_traefik_service_may_be_one_of_the_gateway():
    assert only_router(a_route(to({"name": "api@internal", "kind": "TraefikService"})))["service"] == "api@internal"


@pytest.mark.spec("K-28")
def test_a_route_without_services_has_none():
    assert "service" not in only_router(a_route(to()))


@pytest.mark.spec("K-29")
def test_routes_are_below_all_routers_of_their_parents():
    parent = a_route(to(match="PathPrefix(`/a`)"), to(match="PathPrefix(`/b`)"), name="top")
    child = a_route(to(TO_WEB), parentRefs=[{"name": "top"}])

    made = http(parent, child)["routers"]
    assert made[called()]["parentRefs"] == [called("PathPrefix(`/a`)", "top"), called("PathPrefix(`/b`)", "top")]
    safe = http(parent, child, safeNaming=True)["routers"]
    assert safe["default_shop_0"]["parentRefs"] == ["default_top_0", "default_top_1"]


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ({"name": "gone"}, "parent default/gone: there is no such IngressRoute"),
        ({"name": "top", "namespace": "edge"}, "parent 'top': namespace 'edge' is not its own"),
        ({"name": "bare"}, "none of its parents has a route"),
        ("top", "parent default/: there is no such IngressRoute"),
    ],
    ids=["gone", "foreign", "bare", "odd"],
)
def test_a_bad_parent_leaves_out_the_whole_route(reference, why):
    rules, problem = refused(
        a_route(to(TO_WEB), B_ORG, parentRefs=[reference]), a_route(B_ORG, name="top"), a_route(name="bare")
    )

    assert rules == ["Host(`b.org`)"]
    assert problem.startswith(f"ingressroute default/shop: is left out: {why}")


def test_options_are_those_of_the_own_namespace():
    route = a_route(to(TO_WEB), tls={"options": {"name": "strict.1"}})

    assert only_router(route)["tls"] == {"options": "default-strict.1"}
    assert only_router(route, safeNaming=True)["tls"] == {"options": "default_strict.1"}


@pytest.mark.spec("K-39")
@pytest.mark.parametrize("there", [True, False], ids=["declared", "built-in"])
def test_the_option_called_default_is_the_default_one(there):
    options = [thing("TLSOption", "default", {"minVersion": "VersionTLS13"})] if there else []

    assert only_router(a_route(to(TO_WEB), tls={"options": {"name": "default"}}), *options)["tls"] == {"options": "default"}


def test_naming_a_default_option_that_does_not_count_closes_the_route():
    """It may ask for certificates of clients, which the one in force does not."""
    outcome = built(
        a_route(to(TO_WEB), tls={"options": {"name": "default"}}),
        thing("TLSOption", "default", {"minVersion": "VersionTLS13"}),
        thing("TLSOption", "default", {}, "edge"),
        defaultTLSResourcesNamespace="edge",
    )

    assert outcome.document["http"]["routers"] == {}
    assert any("routes[0] is left out: TLSOption default/default is not the default one" in str(p) for p in outcome.problems)


def test_certificates_of_routes_are_added_once():
    tls = {"secretName": "cert"}
    outcome = built(a_route(to(TO_WEB), tls=tls), a_route(B_ORG, name="other", tls=tls), CERTIFIED)

    assert outcome.problems == []
    (certificate,) = outcome.document["tls"]["certificates"]
    assert (certificate["certFile"], certificate["keyFile"]) == PAIR


def test_a_missing_secret_leaves_the_routes():
    rules, problem = refused(a_route(to(TO_WEB), tls={"secretName": "gone"}))

    assert rules == ["Host(`a.org`)"]
    assert "secret default/gone: not found" in problem


@pytest.mark.spec("K-46")
def test_safe_names_count_the_routes():
    made = http(a_route(to(TO_WEB), B_ORG), safeNaming=True)

    assert {name: router["service"] for name, router in made["routers"].items()} == {
        "default_shop_0": "default_shop_0_lb",
        "default_shop_1": "default_shop_1_lb",
    }
    assert made["services"].keys() == {"default_shop_0_lb", "default_shop_1_lb"}


def test_of_two_routes_with_the_same_match_the_last_is_used_and_said_so():
    route = a_route(to(TO_WEB, priority=1), to({"name": "api", "port": 80}, priority=2))
    outcome = built(route)

    ((name, router),) = outcome.document["http"]["routers"].items()
    assert router["priority"] == 2
    assert outcome.document["http"]["services"][name]["loadBalancer"]["servers"] == [{"url": "http://10.42.0.3:9090"}]
    (problem,) = outcome.problems
    assert str(problem).startswith(
        "ingressroute default/shop: routes[1] takes the place of another route with the same match"
    )
    assert len(http(route, safeNaming=True)["routers"]) == 2


def test_of_two_objects_with_the_same_name_the_older_one_is_used():
    """What is made later cannot take over what is there, wherever it sorts."""
    mine = a_route(
        to(match="Host(`a.org`)"), name="b-shop", namespace="z", metadata={"creationTimestamp": "2025-01-01T00:00:00Z"}
    )
    theirs = a_route(
        to(match="Host(`a.org`)"), name="shop", namespace="z-b", metadata={"creationTimestamp": "2026-01-01T00:00:00Z"}
    )
    outcome = built(theirs, mine)

    (router,) = outcome.document["http"]["routers"].values()
    assert router["observability"]["metadata"]["ingress"]["namespace"] == "z"
    (problem,) = outcome.problems
    assert str(problem).startswith(
        "ingressroute z-b/shop: routes[0] is left out: ingressroute z/b-shop, which is older, has"
    )
    assert len(http(theirs, mine, safeNaming=True)["routers"]) == 2


ODD = [
    ("a text", "match is empty"),
    ({"match": ""}, "match is empty"),
    ({"match": 7}, "match is empty"),
    (to(TO_WEB, kind="Foo"), "kind 'Foo' is not supported"),
    (to(TO_WEB, priority="high"), "priority: must be a whole number"),
    (to(TO_WEB, priority=1 << 70), "priority: must be a whole number"),
    (to(TO_WEB, observability={"metrics": "yes"}), "observability.metrics: must be true or false"),
    (to(TO_WEB, middlewares=[{}]), "a reference to a Middleware has no name"),
    (to(TO_WEB, middlewares=["auth"]), "a reference to a Middleware has no name"),
    (to(TO_WEB, middlewares="auth"), "middlewares: must be a list"),
    (to({**TO_WEB, "middlewares": ["auth"]}), "a reference to a Middleware has no name"),
    (to({"kind": "Pod", **TO_WEB}), "kind 'Pod' is neither Service nor TraefikService"),
    (to({"name": "api@internal"}), "to name a service of a provider, set kind: TraefikService"),
    (to({"name": "x@file", "kind": "TraefikService"}, {"name": "gone", "port": 80}), "service default/gone: not found"),
]


@pytest.mark.parametrize(("route", "why"), ODD, ids=[str(index) for index, _ in enumerate(ODD)])
def test_an_odd_route_takes_no_other_with_it(route, why):
    rules, problem = refused(a_route(route, B_ORG))

    assert rules == ["Host(`b.org`)"]
    assert problem.startswith("ingressroute default/shop: routes[0] is left out: ")
    assert why in problem


@pytest.mark.parametrize(
    "spec", [None, [], "x", {"routes": "x"}, {"routes": [None]}, {"entryPoints": 7}, {"tls": "yes"}], ids=str
)
def test_an_odd_object_takes_no_other_with_it(spec):
    outcome = built(thing("IngressRoute", "odd", spec), a_route(B_ORG))

    assert [router["rule"] for router in outcome.document["http"]["routers"].values()] == ["Host(`b.org`)"]
