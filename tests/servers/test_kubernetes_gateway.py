"""What clients meet of Gateways and HTTPRoutes, over real sockets (kubernetes.md §4)."""

import asyncio
import json
import ssl
from base64 import b64encode
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
import trustme

from pointsman.testing import answer, connect, eventually, gateway, upstream
from pointsman_kubernetes.kinds import GATEWAY, HTTP_ROUTE, MIDDLEWARE
from tests.e2e.stage import started

from .kubernetes_server import kubernetes_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

API = "gateway.networking.k8s.io/v1"
LEAF = trustme.CA().issue_cert("secure.test")
GRANT = {
    "apiVersion": "gateway.networking.k8s.io/v1beta1",
    "kind": "ReferenceGrant",
    "metadata": {"name": "certs", "namespace": "certs"},
    "spec": {
        "from": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "default"}],
        "to": [{"group": "", "kind": "Secret"}],
    },
}
PLAIN = {"backendRefs": [{"name": "plain", "port": 80}]}


def under(value, kind="PathPrefix", **more):
    return [{"path": {"type": kind, "value": value}, **more}]


def filtered(kind, **said):
    return [{"type": kind, kind[0].lower() + kind[1:] if kind != "URLRewrite" else "urlRewrite": said}]


MOVED = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/n"}, "hostname": "inside.test"}
ROUTES = {
    "plain": [PLAIN],
    "prefix": [{**PLAIN, "matches": under("/p")}],
    "order": [
        {
            "matches": under("/a"),
            **PLAIN,
            "filters": filtered("ResponseHeaderModifier", set=[{"name": "By", "value": "prefix"}]),
        },
        {
            "matches": under("/a", "Exact"),
            **PLAIN,
            "filters": filtered("ResponseHeaderModifier", set=[{"name": "By", "value": "exact"}]),
        },
        {
            "matches": under("/a", method="GET", headers=[{"name": "X-A", "value": "1"}]),
            **PLAIN,
            "filters": filtered("ResponseHeaderModifier", set=[{"name": "By", "value": "header"}]),
        },
    ],
    "rewrite": [{**PLAIN, "matches": under("/p"), "filters": filtered("URLRewrite", **MOVED)}],
    "redirect": [{"filters": filtered("RequestRedirect", scheme="https")}],
    "share": [{"backendRefs": [{"name": "plain", "port": 80, "weight": 3}, {"name": "none", "port": 80}]}],
    "nothing": [{"matches": under("/")}],
    "extension": [
        {
            **PLAIN,
            "filters": [
                {"type": "ExtensionRef", "extensionRef": {"group": "traefik.io", "kind": "Middleware", "name": "told"}}
            ],
        }
    ],
    "awaiting": [
        {
            **PLAIN,
            "filters": [
                {"type": "ExtensionRef", "extensionRef": {"group": "traefik.io", "kind": "Middleware", "name": "b-c"}}
            ],
        }
    ],
    "unknown": [{**PLAIN, "filters": [{"type": "ExternalAuth"}]}],
    "mirrored": [{**PLAIN, "filters": filtered("RequestMirror", backendRef={"name": "mirror", "port": 80})}],
    "late": [{"backendRefs": [{"name": "slow", "port": 80}], "timeouts": {"request": "100ms"}}],
    "backend-late": [{"backendRefs": [{"name": "slow", "port": 80}], "timeouts": {"backendRequest": "100ms"}}],
    "inner": [
        {
            "backendRefs": [
                {
                    "name": "plain",
                    "port": 80,
                    "filters": filtered("RequestHeaderModifier", add=[{"name": "X-Inner", "value": "yes"}]),
                }
            ]
        }
    ],
    "secure": [PLAIN],
}


def thing(kind, name, spec, namespace="default", api=API):
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def middleware(name, namespace, year, told):
    spec = {"headers": {"customResponseHeaders": {"X-Told": told}}}
    made = thing("Middleware", name, spec, namespace, "traefik.io/v1alpha1")
    made["metadata"]["creationTimestamp"] = f"{year}-01-01T00:00:00Z"
    return made


def service(name, port):
    yield thing("Service", name, {"clusterIP": "10.43.0.1", "ports": [{"name": "http", "port": 80}]}, api="v1")
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "namespace": "default", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
    }


