"""The examples of README.md and docs/, followed to the letter: keys made, gateway started, requests sent, answers read."""

import asyncio
import json
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager

import grpc
import pytest
import trustme
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from pointsman.testing import answer, eventually, free_port, upstream

from .documents import section
from .followed import followed

pytestmark = [pytest.mark.real("curl", "openssl"), pytest.mark.usefixtures("shell_programs"), pytest.mark.timeout(120)]
TLS, PROTOCOLS = "docs/tls.md", "docs/protocols.md"
CERTIFICATE = section(TLS, "Your own certificate")
FRONT = (8000, 8443, 5433)


def ports(**servers):
    """Free ports for the entry points; `p9001=...` is where a server of the documents is here."""
    here = {port: free_port() for port in FRONT} | {5353: free_port(socket.SOCK_DGRAM)}
    return here | {int(name[1:]): port for name, port in servers.items()}


@contextmanager
def grpc_health():
    """The port of a gRPC server that is well."""
    checks = health.HealthServicer()
    checks.set("", health_pb2.HealthCheckResponse.SERVING)
    server = grpc.server(ThreadPoolExecutor(4))
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


@asynccontextmanager
async def names():
    """The port of a server that answers every datagram with its beginning, as a DNS server would."""

    class Answering(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, address):
            self.transport.sendto(data[:2] + b"\x81\x83" + data[4:], address)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Answering, local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


async def health_over_tls(story, command):
    """What `grpcurl -cacert FILE HOST:PORT grpc.health.v1.Health/Check` asks."""
    _, _, authority, target, method = story.here(command).split()
    assert method == "grpc.health.v1.Health/Check"
    name, _, port = target.partition(":")
    credentials = grpc.ssl_channel_credentials((story.folder / authority).read_bytes())
    options = [("grpc.ssl_target_name_override", name), ("grpc.default_authority", target)]
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        said = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(said.status)


async def asked_names(story, command):
    """What `dig @HOST -p PORT NAME` asks, and what it is told."""
    _, host, _, port, name = story.here(command).split()
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"
    loop = asyncio.get_running_loop()
    answers = []

    async def answered():
        try:
            client.send(question)
            answers.append(await asyncio.wait_for(loop.sock_recv(client, 512), 1))
        except (TimeoutError, ConnectionError):
            return False
        return True

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect((host.removeprefix("@"), int(port)))
        await eventually(answered)
    return answers[0]


async def test_https_with_a_certificate_of_ones_own():
    async with (
        upstream(answer(200, {}, b"the cart\n")) as shop,
        followed(CERTIFICATE, ports=(here := ports(p9001=shop.port)), until=8443) as story,
    ):
        redirected = await story.says("curl -i")
        assert redirected.startswith("HTTP/1.1 301")
        assert f"Location: https://shop.localhost:{here[8443]}/cart" in redirected
        assert await story.says("curl --location") == "the cart\n"
        (asking,) = story.begun("curl --location")
        assert (await story.run(f"{asking} --silent --output /dev/null --write-out %{{http_version}}")).stdout == "2"
        assert shop.last.get("x-forwarded-proto") == "https"
        explained = await story.run("pointsman explain GET https://shop.localhost:8443/cart")
        assert "certificate: for *.shop.localhost, shop.localhost" in explained.stdout
        assert "websecure-shop@file takes the request" in explained.stdout


async def test_client_certificates():
    async with (
        upstream(answer(200, {}, b"the cart\n")) as shop,
        followed(CERTIFICATE, section(TLS, "Client certificates"), ports=ports(p9001=shop.port), until=8443) as story,
    ):
        assert await story.says("curl --cacert shop.crt --cert") == "the cart\n"
        (without,) = story.begun("curl --cacert shop.crt https")
        refused = await story.run(without)
        assert refused.returncode != 0
        assert "certificate required" in refused.stderr
        said = "TLS handshake failed: certificate_required (the client showed no certificate)"
        await eventually(lambda: said in (story.folder / "log").read_text())


async def test_tls_towards_servers(tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("stock.internal").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    leaf = authority.issue_cert("gateway.internal")
    async with (
        upstream(answer(200, {}, b"in stock\n"), tls=context) as stock,
        followed(CERTIFICATE, section(TLS, "TLS towards servers"), ports=ports(p9443=stock.port), until=8443) as story,
    ):
        (story.folder / "inside-ca.crt").write_bytes(authority.cert_pem.bytes())
        (story.folder / "gateway.crt").write_bytes(leaf.cert_chain_pems[0].bytes())
        (story.folder / "gateway.key").write_bytes(leaf.private_key_pem.bytes())

        async def answered():
            return (await story.run("curl -sk https://stock.localhost:8443/")).stdout == "in stock\n"

        await eventually(answered)


async def test_grpc():
    hello = section(PROTOCOLS, "gRPC")
    with grpc_health() as port:
        async with followed(CERTIFICATE, hello, ports=ports(p50051=port), until=8443) as story:
            (command,) = story.begun("grpcurl")
            assert await health_over_tls(story, command) == "SERVING"


async def test_the_api_behind_a_router_of_its_own():
    guarded = section("docs/api.md", "Guarded by a router of its own")
    async with (
        upstream(answer(200, {}, b"the cart\n")) as shop,
        followed(guarded, ports=ports(p9001=shop.port), until=8000) as story,
    ):
        overview, routers, service, explained, problems, traffic = [
            json.loads((await story.run(command)).stdout) for command in story.begun("curl")
        ]
        assert overview["http"]["routers"] == {"total": 2, "warnings": 0, "errors": 0}
        assert [each["name"] for each in routers] == ["shop@file"]
        assert list(service["serverStatus"].values()) == ["UP"]
        assert explained["router"]["name"] == "shop@file"
        assert problems == []
        assert traffic["routers"] == []
        assert (await story.run("curl -i http://gateway.localhost:8000/api/overview")).stdout.startswith("HTTP/1.1 401")


@pytest.mark.real("postgres")
async def test_tcp(postgres):
    here, words = ports(p5432=postgres.port), {"user=postgres": "user=pointsman dbname=postgres"}
    keys = section(TLS, "Your own certificate")
    keys.files.clear()
    async with followed(keys, section(PROTOCOLS, "TCP"), ports=here, until=5433, words=words) as story:
        assert "42" in await story.says("psql")
        assert "db@file takes the connection" in await story.says("pointsman explain TLS")


async def test_udp():
    async with names() as first, names() as second:
        here = ports(p9053=first, p9054=second)
        async with followed(section(PROTOCOLS, "UDP"), ports=here, until=0) as story:
            (command,) = story.begun("dig")
            assert (await asked_names(story, command)).startswith(b"\x12\x34\x81\x83")


@pytest.mark.real("postgres")
async def test_the_readme_shows_all_of_it_at_once(postgres):
    words = {"user=postgres": "user=pointsman dbname=postgres"}
    with grpc_health() as hello:
        async with upstream(answer(200, {}, b"the shop\n")) as shop, names() as dns:
            here = ports(p9001=shop.port, p50051=hello, p5432=postgres.port, p9053=dns)
            async with followed(section("README.md", "HTTPS, and more"), ports=here, until=8443, words=words) as story:
                assert await story.says("curl --location") == "the shop\n"
                assert await story.says("curl --cacert shop.crt --cert") == "the shop\n"
                assert "42" in await story.says("psql")
                (grpcurl,), (dig,) = story.begun("grpcurl"), story.begun("dig")
                assert await health_over_tls(story, grpcurl) == "SERVING"
                assert (await asked_names(story, dig)).startswith(b"\x12\x34\x81\x83")
