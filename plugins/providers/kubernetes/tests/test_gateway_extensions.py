"""Middlewares that routes of the Gateway API name: whose they are, and what is told of those that are not to be had."""

import pytest

from pointsman_kubernetes.kinds import BACKEND_TLS_POLICY, MIDDLEWARE
from pointsman_kubernetes.objects import Objects

from .gatewayobjects import gateway, made, middleware, parent, provider, route
from .manifests import WEB, things

OPEN = gateway("{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}")
FILTER = "{type: ExtensionRef, extensionRef: {group: traefik.io, kind: Middleware, name: NAME}}"
OLD, NEW = "2025-01-01T00:00:00Z", "2026-06-01T00:00:00Z"
RULE = "rules: [{filters: [FILTER], backendRefs: [{name: web, port: 80}]}]"


def naming(name, namespace="default", kind="HTTPRoute", spec=RULE):
    return route(spec.replace("FILTER", FILTER).replace("NAME", name), namespace=namespace, kind=kind)


def named(outcome):
    """The middlewares of the only router."""
    (router,) = outcome.document["http"]["routers"].values()
    return router.get("middlewares")


def check_closed(outcome, reason, *words, kind="HTTPRoute"):
    """Its requests are errors, its parent is told, and the problem says what and how to go on."""
    ((name, router),) = outcome.document["http"]["routers"].items()
    assert router["service"] == f"{name}-err-wrr"
    assert "middlewares" not in router
    assert parent(outcome, kind=kind) == {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("False", reason)}
    (said,) = [each for each in outcome.problems if each.message.startswith(f"{reason}: rule 0: ")]
    assert said.path.startswith(f"{kind.lower()} ")
    assert all(word in said.message for word in words), said.message


@pytest.mark.spec("K-60")
@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
def test_a_middleware_of_the_routes_namespace_is_called_as_kubernetes_crd_calls_it(kind):
    assert named(made(OPEN, middleware("m"), naming("m", kind=kind), crd={})) == ["default-m@kubernetescrd"]
    safe = made(OPEN, middleware("m"), naming("m", kind=kind), crd={"safe_naming": True})
    assert named(safe) == ["default_m@kubernetescrd"]


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
def test_the_middleware_of_another_namespace_is_never_had_by_a_name_that_reads_the_same(kind):
    outcome = made(OPEN, middleware("c", "a-b"), naming("b-c", "a", kind), crd={})
    check_closed(outcome, "BackendNotFound", "Middleware a/b-c: there is none", kind=kind)


@pytest.mark.spec("K-47")
def test_of_two_middlewares_with_one_name_only_the_older_is_had():
    both = middleware("c", "a-b", born=OLD), middleware("b-c", "a", born=NEW)

    check_closed(made(OPEN, *both, naming("b-c", "a"), crd={}), "RefNotPermitted", "'a-b-c'", "a-b/c", "safeNaming")
    assert named(made(OPEN, *both, naming("c", "a-b"), crd={})) == ["a-b-c@kubernetescrd"]
    assert named(made(OPEN, *both, naming("b-c", "a"), crd={"safe_naming": True})) == ["a_b-c@kubernetescrd"]


@pytest.mark.parametrize("name", ["default-m@kubernetescrd", "m@file", "api@internal"])
def test_a_name_of_another_provider_is_no_name_of_a_middleware(name):
    check_closed(made(OPEN, middleware("m"), naming(f"'{name}'"), crd={}), "BackendNotFound", name)


def test_the_custom_resources_must_be_read_and_in_that_namespace():
    check_closed(made(OPEN, middleware("m"), naming("m")), "InvalidKind", "kubernetesCRD is off; turn it on")
    check_closed(made(OPEN, middleware("m"), naming("m"), crd={"namespaces": ("shop",)}), "RefNotPermitted", "add it to its")
    elsewhere = {"endpoint": "https://192.0.2.1"}
    check_closed(made(OPEN, middleware("m"), naming("m"), crd=elsewhere), "RefNotPermitted", "another 'endpoint'")
    labelled = made(OPEN, naming("m"), crd={"label_selector": "a=b"})
    check_closed(labelled, "BackendNotFound", "with the labels 'a=b'")


def test_another_kind_of_extension_is_an_invalid_one():
    odd = RULE.replace("FILTER", "{type: ExtensionRef, extensionRef: {group: x, kind: Y, name: z}}")
    check_closed(made(OPEN, route(odd), crd={}), "InvalidKind", "x/Y z", "only a Middleware")


def test_a_backend_whose_filter_cannot_be_had_is_an_error_and_the_others_are_not():
    inner = "rules: [{backendRefs: [{name: web, port: 80, filters: [FILTER]}, {name: web, port: 80}]}]"
    outcome = made(OPEN, middleware("c", "a-b"), naming("b-c", spec=inner), crd={})
    ((name, router),) = outcome.document["http"]["routers"].items()
    failing, serving = outcome.document["http"]["services"][f"{name}-wrr"]["weighted"]["services"]
    assert router["service"] == f"{name}-wrr"
    assert failing == {"name": f"{name}-svc-default-web-0", "weight": 1, "status": 500}
    assert serving["name"] == f"{name}-svc-default-web-1"
    assert parent(outcome)["ResolvedRefs"] == ("False", "BackendNotFound")


def known(*manifests, hidden=MIDDLEWARE, **how):
    found = {}
    for kind, thing in things(WEB, *manifests):
        found.setdefault(kind, []).append(thing)
    return Objects(found, (), {hidden: "it is forbidden"}, **how)


def test_middlewares_that_may_not_be_read_close_only_what_names_one():
    plain = route("rules: [{backendRefs: [{name: web, port: 80}]}]")
    served = provider(crd={}).build(known(OPEN, plain))
    assert named(served) is None
    assert parent(served)["ResolvedRefs"] == ("True", "ResolvedRefs")
    assert not served.problems
    for there in ((), (middleware("m"),)):  # of one namespace, say, but not of another one
        outcome = provider(crd={}).build(known(OPEN, *there, naming("m")))
        check_closed(outcome, "RefNotPermitted", "not all Middlewares can be read", "it is forbidden")
    safe = provider(crd={"safe_naming": True}).build(known(OPEN, middleware("m"), naming("m")))
    assert named(safe) == ["default_m@kubernetescrd"]
    check_closed(provider(crd={}).build(known(OPEN, naming("m"), absent=[MIDDLEWARE])), "BackendNotFound", "there is none")


def test_policies_that_may_not_be_read_are_told_of_and_close_no_backends_without_one():
    plain = route("rules: [{backendRefs: [{name: web, port: 80}]}]")
    outcome = provider().build(known(OPEN, plain, hidden=BACKEND_TLS_POLICY))
    (said,) = outcome.problems
    assert (said.path, said.loud) == ("backendtlspolicies.gateway.networking.k8s.io", True)
    assert "spoken to as if they had none" in said.message
    assert parent(outcome)["ResolvedRefs"] == ("True", "ResolvedRefs")
    assert not provider().build(known(OPEN, plain, hidden=BACKEND_TLS_POLICY, absent=[BACKEND_TLS_POLICY])).problems


def test_middlewares_are_read_as_kubernetes_crd_reads_them_and_only_beside_it():
    beside = provider({"namespaces": ["a"]}, {"namespaces": ("a", "b"), "label_selector": "x=y"})
    assert MIDDLEWARE in beside.kinds()
    assert beside.scopes == {MIDDLEWARE: (("a", "b"), "x=y")}
    assert MIDDLEWARE not in provider().kinds()
