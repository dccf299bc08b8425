"""Following a cluster (kubernetes.md §1.2), also one that is away, forgets, forbids or says what it likes."""

import asyncio
import json

import pytest
from aiohttp import web

from pointsman.testing import eventually
from pointsman_kubernetes import client
from pointsman_kubernetes.kinds import ENDPOINT_SLICE, MIDDLEWARE, NODE, SERVICE
from pointsman_kubernetes.nginx import KubernetesIngressNGINXProvider

from .kubernetes_following import Names, a_server, failure, followed, hurry, ingress, service

pytestmark = pytest.mark.timeout(60)
SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [%s], conditions: {ready: true}}]
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    hurry(monkeypatch)


@pytest.fixture
def server():
    with a_server() as running:
        yield running


@pytest.mark.parametrize("watch_list", [True, False], ids=["watch-list", "list"])
async def test_objects_come_and_change_and_go(server, watch_list):
    server.watch_list, server.page = watch_list, 1
    server.apply(service("api"), *({**service(f"n{each}"), "kind": "Secret"} for each in range(3)))
    async with followed(server) as said:
        assert said.documents[0]["services"] == ["default/api", "default/web"]
        assert len(said.documents[0]["secrets"]) == 3
        assert said.documents[0]["missing"] == {}
        server.apply(service("new"))
        await said.until("api", "new", "web")
        server.delete(SERVICE, "api")
        await said.until("new", "web")
        pieces = [each for each in server.asked if "continue" in each.query]
        assert bool(pieces) is not watch_list
        assert {each.query.get("labelSelector") for each in server.asked if "secrets" in each.path} == {"owner!=helm"}


@pytest.mark.parametrize(("switch", "value"), [("tells_initial_end", False), ("old_storage", True)])
async def test_a_server_whose_watches_do_not_begin_with_all_is_listed(server, switch, value):
    setattr(server, switch, value)
    async with followed(server) as said:
        assert said.services() == ["default/web"]
        assert said.problems == [[]]
        server.apply(service("new"))
        await said.until("new", "web")


async def test_only_some_namespaces_and_labels_are_asked_for(server):
    server.apply(service("a", "one", tier="x"), service("b", "two", tier="x"), service("c", "three", tier="x"))
    server.apply(service("d", "one"))
    for resource in ("services", "secrets", "middlewares.traefik.io"):
        server.forbid(resource, except_in=["one", "two"])
    async with followed(server, namespaces=["one", "two"], labelSelector="tier=x") as said:
        assert said.services() == ["one/a", "two/b"]
        assert said.problems == [[]]
        paths = {each.path for each in server.asked}
        assert "/api/v1/namespaces/one/secrets" in paths
        assert not any(each.query.get("labelSelector") for each in server.asked if "middlewares" in each.path)


PATH = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}


def nginx(name, namespace, annotations=(), **spec):
    metadata = {"name": name, "namespace": namespace, "annotations": dict(annotations)}
    return ingress(name, metadata=metadata, spec={"rules": [{"host": f"{name}.test", "http": {"paths": [PATH]}}], **spec})


async def test_watch_namespace_asks_for_that_namespace_only_and_a_role_there_is_enough(server):
    by_note = {"kubernetes.io/ingress.class": "nginx"}
    server.apply(nginx("a", "shop", by_note), nginx("b", "other", by_note), nginx("c", "shop", ingressClassName="nginx"))
    server.apply(service("web", "shop"))
    for resource in ("services", "secrets", "configmaps", "endpointslices.discovery.k8s.io", "ingresses.networking.k8s.io"):
        server.forbid(resource, except_in=["shop"])
    server.forbid("ingressclasses.networking.k8s.io")
    async with followed(server, KubernetesIngressNGINXProvider, watchNamespace="shop") as said:
        routers = said.documents[0]["http"]["routers"]
        assert set(routers) == {"shop-a-rule-0-path-0", "shop-a-rule-0-path-0-tls"}
        scoped = [each.path for each in server.asked if "ingressclasses" not in each.path]
        assert len(scoped) >= 5
        assert all("/namespaces/shop/" in path for path in scoped)
        unread = [each for each in said.problems[0] if each.startswith("ingressclasses")]
        assert len(unread) == 1
        assert "grant get, list and watch on ingressclasses.networking.k8s.io" in unread[0]
        assert (
            "ingress shop/c: is not served: IngressClasses cannot be read; let the gateway read"
            " ingressclasses.networking.k8s.io, or name the class in the annotation kubernetes.io/ingress.class"
        ) in said.problems[0]
        server.apply(nginx("d", "shop", by_note), nginx("e", "other", by_note))
        await eventually(lambda: "shop-d-rule-0-path-0" in said.documents[-1]["http"]["routers"], "the new Ingress")
        assert not [name for name in said.documents[-1]["http"]["routers"] if name.startswith("other")]


