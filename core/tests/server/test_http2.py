"""HTTP/2 clients, HTTP/1 servers: the same requests, bodies and answers as over HTTP/1, a stream each."""

import asyncio
from typing import Any

import h2.settings
import pytest

from pointsman.errors import GatewayError
from pointsman.http2 import frames
from pointsman.message import Body, Headers, Request, Response

GET = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a.test"), (b":path", b"/a?b=1")]
POST = [(b":method", b"POST"), *GET[1:]]
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"
WINDOW = {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1000}


def saying(body: bytes = b"ok", status: int = 200) -> Any:
    return lambda request: Response(status, [(b"date", b"x")], body)


# requests


async def test_a_request_reaches_the_server_as_http1_and_its_answer_comes_back(house: Any, http2_client: Any) -> None:
    client = http2_client()
    answer = await client.ask([*GET, (b"accept", b"*/*"), (b"cookie", b"a=1"), (b"cookie", b"b=2")])
    head = house.server.take()
    assert head.startswith(b"GET /a?b=1 HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nCookie: a=1; b=2\r\n")
    assert b"X-Forwarded-Proto: http\r\n" in head
    assert b"X-Forwarded-Host: a.test\r\n" in head
    assert b"X-Forwarded-For: 192.0.2.7\r\n" in head
    house.server.receive(
        b"HTTP/1.1 201 Created\r\nDate: x\r\nServer: s\r\nConnection: x-hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nok"
    )
    await client.settle()
    assert answer.fields == [(b":status", b"201"), (b"date", b"x"), (b"server", b"s"), (b"content-length", b"2")]
    assert (answer.body, answer.ended, answer.code) == (b"ok", True, None)
    house.check_books()


async def test_the_same_request_again_reads_the_same_and_another_path_is_another(house: Any, http2_client: Any) -> None:
    house.set_up(handler=lambda request: Response(200, [], request.path + b" " + (request.headers.get(b"x-a") or b"")))
    client = http2_client()
    bodies = []
    for path, value in [(b"/1", b"x"), (b"/1", b"x"), (b"/2", b"x"), (b"/2", b"y"), (b"/1", b"x")] * 2:
        answer = await client.ask([*GET[:3], (b":path", path), (b"x-a", value)])
        bodies.append(answer.body)
    assert bodies == [b"/1 x", b"/1 x", b"/2 x", b"/2 y", b"/1 x"] * 2
    house.check_books()


async def test_middlewares_see_a_request_as_they_know_it(house: Any, http2_client: Any) -> None:
    house.set_up(handler=saying())
    client = http2_client()
    await client.ask([*GET, (b"x-a", b"1")])
    request: Request = house.requests[0]
    assert (request.method, request.path, request.query, request.version) == (b"GET", b"/a", b"b=1", 20)
    assert (request.authority, request.host, request.scheme) == (b"a.test", b"a.test", b"http")
    assert request.headers.get(b"host") == b"a.test"
    assert request.headers.get(b"x-a") == b"1"


async def test_many_requests_run_at_once_and_are_answered_as_they_come(house: Any, http2_client: Any) -> None:
    client = http2_client()
    answers = [client.begin([*GET[:3], (b":path", b"/%d" % number)]) for number in range(5)]
    await client.settle()
    assert len(house.servers) == 5
    for number in (3, 0, 4, 1, 2):
        wire = next(wire for wire in house.servers if wire.sent.startswith(b"GET /%d " % number))
        wire.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)
        await client.settle()
        assert answers[number].ended
    assert [answer.body for answer in answers] == [b"0", b"1", b"2", b"3", b"4"]
    house.check_books()


async def test_a_body_without_a_length_goes_on_in_chunks_with_its_trailers(house: Any, http2_client: Any) -> None:
    client = http2_client()
    answer = client.begin([*POST, (b"te", b"trailers"), (b"trailer", b"x-t")], end=False)
    client.send(answer, b"hel")
    await client.settle()
    client.send(answer, b"lo")
    client.h2.send_headers(answer.stream, [(b"x-t", b"1"), (b"x-forwarded-for", b"evil")], end_stream=True)
    await client.settle()
    sent = house.server.take()
    assert b"\r\nTransfer-Encoding: chunked\r\n" in sent
    assert b"\r\nTe: trailers\r\n" in sent
    assert sent.endswith(b"\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: 1\r\n\r\n")
    house.server.receive(
        b"HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nGrpc-Status: 0\r\n\r\n"
    )
    await client.settle()
    assert (answer.body, answer.trailers, answer.ended) == (b"ok", [(b"grpc-status", b"0")], True)
    house.check_books()


