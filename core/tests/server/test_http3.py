"""HTTP/3 without sockets: aioquic's client, a House, and datagrams that are carried by hand."""

import asyncio
import contextlib
import ssl
from typing import Any

import pytest
import trustme
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import FrameType, H3Connection, encode_frame
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicErrorCode
from aioquic.tls import Group
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.message import Response
from pointsman.net import quic as net_quic
from pointsman.server import http3_entry
from pointsman.server.certificates import CertificateStore
from pointsman.server.door import CLOSED, Door
from pointsman.server.http2_cycle import accept_for
from pointsman.server.http3_backlog import STREAM_BYTES
from pointsman.server.http3_entry import Http3Entry
from pointsman.server.http3_framing import (
    EXCESSIVE_LOAD,
    INTERNAL_ERROR,
    MAX_BLOCK,
    MESSAGE_ERROR,
    NO_ERROR,
    REQUEST_CANCELLED,
    REQUEST_REJECTED,
)
from pointsman.server.terms import TlsSettings, TlsTerms
from pointsman.server.x509 import read_pair

CA = trustme.CA()
GET = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a.test"), (b":path", b"/a?b=1")]
POST = [(b":method", b"POST"), *GET[1:]]
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"
ALERT = int(QuicErrorCode.CRYPTO_ERROR)


def a_pair(*names: str) -> Any:
    issued = CA.issue_cert(*names)
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    return read_pair(chain.decode(), issued.private_key_pem.bytes().decode())[0]


DEFAULT, EXACT = a_pair("default.test"), a_pair("exact.test")


class Hosts:
    catch_all = False

    def __init__(self, **hosts: Any) -> None:
        self.hosts = hosts

    def find(self, name: bytes) -> Any:
        return self.hosts.get(name.decode().partition(".")[0])


def terms(name: str = "", **settings: Any) -> TlsTerms:
    strict = settings.pop("sni_strict", False)
    return TlsTerms(name, TlsSettings(**settings), (b"h2",), sni_strict=strict)


class Post:
    """A UDP socket without a network."""

    def __init__(self) -> None:
        self.inbox: list[tuple[bytes, Any]] = []
        self.outbox: list[tuple[bytes, Any]] = []

    def getsockname(self) -> tuple[str, int]:
        return ("192.0.2.1", 8443)

    def recvfrom_into(self, buffer: bytearray) -> tuple[int, Any]:
        if not self.inbox:
            raise BlockingIOError
        data, client = self.inbox.pop(0)
        buffer[: len(data)] = data
        return len(data), client

    def sendto(self, data: bytes, client: Any) -> None:
        self.outbox.append((data, client))


class Answer:
    """What came on one stream."""

    def __init__(self, stream: int) -> None:
        self.stream = stream
        self.heads: list[dict[bytes, bytes]] = []
        self.body = b""
        self.ended = False
        self.reset: int | None = None
        self.stopped: int | None = None

    @property
    def status(self) -> int:
        return int(self.heads[0][b":status"]) if self.heads else 0


