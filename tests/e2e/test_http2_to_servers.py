"""Servers that speak HTTP/2: with prior knowledge, by agreement, and not at all (routing.md §6.3, §7.1)."""

import asyncio
import os
import shutil
import subprocess
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
import trustme

from pointsman.config.http_model import HealthCheck
from pointsman.control.checks import Check
from pointsman.control.probe import Failed, HttpProbe
from pointsman.testing import answer, connect, eventually, free_port, gateway, upgrade, upstream
from pointsman.upstream.transport import TransportSettings

from . import paper
from .stage import head, started

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTHORITY = trustme.CA()
ROOT = AUTHORITY.cert_pem.bytes().decode()
BIG = os.urandom(3_000_000)

NGINX = """
user root; daemon off; pid {folder}/pid; error_log {folder}/log; worker_processes 1;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_timeout 60;
  ssl_certificate {folder}/cert; ssl_certificate_key {folder}/key;
  server {{
    listen 127.0.0.1:{tls} ssl http2; listen 127.0.0.1:{single} ssl; listen 127.0.0.1:{h2c} http2; root {folder};
    location = /protocol {{ return 200 "$server_protocol $connection $ssl_session_reused"; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    leaf = AUTHORITY.issue_cert("127.0.0.1", "a.test")
    (folder / "cert").write_bytes(leaf.cert_chain_pems[0].bytes())
    (folder / "key").write_bytes(leaf.private_key_pem.bytes())
    (folder / "big").write_bytes(BIG)
    (folder / "small").write_bytes(b"small")
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def running(folder):
    """The ports of nginx (with HTTP/2 and without, with TLS and without) and nghttpd (which knows nothing but HTTP/2)."""
    ports = {name: free_port() for name in ("tls", "single", "h2c", "nghttpd", "nghttpd-tls")}
    (folder / "conf").write_text(NGINX.format(folder=folder, **ports))
    nghttpd = [shutil.which("nghttpd"), "-a", "127.0.0.1", "-d", str(folder), "--echo-upload"]
    commands = (
        [shutil.which("nginx"), "-c", str(folder / "conf"), "-e", str(folder / "log")],
        [*nghttpd, "--no-tls", "-m", "10", str(ports["nghttpd"])],
        [*nghttpd, str(ports["nghttpd-tls"]), str(folder / "key"), str(folder / "cert")],
    )
    processes = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for command in commands]
    try:
        yield ports
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(5)


def balancer(url, transport="trusting"):
    return {"loadBalancer": {"servers": [{"url": url}], "serversTransport": transport}}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    with paper.installed(tmp_path_factory.mktemp("paper")):
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def collector(installed):
    async with upstream() as collector:
        collector.answers(answer(200))
        yield collector


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def front(running, collector):
    at = "127.0.0.1"
    services = {
        "tls": balancer(f"https://{at}:{running['tls']}"),
        "tls-single": balancer(f"https://{at}:{running['tls']}", "single"),
        "single": balancer(f"https://{at}:{running['single']}"),
        "tls-once": balancer(f"https://{at}:{running['tls']}", "once"),
        "h2c": balancer(f"h2c://{at}:{running['h2c']}"),
        "h2c-single": balancer(f"h2c://{at}:{running['h2c']}", "single"),
        "nghttpd": balancer(f"h2c://{at}:{running['nghttpd']}"),
        "nghttpd-tls": balancer(f"https://{at}:{running['nghttpd-tls']}"),
        "nghttpd-tls-single": balancer(f"https://{at}:{running['nghttpd-tls']}", "single"),
        "nghttpd-as-http1": balancer(f"http://{at}:{running['nghttpd']}"),
    }
    routers = {name: {"rule": f"Host(`{name}.test`)", "service": name} for name in services}
    transports = {"trusting": {"rootCAs": [ROOT]}, "single": {"rootCAs": [ROOT], "disableHTTP2": True}}
    transports["once"] = {
        "rootCAs": [ROOT],
        "maxIdleConnsPerHost": -1,
        "peerCertSANs": [{"type": "DNSName", "value": "a.test"}],
    }
    dynamic = {"http": {"routers": routers, "services": services, "serversTransports": transports}}
    async with AsyncExitStack() as stack:
        static = {"tracing": {"paper": {"url": collector.url}}, "entryPoints": {"web": {}}}
        front = await started(stack, lambda: gateway(dynamic, static))

        async def answers():
            return [(await ask(front, name, "/small")).status for name in ("tls", "nghttpd", "nghttpd-tls")] == [200] * 3

        await eventually(answers)
        yield front


async def ask(front, name, path="/protocol"):
    async with connect(front.port()) as client:
        return await client.get(path, f"{name}.test")


@pytest.mark.real("nginx", "nghttpd")
@pytest.mark.spec("R-63")
@pytest.mark.parametrize(
    ("name", "protocol"),
    [("tls", b"HTTP/2.0"), ("tls-single", b"HTTP/1.1"), ("single", b"HTTP/1.1"), ("h2c", b"HTTP/2.0")],
)
async def test_a_server_is_spoken_to_as_it_and_the_transport_wish(front, name, protocol):
    assert (await ask(front, name)).body.split()[0] == protocol


@pytest.mark.real("nginx", "nghttpd")
@pytest.mark.parametrize(
    ("name", "path", "version"),
    [
        ("tls", "/spoken-1", "2"),
        ("tls-single", "/spoken-2", "1.1"),
        ("single", "/spoken-3", "1.1"),
        ("h2c", "/spoken-4", "2"),
        ("nghttpd-tls-single", "/spoken-5", "1.1"),
    ],
)
async def test_traces_say_what_was_spoken_with_the_server(front, collector, name, path, version):
    def told():
        return [
            span
            for span in paper.told(collector)
            if span.name == "ReverseProxy" and span.attributes["url.full"].endswith(path)
        ]

    await ask(front, name, path)
    await eventually(told)
    (span,) = told()
    assert span.attributes["network.protocol.version"] == version


@pytest.mark.parametrize("name", ["h2c-single", "nghttpd-tls-single", "nghttpd-as-http1"])
async def test_a_server_that_speaks_only_what_may_not_be_spoken_is_a_bad_gateway(front, name):
    refused = await ask(front, name)
    assert (refused.status, refused.body) == (502, b"Bad Gateway")


@pytest.mark.real("nginx", "nghttpd")
async def test_a_new_connection_goes_on_with_the_tls_session_of_the_last(front):
    answers = [(await ask(front, "tls-once")).body.split() for _ in range(4)]
    assert len({connection for _, connection, _ in answers}) == 4
    assert [reused for _, _, reused in answers[1:]] == [b"r"] * 3


@pytest.mark.real("nginx", "nghttpd")
@pytest.mark.parametrize("name", ["tls", "h2c"])
async def test_many_at_once_share_a_connection(front, name):
    answers = await asyncio.gather(*(ask(front, name) for _ in range(40)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1


@pytest.mark.real("nginx", "nghttpd")
async def test_more_than_a_server_takes_at_once_are_all_answered(front):
    answers = await asyncio.gather(*(ask(front, "nghttpd", "/big") for _ in range(30)))
    assert all(answer.body == BIG for answer in answers)


@pytest.mark.real("nginx", "nghttpd")
@pytest.mark.parametrize("name", ["tls", "h2c", "nghttpd", "nghttpd-tls"])
async def test_a_big_body_arrives_whole(front, name):
    assert (await ask(front, name, "/big")).body == BIG


@pytest.mark.real("nginx", "nghttpd")
@pytest.mark.parametrize("name", ["nghttpd", "nghttpd-tls"])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_big_post_goes_there_and_back(front, name, chunked):
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(BIG)}"
    pieces = [BIG[at : at + 100_000] for at in range(0, len(BIG), 100_000)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n" if chunked else BIG
    async with connect(front.port()) as client:
        request = head("POST / HTTP/1.1", f"Host: {name}.test", framing, body=body)
        echoed, _ = await asyncio.gather(client.message("POST"), client.send(request))
    assert echoed.body == BIG


@pytest.mark.real("nginx", "nghttpd")
@pytest.mark.parametrize("server", ["h2c", "nghttpd"])
async def test_a_probe_reaches_a_server_that_speaks_only_http2(front, running, server):
    probe = HttpProbe()
    await probe.start()
    url = f"h2c://127.0.0.1:{running[server]}/base"
    try:
        await probe(Check("s@file", (), HealthCheck(path="/small"), TransportSettings()), url)
        with pytest.raises(Failed, match="status 404"):
            await probe(Check("s@file", (), HealthCheck(path="/none"), TransportSettings()), url)
    finally:
        await probe.aclose()


async def test_a_websocket_to_a_server_with_tls_has_a_connection_of_its_own_over_http1(folder):
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])  # it would choose HTTP/2 if it were offered
    async with upstream(upgrade("websocket"), tls=context) as server, AsyncExitStack() as stack:
        routers = {"all": {"rule": "PathPrefix(`/`)", "service": "s"}}
        dynamic = {
            "http": {
                "routers": routers,
                "services": {"s": balancer(server.url)},
                "serversTransports": {"trusting": {"rootCAs": [ROOT]}},
            }
        }
        front = await started(stack, lambda: gateway(dynamic))
        async with connect(front.port()) as client:
            switched = await client.ask(head("GET / HTTP/1.1", "Host: a", "Connection: Upgrade", "Upgrade: websocket"))
            assert switched.status == 101
            await client.send(b"ping")
            assert await client.exactly(4) == b"ping"
        server.answers(answer(200))
        async with connect(front.port()) as client:
            refused = await client.get("/")
        assert refused.status == 502  # it agreed to HTTP/2 and does not speak it
