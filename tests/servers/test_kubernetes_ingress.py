"""A gateway whose routes are Ingresses (kubernetes.md §2): requests go where they say, and go on while pods come and go."""

import asyncio
import ssl
from base64 import b64encode
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
import trustme
import yaml

from pointsman.testing import answer, connect, eventually, gateway, upstream
from pointsman_kubernetes.kinds import INGRESS

from .kubernetes_server import kubernetes_server

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

A = "traefik.ingress.kubernetes.io/"


def metadata(name, annotations=(), **labels):
    known = {A + key: value for key, value in dict(annotations).items()}
    return {"name": name, "namespace": "default", "labels": labels, "annotations": known}


def an_ingress(name, *paths, annotations=(), labels=(), **spec):
    """For the host `<name>.test`; paths are `(path, type)`, or `/`."""
    backend = {"service": {"name": name, "port": {"number": 80}}}
    rules = [{"path": path, "pathType": kind, "backend": backend} for path, kind in paths or [("/", "Prefix")]]
    told = metadata(name, annotations, **dict(labels))
    spec = {"rules": [{"host": f"{name}.test", "http": {"paths": rules}}], **spec}
    return yaml.safe_dump({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": told, "spec": spec})


def a_service(name, annotations=(), status=None, **spec):
    spec = {"clusterIP": "10.43.0.9", "ports": [{"name": "http", "port": 80}], **spec}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata(name, annotations), "spec": spec}
    return yaml.safe_dump({**service, "status": status or {}})


def pods(service, *ports, **conditions):
    """A slice for each: they have ports of their own here, and one address."""
    return yaml.safe_dump_all(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{service}-{port}",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": conditions or {"ready": True}}],
        }
        for port in ports
    )


class Stage:
    """A cluster, a gateway that follows it, and two pods."""

    def __init__(self, server, running, one, two):
        self.server = server
        self.running = running
        self.one, self.two = (int(pod.url.rpartition(":")[2]) for pod in (one, two))

    def serves(self, name, *paths, annotations=(), of_service=(), **spec):
        """An Ingress, its Service and one pod."""
        self.server.apply(
            an_ingress(name, *paths, annotations=annotations, **spec), a_service(name, of_service), pods(name, self.one)
        )

    async def ask(self, host, path="/", **headers):
        async with connect(self.running.port("web")) as client:
            return await client.get(path, host, **headers)

    async def until(self, host, status=200, body=None, path="/"):
        async def it_is():
            got = await self.ask(host, path)
            return got.status == status and body in (None, got.body)

        await eventually(it_is, f"{status} of {host}{path}")


@asynccontextmanager
async def a_stage(**options):
    with kubernetes_server() as server:
        async with upstream(answer(200, {}, b"one")) as one, upstream(answer(200, {}, b"two")) as two:
            static = {
                "entryPoints": {"web": {}, "websecure": {"http": {"tls": {}}}},
                "log": {"level": "WARN"},
                "providers": {"kubernetesIngress": {"endpoint": server.url, **options}},
            }
            async with gateway({}, static, workers=1) as running:
                yield Stage(server, running, one, two)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    options = {"allowEmptyServices": True, "labelSelector": "tier!=hidden"}
    async with a_stage(ingressEndpoint={"publishedService": "default/edge"}, **options) as stage:
        yield stage


@pytest.mark.spec("K-1", "K-2")
async def test_paths_lead_to_pods(stage):
    stage.serves("paths", ("/exact", "Exact"), ("/prefix", "Prefix"))

    await stage.until("paths.test", path="/exact")
    assert (await stage.ask("paths.test", "/exact/y")).status == 404
    assert (await stage.ask("paths.test", "/prefix/y")).status == 200
    assert (await stage.ask("other.test", "/exact")).status == 404


@pytest.mark.spec("K-10")
async def test_a_service_without_pods_answers_503_where_that_is_allowed(stage):
    stage.server.apply(an_ingress("empty"), a_service("empty"))

    await stage.until("empty.test", 503)


@pytest.mark.spec("K-8", "K-9")
async def test_certificates_are_served_by_their_names_and_a_missing_one_closes_nothing(stage):
    authority = trustme.CA()
    issued = authority.issue_cert("secure.test")
    data = {"tls.crt": issued.cert_chain_pems[0].bytes(), "tls.key": issued.private_key_pem.bytes()}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "secure", "namespace": "default"},
        "data": {key: b64encode(value).decode() for key, value in data.items()},
    }
    stage.server.apply(yaml.safe_dump(secret))
    stage.serves("secure", tls=[{"secretName": "secure"}, {"secretName": "nowhere"}])
    await stage.until("secure.test")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with connect(stage.running.port("websecure"), tls=trusting, server_name="secure.test") as client:
        assert (await client.get("/", "secure.test")).status == 200
    assert "secret default/nowhere: not found" in stage.running.log()


