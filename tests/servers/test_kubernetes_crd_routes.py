"""What clients meet of IngressRoutes and TraefikServices of a cluster, over real sockets (kubernetes.md §3)."""

import json
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from pointsman.testing import answer, connect, eventually, gateway, upstream
from pointsman_kubernetes.kinds import INGRESS_ROUTE
from tests.e2e.stage import started

from .kubernetes_server import kubernetes_server

pytestmark = pytest.mark.asyncio(loop_scope="module")


def of(kind, name, spec):
    return {
        "apiVersion": "traefik.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def pods(name, port):
    """A Service, and where it is served."""
    ports = [{"name": "http", "port": 80}]
    metadata = {"name": name, "namespace": "default"}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"clusterIP": "10.43.0.1", "ports": ports}}
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "namespace": "default", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
    }


def to(name, kind="Service"):
    return {"name": name, "kind": kind, **({"port": 80} if kind == "Service" else {})}


def route(name, *services, **more):
    """`Host(`<name>.test`)` to these."""
    rule = {"match": f"Host(`{name}.test`)", "kind": "Rule", "services": list(services), **more}
    return of("IngressRoute", name, {"entryPoints": ["web"], "routes": [rule]})


def chosen(name, **spec):
    """A TraefikService and the route to it."""
    yield of("TraefikService", name, spec)
    yield route(name, to(name, "TraefikService"))


BELOW = {"match": "PathPrefix(`/below`) && Header(`X-Top`,`yes`)", "kind": "Rule", "services": [to("b")]}
MANIFESTS = [
    of("Middleware", "mark", {"headers": {"customRequestHeaders": {"X-Top": "yes"}}}),
    route("dashboard", to("api@internal", "TraefikService")),
    route("nothing"),
    route("shared", {**to("a"), "weight": 3}, {**to("b"), "weight": 1}),
    route("top", middlewares=[{"name": "mark"}]),
    of("IngressRoute", "below", {"parentRefs": [{"name": "top"}], "routes": [BELOW]}),
    *chosen("copied", mirroring={**to("a"), "mirrors": [{**to("b"), "percent": 10}]}),
    *chosen("spare", failover={"service": to("ill"), "fallback": to("b"), "errors": {"status": ["500-599"]}}),
    *chosen("alone", weighted={"services": [to("alone", "TraefikService")]}),
    *chosen("ping", mirroring={**to("a"), "mirrors": [{**to("pong", "TraefikService"), "percent": 100}]}),
    *chosen("pong", failover={"service": to("a"), "fallback": to("ping", "TraefikService")}),
    of(
        "IngressRoute",
        "two",
        {
            "routes": [
                {**BELOW, "match": "Host(`foreign.test`)", "middlewares": [{"name": "mark", "namespace": "other"}]},
                {**BELOW, "match": "Host(`own.test`)", "middlewares": [{"name": "mark"}]},
            ]
        },
    ),
]


class Stage:
    def __init__(self, front, server, servers):
        self.gateway, self.server, self.servers = front, server, servers

    async def get(self, host, path="/"):
        async with connect(self.gateway.port("web")) as client:
            return await client.get(path, f"{host}.test")

    async def api(self, path):
        async with connect(self.gateway.port("traefik")) as client:
            return json.loads((await client.get(path, "127.0.0.1")).body)

    async def why(self, router, section="routers"):
        return " ".join((await self.api(f"/api/http/{section}/default-{router}@kubernetescrd")).get("error", []))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with AsyncExitStack() as stack:
        servers = {name: await stack.enter_async_context(upstream()) for name in ("a", "b", "ill")}
        for name, each in servers.items():
            each.answers(answer(503 if name == "ill" else 200, {}, name.encode()))
        known = [thing for name, each in servers.items() for thing in pods(name, each.port)]
        cluster = stack.enter_context(kubernetes_server(*known, *MANIFESTS))
        cluster.tokens = {"t"}
        static = {
            "entryPoints": {"web": {}, "traefik": {}},
            "api": {"insecure": True, "dashboard": False},
            "providers": {"kubernetesCRD": {"endpoint": cluster.url, "token": "t"}},
        }
        front = Stage(await started(stack, lambda: gateway({}, static)), cluster, servers)

        async def there():
            return (await front.get("own")).status == 200

        await eventually(there, "the routes")
        yield front


@pytest.mark.spec("K-23")
async def test_weights_share_out_requests(stage):
    found = [(await stage.get("shared")).body for _ in range(8)]

    assert (found.count(b"a"), found.count(b"b")) == (6, 2)


@pytest.mark.spec("K-24")
async def test_one_route_may_fail_and_the_other_of_its_object_is_served(stage):
    assert (await stage.get("foreign")).status == 404
    assert (await stage.get("own")).body == b"b"


@pytest.mark.spec("K-27")
async def test_a_route_may_lead_to_the_api(stage):
    assert (await stage.get("dashboard", "/api/version")).status == 200


@pytest.mark.spec("K-28")
async def test_a_route_without_services_or_children_is_disabled(stage):
    assert (await stage.get("nothing")).status == 404
    (router,) = [each for each in await stage.api("/api/http/routers") if "nothing" in each["rule"]]
    assert router["status"] == "disabled"
    assert "router has no service and no child routers" in " ".join(router["error"])


@pytest.mark.spec("K-29")
async def test_requests_pass_the_middlewares_of_the_parent_and_then_the_child(stage):
    assert (await stage.get("top", "/below")).body == b"b"
    assert (await stage.get("top", "/aside")).status == 404


@pytest.mark.spec("K-35")
async def test_a_tenth_of_the_requests_is_copied(stage):
    b = stage.servers["b"]
    b.requests.clear()
    for number in range(40):
        assert (await stage.get("copied", f"/copy/{number}")).body == b"a"

    await b.received(4)
    assert [request.target[:6] for request in b.requests] == [b"/copy/"] * 4


@pytest.mark.spec("K-36")
async def test_a_fallback_answers_for_a_service_that_fails(stage):
    found = await stage.get("spare")

    assert (found.status, found.body) == (200, b"b")


@pytest.mark.spec("K-37")
@pytest.mark.parametrize("name", ["alone", "ping", "pong"])
async def test_a_service_that_leads_to_itself_closes_its_own_routes(stage, name):
    assert (await stage.get(name)).status == 404
    assert "recursion detected" in await stage.why(name, "services")
    assert (await stage.get("own")).status == 200


async def test_a_route_comes_and_goes_with_its_object(stage):
    async def answers(status):
        return (await stage.get("late")).status == status

    stage.server.apply(route("late", to("a")))
    await eventually(lambda: answers(200), "the new route")
    stage.server.delete(INGRESS_ROUTE, "late")
    await eventually(lambda: answers(404), "its end")
