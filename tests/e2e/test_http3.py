"""HTTP/3 on an entry point: who learns of it, what is served, on whose terms, and how it ends (operations.md 2.7)."""

import asyncio
import hashlib
import signal
import socket
import ssl
import subprocess

import pytest
import pytest_asyncio
import trustme
from cryptography import x509

from pointsman.testing import answer, chunked, eventually, gateway, upstream
from pointsman.testing.upstreams import BODY, CLOSE

from .http3_client import http3
from .stage import balancer, head, staged

pytestmark = [pytest.mark.asyncio(loop_scope="module")]

CA = trustme.CA()
STATIC = {
    "log": {"level": "WARN"},
    "accessLog": {"format": "json"},
    "entryPoints": {"web": {"http3": {"advertisedPort": 4433}}, "own": {"http3": {}}, "plain": {}},
}
ALT_SVC = 'h3=":4433"; ma=2592000'


def pem(*names):
    issued = CA.issue_cert(*names)
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    return {"certFile": chain.decode(), "keyFile": issued.private_key_pem.bytes().decode()}


def dynamic(urls, *certificates):
    points = ["web", "own", "plain"]
    secure = {name: {"rule": f"Host(`{name}.test`)", "service": "a", "tls": {}, "entryPoints": points} for name in "ab"}
    secure["mtls"] = {**secure["a"], "rule": "Host(`mtls.test`)", "tls": {"options": "mtls"}}
    secure["v13"] = {**secure["a"], "rule": "Host(`v13.test`)", "tls": {"options": "v13"}}
    clear = {"clear": {"rule": "Host(`a.test`)", "service": "a", "entryPoints": points}}
    authority = CA.cert_pem.bytes().decode()
    return {
        "http": {"routers": {**secure, **clear}, "services": {"a": balancer(urls["a"])}},
        "tls": {
            "certificates": list(certificates) or [pem("a.test"), pem("v13.test")],
            "options": {
                "mtls": {"clientAuth": {"caFiles": [authority], "clientAuthType": "RequireAndVerifyClientCert"}},
                "v13": {"minVersion": "VersionTLS13"},
            },
        },
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with staged(dynamic, STATIC, ["a"]) as stage:
        yield stage


@pytest.fixture(autouse=True)
def fresh(stage):
    stage.reset()


async def curl(port, *arguments, scheme="https"):
    command = ["curl", "-sk", "-i", "--max-time", "10", "--resolve", f"a.test:{port}:127.0.0.1", *arguments]
    done = await asyncio.to_thread(subprocess.run, [*command, f"{scheme}://a.test:{port}/"], capture_output=True, text=True)
    return done.stdout.lower()


@pytest.mark.spec("O-42")
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
async def test_answers_over_tls_tell_of_http3_and_it_is_served(stage, version):
    stage["a"].answers(answer(200, {"Alt-Svc": "clear"}, b"a"))
    port = stage.gateway.port()
    assert f"\nalt-svc: {ALT_SVC}" in await curl(port, version)
    assert f"\nalt-svc: {ALT_SVC}" in await curl(port, version, "-H", "Host: nobody.test")
    own = stage.gateway.port("own")
    assert f'\nalt-svc: h3=":{own}"; ma=2592000' in await curl(own, version)
    assert "h3=" not in await curl(port, version.replace("http2", "http2-prior-knowledge"), scheme="http")
    assert "h3=" not in await curl(stage.gateway.port("plain"), version)
    async with http3(port) as client:
        found = await client.get("/there")
    assert (found.status, found.body) == (200, b"a")
    seen = stage["a"].last
    assert seen.start == b"GET /there HTTP/1.1"
    assert (seen.get("x-forwarded-proto"), seen.get("x-forwarded-for")) == ("https", "127.0.0.1")
    await eventually(lambda: '"RequestPath":"/there"' in stage.gateway.log(), "it is logged")
    line = next(line for line in stage.gateway.log().splitlines() if '"RequestPath":"/there"' in line)
    assert '"RequestProtocol":"HTTP/3.0","RequestScheme":"https"' in line
    assert '"TLSCipher":"TLS_' in line
    assert '"TLSVersion":"1.3"' in line


async def test_refused_requests_over_tls_tell_of_it_too(stage):
    context = ssl._create_unverified_context()
    port = stage.gateway.port()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="a.test")
    writer.write(head("GET / HTTP/1.1", "Host: a", "Host: b"))
    found = await reader.read(1000)
    assert found.startswith(b"HTTP/1.1 400 ")
    assert ALT_SVC.encode() in found
    writer.close()


