"""The server protocol as a script of the wire: bytes in on either side, bytes out on the other."""

import asyncio
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.api import Handler
from pointsman.errors import BodyTooLarge
from pointsman.message import Body, Headers, Request, Response

GET = b"GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"
UPGRADE = b"GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: y\r\n\r\n"


def saying(body: bytes = b"ok", status: int = 200) -> Handler:
    return lambda request: Response(status, [(b"date", b"x")], body)


def status_of(sent: bytes) -> int:
    return int(sent.split(b" ")[1])


# whole and one at a time


@pytest.mark.parametrize(
    ("request_bytes", "answer"),
    [
        (GET, OK),
        (POST + b"hello", OK),
        (CHUNKED + b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-T: 1\r\n\r\n", OK),
        (GET, b"HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n"),
        (b"\r\n\r\n" + GET, b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK),
    ],
)
async def test_bytes_whole_and_in_pieces_give_the_same_on_both_sides(
    house: Any, splits: Any, request_bytes: bytes, answer: bytes
) -> None:
    seen = set()
    for pieces, answers in zip(splits(request_bytes), [*splits(answer), *splits(answer)], strict=False):
        client = house.client()
        for piece in pieces:
            client.receive(piece)
        await house.settle()
        got = house.server.take()
        for piece in answers:
            house.server.receive(piece)
        await house.settle()
        head, _, body = got.partition(b"\r\n\r\n")
        back_head, _, back = client.sent.rpartition(b"\r\nX-Ignored")
        plain = b"chunked" not in head
        reply = client.sent.replace(b"1\r\no\r\n1\r\nk\r\n", b"2\r\nok\r\n")
        seen.add((head, body if plain else b"", back_head, back if not back else b"", reply))
        client.break_off()
        await house.settle()
    assert len(seen) == 1
    house.check_books()


async def test_pipelined_requests_are_answered_in_order_without_recursion(house: Any) -> None:
    house.set_up(handler=lambda request: Response(200, [(b"date", b"x")], request.query))
    requests = b"".join(b"GET /?%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(5000))
    client = await house.ask(requests)
    answers = [piece.partition(b"\r\n\r\n")[2] for piece in client.writes]
    assert answers == [b"%d" % number for number in range(5000)]
    house.check_books()


async def test_pipelined_requests_to_a_server_go_one_after_the_other(house: Any) -> None:
    client = await house.ask(GET.replace(b"/a", b"/1") + GET.replace(b"/a", b"/2"))
    assert house.server.take().startswith(b"GET /1 ")
    house.server.receive(OK)
    await house.settle()
    assert house.server.take().startswith(b"GET /2 ")
    assert len(house.servers) == 1
    house.server.receive(OK)
    assert client.sent == OK * 2


async def test_a_client_that_does_not_read_gets_no_further_answers_made(house: Any) -> None:
    house.set_up(handler=saying(b"x" * 50_000))
    client = house.client()
    client.stick()
    client.receive(GET * 100)
    await house.settle()
    assert len(client.sent) < 300_000
    assert not client.offer(GET)
    while not client.reading or len(client.sent) < 100 * 50_000:
        client.flow()
        client.stick()
    assert client.sent.count(b"HTTP/1.1 200") == 100
    client.flow()
    assert client.offer(GET)
    assert client.sent.count(b"HTTP/1.1 200") == 101


async def test_a_client_that_never_reads_is_cut_when_its_idle_time_is_over(house: Any) -> None:
    house.set_up(handler=saying(b"x" * 100_000), idle_timeout=10.0)
    client = house.client()
    client.stick()
    client.receive(GET)
    await house.advance(11)
    assert client.lost


async def test_empty_lines_before_a_request_are_skipped_cheaply(house: Any) -> None:
    house.set_up(handler=saying())
    client = house.client()
    begun = asyncio.get_running_loop().time()
    client.receive(b"\r\n" * 128_000 + GET)
    assert asyncio.get_running_loop().time() - begun < 0.5
    assert status_of(client.sent) == 200


# patience


@pytest.mark.spec("O-44")
async def test_half_a_head_is_closed_without_answer_when_the_read_timeout_is_over(house: Any) -> None:
    house.set_up(read_timeout=1.0)
    client = await house.ask(GET[:20])
    await house.advance(0.9)
    client.receive(GET[20:25])  # a drip does not buy time
    assert not client.lost
    await house.advance(0.2)
    assert client.lost
    assert client.sent == b""


async def test_a_connection_that_says_nothing_is_closed_at_the_read_timeout(house: Any) -> None:
    house.set_up(read_timeout=1.0)
    client = house.client()
    await house.advance(1.1)
    assert client.lost
    assert client.sent == b""


async def test_an_idle_connection_is_closed_at_the_idle_timeout(house: Any) -> None:
    house.set_up(handler=saying(), read_timeout=1.0, idle_timeout=5.0)
    client = await house.ask(GET)
    await house.advance(4.5)
    assert not client.lost
    await house.advance(0.6)
    assert client.lost


async def test_half_a_body_is_answered_408_and_the_server_is_let_go(house: Any) -> None:
    house.set_up(read_timeout=1.0)
    client = await house.ask(POST + b"he")
    await house.advance(1.1)
    assert status_of(client.sent) == 408
    assert b"Connection: close" in client.sent
    assert house.server.aborted
    house.check_books()
    await house.advance(2.1)
    assert client.lost


async def test_half_a_body_stops_a_middleware_that_waits_for_it(house: Any) -> None:
    ended = []

    async def reading(request: Request, call_next: Handler) -> Response:
        try:
            await request.body.read(100)
        except BaseException as error:
            ended.append(type(error))
            raise
        return Response(200)

    house.set_up(around=reading, read_timeout=1.0)
    client = await house.ask(POST + b"he")
    await house.advance(1.1)
    assert status_of(client.sent) == 408
    assert ended == [asyncio.CancelledError]


async def test_a_drained_connection_waits_for_its_next_request_as_long_as_any(house: Any) -> None:
    house.set_up(handler=saying(), idle_timeout=100.0)
    client = await house.ask(POST + b"he")
    assert client.sent.endswith(b"ok")
    client.receive(b"llo")
    await house.advance(50)
    assert not client.lost
    await house.ask(GET, client)
    assert client.sent.count(b"HTTP/1.1 200") == 2


# limits


@pytest.mark.spec("R-77", "O-39")
@pytest.mark.parametrize("step", [1_000_000, 16_384, 701])
async def test_a_head_above_the_limit_is_refused_with_431_as_soon_as_that_is_known(house: Any, step: int) -> None:
    house.set_up(max_header_bytes=10_000)
    client = house.client()
    taken = 0
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000
    for at in range(0, len(head), step):
        client.receive(head[at : at + step])
        taken += step
        if client.sent:
            break
    assert client.sent.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert client.sent.endswith(b"\r\n\r\n431 Request Header Fields Too Large")
    assert taken <= 10_000 + 4096 + step
    assert client.eof


async def test_what_follows_a_content_length_body_is_the_next_request(house: Any) -> None:
    client = await house.ask(POST + b"hello" + GET.replace(b"/a", b"/next"))
    assert house.server.take().endswith(b"\r\n\r\nhello")
    house.server.receive(OK)
    await house.settle()
    assert house.server.take().startswith(b"GET /next ")
    house.server.receive(OK)
    assert client.sent == OK * 2


async def test_bytes_of_a_body_are_counted_from_the_first(house: Any) -> None:
    exchanges = []

    def noting(request: Request) -> Response:
        exchanges.append(request.exchange)
        return Response(200)

    house.set_up(handler=noting)
    await house.ask(POST + b"hello")
    assert exchanges[0].bytes_in == 5


@pytest.mark.parametrize("bad", [b"z\r\n", b"5\r\nhello!!", b"5\nhello"])
async def test_a_bad_chunk_is_a_400_and_the_server_never_sees_the_end(house: Any, bad: bytes) -> None:
    client = await house.ask(CHUNKED + b"1\r\na\r\n")
    assert house.server.sent.endswith(b"1\r\na\r\n")
    client.receive(bad)
    await house.settle()
    assert status_of(client.sent) == 400
    assert client.eof or client.closing
    assert house.server.aborted
    assert b"0\r\n\r\n" not in house.server.sent
    house.check_books()


async def test_a_bad_chunk_right_behind_the_head_is_a_400(house: Any) -> None:
    client = await house.ask(CHUNKED + b"z\r\n")
    assert status_of(client.sent) == 400
    assert not house.servers
    house.check_books()


async def test_a_bad_chunk_after_the_answer_has_begun_cuts_the_connection(house: Any) -> None:
    client = await house.ask(CHUNKED + b"1\r\na\r\n")
    house.server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    await house.advance(0.2)
    client.receive(b"z\r\n")
    await house.settle()
    assert client.lost
    house.check_books()


async def test_many_small_chunks_travel_together(house: Any) -> None:
    await house.ask(CHUNKED)
    house.server.take()
    for wire in (house.entry.connections.copy().pop().transport,):
        wire.receive(b"1\r\na\r\n" * 1000)
    assert len(house.server.writes) == 1


# answers before the body is here


async def test_an_early_answer_keeps_the_connection_if_the_rest_of_the_body_is_small(house: Any) -> None:
    house.set_up(handler=saying())
    client = await house.ask(POST + b"he")
    assert status_of(client.sent) == 200
    client.receive(b"llo" + GET)
    assert client.sent.count(b"HTTP/1.1 200") == 2
    house.check_books()


async def test_an_early_answer_of_the_server_closes_its_connection(house: Any) -> None:
    client = await house.ask(POST + b"he")
    house.server.receive(OK)
    assert client.sent == OK
    assert house.server.closing
    client.receive(b"llo")
    await house.ask(GET, client)
    assert len(house.servers) == 2
    house.server.receive(OK)
    assert client.sent == OK * 2
    house.check_books()


async def test_a_large_rest_is_not_read_but_the_answer_arrives(house: Any) -> None:
    house.set_up(handler=saying())
    client = await house.ask(POST.replace(b"5", b"1000000000"))
    assert status_of(client.sent) == 200
    sent = 0
    while client.offer(b"x" * 65_536):
        sent += 65_536
        assert sent < 2_000_000
    assert client.eof
    assert not client.aborted, "a reset could destroy the answer on its way"
    await house.advance(3)
    assert client.lost


async def test_a_slow_reader_gets_its_answer_while_the_connection_lingers(house: Any) -> None:
    house.set_up(handler=saying(b"x" * 50_000))
    client = house.client()
    client.stick()
    client.receive(POST.replace(b"Host", b"Connection: close\r\nHost"))
    await house.advance(2.5)
    client.buffered -= 10_000
    await house.advance(2.5)
    assert not client.aborted
    await house.advance(2.5)
    assert client.aborted, "but not if it reads nothing at all"


async def test_readers_of_a_body_learn_that_its_rest_will_not_come(house: Any) -> None:
    outcomes = []

    async def beside(body: Body) -> None:
        try:
            await body.read(100)
        except Exception as error:
            outcomes.append(error)

    tasks = []

    def early(request: Request) -> Response:
        tasks.append(asyncio.ensure_future(beside(request.body)))
        return Response(200)

    async def around(request: Request, call_next: Handler) -> Response:
        response = early(request)
        await asyncio.sleep(0)
        return response

    house.set_up(around=around)
    await house.ask(POST + b"he")
    assert len(outcomes) == 1


async def test_a_middleware_that_reads_too_much_answers_413(house: Any) -> None:
    async def limiting(request: Request, call_next: Handler) -> Response:
        await request.body.read(3)
        return Response(200)

    house.set_up(around=limiting)
    client = await house.ask(CHUNKED + b"5\r\nhello\r\n")
    assert status_of(client.sent) == 413
    client.receive(b"0\r\n\r\n")
    await house.ask(GET, client)
    assert client.sent.count(b"HTTP/1.1") == 2


# clients that leave


@pytest.mark.spec("R-7")
async def test_a_client_that_leaves_while_the_server_is_silent_is_a_499_and_the_server_is_let_go(house: Any) -> None:
    client = await house.ask(GET)
    exchange = house.requests[-1].exchange
    client.break_off()
    await house.settle()
    assert exchange.status == 499
    assert house.server.lost
    house.check_books()


async def test_a_client_that_leaves_in_its_body_is_a_499_too(house: Any) -> None:
    client = await house.ask(POST + b"he")
    exchange = house.requests[-1].exchange
    client.break_off(ConnectionResetError())
    await house.settle()
    assert exchange.status == 499
    assert client.sent == b""
    assert house.server.aborted
    house.check_books()


async def test_a_client_that_leaves_while_we_connect_leaves_nothing_behind(house: Any) -> None:
    house.hang = asyncio.Event()
    client = await house.ask(GET)
    client.break_off()
    await house.settle()
    house.check_books()


@pytest.mark.parametrize("task", [False, True])
async def test_a_client_that_leaves_in_the_answer_lets_the_server_go(house: Any, task: bool) -> None:
    async def passing(request: Request, call_next: Handler) -> Response:
        return await call_next(request)

    house.set_up(around=passing if task else None)
    client = await house.ask(GET)
    house.server.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    await house.settle()
    assert client.sent.endswith(b"5\r\nhello\r\n")
    exchange = house.requests[-1].exchange
    client.break_off()
    await house.settle()
    assert exchange.status == 200
    assert house.server.aborted
    house.check_books()


async def test_a_middleware_is_cancelled_when_its_client_leaves(house: Any) -> None:
    async def passing(request: Request, call_next: Handler) -> Response:
        return await call_next(request)

    house.set_up(around=passing)
    client = await house.ask(GET)
    client.break_off()
    await house.settle()
    assert house.server.lost
    house.check_books()


# answers without a body, HTTP/1.0, the end of connections


async def test_head_204_and_304_have_no_body(house: Any) -> None:
    client = await house.ask(GET.replace(b"GET", b"HEAD"))
    house.server.receive(b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 9\r\n\r\n")
    assert client.take() == b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 9\r\n\r\n"
    await house.ask(GET, client)
    house.server.receive(b"HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n")
    assert client.take() == b"HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n"
    await house.ask(GET, client)
    house.server.receive(b"HTTP/1.1 304 Not Modified\r\nDate: x\r\nContent-Length: 7\r\n\r\n")
    assert client.take() == b"HTTP/1.1 304 Not Modified\r\nDate: x\r\nContent-Length: 7\r\n\r\n"
    assert len(house.servers) == 1
    house.check_books()


async def test_http_1_0_closes_unless_it_asks_to_be_kept(house: Any) -> None:
    house.set_up(handler=saying())
    client = await house.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert b"\r\nConnection: keep-alive\r\n" in client.take()
    await house.ask(b"GET / HTTP/1.0\r\n\r\n", client)
    assert b"\r\nConnection: close\r\n" in client.sent
    assert client.lost


async def test_http_1_0_gets_a_body_of_unknown_length_up_to_the_close(house: Any) -> None:
    client = await house.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert house.server.take().startswith(b"GET / HTTP/1.1\r\nHost: 10.0.0.1:9000\r\n"), "a Host is needed"
    house.server.receive(b"HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    await house.settle()
    assert client.sent == b"HTTP/1.1 200 OK\r\nDate: x\r\nConnection: close\r\n\r\nok"
    assert client.lost


async def test_http_1_0_gets_no_interim_answers(house: Any) -> None:
    client = await house.ask(b"GET / HTTP/1.0\r\n\r\n")
    house.server.receive(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)
    assert status_of(client.sent) == 200


async def test_connection_close_is_honoured_and_said(house: Any) -> None:
    house.set_up(handler=saying())
    client = await house.ask(GET.replace(b"Host", b"Connection: x-a, Close\r\nHost"))
    assert b"\r\nConnection: close\r\n" in client.sent
    assert client.lost


@pytest.mark.spec("O-43")
async def test_the_last_allowed_answer_says_close(house: Any) -> None:
    house.set_up(handler=saying(), keep_alive_max_requests=2)
    client = await house.ask(GET)
    assert b"Connection" not in client.take()
    await house.ask(GET, client)
    assert b"\r\nConnection: close\r\n" in client.sent
    assert client.lost


async def test_a_connection_that_is_old_enough_closes_after_its_answer(house: Any) -> None:
    house.set_up(handler=saying(), keep_alive_max_time=10.0)
    client = await house.ask(GET)
    assert b"Connection" not in client.take()
    await house.advance(10.1)
    await house.ask(GET, client)
    assert b"\r\nConnection: close\r\n" in client.sent


async def test_draining_closes_idle_connections_and_waits_for_busy_ones(house: Any) -> None:
    idle, busy = house.client(), house.client()
    await house.ask(GET, busy)
    house.entry.drain()
    await house.settle()
    assert idle.lost
    assert not busy.lost
    house.server.receive(OK)
    await house.settle()
    assert b"Connection: close" in busy.sent
    assert busy.lost
    assert house.entry.empty.is_set()


async def test_draining_nothing_is_done_at_once(house: Any) -> None:
    house.entry.drain()
    assert house.entry.empty.is_set()


async def test_draining_closes_a_connection_whose_rest_is_thrown_away(house: Any) -> None:
    house.set_up(handler=saying())
    client = await house.ask(POST + b"he")
    house.entry.drain()
    client.receive(b"llo")
    await house.settle()
    assert client.lost


# expectations and interim answers

EXPECT = POST.replace(b"Content", b"Expect: 100-continue\r\nContent")


@pytest.mark.parametrize("length", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
async def test_a_100_of_the_server_reaches_the_client_and_then_its_body_the_server(house: Any, length: bytes) -> None:
    client = await house.ask(EXPECT.replace(b"Content-Length: 5", length))
    assert b"\r\nExpect: 100-continue\r\n" in house.server.take()
    assert client.sent == b""
    house.server.receive(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert client.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    body = b"hello" if length[:1] == b"C" else b"5\r\nhello\r\n0\r\n\r\n"
    client.receive(body)
    assert house.server.take() == body
    house.server.receive(OK)
    assert client.sent == OK
    house.check_books()
    assert house.pool.idle == 1


async def test_without_a_100_the_body_is_sent_after_a_second(house: Any) -> None:
    client = await house.ask(EXPECT)
    house.server.take()
    await house.advance(0.9)
    assert client.sent == b""
    await house.advance(0.2)
    assert client.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.receive(b"hello")
    assert house.server.take() == b"hello"


@pytest.mark.spec("R-70")
async def test_a_final_answer_to_an_expectation_is_relayed_without_the_body(house: Any) -> None:
    client = await house.ask(EXPECT)
    house.server.receive(b"HTTP/1.1 417 Expectation Failed\r\nDate: x\r\nContent-Length: 0\r\n\r\n")
    await house.settle()
    assert client.sent.startswith(b"HTTP/1.1 417 Expectation Failed\r\n")
    assert b"100 Continue" not in client.sent
    assert b"Connection: close" in client.sent
    assert house.server.closing
    house.check_books()
    await house.advance(1.1)
    assert b"hello" not in house.server.sent


async def test_a_body_that_is_here_already_needs_no_100(house: Any) -> None:
    client = await house.ask(EXPECT + b"hello")
    assert house.server.sent.endswith(b"\r\n\r\nhello")
    house.server.receive(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
    assert client.sent == OK


@pytest.mark.spec("R-70")
async def test_an_unknown_expectation_is_a_417(house: Any) -> None:
    client = await house.ask(GET.replace(b"Host", b"Expect: foo\r\nHost"))
    assert status_of(client.sent) == 417


@pytest.mark.spec("R-69")
async def test_interim_answers_are_relayed_as_they_come(house: Any) -> None:
    client = await house.ask(GET)
    house.server.receive(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nConnection: x\r\n\r\n")
    assert client.take() == b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    house.server.receive(b"HTTP/1.1 102 Processing\r\n\r\n" + OK)
    assert client.sent == b"HTTP/1.1 102 Processing\r\n\r\n" + OK


# upgrades


async def switched(house: Any, extra: bytes = b"", rest: bytes = b"") -> Any:
    client = await house.ask(UPGRADE + extra)
    house.server.take()
    house.server.receive(SWITCH + rest)
    await house.settle()
    return client


@pytest.mark.spec("R-67", "O-30")
async def test_an_upgrade_becomes_a_byte_pipe(house: Any) -> None:
    got = await house.forwarded(UPGRADE)
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" in got
    assert b"\r\nSec-WebSocket-Key: k\r\n" in got
    assert b"\r\nX-Forwarded-Proto: ws\r\n" in got
    client = await switched(house, b"early", b"late")
    assert house.server.take() == b"early"
    head, _, rest = client.take().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nConnection: Upgrade\r\nUpgrade: WebSocket" in head
    assert b"\r\nSec-WebSocket-Accept: y" in head
    assert rest == b"late"
    client.receive(b"ping")
    house.server.receive(b"pong")
    assert (house.server.take(), client.take()) == (b"ping", b"pong")


@pytest.mark.parametrize("side", ["client", "server"])
async def test_when_one_side_of_a_pipe_goes_the_other_is_closed(house: Any, side: str) -> None:
    client = await switched(house)
    here, there = (client, house.server) if side == "client" else (house.server, client)
    here.receive(b"bye")
    here.break_off()
    await house.settle()
    assert there.sent.endswith(b"bye")
    assert there.lost
    assert not there.aborted, "what was said must arrive"
    house.check_books()


async def test_half_closes_travel_and_two_of_them_end_the_pipe(house: Any) -> None:
    client = await switched(house)
    client.receive_eof()
    assert house.server.eof
    assert not client.closing
    house.server.receive(b"still")
    assert client.sent.endswith(b"still")
    house.server.receive_eof()
    await house.settle()
    assert client.lost
    assert house.server.lost
    house.check_books()


async def test_a_side_that_cannot_half_close_is_closed_instead(house: Any) -> None:
    client = await switched(house)
    client.half_closes = False
    house.server.receive_eof()
    await house.settle()
    assert client.lost
    assert house.server.lost
    house.check_books()


async def test_a_pipe_presses_back_on_both_sides(house: Any) -> None:
    client = await switched(house)
    client.stick()
    house.server.receive(b"x" * 100_000)
    assert not house.server.reading
    assert client.reading
    client.flow()
    assert house.server.reading
    house.server.stick()
    client.receive(b"x" * 100_000)
    assert not client.reading
    house.server.flow()
    assert client.reading


async def test_bytes_of_the_server_wait_until_the_middlewares_are_through(house: Any) -> None:
    gate = asyncio.Event()

    async def slow(request: Request, call_next: Handler) -> Response:
        response = await call_next(request)
        await gate.wait()
        return response

    house.set_up(around=slow)
    client = await house.ask(UPGRADE)
    house.server.receive(SWITCH + b"one ")
    house.server.receive(b"two ")
    await house.settle()
    house.server.receive_eof()
    await house.settle()
    gate.set()
    await house.settle()
    assert client.sent.endswith(b"\r\n\r\none two ")
    assert client.lost
    house.check_books()


async def test_an_upgrade_that_a_middleware_refuses_lets_the_server_go(house: Any) -> None:
    async def refusing(request: Request, call_next: Handler) -> Response:
        await call_next(request)
        return Response(403)

    house.set_up(around=refusing)
    client = await house.ask(UPGRADE)
    house.server.receive(SWITCH)
    await house.settle()
    assert status_of(client.sent) == 403
    assert house.server.lost
    house.check_books()


async def test_a_refused_upgrade_is_an_answer_and_what_follows_a_request(house: Any) -> None:
    client = await house.ask(UPGRADE + GET)
    house.server.receive(OK)
    await house.settle()
    assert house.server.sent.endswith(b"\r\n\r\n")
    assert house.server.sent.count(b"GET /a ") == 1
    house.server.receive(OK)
    assert client.sent == OK * 2


async def test_a_101_before_the_request_has_left_whole_is_refused(house: Any) -> None:
    client = await house.ask(UPGRADE.replace(b"GET", b"POST").replace(b"Host", b"Content-Length: 5\r\nHost") + b"he")
    house.server.receive(SWITCH)
    await house.settle()
    assert status_of(client.sent) == 502
    assert house.server.aborted
    house.check_books()


async def test_another_protocol_than_the_one_asked_for_is_refused(house: Any) -> None:
    client = await house.ask(UPGRADE)
    house.server.receive(SWITCH.replace(b"WebSocket", b"other"))
    await house.settle()
    assert status_of(client.sent) == 502


@pytest.mark.spec("R-68")
async def test_h2c_is_not_negotiated(house: Any) -> None:
    got = await house.forwarded(
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: websocket, H2C\r\nHTTP2-Settings: x\r\n\r\n"
    )
    assert b"pgrade" not in got
    assert b"ettings" not in got


async def test_tunnelled_bytes_are_counted(house: Any) -> None:
    client = await switched(house)
    exchange = house.requests[-1].exchange
    client.receive(b"12345")
    house.server.receive(b"123")
    assert (exchange.bytes_in, exchange.bytes_out) == (5, 3)


# special targets


@pytest.mark.spec("R-74")
async def test_options_star_and_connect_are_answered_here(house: Any) -> None:
    client = await house.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    assert status_of(client.take()) == 200
    await house.ask(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", client)
    assert status_of(client.sent) == 501
    assert not house.servers
    house.check_books()


@pytest.mark.spec("R-77", "O-37")
@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /a#%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /%a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a:80:90\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: \xe4\r\n\r\n", 400),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET ?a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://a b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ],
)
async def test_what_is_no_request_is_refused(house: Any, request_bytes: bytes, status: int) -> None:
    client = await house.ask(request_bytes)
    assert status_of(client.sent) == status
    if b"#" in request_bytes:
        assert b"\r\nContent-Length: 0\r\n" in client.sent
    assert not house.servers
    house.check_books()


@pytest.mark.spec("R-76", "O-38")
async def test_an_escape_that_is_not_allowed_is_a_400_where_a_router_matches(house: Any) -> None:
    house.set_up(rule="Host(`a`)", denied_escapes=(b"%2F",))
    client = await house.ask(b"GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n")
    assert status_of(client.take()) == 400
    await house.ask(b"GET /a%2fb HTTP/1.1\r\nHost: b\r\n\r\n", client)
    assert status_of(client.take()) == 404
    await house.ask(b"GET /a?x=%2F HTTP/1.1\r\nHost: a\r\n\r\n", client)
    assert house.server.sent.startswith(b"GET /a?x=%2F HTTP/1.1\r\n")


@pytest.mark.spec("R-2")
async def test_no_router_is_a_404_that_is_not_sniffed(house: Any) -> None:
    house.set_up(rule="Host(`a`)")
    client = await house.ask(b"GET / HTTP/1.1\r\nHost: b\r\n\r\n")
    assert client.sent.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert b"\r\nX-Content-Type-Options: nosniff\r\n" in client.sent
    assert client.sent.endswith(b"\r\n\r\n404 page not found\n")


async def test_a_predicate_that_breaks_is_a_500_and_not_the_end_of_the_connection(house: Any) -> None:
    class Broken:
        def match(self, request: Request) -> None:
            raise RuntimeError("broken matcher")

    house.snapshot.tables = {"web": Broken()}
    client = await house.ask(GET)
    assert status_of(client.sent) == 500
    assert not client.lost
    house.check_books()


# responses that middlewares make


async def test_headers_that_frame_are_made_from_the_body_and_others_are_kept(house: Any) -> None:
    async def replacing(request: Request, call_next: Handler) -> Response:
        response = await call_next(request)
        response.body.abandon()
        response.body = Body.of(b"another")
        response.headers.set(b"x-new", b"1")
        return response

    house.set_up(around=replacing)
    client = await house.ask(GET)
    house.server.receive(
        b"HTTP/1.1 200 OK\r\nDate: x\r\nServer: s\r\nTransfer-Encoding: chunked\r\nKeep-Alive: 1\r\n\r\n1\r\na\r\n"
    )
    await house.settle()
    assert client.sent == b"HTTP/1.1 200 OK\r\nDate: x\r\nServer: s\r\nX-New: 1\r\nContent-Length: 7\r\n\r\nanother"
    house.check_books()


@pytest.mark.parametrize("name", [b"x-a\r\nx-b", b"X-A", b"x a", b"", b"x:a"])
def test_a_header_name_that_is_no_token_cannot_be_set(name: bytes) -> None:
    for edit in (Headers().set, Headers().add):
        with pytest.raises(ValueError, match="token"):
            edit(name, b"1")


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\rb", b"a\0b"])
def test_a_header_value_cannot_hold_another_line(value: bytes) -> None:
    for edit in (Headers().set, Headers().add):
        with pytest.raises(ValueError, match="CR, LF or NUL"):
            edit(b"x-a", value)


async def test_a_dropped_answer_of_the_server_is_let_go(house: Any) -> None:
    async def dropping(request: Request, call_next: Handler) -> Response:
        await call_next(request)
        return Response(200, body=b"mine")

    house.set_up(around=dropping)
    client = await house.ask(GET)
    house.server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
    await house.settle()
    assert client.sent.endswith(b"mine")
    assert house.server.aborted
    house.check_books()


async def test_a_streamed_body_is_chunked_and_its_failure_is_visible(house: Any) -> None:
    async def pieces(fail: bool) -> Any:
        yield b"one"
        if fail:
            raise RuntimeError("no more")

    house.set_up(handler=lambda request: Response(200, [(b"date", b"x")], pieces(request.path == b"/bad")))
    client = await house.ask(GET)
    assert client.take().endswith(b"3\r\none\r\n0\r\n\r\n")
    await house.ask(GET.replace(b"/a", b"/bad"), client)
    assert client.sent.endswith(b"3\r\none\r\n")
    assert client.lost
    house.check_books()


async def test_a_body_to_the_close_that_fails_does_not_look_whole(house: Any) -> None:
    client = await house.ask(b"GET / HTTP/1.0\r\n\r\n")
    house.server.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
    house.server.break_off(ConnectionResetError())
    await house.settle()
    assert client.aborted
    house.check_books()


@pytest.mark.parametrize(("length", "content"), [(3, b"four"), (5, b"four")])
async def test_a_body_that_is_not_as_long_as_it_says_is_cut(house: Any, length: int, content: bytes) -> None:
    async def pieces() -> Any:
        yield content

    house.set_up(handler=lambda request: Response(200, body=Body.stream(pieces(), length)))
    client = await house.ask(GET)
    assert client.lost
    assert len(client.sent.partition(b"\r\n\r\n")[2]) < length
    house.check_books()


async def test_a_response_that_cannot_be_written_is_a_500(house: Any) -> None:
    async def odd(request: Request, call_next: Handler) -> Response:
        response = Response(200)
        response.headers.raw.append(("x-a", "text"))
        return response

    house.set_up(around=odd)
    client = await house.ask(GET)
    assert status_of(client.sent) == 500
    house.check_books()
    house.set_up(handler=lambda request: Response(200, [("x-a", 1)]))  # type: ignore[list-item, arg-type, return-value]
    assert status_of((await house.ask(GET)).sent) == 500
    house.check_books()


async def test_a_handler_that_returns_no_response_is_a_500(house: Any) -> None:
    async def odd(request: Request, call_next: Handler) -> Any:
        return None

    house.set_up(around=odd)
    assert status_of((await house.ask(GET)).sent) == 500
    house.set_up(handler=lambda request: None)  # type: ignore[arg-type, return-value]
    assert status_of((await house.ask(GET)).sent) == 500
    house.check_books()


async def test_a_pick_that_breaks_is_a_500(house: Any) -> None:
    house.set_up()

    def broken(request: Request, tried: Any) -> Any:
        raise RuntimeError("broken balancer")

    house.forwarder.pick = broken
    assert status_of((await house.ask(GET)).sent) == 500
    house.check_books()


async def test_an_interim_status_without_a_pipe_is_no_answer(house: Any) -> None:
    house.set_up(handler=lambda request: Response(101))
    assert status_of((await house.ask(GET)).sent) == 500


async def test_an_error_of_a_body_that_a_middleware_made_keeps_its_status(house: Any) -> None:
    async def limiting(request: Request, call_next: Handler) -> Response:
        async def limited() -> Any:
            yield b"some"
            raise BodyTooLarge(4)

        request.body = Body.stream(limited())
        return await call_next(request)

    house.set_up(around=limiting)
    client = await house.ask(POST + b"hello")
    assert status_of(client.sent) == 413
    assert house.server.aborted
    house.check_books()


# heads that end in bare line feeds


@pytest.mark.parametrize(
    "pieces", [[b"GET / HTTP/1.1\nHost: a\n\n"], [b"GET / HT", b"TP/1.1\r", b"\nHost: a\n"], [b"GET /\n"]]
)
async def test_a_head_with_bare_line_feeds_is_refused_at_once(house: Any, pieces: list[bytes]) -> None:
    client = house.client()
    for piece in pieces:
        client.receive(piece)
    assert client.sent.startswith(b"HTTP/1.1 400 ")


async def test_a_head_that_comes_in_pieces_between_cr_and_lf_is_one(house: Any) -> None:
    client = house.client()
    for piece in (b"GET / HTTP/1.1\r", b"\nHost: a.test\r", b"\n\r", b"\n"):
        client.receive(piece)
    await house.settle()
    assert b"400" not in client.sent


# flushing (routing.md §6.6)


@pytest.mark.spec("R-72")
async def test_a_body_of_known_length_is_grouped_and_others_are_not(house: Any) -> None:
    client = await house.ask(GET)
    house.server.receive(b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 6\r\n\r\na")
    house.server.receive(b"b")
    assert client.sent == b""
    await house.advance(0.11)
    assert client.writes == [b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 6\r\n\r\nab"]
    client.take()
    house.server.receive(b"c")
    house.server.receive(b"d")
    await house.advance(0.11)
    house.server.receive(b"e")
    house.server.receive(b"f")
    assert b"".join(client.writes) == b"cdef"
    assert client.writes[0] == b"cd"
    client = await house.ask(GET)
    house.server.receive(b"HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(5):
        house.server.receive(b"1\r\na\r\n")
    assert len(client.writes) == 6


async def test_without_an_interval_a_body_is_sent_when_enough_is_there_or_all(house: Any) -> None:
    house.set_up(flush_seconds=math.inf)
    client = await house.ask(GET)
    house.server.receive(b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 4098\r\n\r\n" + b"a" * 4)
    await house.advance(5)
    assert client.sent == b""
    house.server.receive(b"a" * 4092)
    assert client.sent.endswith(b"a" * 4096)
    client.take()
    house.server.receive(b"b")
    await house.advance(5)
    assert client.sent == b""
    house.server.receive(b"b")
    assert client.sent == b"bb"


async def test_an_event_stream_is_sent_at_every_read(house: Any) -> None:
    client = await house.ask(GET)
    house.server.receive(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; x\r\nContent-Length: 6\r\n\r\na")
    house.server.receive(b"b")
    assert client.sent.endswith(b"\r\n\r\nab")


async def test_a_date_is_added_if_the_server_sent_none(house: Any) -> None:
    client = await house.ask(GET)
    house.server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert client.sent.count(b"\r\nDate: ") == 1


async def test_a_client_that_reads_slowly_pauses_the_server_and_lets_it_go_on(house: Any) -> None:
    client = await house.ask(GET)
    client.stick()
    house.server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 100_000)
    assert not house.server.reading
    client.flow()
    assert house.server.reading
    house.server.receive(b"x" * 200_000)
    assert len(client.sent) > 300_000
    house.check_books()


async def test_a_server_that_reads_slowly_pauses_the_client_and_lets_it_go_on(house: Any) -> None:
    client = await house.ask(POST.replace(b"5", b"300000"))
    house.server.stick()
    client.receive(b"x" * 100_000)
    assert not client.reading
    house.server.flow()
    assert client.reading
    client.receive(b"x" * 200_000)
    house.server.receive(OK)
    assert client.sent == OK
    house.check_books()


async def test_a_body_nobody_reads_yet_is_held_up_to_a_limit(house: Any) -> None:
    gate = asyncio.Event()

    async def slow(request: Request, call_next: Handler) -> Response:
        await gate.wait()
        return await call_next(request)

    house.set_up(around=slow)
    client = await house.ask(POST.replace(b"5", b"1000000"))
    sent = 0
    while client.offer(b"x" * 10_000):
        sent += 10_000
    assert 64_000 <= sent <= 80_000
    gate.set()
    await house.settle()
    assert client.reading
    assert house.server.sent.endswith(b"x" * sent)


async def test_pauses_of_one_request_do_not_reach_the_next(house: Any) -> None:
    bodies = []

    async def keeping(request: Request, call_next: Handler) -> Response:
        bodies.append(request.body)
        return Response(200)

    house.set_up(around=keeping)
    client = await house.ask(POST.replace(b"5", b"100000") + b"x" * 100_000)
    assert client.reading
    await house.ask(POST, client)
    bodies[1].pause()
    assert client.reading, "the second request is over, too"
    client.receive(b"hello")
    for body in bodies:
        body.pause()
        body.resume()
    assert client.reading


async def test_every_exchange_is_finished_once(house: Any) -> None:
    done = []

    async def noting(request: Request, call_next: Handler) -> Response:
        request.on_done(lambda: done.append(request.path))
        return await call_next(request)

    house.set_up(around=noting)
    client = await house.ask(GET)
    house.server.receive(OK)
    await house.settle()
    assert done == [b"/a"]
    client.break_off()
    await house.settle()
    assert done == [b"/a"]


# anything at all

FRAGMENTS = st.sampled_from(
    [
        GET,
        POST,
        CHUNKED,
        UPGRADE,
        EXPECT,
        GET.replace(b"GET", b"HEAD"),
        b"GET / HTTP/1.0\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"hello",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"0\r\nX: y\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b"\x00",
        b" ",
        b"x" * 300,
        b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    ]
)
ANSWERS = st.sampled_from(
    [OK, SWITCH, b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nx", b"?\r\n\r\n", b"", b"wait"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(FRAGMENTS, st.integers(1, 40), ANSWERS), max_size=12), st.booleans(), st.booleans())
def test_nothing_a_client_sends_breaks_the_protocol(
    house_on: Any, steps: list[tuple[bytes, int, bytes]], here: bool, stuck: bool
) -> None:
    async def story() -> None:
        house = house_on(asyncio.get_running_loop())
        house.set_up(handler=saying() if here else None, max_header_bytes=2000)
        client = house.client()
        if stuck:
            client.stick()
        for data, size, answer in steps:
            for at in range(0, len(data), size):
                client.offer(data[at : at + size])
            await house.settle()
            server = house.servers[-1] if house.servers else None
            if answer == b"wait":
                await house.advance(200)
                client.flow()
            elif server is not None:
                server.offer(answer) if answer else server.receive_eof()
            await house.settle()
        if not client.lost:
            client.break_off()
        await house.advance(10)
        house.check_books()
        assert not house.entry.connections

    asyncio.run(story())