@pytest.mark.spec("K-21")
@pytest.mark.parametrize("by_http", [True, False], ids=["answer", "event"])
async def test_a_version_that_is_gone_loses_nothing(server, by_http):
    server.gone_by_http, server.watch_seconds = by_http, 0.3
    async with followed(server) as said:
        before = len(server.asked)
        server.expire()
        server.apply(service("new"))
        await said.until("new", "web")
        server.store.compact()  # and the next watch is of a version that is gone
        server.apply(service("newer"))
        await said.until("new", "newer", "web")
        assert all("default/web" in each["services"] for each in said.documents)
        assert any(each.query.get("sendInitialEvents") for each in server.asked[before:])


async def test_watches_go_on_where_they_ended_and_bookmarks_move_that_on(server):
    async with followed(server) as said:
        server.apply(*(ingress(f"i{each}") for each in range(5)))  # a kind that is not followed
        server.bookmark()
        await asyncio.sleep(0.1)
        server.store.compact()  # all before the bookmark, or nearly, is gone
        server.store.version -= 1
        for shelf in server.store.shelves.values():
            shelf.forgotten = server.store.version
        asked = len(server.asked)
        server.hang_up()
        await eventually(lambda: server.watching(SERVICE), "watched again")
        server.apply(service("new"))
        await said.until("new", "web")
        assert not any(each.query.get("sendInitialEvents") for each in server.asked[asked:])
        assert said.problems[-1] == []


async def test_a_server_that_restarts_is_followed_again_and_meanwhile_all_stays(server):
    async with followed(server) as said:
        server.stop()
        await said.problem("API server: ", "Connection refused", "what is known stays in force")
        assert said.services() == ["default/web"]
        server.apply(service("new"))
        server.start()
        await said.until("new", "web")
        await said.no_problem()


async def test_a_server_that_is_away_at_the_start_is_an_error_that_says_so(server):
    server.stop()
    assert await failure({"endpoint": server.url}) == f"{server.url}: Connection refused"


@pytest.mark.spec("K-80")
async def test_a_right_that_is_missing_is_named_and_all_else_goes_on(server):
    server.tokens = {"t"}
    server.forbid("secrets")
    server.apply({**service("s"), "kind": "Secret"})
    async with followed(server, token="t") as said:
        assert said.services() == ["default/web"]
        await said.problem(
            'secrets: secrets is forbidden: User "system:serviceaccount:default:pointsman" cannot watch resource "secrets"',
            "grant get, list and watch on secrets",
        )
        assert "secrets" in said.documents[0]["missing"]
        server.apply(service("new"))
        await said.until("new", "web")
        server.allow("secrets")
        await eventually(lambda: said.documents[-1]["secrets"] == ["default/s"], "the Secret")
        assert said.documents[-1]["missing"] == {}
        assert said.problems[-1] == []
        server.forbid("secrets")
        server.expire()
        await said.problem("secrets: ", "what is known stays in force")
        assert said.documents[-1]["secrets"] == ["default/s"]


async def test_a_kind_that_does_not_exist_is_named_until_it_does(server):
    server.remove_kind(MIDDLEWARE)
    async with followed(server) as said:
        await said.problem(
            "middlewares.traefik.io: the API server has no middlewares of traefik.io/v1alpha1",
            "install the CustomResourceDefinition middlewares.traefik.io",
        )
        assert said.services() == ["default/web"]
        server.add_kind(MIDDLEWARE)
        await said.no_problem()
        server.apply({"apiVersion": "traefik.io/v1alpha1", "kind": "Middleware", "metadata": {"name": "m"}, "spec": {}})
        await eventually(lambda: said.documents[-1]["middlewares"] == ["default/m"], "the middleware")


class Pods(Names):
    read = (ENDPOINT_SLICE, NODE, SERVICE)


@pytest.mark.parametrize("watch_list", [True, False], ids=["watch-list", "list"])
async def test_what_says_nothing_new_wakes_nobody(server, watch_list):
    server.watch_list = watch_list
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {"addresses": [{"address": "1.2.3.4"}]}}
    server.apply(SLICE % "10.0.0.1", node)
    async with followed(server, Pods) as said:
        server.store.touch(SERVICE, "web")
        piece = server.get(ENDPOINT_SLICE, "web-1")
        piece["endpoints"][0]["nodeName"] = "other"
        del piece["metadata"]["resourceVersion"]
        server.apply(
            piece, {**node, "status": {**node["status"], "conditions": [{"type": "Ready", "lastHeartbeatTime": "x"}]}}
        )
        server.expire()
        await eventually(lambda: server.watching() == 3, "all is watched again")
        assert len(said.documents) == 1
        server.apply(SLICE % "10.0.0.2")
        await eventually(lambda: len(said.documents) == 2, "an address is news")