class Client:
    """One connection; `carry` takes datagrams both ways until both sides are silent."""

    def __init__(self, world: "World", name: str | None, address: Any, **settings: Any) -> None:
        self.world = world
        self.address = address
        self.quic = QuicConnection(
            configuration=QuicConfiguration(
                alpn_protocols=settings.pop("alpn", ["h3"]), verify_mode=ssl.CERT_NONE, server_name=name, **settings
            )
        )
        self.answers: dict[int, Answer] = {}
        self.http: Any = None
        self.ended: Any = None
        self.listens = True
        """False: what comes is not read."""
        self.greedy = True
        """False: windows are not opened again."""
        self.quic._write_stream_limits = self._limits(self.quic._write_stream_limits)  # type: ignore[method-assign]
        self.quic._write_connection_limits = self._limits(self.quic._write_connection_limits)  # type: ignore[method-assign]
        self.quic.connect(address, world.house.loop.time())

    def _limits(self, write: Any) -> Any:
        return lambda **arguments: write(**arguments) if self.greedy else None

    def out(self) -> list[bytes]:
        return [data for data, _ in self.quic.datagrams_to_send(self.world.house.loop.time())]

    def take(self, data: bytes) -> None:
        self.quic.receive_datagram(data, self.address, self.world.house.loop.time())
        while (event := self.quic.next_event()) is not None:
            self._note(event)

    def _note(self, event: Any) -> None:
        if not self.listens:
            return
        if isinstance(event, events.HandshakeCompleted):
            self.http = H3Connection(self.quic)
        elif isinstance(event, events.StreamReset):
            self.answers[event.stream_id].reset = event.error_code
        elif isinstance(event, events.StopSendingReceived):
            self.answers[event.stream_id].stopped = event.error_code
        for found in self.http.handle_event(event) if self.http is not None else ():
            answer = self.answers.setdefault(found.stream_id, Answer(found.stream_id))
            if isinstance(found, HeadersReceived):
                answer.heads.append(dict(found.headers))
            elif isinstance(found, DataReceived):
                answer.body += found.data
            answer.ended = answer.ended or found.stream_ended

    @property
    def closed(self) -> int | None:
        """The error of the CONNECTION_CLOSE that came."""
        event = self.quic._close_event
        return None if event is None else event.error_code

    def begin(self, fields: Any = GET, end: bool = True) -> Answer:
        stream = self.quic.get_next_available_stream_id()
        self.answers[stream] = Answer(stream)
        self.http.send_headers(stream, fields, end)
        self.world.carry(self)
        return self.answers[stream]

    def send(self, answer: Answer, data: bytes, end: bool = False) -> None:
        self.http.send_data(answer.stream, data, end)
        self.world.carry(self)

    async def settle(self) -> None:
        for _ in range(4):
            await self.world.house.settle()
            self.world.carry(self)

    async def ask(self, fields: Any = GET, body: bytes | None = None) -> Answer:
        answer = self.begin(fields, body is None)
        if body is not None:
            self.send(answer, body, True)
        await self.settle()
        return answer


class World:
    """A House with HTTP/3."""

    def __init__(self, house: Any) -> None:
        self.house = house
        self.post = Post()
        self.now = 0.0
        self.set_up()

    def set_up(self, door: Door | None = None, **settings: Any) -> None:
        house = self.house
        house.set_up(**settings)
        house.snapshot.secure = house.snapshot.tables
        store = CertificateStore(DEFAULT)
        for _ in store.filling([EXACT]):
            pass
        house.snapshot.doors = {"web": door or Door(default=terms(), certificates=store)}
        self.entry = Http3Entry(house.entry, self.post)  # type: ignore[arg-type]

    def door(self, default: Any = None, **hosts: Any) -> Door:
        store = CertificateStore(DEFAULT)
        for _ in store.filling([EXACT]):
            pass
        return Door(https=Hosts(**hosts), default=default or terms(), certificates=store)

    def carry(self, *clients: Client) -> None:
        silent = 0
        while silent < 3:
            silent += 1
            self.house.clock._ahead += 0.002  # what waits for a millisecond to acknowledge more at once has waited
            for client in clients:
                due = client.quic.get_timer()
                if due is not None and due <= self.house.loop.time():
                    client.quic.handle_timer(self.house.loop.time())
                for data in client.out():
                    self.post.inbox.append((data, client.address))
                    silent = 0
            while self.post.inbox:
                self.entry._readable()
            for connection in list(self.entry._ids):
                connection._timed()
            outbox, self.post.outbox = self.post.outbox, []
            for data, address in outbox:
                silent = 0
                for client in clients:
                    if client.address == address:
                        client.take(data)

    def visit(self, name: str | None = "a.test", address: Any = ("192.0.2.7", 40000), **settings: Any) -> Client:
        client = Client(self, name, address, **settings)
        self.carry(client)
        return client


@pytest.fixture
async def world(house: Any) -> World:
    return World(house)


def saying(body: bytes = b"ok", status: int = 200) -> Any:
    return lambda request: Response(status, [(b"date", b"x")], body)


# requests


