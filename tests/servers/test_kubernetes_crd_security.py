"""What clients meet of middlewares, TLS, transports, TCP and UDP of a cluster, over real sockets (kubernetes.md §3)."""

import asyncio
import ssl
from base64 import b64encode
from contextlib import AsyncExitStack, contextmanager

import pytest
import pytest_asyncio
import trustme

from pointsman.testing import FakeContext, answer, build, connect, eventually, gateway, upstream
from pointsman_kubernetes.crd import KubernetesCRDProvider
from pointsman_kubernetes.kinds import SECRET, TLS_OPTION
from tests.e2e.stage import started
from tests.e2e.test_udp import answering, clients

from .kubernetes_server import kubernetes_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTHORITY, CLIENTS = trustme.CA(), trustme.CA()
SERVER, OWN = AUTHORITY.issue_cert("a.test", "127.0.0.1"), AUTHORITY.issue_cert("own.test")
POINTS = {
    "web": {},
    "websecure": {},
    "right": {},
    "wrong": {},
    "half": {},
    "traefik": {},
    "dns": {"address": "127.0.0.1:0/udp"},
}


def pem(authority):
    return authority.cert_pem.bytes().decode()


def of(kind, name, spec):
    return {
        "apiVersion": "traefik.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def secret(name, data, type_="Opaque"):
    encoded = {key: b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": type_, "data": encoded}


def certified(name, leaf):
    chain = b"".join(each.bytes() for each in leaf.cert_chain_pems).decode()
    key = leaf.private_key_pem.bytes().decode()
    return secret(name, {"tls.crt": chain, "tls.key": key}, "kubernetes.io/tls")


def service(name, port, protocol="TCP"):
    ports = [{"name": "http", "port": 80, "protocol": protocol}]
    metadata = {"name": name, "namespace": "default"}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"clusterIP": "10.43.0.1", "ports": ports}}
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "namespace": "default", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port, "protocol": protocol}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
    }


def route(name, to="plain", tls=None, **reference):
    """`Host(`<name>.test`)` to a Service, behind the middleware of that name if there is to be one."""
    spec = {"match": f"Host(`{name}.test`)", "kind": "Rule", "services": [{"name": to, "port": 80, **reference}]}
    if name in MIDDLEWARES:
        spec["middlewares"] = [{"name": name}]
    point = "web" if tls is None else "websecure"
    return of("IngressRoute", name, {"entryPoints": [point], "routes": [spec], **({} if tls is None else {"tls": tls})})


def stream(point, *services, match="HostSNI(`*`)"):
    routes = [{"match": match, "services": [{"port": 80, **each} for each in services]}]
    return of("IngressRouteTCP", point, {"entryPoints": [point], "routes": routes})


MIDDLEWARES = {
    "basic": {"basicAuth": {"secret": "admin"}},
    "later": {"basicAuth": {"secret": "later"}},
    "told": {"plugin": {"headers": {"customResponseHeaders": {"X-Told": "urn:k8s:secret:words:word"}}}},
    "pages": {"errors": {"status": ["500-599"], "query": "/page", "service": {"name": "page", "port": 80}}},
}


def sans(name):
    return {
        "tls": {"rootCAs": [{"secret": "ca"}], "serverName": "a.test", "peerCertSANs": [{"type": "DNSName", "value": name}]}
    }