async def test_a_body_with_a_length_keeps_it(house: Any, http2_client: Any) -> None:
    client = http2_client()
    await client.ask([*POST, (b"content-length", b"5")], b"hello")
    sent = house.server.take()
    assert b"\r\nContent-Length: 5\r\n" in sent
    assert sent.endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize(("sent", "end"), [(b"hell", True), (b"hello!", False)])
async def test_another_length_than_content_length_says_resets_the_stream(
    house: Any, raw_http2: Any, sent: bytes, end: bool
) -> None:
    client = raw_http2()
    client.send(client.request(fields=[*POST, (b"content-length", b"5")], end=False))
    client.send(frames.head(len(sent) << 8, 1 if end else 0, 1) + sent)
    await client.settle()
    assert client.reset_code(1) == frames.PROTOCOL_ERROR
    assert not client.closed
    house.check_books()


async def test_100_continue_is_said_when_somebody_reads_the_body(house: Any, http2_client: Any) -> None:
    client = http2_client()
    answer = client.begin([*POST, (b"content-length", b"2"), (b"expect", b"100-continue")], end=False)
    await client.settle()
    assert answer.interim == []
    house.server.receive(b"HTTP/1.1 100 Continue\r\n\r\n")
    await client.settle()
    assert [status for status, _ in answer.interim] == [100]
    client.send(answer, b"ok", True)
    await client.settle()
    assert house.server.take().endswith(b"\r\n\r\nok")


async def test_an_answer_before_the_end_of_the_body_ends_the_upload_without_an_error(house: Any, http2_client: Any) -> None:
    house.set_up(handler=saying(b"too large", 413))
    client = http2_client()
    small = await client.ask(POST, b"x" * 10_000)
    assert (small.status, small.ended, small.code) == (413, True, None)
    answer = client.begin([*POST, (b"content-length", b"500000")], end=False)
    await client.settle()
    assert (answer.status, answer.body, answer.ended) == (413, b"too large", True)
    house.check_books()
    for _ in range(30):
        if answer.code is None:
            client.send(answer, b"x" * 16_000)
    assert answer.code == frames.NO_ERROR
    slow = client.begin(POST, end=False)
    await house.advance(6)
    house.deadlines._sweep(house.loop)
    client.carry()
    assert slow.code == frames.NO_ERROR
    assert not client.wire.protocol.session.streams


async def test_the_slow_upload_of_one_stream_gets_no_further_window_and_others_go_on(house: Any, http2_client: Any) -> None:
    client = http2_client()
    slow = client.begin(POST, end=False)
    await client.settle()
    house.server.stick()
    sent = 0
    while (room := min(client.h2.local_flow_control_window(slow.stream), 16_384)) and sent < 5_000_000:
        client.send(slow, b"x" * room)
        sent += room
        await client.settle()
    assert sent <= house.entry.http2.stream_window + 200_000
    answer = await client.ask()
    house.server.receive(OK)
    await client.settle()
    assert answer.ended
    house.servers[0].flow()
    await client.settle()
    assert client.h2.local_flow_control_window(slow.stream) > 100_000


# answers


async def test_head_204_and_304_have_no_body(house: Any, http2_client: Any) -> None:
    client = http2_client()
    house.set_up(handler=lambda request: Response(int(request.query or b"200"), [(b"date", b"x")], b"some"))
    client = http2_client()
    head = await client.ask([(b":method", b"HEAD"), *GET[1:3], (b":path", b"/")])
    assert (head.get(b"content-length"), head.body, head.ended) == (b"4", b"", True)
    for status in (204, 304):
        answer = await client.ask([*GET[:3], (b":path", b"/?%d" % status)])
        assert (answer.status, answer.body, answer.ended) == (status, b"", True)
    house.check_books()