def instead(part, answer):
    """Have the server give its own answer to requests with that in their path."""

    async def interfere(request):
        return await answer(request) if part in request.path else None

    return interfere


def saying(body, status=200):
    async def answer(request):
        return web.Response(body=body, status=status, content_type="application/json")

    return answer


async def nothing():
    return None


async def silent(request):
    await asyncio.sleep(30)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param(saying(b"<html>\n"), "gave a watch that is none", id="html"),
        pytest.param(saying(b"[1]\n"), "gave a watch that is none", id="list"),
        pytest.param(saying(b'{"type":"ADDED","object":7}\n'), "gave a watch that is none", id="no-object"),
        pytest.param(saying(b"[" * 1_900 + b"\n"), "gave a watch that is none", id="deep"),
        pytest.param(saying(b"x" * 3000), "a line has more than 2000 bytes", id="huge"),
        pytest.param(saying(b"it hurts", 500), "it hurts", id="error"),
        pytest.param(saying(b'{"kind":"Status","message":"etcd is away"}', 503), "etcd is away", id="status"),
        pytest.param(
            saying(b'{"type":"ERROR","object":{"message":"odd","code":500}}\n'),
            "a list of secrets that is none",
            id="error-event",
        ),
        pytest.param(silent, "says nothing", id="silent"),
    ],
)
async def test_answers_that_are_none_cost_only_their_kind(server, monkeypatch, answer, told):
    monkeypatch.setattr(client, "MAX_BYTES", 2000)
    if answer is silent:
        monkeypatch.setattr(client, "ANSWER_SECONDS", 0.4)
    server.interfere = instead("secrets", answer)
    server.apply({**service("s"), "kind": "Secret"})
    async with followed(server) as said:
        assert said.services() == ["default/web"]
        await said.problem("API server: ", told)
        server.interfere = None
        await eventually(lambda: said.documents[-1]["secrets"] == ["default/s"], "it is well again")
        await said.no_problem()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param(saying(b"{"), "no JSON", id="half"),
        pytest.param(saying(b"[" * 1_900), "no JSON", id="deep"),
        pytest.param(saying(b'{"items":{}}'), "a list of secrets that is none", id="no-list"),
        pytest.param(saying(b"x" * 3000), "an answer of more than 2000 bytes", id="huge"),
        pytest.param(saying(b'{"items":[],"metadata":{"resourceVersion":"1","continue":"x"}}'), "without end", id="endless"),
        pytest.param(silent, "did not answer within", id="silent"),
    ],
)
async def test_lists_that_are_none_cost_only_their_kind(server, monkeypatch, answer, told):
    monkeypatch.setattr(client, "MAX_BYTES", 2000)
    monkeypatch.setattr(client, "MAX_PIECES", 20)
    if answer is silent:
        monkeypatch.setattr(client, "ANSWER_SECONDS", 0.4)
    server.watch_list = False
    listed = instead("secrets", answer)
    server.interfere = lambda request: listed(request) if "watch" not in request.query else nothing()
    async with followed(server) as said:
        await said.problem("API server: ", told)
        assert said.services() == ["default/web"]


class Slowly(Names):
    def __init__(self, config, context):
        super().__init__(config, context)
        self.pace = client.Pace(4, 2)


async def test_questions_are_asked_at_the_pace_that_is_set(server):
    clock = asyncio.get_running_loop().time
    begun = clock()
    async with followed(server, Slowly):
        assert clock() - begun > 0.24  # the third of three kinds


async def test_an_object_of_a_megabyte_is_one_line_of_a_watch(server):
    async with followed(server) as said:
        server.apply({**service("big"), "data": "x" * 5_000_000})
        await said.until("big", "web")


async def test_odd_objects_are_passed_over(server):
    lines = [
        {"type": "ADDED", "object": {}},
        {"type": "ADDED", "object": {"metadata": None}},
        {"type": "MODIFIED", "object": {"metadata": {"name": 7, "labels": []}}},
        {"type": "DELETED", "object": {"metadata": {"name": "nobody"}}},
        {"type": "PERHAPS", "object": {"metadata": {"name": "maybe"}}},
        {"type": "ADDED", "object": {"metadata": {"name": "odd", "managedFields": 7}}},
        {"type": "BOOKMARK", "object": {"metadata": {"annotations": {"k8s.io/initial-events-end": "true"}}}},
    ]
    server.interfere = instead("secrets", saying(b"\n".join(json.dumps(each).encode() for each in lines) + b"\n"))
    async with followed(server) as said:
        assert said.documents[0]["secrets"] == ["odd"]