async def test_without_tls_routers_do_not_matter_and_with_it_only_they(stage):
    async with http3(stage.gateway.port("own"), "nobody.test") as client:
        assert (await client.get(host="nobody.test")).status == 404


def shown(client):
    certificate = client.quic.tls._peer_certificate
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    )


async def test_options_and_certificates_are_those_of_the_name(stage):
    port = stage.gateway.port()
    async with http3(port, "v13.test") as client:
        assert shown(client) == ["v13.test"]
        assert (await client.get(host="v13.test")).status == 200
        assert (await client.get(host="a.test")).status == 421
    with pytest.raises(ConnectionError):
        async with http3(port, "mtls.test"):
            pass
    async with http3(port, "a.test") as client:
        assert (await client.get(host="mtls.test")).status == 421
    await eventually(lambda: "TLS handshake failed: handshake_failure" in stage.gateway.log())


async def test_big_bodies_pass_both_ways(stage):
    content = bytes(range(256)) * 8192
    stage["a"].answers(lambda request: answer(200, {}, request.body))
    async with http3(stage.gateway.port()) as client:
        stream = client.ask(method="POST", fields=[("content-length", str(len(content)))], end=False)
        client.more(stream, content, end=True)
        found = await client.answered(stream)
    assert found.status == 200
    assert hashlib.sha256(found.body).digest() == hashlib.sha256(content).digest()


async def test_a_streamed_answer_comes_as_it_is_said_and_its_trailers_follow(stage):
    more = asyncio.Event()
    stage["a"].answers(chunked([b"one", more, b"two"], {}, {"x-t": "1"}))
    async with http3(stage.gateway.port()) as client:
        stream = client.ask(fields=[("te", "trailers")])
        await eventually(lambda: client.answers[stream].body == b"one")
        more.set()
        found = await client.answered(stream)
    assert (found.body, found.trailers) == (b"onetwo", {"x-t": "1"})


async def test_many_requests_at_once(stage):
    async with http3(stage.gateway.port()) as client:
        streams = [client.ask(f"/{number}") for number in range(100)]
        found = [await client.answered(stream) for stream in streams]
    assert [each.status for each in found] == [200] * 100


async def test_an_endless_answer_is_held_back_while_the_client_takes_nothing(stage):
    sent = 0
    piece = b"x" * 65536

    def endless(request):
        nonlocal sent
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
        while True:
            yield piece
            sent += len(piece)

    stage["a"].answers(endless)
    async with http3(stage.gateway.port(), max_stream_data=10_000) as client:
        client.quic._write_stream_limits = lambda **_: None
        stream = client.ask()
        await eventually(lambda: len(client.answers[stream].body) > 9000)
        before = -1
        while before != sent:  # the socket buffers on the way fill up, too
            before = sent
            await asyncio.sleep(0.3)
        assert sent < 12_000_000
        assert len(client.answers[stream].body) <= 10_000
        assert (await client.get("/b", "nobody.test")).status == 404
        before = stage["a"].open
    await eventually(lambda: stage["a"].open < before)