async def test_a_date_is_added_only_where_there_is_none(house: Any, http2_client: Any) -> None:
    client = http2_client()
    answer = await client.ask()
    house.server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await client.settle()
    assert (answer.get(b"date") or b"").endswith(b" GMT")
    assert answer.fields[-1] == (b"content-length", b"2")


async def test_103_comes_before_the_answer(house: Any, http2_client: Any) -> None:
    client = http2_client()
    answer = await client.ask()
    house.server.receive(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nConnection: keep-alive\r\n\r\n" + OK)
    await client.settle()
    assert answer.interim == [(103, {b"link": b"</x>"})]
    assert answer.body == b"ok"


async def test_a_streamed_body_goes_out_as_it_comes(house: Any, http2_client: Any) -> None:
    client = http2_client()
    answer = await client.ask()
    house.server.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
    await client.settle()
    assert (answer.body, answer.ended) == (b"one", False)
    house.server.receive(b"3\r\ntwo\r\n0\r\n\r\n")
    await client.settle()
    assert (answer.body, answer.ended) == (b"onetwo", True)
    house.check_books()


async def test_a_server_that_breaks_off_resets_the_stream_and_nothing_else(house: Any, http2_client: Any) -> None:
    client = http2_client()
    answer = await client.ask()
    house.server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
    await client.settle()
    house.server.break_off()
    await client.settle()
    assert (answer.body, answer.ended, answer.code) == (b"part", False, frames.INTERNAL_ERROR)
    assert (await client.ask()).code is None
    assert not client.goaways


async def test_a_client_that_takes_nothing_of_one_stream_pauses_its_server_and_no_other(
    house: Any, http2_client: Any
) -> None:
    client = http2_client(WINDOW)
    client.reading = False
    slow = await client.ask()
    wire = house.server
    wire.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 5000)
    await client.settle()
    assert len(slow.body) == 1000
    assert not wire.reading
    other = await client.ask()
    house.server.receive(OK)
    await client.settle()
    assert other.ended
    client.h2.increment_flow_control_window(99_000, slow.stream)
    client.carry()
    assert wire.reading
    wire.receive(b"x" * 95_000)
    client.h2.increment_flow_control_window(1_000_000)
    await client.settle()
    assert (len(slow.body), slow.ended) == (100_000, True)
    house.check_books()


async def test_a_transport_that_is_full_pauses_the_servers_and_the_reading(house: Any, http2_client: Any) -> None:
    client = http2_client({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1 << 24}, window=1 << 24)
    answer = await client.ask()
    wire = house.server
    client.wire.stick()
    wire.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 100_000)
    wire.offer(b"x" * 100_000)
    await house.settle()
    assert not wire.reading
    assert not client.wire.reading
    sent = 200_000
    while sent < 1_000_000:
        client.wire.flow()
        client.wire.stick()
        if wire.offer(b"x" * 100_000):
            sent += 100_000
        await house.settle()
    client.wire.flow()
    await client.settle()
    assert (len(answer.body), answer.ended) == (1_000_000, True)
    house.check_books()


async def test_an_error_of_the_gateway_is_answered(house: Any, http2_client: Any) -> None:
    house.refuse = OSError("refused")
    client = http2_client()
    answer = await client.ask()
    assert (answer.status, answer.body, answer.ended) == (502, b"Bad Gateway", True)
    house.check_books()


async def test_headers_that_a_middleware_made_are_sent_without_those_of_a_hop(house: Any, http2_client: Any) -> None:
    house.set_up(
        handler=lambda request: Response(200, [(b"x-a", b"1"), (b"connection", b"close"), (b"set-cookie", b"a=b")], b"x")
    )
    client = http2_client()
    answer = await client.ask()
    names = [name for name, _ in answer.fields]
    assert names == [b":status", b"x-a", b"set-cookie", b"date", b"content-length"]


async def test_a_coroutine_answers(house: Any, http2_client: Any) -> None:
    async def handler(request: Request) -> Response:
        await asyncio.sleep(0)
        return Response(200, [], await request.body.read(100))

    house.set_up(handler=handler)
    client = http2_client()
    answer = await client.ask(POST, b"hello")
    assert answer.body == b"hello"
    house.check_books()


# routing


async def test_no_route_is_the_404(house: Any, http2_client: Any) -> None:
    house.set_up(rule="Host(`other.test`)")
    client = http2_client()
    answer = await client.ask()
    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    assert answer.get(b"x-content-type-options") == b"nosniff"