async def test_a_request_reaches_the_server_as_http1_and_its_answer_comes_back(world: World) -> None:
    client = world.visit()
    answer = await client.ask([*GET, (b"accept", b"*/*"), (b"cookie", b"a=1"), (b"cookie", b"b=2")])
    head = world.house.server.take()
    assert head.startswith(b"GET /a?b=1 HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nCookie: a=1; b=2\r\n")
    assert b"X-Forwarded-Proto: https\r\n" in head
    assert b"X-Forwarded-For: 192.0.2.7\r\n" in head
    world.house.server.receive(b"HTTP/1.1 201 Created\r\nDate: x\r\nServer: s\r\nContent-Length: 2\r\n\r\nok")
    await client.settle()
    assert answer.heads == [{b":status": b"201", b"date": b"x", b"server": b"s", b"content-length": b"2"}]
    assert (answer.body, answer.ended, answer.reset) == (b"ok", True, None)
    world.house.check_books()


async def test_middlewares_see_a_request_as_they_know_it(world: World) -> None:
    world.set_up(handler=saying())
    client = world.visit("exact.test")
    await client.ask([*GET, (b"x-a", b"1")])
    request = world.house.requests[0]
    assert (request.method, request.path, request.query, request.version) == (b"GET", b"/a", b"b=1", 30)
    assert (request.authority, request.host, request.scheme) == (b"a.test", b"a.test", b"https")
    agreed = request.link.tls
    assert (agreed.server_name, agreed.alpn, agreed.version) == (b"exact.test", b"h3", "TLSv1.3")
    assert agreed.cipher.startswith("TLS_AES_")
    assert agreed.certificates() == ()


async def test_a_host_header_stands_in_for_a_missing_authority(world: World) -> None:
    world.set_up(handler=saying())
    client = world.visit()
    answer = await client.ask([*GET[:2], GET[3], (b"host", b"b.test")])
    assert answer.status == 200
    assert world.house.requests[0].host == b"b.test"


@pytest.mark.parametrize(
    "fields",
    [
        [*GET, (b"connection", b"close")],
        [*GET, (b"te", b"gzip")],
        [*GET, (b":status", b"200")],
        [*GET[:3]],
        [*GET, (b"host", b"other.test")],
        [*GET, (b"x a", b"1")],
        [*POST, (b"content-length", b"5")],
    ],
)
async def test_a_malformed_request_costs_its_stream_and_no_other(world: World, fields: Any) -> None:
    world.set_up(handler=saying())
    client = world.visit()
    answer = await client.ask(fields)
    assert answer.reset == MESSAGE_ERROR
    assert not world.house.requests
    assert (await client.ask()).status == 200
    assert world.house.entry.refused == 1


async def test_a_body_without_a_length_goes_on_in_chunks_with_its_trailers(world: World) -> None:
    client = world.visit()
    answer = client.begin([*POST, (b"te", b"trailers"), (b"trailer", b"x-t")], end=False)
    client.send(answer, b"hel")
    await client.settle()
    client.send(answer, b"lo")
    client.http.send_headers(answer.stream, [(b"x-t", b"1"), (b"x-forwarded-for", b"evil")], end_stream=True)
    await client.settle()
    assert world.house.server.take().endswith(b"\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: 1\r\n\r\n")
    world.house.server.receive(
        b"HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nGrpc-Status: 0\r\n\r\n"
    )
    await client.settle()
    assert (answer.body, answer.heads[1], answer.ended) == (b"ok", {b"grpc-status": b"0"}, True)
    world.house.check_books()


@pytest.mark.parametrize(("sent", "end"), [(b"hell", True), (b"hello!", False)])
async def test_another_length_than_content_length_says_resets_the_stream(world: World, sent: bytes, end: bool) -> None:
    client = world.visit()
    answer = client.begin([*POST, (b"content-length", b"5")], end=False)
    client.send(answer, sent, end)
    await client.settle()
    assert answer.reset == MESSAGE_ERROR
    assert client.closed is None
    world.house.check_books()


async def test_100_continue_and_103_come_before_the_answer(world: World) -> None:
    client = world.visit()
    answer = client.begin([*POST, (b"expect", b"100-continue"), (b"content-length", b"2")], end=False)
    await client.settle()
    world.house.server.receive(b"HTTP/1.1 100 Continue\r\n\r\n")
    await client.settle()
    client.send(answer, b"hi", True)
    await client.settle()
    world.house.server.receive(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK)
    await client.settle()
    statuses = [head[b":status"] for head in answer.heads]
    assert statuses[-2:] == [b"103", b"200"]
    assert statuses[0] == b"100"
    assert answer.body == b"ok"