async def test_a_server_that_breaks_off_resets_the_stream(stage):
    stage["a"].answers([b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", CLOSE])
    async with http3(stage.gateway.port()) as client:
        found = await client.get()
        assert (found.body, found.reset) == (b"half", 0x102)
        stage.reset()
        assert (await client.get()).body == b"a"


async def test_a_client_that_gives_up_closes_the_servers_connection(stage):
    stage["a"].answers([b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"x", 0.05] * 400, CLOSE])
    async with http3(stage.gateway.port()) as client:
        stream = client.ask()
        await eventually(lambda: client.answers[stream].body)
        before = stage["a"].open
        client.quic.stop_stream(stream, 0x10C)
        client.transmit()
        await eventually(lambda: stage["a"].open < before)


async def test_an_answer_before_the_body_stops_the_upload(stage):
    stage["a"].answers([b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno", BODY])
    async with http3(stage.gateway.port()) as client:
        stream = client.ask(method="POST", end=False)
        client.more(stream, b"x" * 1000)
        found = await client.answered(stream)
    assert (found.status, found.body, found.reset, found.stopped) == (413, b"no", None, 0x100)


async def test_garbage_does_no_harm(stage):
    port = stage.gateway.port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in (b"", b"x", b"\xc3" * 1200, b"\xff\0\0\0\1\x08" + bytes(1300), bytes(60000), b"\x40" * 100):
            sender.sendto(datagram, ("127.0.0.1", port))
    async with http3(port) as client:
        assert (await client.get()).status == 200
    assert "Traceback" not in stage.gateway.log()


async def test_a_new_certificate_takes_effect_without_a_restart():
    async with upstream() as server:
        urls = {"a": server.url}
        async with gateway(dynamic(urls, pem("a.test", "before.test")), STATIC) as front, http3(front.port()) as old:
            assert "before.test" in shown(old)
            await front.update(dynamic(urls, pem("a.test", "after.test")))
            async with http3(front.port()) as new:
                assert "after.test" in shown(new)
            assert (await old.get()).status == 200


@pytest.mark.parametrize("workers", [1, 2])
async def test_requests_finish_while_the_gateway_stops(workers):
    async with upstream() as server:
        go_on = asyncio.Event()
        server.answers([go_on, *answer(200, {}, b"done")])
        life = {"transport": {"lifeCycle": {"graceTimeOut": 10}}}
        static = {"entryPoints": {"web": {"http3": {}, **life}, "own": {}, "plain": {}}}
        async with gateway(dynamic({"a": server.url}), static, workers=workers) as front, http3(front.port()) as client:
            stream = client.ask()
            await server.received(1)
            front.process.send_signal(signal.SIGTERM)
            await eventually(lambda: len(client.goaways) == 2, "two farewells")
            assert client.goaways == [(1 << 62) - 4, 4]
            with pytest.raises(ConnectionError):
                async with http3(front.port()):
                    pass
            go_on.set()
            found = await client.answered(stream)
            assert found.body == b"done"
            await eventually(lambda: client.ended is not None, "the connection ends")
            assert client.ended.error_code == 0x100
            assert await front.exited() == 0


async def test_requests_are_cut_after_the_grace_time():
    async with upstream() as server:
        server.answers([asyncio.Event(), CLOSE])
        life = {"transport": {"lifeCycle": {"graceTimeOut": "300ms"}}}
        static = {"entryPoints": {"web": {"http3": {}, **life}, "own": {}, "plain": {}}}
        async with gateway(dynamic({"a": server.url}), static) as front, http3(front.port()) as client:
            client.ask()
            await server.received(1)
            front.process.send_signal(signal.SIGTERM)
            assert await front.exited() == 0
            await eventually(lambda: client.ended is not None, "the connection ends")


@pytest.mark.parametrize("address", ["[::]:0", "0.0.0.0:0"])
async def test_an_address_of_all_interfaces_serves_http3(address):
    async with upstream() as server:
        static = {"entryPoints": {"web": {"address": address, "http3": {}}, "own": {}, "plain": {}}}
        async with gateway(dynamic({"a": server.url}), static) as front, http3(front.port()) as client:
            assert (await client.get()).status == 200
            assert server.last.get("x-forwarded-for") == "127.0.0.1"