async def test_a_route_under_other_tls_options_is_misdirected(house: Any, http2_client: Any) -> None:
    class Tls:
        options = "strict@file"

    house.snapshot.secure = house.snapshot.tables
    client = http2_client()
    client.wire.protocol.link.scheme = b"https"
    client.wire.protocol.link.tls = Tls()
    answer = await client.ask()
    assert (answer.status, answer.body) == (421, b"Misdirected Request\n")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([(b":method", b"OPTIONS"), *GET[1:3], (b":path", b"*")], 200),
        ([*GET[:3], (b":path", b"/a#b")], 400),
        ([*GET[:3], (b":path", b"/%zz")], 400),
        ([(b":method", b"CONNECT"), (b":authority", b"a.test:443")], 501),
        ([*GET, (b"expect", b"something")], 417),
        ([GET[0], GET[1], GET[3]], 400),
        ([*GET[:2], (b":authority", b"a b"), GET[3]], 400),
    ],
)
async def test_some_requests_are_answered_by_the_gateway_itself(
    house: Any, raw_http2: Any, fields: Any, status: int
) -> None:
    client = raw_http2()
    client.send(client.request(fields=fields))
    head = next(frame for frame in await client.settle() if frame.kind == frames.HEADERS)
    from hpack import Decoder

    assert dict(Decoder().decode(head.payload, raw=True))[b":status"] == b"%d" % status
    assert not client.closed


async def test_a_head_above_the_limit_is_431(house: Any, http2_client: Any) -> None:
    house.set_up(max_header_bytes=2000)
    client = http2_client()
    answer = await client.ask([*GET, (b"x-a", b"y" * 7000)])
    assert answer.status == 431
    assert (await client.ask()).code is None


# WebSockets (RFC 8441)

CONNECT = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:], (b"sec-websocket-version", b"13")]


def accepted(head: bytes) -> bytes:
    from pointsman.server.http2_cycle import accept_for

    key = head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: chat\r\n"
        b"Sec-WebSocket-Accept: " + accept_for(key) + b"\r\n\r\n"
    )


async def open_websocket(house: Any, client: Any) -> Any:
    answer = client.begin(CONNECT, end=False)
    await client.settle()
    head = house.server.take()
    assert head.startswith(b"GET /a?b=1 HTTP/1.1\r\nHost: a.test\r\n")
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in head
    assert b"\r\nX-Forwarded-Proto: ws\r\n" in head
    house.server.receive(accepted(head) + b"early")
    await client.settle()
    return answer


async def test_extended_connect_becomes_an_upgrade_and_its_bytes_travel_as_data(house: Any, http2_client: Any) -> None:
    client = http2_client()
    assert client.h2.remote_settings.enable_connect_protocol == 1
    answer = await open_websocket(house, client)
    assert answer.fields == [(b":status", b"200"), (b"sec-websocket-protocol", b"chat")]
    assert answer.body == b"early"
    client.send(answer, b"ping")
    assert house.server.take() == b"ping"
    house.server.receive(b"pong")
    client.carry()
    assert answer.body == b"earlypong"
    client.send(answer, b"", True)
    assert house.server.eof
    house.server.receive(b"last")
    house.server.receive_eof()
    await client.settle()
    assert (answer.body, answer.ended, answer.code) == (b"earlyponglast", True, None)
    house.check_books()


async def test_a_server_that_ends_a_websocket_ends_its_stream(house: Any, http2_client: Any) -> None:
    client = http2_client()
    answer = await open_websocket(house, client)
    house.server.break_off()
    await client.settle()
    assert answer.ended
    house.check_books()


async def test_a_client_that_resets_a_websocket_closes_its_server_connection(house: Any, http2_client: Any) -> None:
    client = http2_client()
    answer = await open_websocket(house, client)
    client.h2.reset_stream(answer.stream)
    await client.settle()
    assert house.server.closing
    house.check_books()


async def test_a_websocket_whose_client_does_not_read_pauses_its_server(house: Any, http2_client: Any) -> None:
    client = http2_client(WINDOW)
    client.reading = False
    answer = await open_websocket(house, client)
    house.server.receive(b"x" * 3000)
    await client.settle()
    assert not house.server.reading
    client.h2.increment_flow_control_window(10_000, answer.stream)
    client.carry()
    assert house.server.reading
    assert len(answer.body) == 3005