async def test_head_has_a_length_and_no_body(world: World) -> None:
    client = world.visit()
    client.http._check_content_length = lambda stream: None  # aioquic does not remember that it was a HEAD
    answer = await client.ask([(b":method", b"HEAD"), *GET[1:]])
    world.house.server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n")
    await client.settle()
    assert (answer.status, answer.heads[0][b"content-length"], answer.body, answer.ended) == (200, b"7", b"", True)


async def test_a_head_above_the_limit_is_431_and_the_next_request_is_served(world: World) -> None:
    world.set_up(handler=saying(), max_header_bytes=1000)
    client = world.visit()
    assert (await client.ask([*GET, (b"x-a", b"a" * 6000)])).status == 431
    assert (await client.ask([*GET, *((b"x-a", b"%d" % number) for number in range(200))])).status == 431
    assert (await client.ask()).status == 200


async def test_a_header_block_beyond_all_bounds_is_refused_before_it_has_come(world: World) -> None:
    client = world.visit()
    answer = Answer(client.quic.get_next_available_stream_id())
    client.answers[answer.stream] = answer
    client.quic.send_stream_data(answer.stream, encode_uint_var(FrameType.HEADERS) + encode_uint_var(MAX_BLOCK + 1) + b"xx")
    world.carry(client)
    assert (answer.status, answer.stopped) == (431, NO_ERROR)
    assert len(world.house.entry.connections) == 1


async def test_a_control_frame_without_end_ends_the_connection(world: World) -> None:
    client = world.visit()
    client.quic.send_stream_data(client.http._local_control_stream_id, encode_uint_var(0x0D) + encode_uint_var(1 << 40))
    for _ in range(20):
        client.quic.send_stream_data(client.http._local_control_stream_id, b"x" * 1000)
        world.carry(client)
    assert client.closed == EXCESSIVE_LOAD


async def test_frames_that_do_not_belong_there_end_the_connection(world: World) -> None:
    client = world.visit()
    answer = client.begin(end=False)
    client.quic.send_stream_data(answer.stream, encode_frame(FrameType.SETTINGS, b""))
    await client.settle()
    assert client.closed == 0x105
    assert not world.house.entry.connections
    world.house.check_books()


async def test_a_stream_that_ends_without_a_request_is_forgotten(world: World) -> None:
    client = world.visit()
    answer = Answer(client.quic.get_next_available_stream_id())
    client.answers[answer.stream] = answer
    client.quic.send_stream_data(answer.stream, b"", end_stream=True)
    world.carry(client)
    (connection,) = world.house.entry.connections
    assert not connection.streams
    assert client.closed is None


# bodies that wait


async def test_a_server_that_takes_nothing_keeps_the_client_from_sending(world: World) -> None:
    client = world.visit()
    answer = client.begin(POST, end=False)
    await client.settle()
    world.house.server.stick()
    body = b"x" * (net_quic.STREAM_WINDOW * 4)
    client.http.send_data(answer.stream, body, True)
    for _ in range(6):
        await client.settle()
    stuck = world.house.server.buffered
    assert stuck < net_quic.STREAM_WINDOW + 200_000
    assert (await client.ask()) is not None  # another stream goes on
    while stuck:
        world.house.servers[0].flow()
        await client.settle()
        stuck = world.house.servers[0].buffered
        world.house.servers[0].stick()
    world.house.servers[0].flow()
    for _ in range(40):
        await client.settle()
    assert world.house.servers[0].sent.count(b"x") >= len(body)


async def test_a_client_that_takes_nothing_pauses_its_server_and_no_other(world: World) -> None:
    client = world.visit(max_stream_data=1000)
    client.greedy = False
    answer = await client.ask()
    server = world.house.server
    server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
    sent = 0
    while server.reading and sent < 5_000_000:
        server.receive(b"x" * 50_000)
        sent += 50_000
        await client.settle()
    assert STREAM_BYTES <= sent <= STREAM_BYTES + 100_000
    assert len(answer.body) < 1000
    other = await client.ask()
    world.house.servers[-1].receive(OK)
    await client.settle()
    assert other.body == b"ok"
    client.greedy = True
    for _ in range(20):
        await client.settle()
    assert server.reading
    assert len(answer.body) == sent


