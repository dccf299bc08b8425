"""Towards servers: framing, reuse, retries, and what is left behind when anything goes wrong."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.api import Handler
from pointsman.errors import GatewayError
from pointsman.message import Body, Exchange, Headers, Request, Response

GET = b"GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"


def status_of(sent: bytes) -> int:
    return int(sent.split(b" ")[1])


# framing of responses


@pytest.mark.parametrize(
    ("answer", "body", "reused"),
    [
        (OK, b"ok", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"2\r\nok\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", b"ok", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", b"ok", True),
        (OK + b"junk", b"ok", False),
        (OK + OK, b"ok", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (b"HTTP/1.1 204 No Content\r\n\r\njunk", b"", False),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", b"0\r\n\r\n", False),
    ],
)
@pytest.mark.parametrize("step", [1000, 1, 3])
async def test_a_response_ends_where_its_framing_says(
    house: Any, answer: bytes, body: bytes, reused: bool, step: int
) -> None:
    client = await house.ask(GET)
    for at in range(0, len(answer), step):
        house.server.offer(answer[at : at + step])
    await house.advance(0.2)
    content = client.sent.partition(b"\r\n\r\n")[2]
    assert content.replace(b"1\r\no\r\n1\r\nk\r\n", b"2\r\nok\r\n") == body
    assert house.pool.idle == reused
    assert house.server.closing != reused
    house.check_books()


async def test_a_response_up_to_the_close_is_chunked_to_the_client(house: Any) -> None:
    client = await house.ask(GET)
    house.server.receive(b"HTTP/1.1 200 OK\r\nDate: x\r\n\r\nok")
    house.server.receive_eof()
    await house.settle()
    assert client.sent == b"HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    assert not client.closing
    house.check_books()


async def test_a_response_up_to_the_close_that_is_reset_is_cut(house: Any) -> None:
    client = await house.ask(GET)
    house.server.receive(b"HTTP/1.1 200 OK\r\nDate: x\r\n\r\nok")
    house.server.break_off(ConnectionResetError())
    await house.settle()
    assert not client.sent.endswith(b"0\r\n\r\n")
    assert client.lost
    house.check_books()


@pytest.mark.spec("R-73")
@pytest.mark.parametrize(
    ("head", "seen"),
    [(b"Content-Length: 100", b"half"), (b"Transfer-Encoding: chunked", b"4\r\nhalf\r\n")],
)
async def test_a_body_that_is_cut_cuts_the_client_after_what_came(house: Any, head: bytes, seen: bytes) -> None:
    client = await house.ask(GET)
    house.server.receive(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + seen)
    house.server.receive_eof()
    await house.settle()
    assert client.sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert client.sent.endswith(b"\r\n\r\n" + seen)
    assert client.lost
    house.check_books()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 101,
        b"x" * 1_100_000,
    ],
)
async def test_what_is_no_clear_answer_is_a_502_and_the_connection_is_dropped(house: Any, answer: bytes) -> None:
    client = await house.ask(GET)
    house.server.receive(answer)
    await house.settle()
    final = client.sent[client.sent.index(b"HTTP/1.1 502") :]
    assert final.endswith(b"\r\n\r\nBad Gateway")
    assert house.server.aborted
    house.check_books()


async def test_a_bad_chunk_in_an_answer_cuts_the_client(house: Any) -> None:
    client = await house.ask(GET)
    house.server.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
    house.server.receive(b"zz\r\n")
    await house.settle()
    assert client.sent.endswith(b"2\r\nok\r\n")
    assert client.lost
    house.check_books()


async def test_a_head_that_comes_drop_by_drop_costs_no_more_than_its_length(house: Any) -> None:
    await house.ask(GET)
    begun = asyncio.get_running_loop().time()
    house.server.receive(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(20_000):
        house.server.receive(b"x" * 40)
    assert asyncio.get_running_loop().time() - begun < 2


# the pool


async def test_bytes_nobody_asked_for_make_an_idle_connection_unusable(house: Any) -> None:
    server = await house.idle_connection()
    server.receive(b"HTTP/1.1 200 OK\r\n\r\n")
    assert server.aborted
    assert repr(house.pool) == "<Pool 10.0.0.1:9000 0 busy, 0 idle>"


async def test_a_connection_that_the_server_closes_is_out_of_the_pool_at_once(house: Any) -> None:
    server = await house.idle_connection()
    server.receive_eof()
    assert house.pool.idle == 0
    await house.ask(POST)
    assert house.server is not server
    house.server.receive(OK)
    house.check_books()


async def test_idle_connections_are_closed_after_their_time(house: Any) -> None:
    house.set_up(transport={"idle_timeout": 10.0})
    server = await house.idle_connection()
    await house.advance(9)
    assert not server.closing
    await house.advance(2)
    assert server.lost
    house.check_books()
    assert house.pool.idle == 0


async def test_closing_the_transport_closes_what_is_idle_and_later_what_is_busy(house: Any) -> None:
    server = await house.idle_connection()
    client = await house.ask(GET)
    await house.ask(GET)
    other = house.server
    other.receive(OK)
    assert repr(house.pool) == "<Pool 10.0.0.1:9000 1 busy, 1 idle>"
    house.transport.close()
    await house.settle()
    assert other.lost
    assert repr(house.pool) == "<Pool 10.0.0.1:9000 1 busy, 0 idle, closed>"
    server.receive(OK)
    await house.settle()
    assert server.lost
    assert client.sent.endswith(b"ok")
    house.check_books()


async def test_a_body_that_ends_while_it_is_paused_leaves_the_connection_reading(house: Any) -> None:
    client = await house.ask(GET)
    client.stick()
    house.server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000)
    assert not house.server.reading
    client.flow()
    client.stick()
    house.server.receive(b"x" * 100_000)
    assert house.pool.idle == 1
    assert house.server.reading
    client.flow()
    await house.ask(GET, client)
    house.server.receive(OK)
    assert client.sent.endswith(OK)


# retries (routing.md §6.8)


@pytest.mark.spec("R-66")
@pytest.mark.parametrize(
    ("request_bytes", "repeated"),
    [
        (GET, True),
        (GET.replace(b"GET", b"OPTIONS"), True),
        (GET.replace(b"GET", b"HEAD"), True),
        (GET.replace(b"GET", b"DELETE"), False),
        (GET.replace(b"GET", b"POST"), False),
        (POST, False),
        (POST.replace(b"POST", b"GET"), False),
        (GET.replace(b"GET", b"POST").replace(b"Host", b"Idempotency-Key: 1\r\nHost"), True),
        (GET.replace(b"GET", b"POST").replace(b"Host", b"X-Idempotency-Key: 1\r\nHost"), True),
    ],
)
async def test_only_what_may_be_repeated_is_sent_again_over_a_dead_connection(
    house: Any, request_bytes: bytes, repeated: bool
) -> None:
    server = await house.idle_connection()
    client = await house.ask(request_bytes)
    assert server.sent
    server.break_off(ConnectionResetError())
    await house.settle()
    if repeated:
        assert house.server is not server
        house.server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        assert status_of(client.sent) == 200
    else:
        assert status_of(client.sent) == 502
        assert client.sent.endswith(b"Bad Gateway")
    house.check_books()


async def test_a_fresh_connection_that_dies_is_not_tried_again(house: Any) -> None:
    client = await house.ask(GET)
    house.server.break_off()
    await house.settle()
    assert status_of(client.sent) == 502
    assert len(house.servers) == 1
    house.check_books()


async def test_a_connection_that_has_answered_in_part_is_not_tried_again(house: Any) -> None:
    server = await house.idle_connection()
    client = await house.ask(GET)
    server.receive(b"HTTP/1.1 2")
    server.break_off()
    await house.settle()
    assert status_of(client.sent) == 502
    house.check_books()


@pytest.mark.spec("R-4")
async def test_a_refused_connection_is_a_502_without_content_type(house: Any) -> None:
    house.refuse = ConnectionRefusedError("no")
    client = await house.ask(GET)
    assert client.sent.endswith(b"\r\nContent-Length: 11\r\n\r\nBad Gateway")
    assert b"Content-Type" not in client.sent
    house.check_books()


async def test_a_name_that_is_no_name_is_a_502(house: Any) -> None:
    house.refuse = UnicodeError("label too long")
    client = await house.ask(GET)
    assert status_of(client.sent) == 502
    house.check_books()


@pytest.mark.spec("R-3")
async def test_no_server_is_a_503(house: Any) -> None:
    house.forwarder.pick = lambda request, tried: None
    client = await house.ask(GET)
    assert status_of(client.sent) == 503
    assert client.sent.endswith(b"\r\n\r\nno available server\n")
    house.check_books()


@pytest.mark.spec("R-5")
async def test_a_silent_server_is_a_504_when_its_time_is_over(house: Any) -> None:
    house.set_up(transport={"response_header_timeout": 0.3})
    client = await house.ask(GET)
    await house.advance(0.2)
    assert client.sent == b""
    await house.advance(0.2)
    assert client.sent.endswith(b"\r\n\r\nGateway Timeout")
    assert house.server.aborted
    house.check_books()


async def test_the_time_for_an_answer_begins_when_the_request_has_left(house: Any) -> None:
    house.set_up(transport={"response_header_timeout": 0.3})
    client = await house.ask(POST[:-2])
    await house.advance(1)
    assert client.sent == b""
    client.receive(POST[-2:])
    await house.advance(0.4)
    assert status_of(client.sent) == 504


async def test_an_answer_before_the_end_of_the_request_is_not_timed_out(house: Any) -> None:
    house.set_up(transport={"response_header_timeout": 0.3})
    client = await house.ask(POST[:-2])
    house.server.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
    client.receive(POST[-2:])
    await house.advance(5)
    house.server.receive(b"0\r\n\r\n")
    assert client.sent.endswith(b"2\r\nok\r\n0\r\n\r\n")
    assert house.pool.idle == 1
    house.check_books()


@pytest.mark.spec("R-6")
async def test_a_connection_that_takes_too_long_is_a_504(house: Any) -> None:
    house.set_up(transport={"dial_timeout": 0.3})
    house.hang = asyncio.Event()
    client = await house.ask(GET)
    await house.advance(0.4)
    assert status_of(client.sent) == 504
    house.check_books()


@pytest.mark.parametrize("how", ["eof", "reset", "greeting"])
async def test_a_server_that_hangs_up_as_soon_as_it_is_reached_is_a_502(house: Any, how: str) -> None:
    def greet(wire: Any) -> None:
        if how == "greeting":
            wire.receive(b"220 mail ready\r\n")
        elif how == "eof":
            wire.receive_eof()
        else:
            asyncio.get_running_loop().call_soon(wire.break_off, ConnectionResetError())

    house.greeting = greet
    client = await house.ask(GET)
    assert status_of(client.sent) == 502
    house.check_books()


# in_flight, and whoever goes away


@pytest.mark.parametrize("turns", range(8))
async def test_a_task_cancelled_at_any_moment_leaves_nothing_behind(house: Any, turns: int) -> None:
    for answer in (b"", b"HTTP/1.1 1", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", OK):
        house.set_up()
        before = len(house.servers)
        request = Request(b"GET", b"/", Headers(), Body.of(b""))
        request.exchange = Exchange()

        async def asking(request: Request = request) -> Response:
            return await house.forwarder(request)

        task = asyncio.ensure_future(asking())
        for turn in range(turns):
            await asyncio.sleep(0)
            if turn == 5 and answer and len(house.servers) > before:
                house.server.receive(answer)
        task.cancel()
        await house.settle()
        if task.cancelled() is False and task.exception() is None:
            task.result().body.abandon()
        assert house.pool.busy == 0, (turns, answer)
        assert house.peer.in_flight == 0, (turns, answer)


async def test_in_flight_counts_from_the_request_to_the_last_byte(house: Any) -> None:
    client = await house.ask(GET)
    assert house.peer.in_flight == 1
    house.server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
    assert house.peer.in_flight == 1
    house.server.receive(b"cde")
    assert house.peer.in_flight == 0
    assert client.sent


async def test_in_flight_counts_who_waits_for_a_connection_too(house: Any) -> None:
    house.hang = asyncio.Event()
    waiting = [await house.ask(GET) for _ in range(3)]
    assert house.peer.in_flight == 3, "a server that is slow to connect does not look idle"
    waiting[0].break_off()
    await house.settle()
    assert house.peer.in_flight == 2
    house.refuse = ConnectionRefusedError("no")
    house.hang.set()
    await house.settle()
    house.check_books()


async def test_a_middlewares_body_of_the_wrong_length_never_becomes_another_request(house: Any) -> None:
    for content in (b"hell", b"hello\r\nGET /smuggled HTTP/1.1\r\n\r\n"):

        async def lying(request: Request, call_next: Handler, content: bytes = content) -> Response:
            async def pieces() -> Any:
                yield content

            request.body = Body.stream(pieces(), 5)
            return await call_next(request)

        house.set_up(around=lying)
        client = await house.ask(POST)
        assert status_of(client.sent) == 500
        assert b"smuggled" not in house.server.sent
        assert house.server.aborted
        house.check_books()


async def test_a_replaced_body_has_one_content_length(house: Any) -> None:
    async def replacing(request: Request, call_next: Handler) -> Response:
        request.body = Body.of(b"abc")
        return await call_next(request)

    house.set_up(around=replacing)
    got = await house.forwarded(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    assert got.count(b"Content-Length") == 1
    assert got.endswith(b"\r\nContent-Length: 3\r\n\r\nabc")


async def test_a_path_that_a_middleware_breaks_never_reaches_a_server(house: Any) -> None:
    async def breaking(request: Request, call_next: Handler) -> Response:
        request.rewrite(b"/a HTTP/1.1\r\nX: y")
        return await call_next(request)

    house.set_up(around=breaking)
    client = await house.ask(GET)
    assert status_of(client.sent) == 500
    assert house.server.sent == b""
    house.check_books()


@pytest.mark.spec("R-71")
async def test_trailers_travel_both_ways(house: Any) -> None:
    client = await house.ask(
        b"POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n"
    )
    assert house.server.sent.endswith(b"2\r\nok\r\n0\r\nX-T: 1\r\n\r\n")
    house.server.receive(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-U\r\n\r\n0\r\nX-U: 2\r\nX-V: 3\r\n\r\n"
    )
    assert b"\r\nTrailer: X-U\r\n" in client.sent
    assert client.sent.endswith(b"0\r\nX-U: 2\r\nX-V: 3\r\n\r\n")


async def test_errors_say_whose_fault_it_was(house: Any) -> None:
    seen: list[GatewayError] = []

    async def noting(request: Request, call_next: Handler) -> Response:
        try:
            return await call_next(request)
        except GatewayError as error:
            seen.append(error)
            raise

    house.set_up(around=noting)
    house.refuse = ConnectionRefusedError()
    await house.ask(GET)
    house.refuse = None
    await house.ask(GET)
    house.server.break_off()
    await house.settle()
    assert [(error.status, error.side, error.retry) for error in seen] == [
        (502, "upstream", "always"),
        (502, "upstream", "if_reused"),
    ]
    house.check_books()


# anything in any order

ASKING = st.tuples(st.just("ask"), st.sampled_from([GET, POST, POST[:-2], GET + GET, GET.replace(b"GET", b"HEAD")]))
ANSWERING = st.tuples(
    st.just("answer"),
    st.sampled_from(
        [
            OK,
            OK + b"junk",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
            b"0\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
            b"nonsense\r\n\r\n",
        ]
    ),
)
REST = st.tuples(
    st.sampled_from(["hang up", "eof", "leave", "stick", "flow", "refuse", "wait"]),
    st.sampled_from([b"1", b"100"]),
)
ACTIONS = st.tuples(st.one_of(ASKING, ANSWERING, ASKING, ANSWERING, REST), st.integers(0, 5))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTIONS, min_size=5, max_size=25), st.booleans())
def test_whatever_happens_the_books_are_right(
    house_on: Callable[[asyncio.AbstractEventLoop], Any], actions: list[Any], tasks: bool
) -> None:
    async def passing(request: Request, call_next: Handler) -> Response:
        return await call_next(request)

    async def story() -> None:
        house = house_on(asyncio.get_running_loop())
        house.set_up(around=passing if tasks else None, transport={"max_idle": 2, "response_header_timeout": 50.0})
        clients: list[Any] = []
        for (what, data), which in actions:
            open_clients = [wire for wire in clients if not wire.closing]
            open_servers = [wire for wire in house.servers if not wire.closing]
            client = open_clients[which % len(open_clients)] if open_clients else None
            server = open_servers[which % len(open_servers)] if open_servers else None
            house.refuse = ConnectionRefusedError() if what == "refuse" else None
            if what in ("ask", "refuse"):
                if client is None or which > 2:
                    client = house.client()
                    clients.append(client)
                client.offer(data if what == "ask" else GET)
            elif what == "wait":
                await house.advance(float(data))
            elif what == "leave" and client is not None:
                client.break_off()
            elif server is None:
                continue
            elif what == "answer":
                server.offer(data)
            elif what == "hang up":
                server.break_off(ConnectionResetError())
            elif what == "eof":
                server.receive_eof()
            elif what == "stick":
                server.stick()
            else:
                server.flow()
            await house.settle()
            alive = [repr(wire.protocol).split()[-1][:-1] for wire in house.servers if not wire.lost]
            idle, busy = alive.count("idle"), sum(state in ("head", "body", "ready") for state in alive)
            assert (house.pool.busy, house.pool.idle) == (busy, idle)
            assert house.peer.in_flight == busy
            asking = sum(wire.protocol.cycle is not None for wire in clients if not wire.lost)
            assert house.snapshot.holders == asking
        for wire in clients:
            if not wire.lost:
                wire.break_off()
        await house.settle()
        house.check_books()

    asyncio.run(story())