async def test_what_comes_with_the_agreement_to_a_websocket_pauses_its_server_too(house: Any, http2_client: Any) -> None:
    client = http2_client(WINDOW)
    client.reading = False
    client.begin(CONNECT, end=False)
    await client.settle()
    house.server.receive(accepted(house.server.take()) + b"x" * 3000)
    await client.settle()
    assert not house.server.reading
    client.h2.increment_flow_control_window(10_000, 1)
    client.carry()
    assert house.server.reading


async def test_a_websocket_that_a_server_refuses_is_answered_plainly(house: Any, http2_client: Any) -> None:
    client = http2_client()
    answer = client.begin(CONNECT, end=False)
    await client.settle()
    house.server.receive(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    await client.settle()
    assert (answer.status, answer.body, answer.ended) == (403, b"no", True)
    house.check_books()


async def test_a_server_that_does_not_know_the_key_has_not_accepted(house: Any, http2_client: Any) -> None:
    client = http2_client()
    answer = client.begin(CONNECT, end=False)
    await client.settle()
    house.server.receive(b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
    await client.settle()
    assert answer.status == 502
    house.check_books()


@pytest.mark.parametrize("protocol", [b"connect-udp", b"h2c", b"x\r\n\r\nGET /admin HTTP/1.1\r\nHost: a.test"])
async def test_any_other_protocol_than_websocket_is_refused(house: Any, raw_http2: Any, protocol: bytes) -> None:
    from hpack import Decoder

    client = raw_http2()
    client.send(client.request(fields=[CONNECT[0], (b":protocol", protocol), *CONNECT[2:]]))
    head = next(frame for frame in await client.settle() if frame.kind == frames.HEADERS)
    assert dict(Decoder().decode(head.payload, raw=True))[b":status"] == b"501"
    assert not house.servers


async def test_a_client_that_ends_before_the_server_agrees_has_ended(house: Any, http2_client: Any) -> None:
    client = http2_client()
    answer = client.begin(CONNECT, end=False)
    client.send(answer, b"", True)
    await client.settle()
    house.server.receive(accepted(house.server.take()))
    await client.settle()
    assert house.server.eof
    house.server.receive(b"last")
    house.server.receive_eof()
    await client.settle()
    assert (answer.body, answer.ended, answer.code) == (b"last", True, None)
    house.check_books()


# gRPC

GRPC = [*POST, (b"content-type", b"application/grpc+proto"), (b"te", b"trailers")]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (GatewayError(400), 13),
        (GatewayError(401), 16),
        (GatewayError(403), 7),
        (GatewayError(404), 12),
        (GatewayError(429), 14),
        (GatewayError(502), 14),
        (GatewayError(503), 14),
        (GatewayError(504), 4),
        (GatewayError(408), 4),
        (ValueError("x"), 2),
    ],
)
async def test_a_grpc_client_gets_errors_as_grpc_status(
    house: Any, http2_client: Any, error: Exception, status: int
) -> None:
    def handler(request: Request) -> Response:
        raise error

    house.set_up(handler=handler)
    client = http2_client()
    answer = await client.ask(GRPC, b"")
    fields = dict(answer.fields)
    assert fields.pop(b"date")
    message = fields.pop(b"grpc-message")
    assert fields == {b":status": b"200", b"content-type": b"application/grpc", b"grpc-status": b"%d" % status}
    assert message
    assert (answer.body, answer.ended) == (b"", True)


async def test_no_route_is_unimplemented_to_a_grpc_client(house: Any, http2_client: Any) -> None:
    house.set_up(rule="Host(`other.test`)")
    answer = await http2_client().ask(GRPC, b"")
    assert answer.get(b"grpc-status") == b"12"
    assert answer.get(b"grpc-message") == b"404 page not found"


async def test_a_middlewares_refusal_is_a_grpc_status_and_keeps_its_headers(house: Any, http2_client: Any) -> None:
    house.set_up(handler=lambda request: Response(401, [(b"www-authenticate", b"Basic")], "né %".encode()))
    answer = await http2_client().ask(GRPC, b"")
    assert answer.get(b"grpc-status") == b"16"
    assert answer.get(b"grpc-message") == b"n%C3%A9 %25"
    assert answer.get(b"www-authenticate") == b"Basic"