async def test_an_answer_that_nobody_takes_is_given_up_after_the_idle_timeout(world: World) -> None:
    world.set_up(idle_timeout=60.0)
    client = world.visit(max_stream_data=1000)
    client.greedy = False
    await client.ask()
    server = world.house.server
    server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
    while server.reading:
        server.receive(b"x" * 50_000)
        await client.settle()
    for _ in range(8):
        await world.house.advance(9)
        await client.settle()
    assert server.closing
    world.house.check_books()


async def test_an_answer_before_the_end_of_the_body_ends_the_upload_without_an_error(world: World) -> None:
    world.set_up(handler=saying(b"no", 403))
    client = world.visit()
    answer = client.begin(POST, end=False)
    await client.settle()
    assert (answer.status, answer.body, answer.ended, answer.reset) == (403, b"no", True, None)
    assert answer.stopped == NO_ERROR
    assert (await client.ask()).status == 403


# endings


async def test_a_server_that_breaks_off_resets_the_stream_and_nothing_else(world: World) -> None:
    client = world.visit()
    answer = await client.ask()
    world.house.server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await client.settle()
    world.house.server.break_off()
    await client.settle()
    assert answer.reset == INTERNAL_ERROR
    assert client.closed is None
    world.house.check_books()


async def test_a_stream_that_the_client_resets_cancels_its_request_only(world: World) -> None:
    client = world.visit()
    first, second = client.begin(POST, end=False), client.begin(POST, end=False)
    await client.settle()
    client.quic.reset_stream(first.stream, REQUEST_CANCELLED)
    client.quic.stop_stream(first.stream, REQUEST_CANCELLED)
    await client.settle()
    assert [server.closing for server in world.house.servers] == [True, False]
    client.send(second, b"x", True)
    await client.settle()
    world.house.servers[1].receive(OK)
    await client.settle()
    assert second.body == b"ok"
    world.house.check_books()


async def test_a_client_that_stops_an_answer_closes_the_servers_connection(world: World) -> None:
    client = world.visit()
    answer = await client.ask()
    world.house.server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await client.settle()
    client.quic.stop_stream(answer.stream, REQUEST_CANCELLED)
    await client.settle()
    assert world.house.server.closing
    world.house.check_books()


async def test_a_client_that_goes_cancels_all_its_requests(world: World) -> None:
    client = world.visit()
    client.begin()
    client.begin(POST, end=False)
    await client.settle()
    client.quic.close(NO_ERROR)
    await client.settle()
    assert all(server.closing for server in world.house.servers)
    assert not world.house.entry.connections
    assert not world.entry._connections
    world.house.check_books()


async def test_whoever_asks_and_resets_without_end_is_calmed(world: World) -> None:
    world.set_up(handler=saying())
    client = world.visit()
    for _ in range(700):
        stream = client.quic.get_next_available_stream_id()
        client.answers[stream] = Answer(stream)
        client.http.send_headers(stream, [*GET, (b"connection", b"x")], True)
        if not stream % 40:
            world.carry(client)
        if client.closed is not None:
            break
    assert client.closed == EXCESSIVE_LOAD
    assert world.house.entry.calmed == 1


async def test_draining_lets_requests_finish_and_takes_no_more(world: World) -> None:
    client = world.visit()
    answer = await client.ask()
    world.house.entry.drain()
    world.entry.drain()
    await client.settle()
    late = await client.ask()
    assert late.reset == REQUEST_REJECTED
    assert client.closed is None
    world.house.server.receive(OK)
    await client.settle()
    assert answer.body == b"ok"
    assert client.closed == NO_ERROR
    assert world.house.entry.empty.is_set()
    assert world.visit(address=("192.0.2.8", 1)).closed == QuicErrorCode.CONNECTION_REFUSED


async def test_an_idle_connection_closes_when_the_entry_point_drains(world: World) -> None:
    client = world.visit()
    world.house.entry.drain()
    await client.settle()
    assert client.closed == NO_ERROR
    assert world.house.entry.empty.is_set()