def secret():
    chain = b"".join(each.bytes() for each in LEAF.cert_chain_pems)
    held = {"tls.crt": chain, "tls.key": LEAF.private_key_pem.bytes()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pair", "namespace": "certs"},
        "type": "kubernetes.io/tls",
        "data": {name: b64encode(value).decode() for name, value in held.items()},
    }


def gateway_on(web, websecure):
    tls = {"certificateRefs": [{"name": "pair", "namespace": "certs"}]}
    listeners = [
        {"name": "http", "port": web, "protocol": "HTTP"},
        {"name": "https", "port": websecure, "protocol": "HTTPS", "tls": tls},
    ]
    yield {
        "apiVersion": API,
        "kind": "GatewayClass",
        "metadata": {"name": "ours"},
        "spec": {"controllerName": "traefik.io/gateway-controller"},
    }
    yield thing("Gateway", "gw", {"gatewayClassName": "ours", "listeners": listeners})


class Stage:
    def __init__(self, running, server, upstreams):
        self.gateway = running
        self.server = server
        self.upstreams = upstreams

    async def get(self, name, path="/", **headers):
        async with connect(self.gateway.port()) as client:
            return await client.get(path, f"{name}.test", **headers)

    async def answers(self, name, status, path="/"):
        return (await self.get(name, path)).status == status

    def conditions(self, kind, name, part):
        """Of the only listener or parent that is called so."""
        status = self.server.get(kind, name).get("status", {})
        return {each["type"]: each["reason"] for found in status.get(part, ())[-1:] for each in found["conditions"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        upstreams = {
            "plain": await enter(upstream()),
            "mirror": await enter(upstream(answer(200, {}, b"mirror"))),
            "slow": await enter(upstream([asyncio.Event()])),
        }
        server = stack.enter_context(kubernetes_server())
        for name, running in upstreams.items():
            server.apply(*service(name, running.port))
        told = {"headers": {"customResponseHeaders": {"X-Told": "yes"}}}
        server.apply(secret(), thing("Middleware", "told", told, api="traefik.io/v1alpha1"))
        server.apply(middleware("c", "default-b", "2021", "theirs"))
        for name, rules in ROUTES.items():
            spec = {"parentRefs": [{"name": "gw"}], "hostnames": [f"{name}.test"], "rules": rules}
            server.apply(thing("HTTPRoute", name, spec))
        access = {"endpoint": server.url, "token": "x"}
        static = {
            "entryPoints": {"web": {}, "websecure": {}},
            "providers": {"kubernetesGateway": {**access, "namespaces": ["default", "certs"]}, "kubernetesCRD": access},
        }
        running = await started(stack, lambda: gateway({}, static))
        server.apply(*gateway_on(running.port("web"), running.port("websecure")))
        found = Stage(running, server, upstreams)
        await eventually(lambda: found.answers("extension", 200), "a route")
        yield found


async def test_a_request_reaches_the_pods_of_its_route(stage):
    assert await stage.answers("plain", 200)
    assert await stage.answers("another", 404)


@pytest.mark.spec("K-50")
async def test_a_listener_serves_with_a_certificate_of_another_namespace_once_that_is_granted(stage):
    def reasons():
        return stage.conditions(GATEWAY, "gw", "listeners")

    await eventually(lambda: reasons().get("ResolvedRefs") == "RefNotPermitted")
    stage.server.apply(GRANT)
    await eventually(lambda: reasons().get("Programmed") == "Programmed")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    async def served():
        async with connect(stage.gateway.port("websecure"), tls=context, server_name="secure.test") as client:
            shown = client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            return (await client.get("/", "secure.test")).status, ssl.DER_cert_to_PEM_cert(shown)

    expected = LEAF.cert_chain_pems[0].bytes().decode().strip()
    await eventually(lambda: _equal(served, (200, expected)))


async def _equal(served, expected):
    try:
        status, shown = await served()
    except OSError:
        return False
    return (status, shown.strip()) == expected


@pytest.mark.spec("K-53", "K-55")
async def test_the_more_precise_match_answers(stage):
    assert (await stage.get("order", "/a")).get("by") == "exact"
    assert (await stage.get("order", "/a/b")).get("by") == "prefix"
    assert (await stage.get("order", "/a/b", x_a="1")).get("by") == "header"


@pytest.mark.spec("K-54")
async def test_a_prefix_ends_at_a_segment(stage):
    assert [(await stage.get("prefix", path)).status for path in ("/p", "/p/x", "/pq")] == [200, 200, 404]


@pytest.mark.spec("K-56")
async def test_the_prefix_of_the_path_is_replaced(stage):
    body = (await stage.get("rewrite", "/p/x?q=1")).body
    assert body.startswith(b"GET /n/x?q=1 HTTP/1.1\r\n")
    assert b"host: inside.test\r\n" in body.lower()


@pytest.mark.spec("K-57")
async def test_a_redirection_to_https_has_no_port(stage):
    async with connect(stage.gateway.port()) as client:
        found = await client.get("/x?q=1", f"redirect.test:{stage.gateway.port()}")
    assert (found.status, found.get("location")) == (302, "https://redirect.test/x?q=1")


@pytest.mark.spec("K-58")
async def test_the_share_of_a_missing_backend_is_errors(stage):
    found = [(await stage.get("share")).status for _ in range(8)]
    assert sorted(found) == [200] * 6 + [500] * 2
    await eventually(lambda: stage.conditions(HTTP_ROUTE, "share", "parents").get("ResolvedRefs") == "BackendNotFound")


@pytest.mark.spec("K-59")
async def test_a_rule_without_backends_or_with_an_unknown_filter_answers_500(stage):
    assert await stage.answers("nothing", 500)
    assert await stage.answers("unknown", 500)
    await eventually(lambda: stage.conditions(HTTP_ROUTE, "unknown", "parents").get("Accepted") == "UnsupportedValue")


@pytest.mark.spec("K-60")
async def test_a_middleware_of_the_cluster_can_be_a_filter(stage):
    assert (await stage.get("extension")).get("x-told") == "yes"


@pytest.mark.spec("K-60")
async def test_a_filter_waits_for_the_middleware_of_its_own_namespace_and_takes_no_other(stage):
    def told():
        return stage.conditions(HTTP_ROUTE, "awaiting", "parents").get("ResolvedRefs")

    await eventually(lambda: told() == "BackendNotFound")
    assert (await stage.get("awaiting")).status == 500  # default-b/c has the name that default/b-c would have
    stage.server.apply(middleware("b-c", "default", "2022", "own"))
    await eventually(lambda: told() == "RefNotPermitted")  # seen where only kubernetesCRD looks
    assert (await stage.get("awaiting")).status == 500
    stage.server.delete(MIDDLEWARE, "c", "default-b")
    await eventually(lambda: told() == "ResolvedRefs")

    async def applied():
        return (await stage.get("awaiting")).get("x-told") == "own"

    await eventually(applied)


async def test_a_mirror_gets_the_request_too(stage):
    before = len(stage.upstreams["mirror"].requests)
    assert (await stage.get("mirrored", "/seen")).body != b"mirror"
    await stage.upstreams["mirror"].received(before + 1)
    assert stage.upstreams["mirror"].last.raw.startswith(b"GET /seen ")


async def test_requests_that_take_too_long_are_answered_504(stage):
    assert await stage.answers("late", 504)
    assert await stage.answers("backend-late", 504)


async def test_filters_of_a_backend_are_applied(stage):
    assert b"x-inner: yes" in (await stage.get("inner")).body.lower()


async def test_statuses_that_are_right_are_not_written_again(stage):
    await eventually(lambda: stage.conditions(HTTP_ROUTE, "plain", "parents").get("Accepted") == "Accepted")
    before = json.dumps(stage.server.get(HTTP_ROUTE, "plain"))
    stage.server.apply(thing("Service", "more", {"ports": [{"port": 80}]}, api="v1"))
    spec = {"parentRefs": [{"name": "gw"}], "hostnames": ["more.test"], "rules": [{"matches": under("/")}]}
    stage.server.apply(thing("HTTPRoute", "more", spec))
    await eventually(lambda: stage.answers("more", 500))
    assert json.dumps(stage.server.get(HTTP_ROUTE, "plain")) == before