async def test_what_a_server_answers_a_grpc_client_is_passed_on(house: Any, http2_client: Any) -> None:
    client = http2_client()
    answer = await client.ask(GRPC, b"")
    house.server.receive(b"HTTP/1.1 503 X\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\nx")
    await client.settle()
    assert (answer.status, answer.body) == (503, b"x")


# time


async def test_a_connection_without_requests_ends_with_the_idle_timeout(house: Any, http2_client: Any) -> None:
    house.set_up(handler=saying(), idle_timeout=10.0)
    client = http2_client()
    await client.ask()
    await house.advance(9)
    client.wire.protocol.expire()
    assert not client.wire.closing
    await house.advance(2)
    house.deadlines._sweep(house.loop)
    assert client.wire.closing
    client.carry()
    assert [goaway.error_code for goaway in client.goaways] == [frames.NO_ERROR]


async def test_a_client_that_never_asks_has_the_read_timeout(house: Any, http2_client: Any) -> None:
    house.set_up(handler=saying(), read_timeout=5.0)
    client = http2_client()
    await house.advance(6)
    house.deadlines._sweep(house.loop)
    assert client.wire.closing


async def test_a_body_that_does_not_come_in_time_is_408(house: Any, http2_client: Any) -> None:
    house.set_up(read_timeout=5.0)
    client = http2_client()
    slow = client.begin(POST, end=False)
    await client.settle()
    await house.advance(3)
    house.deadlines._sweep(house.loop)
    assert slow.status == 0
    await house.advance(3)
    house.deadlines._sweep(house.loop)
    await client.settle()
    assert (slow.status, slow.ended) == (408, True)
    assert not client.wire.closing
    house.check_books()


async def test_an_answer_has_the_write_timeout_from_the_end_of_the_request(house: Any, http2_client: Any) -> None:
    house.set_up(write_timeout=5.0, read_timeout=60.0)
    client = http2_client()
    slow, quick = client.begin(POST, end=False), client.begin()
    await client.settle()
    await house.advance(4)
    client.send(slow, b"x", True)
    await house.advance(2)
    house.deadlines._sweep(house.loop)
    await client.settle()
    assert (slow.code, quick.code) == (None, frames.CANCEL)
    await house.advance(4)
    house.deadlines._sweep(house.loop)
    await client.settle()
    assert slow.code == frames.CANCEL
    house.check_books()


async def test_a_connection_that_closes_waits_for_its_client_only_so_long(house: Any, raw_http2: Any) -> None:
    house.set_up(handler=saying(b"x" * 50_000), idle_timeout=10.0)
    client = raw_http2()
    client.wire.stick()
    client.send(client.request())
    for _ in range(3):
        await house.advance(11)
        house.deadlines._sweep(house.loop)
    assert client.wire.aborted


async def test_settings_that_nobody_acknowledges_end_the_connection(house: Any, raw_http2: Any) -> None:
    client = raw_http2(begun=False)
    client.send(frames.PREFACE + frames.settings([]))
    await house.advance(11)
    house.deadlines._sweep(house.loop)
    assert client.goaway_code() == frames.SETTINGS_TIMEOUT
    assert client.closed


async def test_an_answer_that_nobody_takes_is_given_up_after_the_idle_timeout(house: Any, http2_client: Any) -> None:
    house.set_up(handler=saying(b"x" * 5000), idle_timeout=10.0)
    client = http2_client(WINDOW)
    client.reading = False
    slow = await client.ask()
    await house.advance(6)
    client.h2.increment_flow_control_window(10, slow.stream)
    client.carry()
    await house.advance(6)
    house.deadlines._sweep(house.loop)
    client.carry()
    assert slow.code is None
    await house.advance(5)
    house.deadlines._sweep(house.loop)
    client.carry()
    assert slow.code == frames.CANCEL
    house.check_books()


async def test_a_client_that_does_not_read_its_socket_is_cut(house: Any, http2_client: Any) -> None:
    house.set_up(handler=saying(b"x" * 100_000), idle_timeout=10.0)
    client = http2_client({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1 << 24}, window=1 << 24)
    client.wire.stick()
    client.begin()
    for _ in range(3):
        await house.advance(11)
        house.deadlines._sweep(house.loop)
    assert client.wire.aborted
    await house.settle()
    house.check_books()