async def test_a_connection_is_cut_after_the_grace_time(world: World) -> None:
    client = world.visit()
    await client.ask()
    world.house.entry.drain()
    world.house.entry.cut()
    await client.settle()
    assert client.closed == NO_ERROR
    assert not world.house.entry.connections
    world.house.check_books()


async def test_the_last_request_of_a_limited_connection_is_announced_by_goaway(world: World) -> None:
    world.set_up(handler=saying(), keep_alive_max_requests=2)
    client = world.visit()
    assert (await client.ask()).status == 200
    assert client.closed is None
    assert (await client.ask()).status == 200
    await client.settle()
    assert client.closed == NO_ERROR


async def test_a_connection_without_requests_ends_with_the_idle_timeout(world: World) -> None:
    world.set_up(handler=saying(), idle_timeout=20.0)
    client = world.visit()
    await client.ask()
    for _ in range(3):
        await world.house.advance(6)
        await client.settle()
    assert client.closed is None
    await world.house.advance(6)
    await client.settle()
    assert client.closed == NO_ERROR


async def test_a_head_that_does_not_come_is_given_up(world: World) -> None:
    world.set_up(handler=saying(), read_timeout=20.0)
    client = world.visit()
    stream = client.quic.get_next_available_stream_id()
    client.answers[stream] = Answer(stream)
    client.quic.send_stream_data(stream, b"\x01")
    world.carry(client)
    for _ in range(4):
        await world.house.advance(6)
        client.quic.send_ping(7)
        await client.settle()
    assert client.answers[stream].reset == REQUEST_CANCELLED


async def test_a_body_that_does_not_come_in_time_is_408(world: World) -> None:
    world.set_up(read_timeout=20.0)
    client = world.visit()
    answer = client.begin(POST, end=False)
    for _ in range(4):
        await world.house.advance(6)
        await client.settle()
    assert answer.status == 408


async def test_a_client_whose_request_takes_long_is_kept_alive(world: World) -> None:
    client = world.visit(idle_timeout=30.0)
    answer = await client.ask()
    for _ in range(12):
        await world.house.advance(11)
        await client.settle()
    assert client.closed is None
    world.house.server.receive(OK)
    await client.settle()
    assert answer.body == b"ok"


async def test_no_more_streams_than_the_entry_point_allows(world: World) -> None:
    world.set_up(max_streams=3)
    client = world.visit()
    assert client.quic._remote_max_streams_bidi == 3
    answers = [client.begin() for _ in range(4)]
    await client.settle()
    assert len(world.house.servers) == 3
    world.house.servers[0].receive(OK)
    await client.settle()
    assert answers[0].body == b"ok"
    assert client.quic._remote_max_streams_bidi > 3


# WebSockets


async def test_extended_connect_becomes_an_upgrade_and_its_bytes_travel_as_data(world: World) -> None:
    client = world.visit()
    fields = [
        (b":method", b"CONNECT"),
        (b":protocol", b"websocket"),
        (b":scheme", b"https"),
        (b":authority", b"a.test"),
        (b":path", b"/chat"),
        (b"sec-websocket-version", b"13"),
    ]
    answer = client.begin(fields, end=False)
    await client.settle()
    head = world.house.server.take()
    assert head.startswith(b"GET /chat HTTP/1.1\r\n")
    key = head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
    world.house.server.receive(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: " + accept_for(key) + b"\r\n\r\nhi"
    )
    await client.settle()
    assert (answer.status, answer.body) == (200, b"hi")
    client.send(answer, b"there")
    await client.settle()
    assert world.house.server.take() == b"there"
    client.send(answer, b"", True)
    await client.settle()
    assert world.house.server.eof
    world.house.server.receive_eof()
    await client.settle()
    assert answer.ended


# handshakes


def shown(client: Client) -> list[str]:
    """The names of the certificate that the client was shown."""
    names = client.quic.tls._peer_certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)  # type: ignore[no-any-return]


async def test_the_certificate_is_the_one_for_the_name(world: World) -> None:
    assert shown(world.visit("exact.test")) == ["exact.test"]
    assert shown(world.visit("EXACT.test", ("192.0.2.8", 1))) == ["exact.test"]
    assert shown(world.visit("other.test", ("192.0.2.9", 1))) == ["default.test"]
    assert shown(world.visit(None, ("192.0.2.10", 1))) == ["default.test"]


