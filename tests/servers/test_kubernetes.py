"""Following a cluster, and writing to it (kubernetes.md §1.1, §1.2, §1.5), also when it goes wrong."""

import asyncio
import json
import stat
import sys
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
import trustme
from aiohttp import web

from pointsman.errors import Problem
from pointsman.testing import FakeContext, build, eventually
from pointsman_kubernetes import access, client, cluster, following, statuses
from pointsman_kubernetes.kinds import ENDPOINT_SLICE, INGRESS, MIDDLEWARE, NODE, SECRET, SERVICE
from pointsman_kubernetes.objects import key_of
from pointsman_kubernetes.options import ClusterConfig
from pointsman_kubernetes.outcome import Outcome, StatusUpdate
from pointsman_kubernetes.provider import KubernetesProvider

from .kubernetes_server import kubernetes_server

pytestmark = pytest.mark.timeout(60)
SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [%s], conditions: {ready: true}}]
"""


def service(name, namespace="default", port=80, **labels):
    meta = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [{"port": port}]}}


def ingress(name, **more):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}, "spec": {}, **more}


class Names(KubernetesProvider):
    """The document is what there is: kind -> names. Every Ingress is to have a status."""

    name: ClassVar[str] = "kubernetes"
    Config: ClassVar[type] = ClusterConfig
    selected = (SERVICE,)
    read = (SERVICE, SECRET, MIDDLEWARE)
    address = "192.0.2.1"

    def kinds(self):
        return self.read

    def build(self, objects):
        updates = [
            StatusUpdate(INGRESS, each, {"loadBalancer": {"ingress": [{"ip": self.address}]}})
            for each in objects.all(INGRESS)
        ]
        document = {kind.plural: [key_of(each) for each in objects.all(kind)] for kind in self.read}
        document["missing"] = {kind.plural: why for kind, why in objects.missing.items()}
        return Outcome(document, [Problem("x", "y")], statuses=updates)


class Said:
    """What a provider published."""

    def __init__(self):
        self.documents, self.problems = [], []

    def __call__(self, document, problems=()):
        self.documents.append(document)
        self.problems.append([str(each) for each in problems if each.path != "x"])

    def services(self):
        return self.documents[-1]["services"] if self.documents else None

    async def until(self, *names):
        await eventually(lambda: self.services() == [f"default/{each}" for each in names], f"{names}")

    async def problem(self, *texts):
        """The one problem that there will be."""

        def it_is():
            assert len(self.problems[-1]) == 1, self.problems[-1]
            assert all(each in self.problems[-1][0] for each in texts), self.problems[-1]
            return True

        await eventually(it_is)

    async def no_problem(self):
        await eventually(lambda: self.problems[-1] == [], "no problem")


@asynccontextmanager
async def followed(server, cls=Names, **options):
    """What a provider says while it runs, once it says something. If it fails, so does the block."""
    said = Said()
    source = build(cls, {"endpoint": server.url, **options}, FakeContext("kubernetes"))
    task = asyncio.create_task(source.provide(said))
    try:
        await eventually(lambda: said.documents or task.done(), "the first configuration")
        if not task.done():
            yield said
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def failure(options=(), cls=Names):
    """Why a provider ends without a word."""
    source = build(cls, dict(options), FakeContext("kubernetes"))
    with pytest.raises(OSError) as caught:
        async with asyncio.timeout(10):
            await source.provide(lambda *said: pytest.fail(f"it said {said}"))
    return str(caught.value)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    for module, name, value in (
        (cluster, "LOOK_SECONDS", 0.05),
        (following, "FIRST_SECONDS", 0.05),
        (following, "MAX_SECONDS", 0.1),
        (following, "GRACE_SECONDS", 0.3),
        (following, "BEGIN_SECONDS", 0.3),
        (statuses, "JITTER_SECONDS", 0.05),
        (statuses, "FIRST_SECONDS", 0.1),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def server():
    with kubernetes_server() as running:
        running.apply(service("web"))
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


async def test_a_server_that_does_not_say_when_all_has_come_is_listed(server):
    server.tells_initial_end = False
    async with followed(server) as said:
        assert said.services() == ["default/web"]
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


async def test_a_token_that_is_renewed_in_its_file_is_used(server, tmp_path):
    file = tmp_path / "token"
    file.write_text("first\n")
    server.tokens = {"first"}
    async with followed(server, token=str(file)) as said:
        server.tokens = {"second"}
        server.hang_up()
        await said.problem("API server: ", "does not take the token")
        file.write_text("second")
        server.apply(service("new"))
        await said.until("new", "web")
        await said.no_problem()
        assert {each.token for each in server.asked} == {"first", "second"}


async def test_whom_the_server_does_not_take_is_an_error_without_the_token(server):
    server.tokens = {"right"}
    told = await failure({"endpoint": server.url, "token": "wr0ng"})
    assert told == f"{server.url}: does not take the token or certificate: Unauthorized"


async def test_in_a_pod_the_service_account_is_enough(monkeypatch, tmp_path):
    with kubernetes_server(tls=True) as server:
        server.apply(service("web"))
        server.tokens = {"account"}
        (tmp_path / "token").write_text("account")
        server.authority.cert_pem.write_to_path(tmp_path / "ca.crt")
        monkeypatch.setattr(access, "SERVICE_ACCOUNT", str(tmp_path))
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
        async with followed(server, endpoint="") as said:
            assert said.services() == ["default/web"]
        trustme.CA().cert_pem.write_to_path(tmp_path / "ca.crt")
        told = await failure()
        assert told.startswith(f"{server.url}: its certificate is not trusted")
        server.authority.cert_pem.write_to_path(tmp_path / "ca.crt")
        async with followed(server, certAuthFilePath="/nowhere", token="other") as said:
            assert said.services() == ["default/web"]


async def test_a_kubeconfig_leads_there_with_a_certificate_of_the_client(monkeypatch, tmp_path):
    with kubernetes_server(tls=True) as server:
        server.stop()
        server.client_authority = trustme.CA()
        server.start()
        server.apply(service("web"))
        leaf = server.client_authority.issue_cert("me@test")
        leaf.cert_chain_pems[0].write_to_path(tmp_path / "me.crt")
        leaf.private_key_pem.write_to_path(tmp_path / "me.key")
        user = {"client-certificate": "me.crt", "client-key": "me.key"}
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "config", user)))
        async with followed(server, endpoint="http://not.looked.at") as said:
            assert said.services() == ["default/web"]
        server.kubeconfig(tmp_path / "config", {})
        assert (await failure()).startswith(f"{server.url}: ")


async def test_a_credential_plugin_is_run_and_run_again_when_refused(monkeypatch, tmp_path):
    plugin = tmp_path / "plugin"
    plugin.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        "told = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "assert told['kind'] == 'ExecCredential' and os.environ['WHO'] == 'me' and sys.argv[1:] == ['-v']\n"
        f"token = open({str(tmp_path / 'token')!r}).read()\n"
        f"open({str(tmp_path / 'runs')!r}, 'a').write('x')\n"
        "print(json.dumps({'kind': 'ExecCredential', 'status': {'token': token}}))\n"
    )
    plugin.chmod(stat.S_IRWXU)
    (tmp_path / "token").write_text("one")
    version = "client.authentication.k8s.io/v1"
    user = {"apiVersion": version, "command": "./plugin", "args": ["-v"], "env": [{"name": "WHO", "value": "me"}]}
    with kubernetes_server(tls=True) as server:
        server.tokens = {"one"}
        server.apply(service("web"))
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "config", {"exec": user})))
        async with followed(server, endpoint="") as said:
            assert (tmp_path / "runs").read_text() == "x"
            server.tokens = {"two"}
            (tmp_path / "token").write_text("two")
            server.hang_up()
            server.apply(service("new"))
            await said.until("new", "web")
        plugin.write_text("#!/bin/sh\necho no luck >&2; exit 3\n")
        assert await failure() == f"the credential plugin {tmp_path}/./plugin ended with 3 (no luck)"


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
        pytest.param(saying(b"[" * 1_900 + b"\n"), "nested too deeply", id="deep"),
        pytest.param(saying(b"x" * 3000), "a line has more than 2000 bytes", id="huge"),
        pytest.param(saying(b"it hurts", 500), "it hurts", id="error"),
        pytest.param(saying(b'{"kind":"Status","message":"etcd is away"}', 503), "etcd is away", id="status"),
        pytest.param(saying(b'{"type":"ERROR","object":{"message":"odd","code":500}}\n'), "odd", id="error-event"),
        pytest.param(silent, "says nothing", id="silent"),
    ],
)
async def test_answers_that_are_none_cost_only_their_kind(server, monkeypatch, answer, told):
    monkeypatch.setattr(client, "MAX_BYTES", 2000)
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
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.4)
    server.watch_list = False
    listed = instead("secrets", answer)
    server.interfere = lambda request: listed(request) if "watch" not in request.query else nothing()
    async with followed(server) as said:
        await said.problem("API server: ", told)
        assert said.services() == ["default/web"]


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


class Told(Names):
    read = (INGRESS, SERVICE)


def shown(server, name="i"):
    return server.get(INGRESS, name).get("status", {}).get("loadBalancer", {}).get("ingress")


WANTED = [{"ip": "192.0.2.1"}]


@pytest.mark.spec("K-18", "K-79")
async def test_replicas_tell_an_object_its_status_once(server):
    server.apply(*(ingress(f"i{each}", status={"loadBalancer": {}}) for each in range(5)))
    async with followed(server, Told), followed(server, Told) as said:
        await eventually(lambda: all(shown(server, f"i{each}") == WANTED for each in range(5)), "each has its status")
        server.apply(service("new"))  # and once more all is looked at
        await said.until("new", "web")
        writes = len(server.writes())
        assert 5 <= writes <= 10
        assert all(each.startswith("PUT ") and each.endswith("/status") for each in server.writes())
        server.apply(service("newer"))
        await said.until("new", "newer", "web")
        await asyncio.sleep(0.3)
        assert len(server.writes()) == writes


async def test_a_status_right_that_is_missing_is_told(server):
    server.apply(ingress("i"))
    server.forbid("ingresses.networking.k8s.io/status", "update")
    async with followed(server, Told) as said:
        await said.problem(
            "ingresses.networking.k8s.io/status: cannot be written", "grant update on ingresses/status.networking.k8s.io"
        )
        server.allow("ingresses.networking.k8s.io/status")
        await eventually(lambda: shown(server) == WANTED, "it is written once it may be")
        await said.no_problem()


async def test_a_conflict_is_tried_again_with_what_is_there_now(server):
    server.apply(ingress("i"))
    first = asyncio.Event()

    async def meddle(request):
        if request.method == "PUT" and not first.is_set():
            first.set()
            server.apply(ingress("i", spec={"ingressClassName": "other"}))
        return None

    server.interfere = meddle
    async with followed(server, Told):
        await eventually(lambda: shown(server) == WANTED, "it is written")
        assert server.get(INGRESS, "i")["spec"] == {"ingressClassName": "other"}
        assert len(server.writes()) == 2


class Other(Told):
    address = "192.0.2.2"


async def test_two_that_want_different_things_write_less_and_less(server):
    server.apply(ingress("i"))
    async with followed(server, Told), followed(server, Other):
        await eventually(lambda: len(server.writes()) >= 4, "they fight")
        await asyncio.sleep(1.5)
        assert len(server.writes()) < 12


async def test_a_status_is_the_same_whenever_it_was_come_to():
    before = {"conditions": [{"type": "A", "status": "True", "lastTransitionTime": "then"}], "parents": []}
    now = {"conditions": [{"type": "A", "status": "True", "lastTransitionTime": "now"}]}
    other = {"conditions": [{"type": "B", "status": "True", "lastTransitionTime": "now"}, *now["conditions"]]}

    assert not statuses.different(before, now)
    assert statuses.different(before, other)
    assert statuses.dated(other, before)["conditions"][1]["lastTransitionTime"] == "then"
    assert statuses.dated(other, before)["conditions"][0]["lastTransitionTime"] == "now"
    assert statuses.dated(now, {"conditions": [{"type": "A", "status": "False"}]}) == now
    assert statuses.dated({"a": [1, {"b": 2}]}, {"a": {"b": 3}}) == {"a": [1, {"b": 2}]}