MANIFESTS = [
    secret("admin", {"username": "admin", "password": "pw"}, "kubernetes.io/basic-auth"),
    secret("words", {"word": "hush"}),
    secret("ca", {"ca.crt": pem(AUTHORITY)}),
    certified("own", OWN),
    {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "ca", "namespace": "default"},
        "data": {"ca.crt": pem(AUTHORITY)},
    },
    *(of("Middleware", name, spec) for name, spec in MIDDLEWARES.items()),
    of("ServersTransport", "trusting", {"rootCAs": [{"configMap": "ca"}], "serverName": "a.test"}),
    of("ServersTransport", "unsure", {"serverName": "a.test"}),
    of("ServersTransport", "lost", {"rootCAs": [{"secret": "none"}], "insecureSkipVerify": True}),
    of("ServersTransportTCP", "right", sans("a.test")),
    of("ServersTransportTCP", "wrong", sans("b.test")),
    of("TLSOption", "strict", {"clientAuth": {"secretNames": ["clients"], "clientAuthType": "RequireAndVerifyClientCert"}}),
    of("TLSStore", "default", {"defaultCertificate": {"secretName": "own"}}),
    route("basic"),
    route("later"),
    route("told"),
    route("pages", to="broken"),
    route("trusting", to="tls", scheme="https", serversTransport="trusting"),
    route("unsure", to="tls", scheme="https", serversTransport="unsure"),
    route("lost", to="tls", scheme="https", serversTransport="lost"),
    route("strict", tls={"options": {"name": "strict"}}),
    route("secure", tls={}),
    route("named", tls={"options": {"name": "default"}}),
    stream("right", {"name": "tls", "tls": True, "serversTransport": "right"}),
    stream("wrong", {"name": "tls", "tls": True, "serversTransport": "wrong"}),
    stream("half", {"name": "none"}, {"name": "plain"}),
    {**stream("web", {"name": "plain"}, match="HostSNI(`t.org`)"), "metadata": {"name": "sni", "namespace": "default"}},
    of("IngressRouteUDP", "dns", {"entryPoints": ["dns"], "routes": [{"services": [{"name": "dns", "port": 80}]}]}),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    behind = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    SERVER.configure_cert(behind)
    async with AsyncExitStack() as stack:
        ports = {
            "plain": await stack.enter_async_context(upstream(answer(200, {}, b"plain"))),
            "broken": await stack.enter_async_context(upstream(answer(500, {}, b"oops"))),
            "page": await stack.enter_async_context(upstream(answer(200, {}, b"sorry"))),
            "tls": await stack.enter_async_context(upstream(answer(200, {}, b"tls"), tls=behind)),
        }
        datagrams = await stack.enter_async_context(answering("dns "))
        services = [thing for name, server in ports.items() for thing in service(name, server.port)]
        server = stack.enter_context(kubernetes_server())
        server.apply(*services, *service("dns", datagrams.port, "UDP"), *MANIFESTS)
        static = {
            "entryPoints": POINTS,
            "api": {"insecure": True, "dashboard": False},
            "providers": {"kubernetesCRD": {"endpoint": server.url, "token": "x"}},
        }
        running = await started(stack, lambda: gateway({}, static))
        found = Stage(running, server)
        await eventually(lambda: found.answers("told", 200))
        yield found


class Stage:
    def __init__(self, running, server):
        self.gateway = running
        self.server = server

    async def get(self, name, path="/", **headers):
        async with connect(self.gateway.port()) as client:
            return await client.get(path, f"{name}.test", **headers)

    async def answers(self, name, status):
        return (await self.get(name)).status == status

    async def secured(self, name, context, path="/"):
        """The status of an answer over TLS; 0 if there was no handshake, or none was to be had."""
        try:
            async with connect(self.gateway.port("websecure"), tls=context, server_name=f"{name}.test") as client:
                return (await client.get(path, f"{name}.test")).status
        except OSError:  # a handshake refused, also once it seemed over
            return 0

    async def passed(self, point):
        """What a TCP router's server says; b"" if there is none."""
        async with connect(self.gateway.port(point)) as client:
            try:
                return (await client.get("/", "x.test")).body
            except (OSError, EOFError, AssertionError):
                return b""

    @contextmanager
    def with_(self, kind, thing):
        """An object for a while."""
        self.server.apply(thing)
        try:
            yield
        finally:
            self.server.delete(kind, thing["metadata"]["name"])


def client(certificate=None):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        certificate.configure_cert(context)
    return context


@pytest.mark.spec("K-31")
async def test_the_user_of_a_secret_may_come_in(stage):
    right = b64encode(b"admin:pw").decode()
    assert await stage.answers("basic", 401)
    assert (await stage.get("basic", authorization=f"Basic {b64encode(b'admin:no').decode()}")).status == 401
    assert (await stage.get("basic", authorization=f"Basic {right}")).body == b"plain"


@pytest.mark.spec("K-32")
async def test_a_route_whose_secret_is_missing_is_closed_until_there_is_one(stage):
    assert await stage.answers("later", 404)
    with stage.with_(SECRET, secret("later", {"users": "ann:{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM="})):
        await eventually(lambda: stage.answers("later", 401))
        right = b64encode(b"ann:pw").decode()
        assert (await stage.get("later", authorization=f"Basic {right}")).status == 200
    await eventually(lambda: stage.answers("later", 404))