async def test_a_new_certificate_is_shown_from_the_next_connection_on(world: World) -> None:
    world.set_up(handler=saying())
    client = world.visit("exact.test")
    store = CertificateStore(a_pair("later.test"))
    world.house.snapshot.doors = {"web": Door(default=terms(), certificates=store)}
    assert (await client.ask()).status == 200
    assert shown(world.visit("exact.test", ("192.0.2.8", 1))) == ["later.test"]


@pytest.mark.parametrize(
    ("settings", "alert"),
    [
        ({"client_certificate": ssl.CERT_REQUIRED}, 40),
        ({"client_certificate": ssl.CERT_OPTIONAL}, 40),
        ({"client_certificate": ssl.CERT_REQUIRED, "any_client_certificate": True}, 40),
        ({"maximum": "VersionTLS12"}, 70),
        ({"groups": ("P-521",)}, 40),
        ({"sni_strict": True}, 112),
    ],
)
async def test_what_quic_cannot_keep_of_the_options_closes_their_names_and_no_others(
    world: World, settings: Any, alert: int
) -> None:
    world.set_up(world.door(a=terms("strict", **settings)), handler=saying())
    refused = world.visit("a.test")
    assert refused.closed == ALERT + alert
    assert not world.house.requests
    assert (await world.visit("exact.test", ("192.0.2.8", 1)).ask()).status == 200
    assert sum(world.house.entry.handshake_failures.values()) == 1


async def test_broken_options_close_their_names(world: World) -> None:
    world.set_up(world.door(a=CLOSED))
    assert world.visit("a.test").closed == ALERT + 40


async def test_options_restrict_the_groups(world: World) -> None:
    world.set_up(world.door(a=terms(groups=("P-384",)), b=terms(groups=("P-521", "X25519"))), handler=saying())
    for name, groups in (("a.test", [Group.SECP384R1]), ("b.test", [Group.X25519])):
        client = world.visit(name, (name, 1))
        (connection,) = world.entry._ids
        assert connection.quic.tls._supported_groups == groups
        assert (await client.ask()).status == 200
        client.quic.close()
        await client.settle()


async def test_a_client_that_speaks_no_http3_is_refused(world: World) -> None:
    assert world.visit(alpn=["hq-interop"]).closed == ALERT + 120


async def test_a_host_with_other_options_than_the_connections_is_misdirected(world: World) -> None:
    world.set_up(world.door(exact=terms("v13@file")), handler=saying())
    client = world.visit("exact.test")
    assert (await client.ask()).status == 421


async def test_under_load_a_client_must_show_its_address_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.set_up(handler=saying())
    monkeypatch.setattr(http3_entry, "RETRY_ABOVE", 0)
    client = world.visit()
    assert (await client.ask()).status == 200
    assert world.entry.retried == 1


async def test_a_made_up_token_is_refused(world: World) -> None:
    assert world.visit(token=b"x" * 60).closed == QuicErrorCode.INVALID_TOKEN


