"""Servers behind TLS: who is trusted, what the gateway shows of itself, and what a failure looks like (routing.md §7.1)."""

import shutil
import socket
import ssl
import subprocess
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
import trustme

from pointsman.testing import answer, connect, eventually, free_port, gateway, upstream

from .stage import started

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTHORITY, OTHER = trustme.CA(), trustme.CA()
ROOT, OTHER_ROOT = (authority.cert_pem.bytes().decode() for authority in (AUTHORITY, OTHER))


def served(authority=AUTHORITY, asks=None):
    """The TLS of a server on 127.0.0.1, called a.test; with `asks` it wants a certificate from that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("a.test", "127.0.0.1").configure_cert(context)
    if asks is not None:
        asks.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def pair(leaf):
    return {
        "certFile": b"".join(pem.bytes() for pem in leaf.cert_chain_pems).decode(),
        "keyFile": leaf.private_key_pem.bytes().decode(),
    }


OWN, FOREIGN = pair(AUTHORITY.issue_cert("gateway.test")), pair(OTHER.issue_cert("gateway.test"))
MISMATCH = {**OWN, "keyFile": FOREIGN["keyFile"]}
TRANSPORTS = {
    "skipping": {"insecureSkipVerify": True},
    "trusting": {"rootCAs": [ROOT]},
    "trusting-another": {"rootCAs": [OTHER_ROOT]},
    "trusting-both": {"rootCAs": ["/nowhere.pem", OTHER_ROOT, ROOT]},
    "named": {"rootCAs": [ROOT], "serverName": "a.test"},
    "misnamed": {"rootCAs": [ROOT], "serverName": "b.test"},
    "at-least": {"minVersion": "VersionTLS12", "insecureSkipVerify": True},
    "at-most": {"maxVersion": "VersionTLS12", "rootCAs": [ROOT]},
    "suites": {"cipherSuites": ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"], "maxVersion": "VersionTLS12", "rootCAs": [ROOT]},
    "showing": {"rootCAs": [ROOT], "certificates": [OWN]},
    "showing-another": {"rootCAs": [ROOT], "certificates": [FOREIGN]},
    "showing-nothing-good": {"rootCAs": [ROOT], "certificates": [MISMATCH]},
    "by-uri": {"insecureSkipVerify": True, "rootCAs": [ROOT], "peerCertURI": "spiffe://a.test/x"},
    "by-name": {"insecureSkipVerify": True, "rootCAs": [ROOT], "peerCertSANs": [{"type": "DNSName", "value": "a.test"}]},
    "impatient": {"forwardingTimeouts": {"dialTimeout": "300ms"}, "rootCAs": [ROOT]},
    "once": {"rootCAs": [ROOT], "maxIdleConnsPerHost": -1},
}
"""Each is used by a service of its name, and by one called `<name>-asking` over the server that wants a certificate."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers():
    async with AsyncExitStack() as stack:
        yield {
            "plain": await stack.enter_async_context(upstream(answer(200, {}, b"plain"))),
            "tls": await stack.enter_async_context(upstream(answer(200, {}, b"tls"), tls=served())),
            "asking": await stack.enter_async_context(upstream(answer(200, {}, b"known"), tls=served(asks=AUTHORITY))),
        }