@pytest.mark.spec("K-11")
async def test_a_pod_that_is_terminating_keeps_its_sessions_and_gets_no_others(stage):
    stage.serves("sticky", of_service={"service.sticky.cookie.name": "c"})
    await stage.until("sticky.test")
    cookie = ((await stage.ask("sticky.test")).get("set-cookie") or "").partition(";")[0]
    stage.server.apply(pods("sticky", stage.two), pods("sticky", stage.one, ready=False, serving=True, terminating=True))
    await stage.until("sticky.test", body=b"two")

    assert {(await stage.ask("sticky.test")).body for _ in range(4)} == {b"two"}
    assert (await stage.ask("sticky.test", cookie=cookie)).body == b"one"


@pytest.mark.spec("K-20")
async def test_pods_are_replaced_without_a_failure(stage):
    stage.serves("rolling")
    await stage.until("rolling.test")
    stop, statuses = asyncio.Event(), []

    async def ask_on():
        async with connect(stage.running.port("web")) as client:
            while not stop.is_set():
                statuses.append((await client.get("/", "rolling.test")).status)

    asking = asyncio.create_task(ask_on())
    for new, old, body in ((stage.two, stage.one, b"two"), (stage.one, stage.two, b"one")):
        stage.server.apply(pods("rolling", new), pods("rolling", old, ready=False, serving=False, terminating=True))
        await stage.until("rolling.test", body=body)
    stop.set()
    await asking

    assert set(statuses) == {200}


@pytest.mark.spec("K-17")
async def test_a_default_backend_takes_what_nobody_else_does(stage):
    stage.serves("specific")
    backend = {"service": {"name": "rest", "port": {"number": 80}}}
    stage.server.apply(an_ingress("rest", rules=[], defaultBackend=backend), a_service("rest"), pods("rest", stage.two))
    await stage.until("anything.test", body=b"two")
    assert (await stage.ask("specific.test")).body == b"one"

    stage.server.delete(INGRESS, "rest")
    await stage.until("anything.test", 404)


@pytest.mark.spec("K-7")
async def test_a_bad_annotation_closes_its_ingress_alone(stage):
    stage.serves("bad", annotations={"router.priority": "abc"})
    stage.serves("good")

    await stage.until("good.test")
    assert (await stage.ask("bad.test")).status == 404
    assert "ingress default/bad: is left out: traefik.ingress.kubernetes.io/router.priority" in stage.running.log()


def told(*entries):
    return {"loadBalancer": {"ingress": list(entries)}}


@pytest.mark.spec("K-18")
async def test_ingresses_are_told_the_address_of_the_published_service_once(stage):
    edge = {"type": "LoadBalancer"}
    stage.serves("told")
    await stage.until("told.test")
    assert stage.server.get(INGRESS, "told").get("status", {}) in ({}, {"loadBalancer": {}})
    path = "PUT /apis/networking.k8s.io/v1/namespaces/default/ingresses/told/status"

    stage.server.apply(a_service("edge", status=told({"ip": "1.2.3.4"}), **edge))
    await eventually(lambda: stage.server.get(INGRESS, "told").get("status") == told({"ip": "1.2.3.4"}))
    assert stage.server.writes().count(path) == 1
    stage.serves("another")
    await eventually(lambda: stage.server.get(INGRESS, "another").get("status") == told({"ip": "1.2.3.4"}))
    assert stage.server.writes().count(path) == 1

    stage.server.apply(a_service("edge", status=told({"ip": "1.2.3.5"}), **edge))
    await eventually(lambda: stage.server.get(INGRESS, "told").get("status") == told({"ip": "1.2.3.5"}))
    assert stage.server.writes().count(path) == 2


@pytest.mark.spec("K-21")
async def test_no_route_is_lost_while_watches_end(stage):
    stage.serves("kept")
    await stage.until("kept.test")
    watching = stage.server.watching(INGRESS)
    stage.server.expire()
    stage.serves("later")
    statuses = set()
    async with connect(stage.running.port("web")) as client:

        async def has_come():
            statuses.add((await client.get("/", "kept.test")).status)
            return (await client.get("/", "later.test")).status == 200

        await eventually(has_come)
    assert statuses == {200}
    await eventually(lambda: stage.server.watching(INGRESS) == watching)


async def test_the_selector_chooses_among_ingresses_alone(stage):
    stage.serves("hidden", labels={"tier": "hidden"})
    stage.serves("shown", labels={"tier": "front"})

    await stage.until("shown.test")
    assert (await stage.ask("hidden.test")).status == 404