@pytest.mark.parametrize("limit", ["MAX_HANDSHAKES", "MAX_CONNECTIONS"])
async def test_above_the_limits_clients_are_turned_away(world: World, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(http3_entry, limit, 0)
    assert world.visit().closed == QuicErrorCode.CONNECTION_REFUSED
    assert world.entry.turned_away == 1


async def test_handshakes_that_do_not_go_on_are_given_up(world: World) -> None:
    client = Client(world, "a.test", ("192.0.2.7", 1))
    for data in client.out():
        world.post.inbox.append((data, client.address))
    world.entry._readable()
    assert world.entry._shaking == 1
    sent = sum(len(data) for data, _ in world.post.outbox)
    assert sent <= 3 * 1200 * 2
    for _ in range(4):
        await world.house.advance(3)
    assert world.entry._shaking == 0
    assert not world.house.entry.connections
    assert world.house.entry.handshake_failures == {"timeout": 1}


@pytest.mark.parametrize("datagram", [b"", b"\x40" * 30, b"\xc0" * 1200, b"\xc3\x00\x00\x00\x01\x08" + b"\x01" * 1300])
async def test_what_is_no_packet_leaves_nothing_behind(world: World, datagram: bytes) -> None:
    world.post.inbox.append((datagram, ("192.0.2.7", 1)))
    world.entry._readable()
    await world.house.settle()
    assert not world.entry._ids
    assert not world.entry._connections
    assert not world.house.entry.connections


async def test_an_unknown_version_is_answered_with_those_we_speak(world: World) -> None:
    world.post.inbox.append(
        (b"\xc0\x1a\x2a\x3a\x4a\x08" + b"\x01" * 8 + b"\x08" + b"\x02" * 8 + b"\0" * 1200, ("192.0.2.7", 1))
    )
    world.entry._readable()
    ((answer, _),) = world.post.outbox
    assert answer[1:5] == bytes(4)
    assert b"\x00\x00\x00\x01" in answer[5:]
    world.post.outbox.clear()
    world.post.inbox.append((b"\xc0\x1a\x2a\x3a\x4a\x08" + b"\x01" * 8 + b"\x08" + b"\x02" * 8, ("192.0.2.7", 1)))
    world.entry._readable()
    assert not world.post.outbox  # too small to be answered


async def test_a_client_hello_beyond_all_bounds_is_refused(world: World) -> None:
    client = Client(world, "a.test", ("192.0.2.7", 1))
    stream = client.quic._crypto_streams[next(iter(client.quic._crypto_streams))]
    stream.sender._pending.add(100_000, 100_010)
    stream.sender._buffer += bytes(100_010 - len(stream.sender._buffer))
    world.carry(client)
    assert client.closed == QuicErrorCode.CRYPTO_BUFFER_EXCEEDED


frames_at_random = st.builds(
    lambda kind, length, content: encode_uint_var(kind) + encode_uint_var(length) + content,
    st.sampled_from([0, 1, 2, 3, 4, 5, 7, 0xD, 0x21, 0x41, 0xF0700]),
    st.integers(0, 100) | st.sampled_from([2**14, 2**30, 2**62 - 1]),
    st.binary(max_size=60),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.binary(max_size=30) | frames_at_random, st.booleans()), max_size=12))
def test_whatever_a_client_sends_nobody_is_surprised(house_on: Any, sent: list[tuple[int, bytes, bool]]) -> None:
    async def visit() -> None:
        world = World(house_on(asyncio.get_running_loop()))
        world.set_up(handler=saying())
        client = world.visit()
        client.listens = False
        ended = set()
        for number, data, end in sent:
            stream = (0, 4, 14, 18, 2)[number]  # requests, streams of new kinds, the control stream
            if stream in ended or client.closed is not None:
                continue
            if end:
                ended.add(stream)
            with contextlib.suppress(RuntimeError, ValueError):  # it was stopped, or is over
                client.quic.send_stream_data(stream, data, end)
            await client.settle()
        client.quic.close()
        await client.settle()
        assert not world.house.entry.broken_off
        assert not world.house.entry.connections
        world.house.check_books()

    asyncio.run(visit())


async def test_what_nobody_expected_breaks_off_one_connection_and_is_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.set_up(handler=saying())
    client, other = world.visit(), world.visit(address=("192.0.2.8", 1))
    first = next(iter(world.entry._ids))
    monkeypatch.setattr(type(first), "_head", lambda *_: 1 / 0)
    await client.ask()
    assert client.closed == INTERNAL_ERROR
    assert world.house.entry.broken_off == {"ZeroDivisionError": 1}
    assert other.closed is None
    assert len(world.house.entry.connections) == 1


async def test_options_that_change_have_their_clients_agree_anew(world: World) -> None:
    world.set_up(world.door(terms("x@file")), handler=saying())
    client = world.visit()
    world.house.entry.renew(["x@file"])
    await client.settle()
    assert client.closed == NO_ERROR


async def test_a_client_goes_on_from_another_address(world: World) -> None:
    world.set_up(handler=saying())
    client = world.visit()
    await client.ask()
    client.address = ("192.0.2.99", 7)
    client.quic._network_paths[0].addr = client.address
    assert (await client.ask()).status == 200
    assert world.house.requests[-1].client.host == "192.0.2.7"