def balancer(url, transport=""):
    return {"loadBalancer": {"servers": [{"url": url}], **({"serversTransport": transport} if transport else {})}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def front(servers):
    services = {name: balancer(servers["tls"].url, name) for name in TRANSPORTS}
    services |= {f"{name}-asking": balancer(servers["asking"].url, name) for name in TRANSPORTS}
    services |= {
        "default": balancer(servers["tls"].url),
        "no-tls": balancer(servers["plain"].url.replace("http:", "https:"), "skipping"),
    }
    routers = {name: {"rule": f"Host(`{name}.test`)", "service": name} for name in services}
    dynamic = {"http": {"routers": routers, "services": services, "serversTransports": TRANSPORTS}}
    async with AsyncExitStack() as stack:
        yield await started(stack, lambda: gateway(dynamic, {"log": {"level": "INFO"}}))


async def ask(front, name):
    async with connect(front.port()) as client:
        return await client.get("/", f"{name}.test")


@pytest.mark.spec("R-64")
@pytest.mark.parametrize("name", ["skipping", "trusting", "trusting-both", "named"])
async def test_a_server_that_the_transport_trusts_answers(front, name):
    assert (await ask(front, name)).body == b"tls"


@pytest.mark.spec("R-64")
@pytest.mark.parametrize("name", ["default", "trusting-another", "misnamed", "no-tls"])
async def test_a_server_that_cannot_be_trusted_is_a_bad_gateway(front, name):
    refused = await ask(front, name)
    assert (refused.status, refused.body) == (502, b"Bad Gateway")


@pytest.mark.spec("R-65")
async def test_a_minimum_version_alone_keeps_the_rest_of_the_transport(front):
    assert (await ask(front, "at-least")).body == b"tls"


@pytest.mark.parametrize("name", ["at-most", "suites"])
async def test_versions_and_suites_can_be_chosen(front, name):
    assert (await ask(front, name)).body == b"tls"


async def test_a_client_certificate_is_shown_to_a_server_that_asks(front):
    assert (await ask(front, "showing-asking")).body == b"known"


@pytest.mark.parametrize("name", ["trusting", "showing-another", "showing-nothing-good"])
async def test_without_a_good_client_certificate_it_is_a_bad_gateway(front, name):
    assert (await ask(front, f"{name}-asking")).status == 502


async def test_a_pair_that_does_not_match_is_told_and_the_transport_goes_on(front):
    assert "certificates[0]: left out: certificate and key are no pair" in front.log()
    assert (await ask(front, "showing-nothing-good")).body == b"tls"
    assert "PRIVATE KEY" not in front.log()


async def test_a_name_that_the_certificate_must_bear_is_required_even_where_verification_is_skipped(front):
    assert (await ask(front, "by-name")).body == b"tls"
    assert (await ask(front, "by-uri")).status == 502


async def test_connections_are_kept_and_not_kept_as_the_transport_says(front, servers):
    async def opened(name):
        before = servers["tls"].connections
        async with connect(front.port()) as client:
            for _ in range(3):
                assert (await client.get("/", f"{name}.test")).body == b"tls"
        return servers["tls"].connections - before

    await ask(front, "trusting")
    assert await opened("trusting") == 0
    assert await opened("once") == 3


async def test_a_handshake_that_does_not_come_is_a_timeout():
    async with AsyncExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        routers = {"all": {"rule": "PathPrefix(`/`)", "service": "s"}}
        services = {"s": balancer(f"https://127.0.0.1:{silent.getsockname()[1]}", "impatient")}
        dynamic = {"http": {"routers": routers, "services": services, "serversTransports": TRANSPORTS}}
        front = await started(stack, lambda: gateway(dynamic))
        assert (await ask(front, "s")).status == 504


async def test_the_static_transport_says_whom_to_trust_by_default(servers, tmp_path):
    (tmp_path / "root.pem").write_text(ROOT)
    routers = {"all": {"rule": "PathPrefix(`/`)", "service": "s"}}
    dynamic = {"http": {"routers": routers, "services": {"s": balancer(servers["tls"].url)}}}
    async with AsyncExitStack() as stack:
        trust = {"serversTransport": {"rootCAs": [str(tmp_path / "root.pem")]}}
        front = await started(stack, lambda: gateway(dynamic, trust))
        assert (await ask(front, "s")).body == b"tls"


NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/log; worker_processes 1;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl; server_name a.test; ssl_certificate {folder}/cert; ssl_certificate_key {folder}/key;
    ssl_client_certificate {folder}/root; ssl_verify_client on;
    location / {{ return 200 "$ssl_client_s_dn_legacy $ssl_client_verify $ssl_server_name"; }}
  }}
}}
"""


@pytest.fixture
def nginx(tmp_path):
    """The port of an nginx that asks for a certificate."""
    leaf, port = AUTHORITY.issue_cert("a.test"), free_port()
    (tmp_path / "cert").write_bytes(leaf.cert_chain_pems[0].bytes())
    (tmp_path / "key").write_bytes(leaf.private_key_pem.bytes())
    (tmp_path / "root").write_text(ROOT)
    (tmp_path / "conf").write_text(NGINX.format(folder=tmp_path, port=port))
    server = subprocess.Popen([shutil.which("nginx"), "-c", str(tmp_path / "conf"), "-e", str(tmp_path / "log")])
    try:
        yield port
    finally:
        server.terminate()
        server.wait(5)


@pytest.mark.real("nginx")
async def test_nginx_lets_the_gateway_in_by_its_certificate(nginx):
    services = {name: balancer(f"https://127.0.0.1:{nginx}", name) for name in ("showing", "trusting")}
    routers = {name: {"rule": f"Host(`{name}.test`)", "service": name} for name in services}
    named = {name: {**TRANSPORTS[name], "serverName": "a.test"} for name in services}
    dynamic = {"http": {"routers": routers, "services": services, "serversTransports": named}}
    async with AsyncExitStack() as stack:
        front = await started(stack, lambda: gateway(dynamic))

        async def answers():
            return (await ask(front, "showing")).status == 200

        await eventually(answers)
        assert b"SUCCESS a.test" in (await ask(front, "showing")).body
        assert (await ask(front, "trusting")).status == 400  # nginx says so in HTTP