@pytest.mark.spec("K-33")
async def test_a_plugin_is_told_what_a_secret_holds(stage):
    assert (await stage.get("told")).get("x-told") == "hush"


@pytest.mark.spec("K-34")
async def test_a_page_comes_from_its_service(stage):
    found = await stage.get("pages")
    assert (found.status, found.body) == (500, b"sorry")


@pytest.mark.spec("K-41")
async def test_servers_are_verified_by_a_config_map(stage):
    assert (await stage.get("trusting")).body == b"tls"
    assert (await stage.get("unsure")).status >= 500


async def test_a_transport_without_its_authority_sends_nothing(stage):
    assert not await stage.answers("lost", 200)


@pytest.mark.spec("K-42")
async def test_a_server_of_tcp_must_prove_its_name(stage):
    assert await stage.passed("right") == b"tls"
    assert await stage.passed("wrong") == b""


@pytest.mark.spec("K-43")
async def test_of_two_services_of_tcp_the_good_one_is_used(stage):
    for _ in range(3):
        assert await stage.passed("half") == b"plain"


@pytest.mark.spec("K-44")
async def test_a_route_of_tcp_for_a_name_needs_tls(stage):
    async with connect(stage.gateway.port("traefik")) as asking:
        found = (await asking.get("/api/tcp/routers?search=default-sni", "127.0.0.1")).body.decode()
    assert '"disabled"' in found
    assert "has HostSNI matcher, but no TLS on router" in found


@pytest.mark.spec("K-45")
async def test_datagrams_reach_the_pods(stage):
    async with clients(stage.gateway.port("dns")) as asking:
        assert await asking.ask(b"a?") == b"dns a?"


async def test_an_option_that_lacks_its_authority_serves_nobody_until_it_has_it(stage):
    known = client(CLIENTS.issue_cert("ann.test"))
    assert await stage.secured("strict", client()) in (0, 404)
    assert await stage.secured("strict", known) in (0, 404)
    with stage.with_(SECRET, secret("clients", {"ca.crt": pem(CLIENTS)})):
        await eventually(lambda: _is(stage, "strict", known, 200))
        assert await stage.secured("strict", client()) == 0
    await eventually(lambda: _is_not(stage, "strict", known, 200))


@pytest.mark.spec("K-39")
async def test_a_default_option_that_lacks_its_authority_closes_all_that_name_no_other(stage):
    assert await stage.secured("secure", client()) == 200
    assert await stage.secured("named", client()) == 200
    asking = {"clientAuth": {"secretNames": ["none"], "clientAuthType": "VerifyClientCertIfGiven"}}
    with stage.with_(TLS_OPTION, of("TLSOption", "default", asking)):
        await eventually(lambda: _is_not(stage, "secure", client(), 200))
        assert await stage.secured("named", client()) != 200
    await eventually(lambda: _is(stage, "secure", client(), 200))


@pytest.mark.spec("K-40")
async def test_the_default_certificate_comes_from_a_secret(stage):
    async def served():
        async with connect(stage.gateway.port("websecure"), tls=client(), server_name="unknown.test") as asking:
            return asking.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)

    own = ssl.PEM_cert_to_DER_cert(OWN.cert_chain_pems[0].bytes().decode())
    assert await served() == own
    stage.server.delete(SECRET, "own")
    try:
        await eventually(lambda: _differs(served, own))
    finally:
        stage.server.apply(certified("own", OWN))


async def _is(stage, name, context, status):
    return await stage.secured(name, context) == status


async def _is_not(stage, name, context, status):
    return await stage.secured(name, context) != status


async def _differs(served, certificate):
    return await served() != certificate


@pytest.mark.spec("K-80")
@pytest.mark.parametrize("forbidden", [True, False], ids=["forbidden", "unknown"])
async def test_default_options_that_cannot_be_read_may_be_any(forbidden):
    with kubernetes_server() as server:
        if forbidden:
            server.forbid("tlsoptions.traefik.io")
        else:
            server.remove_kind(TLS_OPTION)
        provider = build(KubernetesCRDProvider, {"endpoint": server.url, "token": "x"}, FakeContext("kubernetesCRD"))
        said = []
        task = asyncio.create_task(provider.provide(lambda document, problems=(): said.append(document["tls"]["options"])))
        try:
            await eventually(lambda: said)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    assert list(said[0]) == (["default"] if forbidden else [])