@pytest.mark.spec("O-43")
async def test_the_last_request_of_a_limited_connection_is_announced_by_goaway(house: Any, http2_client: Any) -> None:
    house.set_up(handler=saying(), keep_alive_max_requests=2)
    client = http2_client()
    await client.ask()
    assert not client.goaways
    answer = await client.ask()
    assert answer.ended
    assert [(goaway.error_code, goaway.last_stream_id) for goaway in client.goaways] == [(frames.NO_ERROR, 3)]
    await client.settle()
    assert client.wire.closing


async def test_draining_lets_requests_finish_that_are_running_or_on_their_way(house: Any, raw_http2: Any) -> None:
    client = raw_http2()
    client.send(client.request(1))
    await house.settle()
    house.entry.drain()
    client.send(client.request(3))  # it has not heard yet
    await house.settle()
    client.send(frames.ping(b"farewell", True), client.request(5))
    for wire in house.servers:
        wire.receive(OK)
    came = await client.settle()
    assert [frame.payload[:4] for frame in came if frame.kind == frames.GOAWAY] == [b"\x7f\xff\xff\xff", b"\0\0\0\3"]
    assert [frame.stream for frame in came if frame.kind == frames.DATA] == [1, 3]
    assert client.closed
    assert house.entry.empty.is_set()
    house.check_books()


async def test_an_idle_connection_closes_when_the_entry_point_drains(house: Any, raw_http2: Any) -> None:
    client = raw_http2()
    house.entry.drain()
    client.send(frames.ping(b"farewell", True))
    await house.settle()
    assert client.closed
    assert house.entry.empty.is_set()


async def test_a_client_that_does_not_answer_the_farewell_is_left_after_a_second(house: Any, raw_http2: Any) -> None:
    client = raw_http2()
    house.entry.drain()
    await house.advance(1.1)
    house.deadlines._sweep(house.loop)
    await house.settle()
    assert client.closed


# endings


async def test_a_client_that_goes_cancels_all_its_requests(house: Any, http2_client: Any) -> None:
    client = http2_client()
    for _ in range(3):
        await client.ask()
    exchanges = [request.exchange for request in house.requests]
    client.wire.break_off()
    await house.settle()
    assert [exchange.status for exchange in exchanges] == [499] * 3
    assert all(wire.closing for wire in house.servers)
    house.check_books()


async def test_a_stream_that_is_reset_cancels_its_request_only(house: Any, http2_client: Any) -> None:
    client = http2_client()
    first, second = await client.ask(), await client.ask()
    client.h2.reset_stream(first.stream)
    await client.settle()
    assert house.servers[0].closing
    house.servers[1].receive(OK)
    await client.settle()
    assert second.ended
    house.check_books()


async def test_an_upload_that_is_reset_breaks_off_towards_the_server(house: Any, http2_client: Any) -> None:
    client = http2_client()
    answer = client.begin(POST, end=False)
    client.send(answer, b"half")
    await client.settle()
    client.h2.reset_stream(answer.stream)
    await client.settle()
    assert house.server.closing
    house.check_books()


async def test_on_done_runs_once_the_last_byte_is_out(house: Any, http2_client: Any) -> None:
    done: list[int] = []

    def handler(request: Request) -> Response:
        request.on_done(lambda: done.append(1))
        return Response(200, Headers(), b"x" * 5000)

    house.set_up(handler=handler)
    client = http2_client(WINDOW)
    client.reading = False
    answer = await client.ask()
    assert done == []
    client.h2.increment_flow_control_window(4000, answer.stream)
    client.carry()
    assert done == [1]
    house.check_books()


async def test_a_body_of_another_length_than_announced_resets_the_stream(house: Any, http2_client: Any) -> None:
    async def pieces() -> Any:
        yield b"xy"

    house.set_up(handler=lambda request: Response(200, [], Body.stream(pieces(), 5)))
    client = http2_client()
    answer = await client.ask()
    await client.settle()
    assert (answer.ended, answer.code) == (False, frames.INTERNAL_ERROR)
    house.check_books()
