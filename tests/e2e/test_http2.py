"""Clients that speak HTTP/2: with prior knowledge and by agreement, real ones and hostile ones (operations.md §2.7)."""

import asyncio
import hashlib
import os
import shutil
import ssl
import subprocess
from contextlib import asynccontextmanager

import h2.config
import h2.connection
import h2.events
import pytest
import pytest_asyncio
import trustme
import websockets
from websockets.asyncio.server import serve
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from pointsman.http2 import frames
from pointsman.http2.session import Session, SessionSettings
from pointsman.testing import answer, chunked, eventually

from .stage import balancer, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTHORITY = trustme.CA()
LEAF = AUTHORITY.issue_cert("a.example", "127.0.0.1")
BIG = os.urandom(4_000_000)


def dynamic(urls, websocket=None):
    found = routed(
        {
            "plain": "Host(`a.example`)",
            "secure": {"rule": "Host(`a.example`)", "tls": {}},
            "closed": {"rule": "Host(`closed.example`)", "service": "closed"},
            **({"ws": {"rule": "Host(`ws.example`)", "service": "ws"}} if websocket else {}),
        },
        urls,
        **({"ws": balancer(websocket)} if websocket else {}),
    )
    pair = {"certFile": LEAF.cert_chain_pems[0].bytes().decode(), "keyFile": LEAF.private_key_pem.bytes().decode()}
    found["tls"] = {"certificates": [pair]}
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house():
    async def echo(socket):
        async for message in socket:
            await socket.send(message)

    async with serve(echo, "127.0.0.1", 0, max_size=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with staged(lambda urls: dynamic(urls, f"http://127.0.0.1:{port}"), None, ["a"]) as stage:
            yield stage


@pytest.fixture
def stage(house):
    house.reset()
    return house


class Client:
    """A connection by the h2 library: as many requests as one likes."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(1 << 24)
        self.streams = {}
        self.goaway = None
        self.lost = False
        self.flush()
        self.reading = asyncio.ensure_future(self._read())

    def flush(self):
        self.writer.write(self.h2.data_to_send())

    async def _read(self):
        while data := await self.reader.read(65536):
            for event in self.h2.receive_data(data):
                if isinstance(event, h2.events.ConnectionTerminated):
                    self.goaway = event
                stream = self.streams.get(getattr(event, "stream_id", None))
                if stream is None:
                    continue
                if isinstance(event, h2.events.ResponseReceived):
                    stream["headers"] = dict(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    stream["body"] += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.TrailersReceived):
                    stream["trailers"] = dict(event.headers)
                elif isinstance(event, h2.events.StreamEnded):
                    stream["ended"] = True
                elif isinstance(event, h2.events.StreamReset):
                    stream["code"] = event.error_code
            self.flush()
        self.lost = True

    def begin(self, path="/", host="a.example", method="GET", end=True, fields=()):
        number = self.h2.get_next_available_stream_id()
        self.streams[number] = stream = {"id": number, "body": b"", "ended": False}
        base = [(":method", method), (":scheme", "http"), (":authority", host), (":path", path)]
        self.h2.send_headers(number, [*base, *fields], end_stream=end)
        self.flush()
        return stream

    async def over(self, stream):
        await eventually(lambda: stream["ended"] or "code" in stream or self.lost, f"{stream}")
        return stream

    async def ask(self, *args, **kwargs):
        return await self.over(self.begin(*args, **kwargs))

    async def upload(self, stream, body, trailers=()):
        at = 0
        while at < len(body):
            room = min(self.h2.local_flow_control_window(stream["id"]), 16_384)
            if room <= 0:
                await asyncio.sleep(0.001)
                continue
            self.h2.send_data(stream["id"], body[at : at + room])
            at += room
            self.flush()
            await self.writer.drain()
        if trailers:
            self.h2.send_headers(stream["id"], trailers, end_stream=True)
        else:
            self.h2.end_stream(stream["id"])
        self.flush()


@asynccontextmanager
async def connected(stage, *, tls=False):
    context = None
    if tls:
        context = ssl.create_default_context()
        AUTHORITY.configure_trust(context)
        context.set_alpn_protocols(["h2", "http/1.1"])
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", stage.gateway.port("web"), ssl=context, server_hostname="a.example" if tls else None
    )
    if tls:
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    client = Client(reader, writer)
    try:
        yield client
    finally:
        client.reading.cancel()
        writer.close()


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
async def test_requests_share_a_connection_and_carry_bodies_and_trailers(stage, tls):
    stage["a"].answers(lambda request: chunked([request.body], {"X-Path": request.target.decode()}, {"X-T": "1"}))
    async with connected(stage, tls=tls) as client:
        streams = [client.begin(f"/{number}", method="POST", end=False) for number in range(10)]
        await asyncio.gather(*[client.upload(stream, BIG[:100_000], [("x-u", "2")]) for stream in streams])
        for number, stream in enumerate(streams):
            await client.over(stream)
            assert stream["headers"][":status"] == "200"
            assert stream["headers"]["x-path"] == f"/{number}"
            assert stream["body"] == BIG[:100_000]
            assert stream["trailers"] == {"x-t": "1"}
    last = stage["a"].last
    assert last.get("x-forwarded-proto") == ("https" if tls else "http")
    assert last.trailers == [(b"X-U", b"2")]


@pytest.mark.real("curl")
@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
async def test_curl_gets_and_sends_large_bodies(stage, tls, tmp_path):
    (tmp_path / "big").write_bytes(BIG)
    stage["a"].answers(lambda request: answer(200, {}, hashlib.sha256(request.body).digest() + BIG))
    port = stage.gateway.port("web")
    url = [f"{'https' if tls else 'http'}://a.example:{port}/", "--resolve", f"a.example:{port}:127.0.0.1"]
    how = ["--http2", "--insecure"] if tls else ["--http2-prior-knowledge"]
    files = ["-T", str(tmp_path / "big"), "-o", str(tmp_path / "out"), "-w", "%{http_code} %{http_version}"]
    command = ["curl", "-sS", *how, *files, *url]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("200 2", "")
    assert (tmp_path / "out").read_bytes() == hashlib.sha256(BIG).digest() + BIG


@pytest.mark.real("h2load")
async def test_h2load_gets_every_answer(stage):
    port = stage.gateway.port("web")
    load = ["-n", "2000", "-c", "10", "-m", "20", "-H", ":authority: a.example"]
    command = [shutil.which("h2load"), *load, f"http://127.0.0.1:{port}/"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout
    assert "status codes: 2000 2xx" in done.stdout


@pytest.mark.real("nghttp")
async def test_nghttp_sees_no_protocol_error(stage):
    port = stage.gateway.port("web")
    urls = [f"http://127.0.0.1:{port}/{number}" for number in range(5)]
    command = [shutil.which("nghttp"), "-nv", "-H", ":authority: a.example", *urls]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stdout.count(":status: 200") == 5
    assert "error_code=PROTOCOL_ERROR" not in done.stdout


async def test_a_websocket_runs_on_a_stream_beside_others(stage):
    """RFC 8441, with a real WebSocket server behind."""
    async with connected(stage) as client:
        await client.ask()  # the SETTINGS are here
        assert client.h2.remote_settings.enable_connect_protocol == 1
        fields = [(":protocol", "websocket"), ("sec-websocket-version", "13"), ("origin", "http://ws.example")]
        number = client.h2.get_next_available_stream_id()
        client.streams[number] = stream = {"id": number, "body": b"", "ended": False}
        base = [(":method", "CONNECT"), (":scheme", "http"), (":authority", "ws.example"), (":path", "/chat")]
        client.h2.send_headers(number, [*base[:1], fields[0], *base[1:], *fields[1:]])
        client.flush()
        await eventually(lambda: "headers" in stream)
        assert stream["headers"][":status"] == "200"
        assert "sec-websocket-accept" not in stream["headers"]
        protocol = ClientProtocol(parse_uri("ws://ws.example/"), state=websockets.protocol.OPEN, max_size=None)
        text = os.urandom(100_000).hex()
        protocol.send_text(text.encode())
        body = b"".join(protocol.data_to_send())
        at = 0
        while at < len(body):
            room = min(client.h2.local_flow_control_window(number), 16_384)
            if room:
                client.h2.send_data(number, body[at : at + room])
                at += room
                client.flush()
            await asyncio.sleep(0)
        assert (await client.ask("/beside"))["body"] == b"a"
        await eventually(lambda: len(stream["body"]) > len(text))
        protocol.receive_data(stream["body"])
        message = b"".join(event.data for event in protocol.events_received() if isinstance(event, Frame))
        assert message == text.encode()
        stream["body"] = b""
        protocol.send_close(1000)
        client.h2.send_data(number, b"".join(protocol.data_to_send()))
        client.flush()
        await client.over(stream)
        protocol.receive_data(stream["body"])
        assert [event.opcode for event in protocol.events_received() if isinstance(event, Frame)] == [Opcode.CLOSE]
        assert stream["ended"]


async def test_a_server_that_does_not_answer_is_a_502_to_one_stream(stage):
    async with connected(stage) as client:
        failed, good = await asyncio.gather(client.ask(host="closed.example"), client.ask())
        assert (failed["headers"][":status"], failed["body"]) == ("502", b"Bad Gateway")
        assert good["body"] == b"a"


async def test_rapid_resets_are_stopped_and_others_are_served(stage):
    async with connected(stage) as other, connected(stage) as client:
        await client.ask()
        answered = asyncio.ensure_future(_keep_asking(other))
        encoder = client.h2.encoder
        block = encoder.encode([(":method", "GET"), (":scheme", "http"), (":authority", "a.example"), (":path", "/")])
        block = encoder.encode([(":method", "GET"), (":scheme", "http"), (":authority", "a.example"), (":path", "/")])
        for number in range(3, 20_003, 2):
            if client.lost or client.writer.is_closing():
                break
            client.writer.write(frames.headers(number, block, True) + frames.rst_stream(number, frames.CANCEL))
            if number % 99 == 0:
                await asyncio.sleep(0)
        await eventually(lambda: client.lost)
        assert client.goaway.error_code == frames.ENHANCE_YOUR_CALM
        answered.cancel()
        assert (await other.ask())["body"] == b"a"
        assert all(stream.get("body") == b"a" for stream in other.streams.values() if stream["ended"])


async def _keep_asking(client):
    while True:
        await client.ask()


class Patient(asyncio.Protocol):
    """A client by our own engine, which lets streams go on after a GOAWAY; the h2 library does not."""

    def __init__(self):
        self.told = []
        self.lost = False
        self.session = Session(self, SessionSettings(), client=True, clock=asyncio.get_running_loop().time)
        self.data_received = self.session.receive

    def connection_made(self, transport):
        self.transport = transport
        self.send = transport.write
        self.session.start()

    def connection_lost(self, error):
        self.lost = True

    def __getattr__(self, name):
        return lambda *what: self.told.append((name, *what))


async def test_running_requests_are_finished_when_the_gateway_stops():
    async with staged(dynamic, None, ["a"]) as stage:
        going = asyncio.Event()
        stage["a"].answers([going, *answer(200, {}, b"late")])
        loop, port = asyncio.get_running_loop(), stage.gateway.port("web")
        _, client = await loop.create_connection(Patient, "127.0.0.1", port)
        _, idle = await loop.create_connection(Patient, "127.0.0.1", port)
        fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a.example"), (b":path", b"/")]
        client.session.request(fields, client, end=True)
        await stage["a"].received(1)
        stopping = asyncio.ensure_future(stage.gateway.stop())
        await eventually(lambda: idle.lost)
        assert not client.lost
        going.set()
        assert await stopping == 0
        await eventually(lambda: client.lost)
        assert ("data", b"late") in client.told
        goaways = [(last, code) for name, *rest in client.told if name == "goaway" for last, code, _ in [rest]]
        assert goaways == [(frames.LARGEST_STREAM, frames.NO_ERROR), (1, frames.NO_ERROR)]
