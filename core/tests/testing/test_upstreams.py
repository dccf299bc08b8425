"""The scripted upstream and the raw client, against each other."""

import asyncio

import pytest

from pointsman.testing import BODY, CLOSE, RESET, Upstream, answer, chunked, connect, refusing, upgrade


async def test_an_echo_reports_every_byte_it_received(upstream: Upstream):
    request = b"POST /a?b HTTP/1.1\r\nhOsT: x\r\nContent-Length: 3\r\n\r\nabc"
    async with connect(upstream.port) as client:
        answer = await client.ask(request)

    assert (answer.status, answer.body) == (200, request)
    assert upstream.last.raw == request
    assert (upstream.last.method, upstream.last.target, upstream.last.body) == (b"POST", b"/a?b", b"abc")
    assert upstream.last.headers[0] == (b"hOsT", b"x")


async def test_scripts_are_played_in_turn_and_the_last_one_goes_on(upstream: Upstream):
    upstream.answers(answer(503), answer(200, {"X-A": ["1", "2"]}, b"ok"))
    async with connect(upstream.port) as client:
        statuses = [(await client.get()).status for _ in range(2)]
        last = await client.get()

    assert statuses == [503, 200]
    assert last.get_all("x-a") == ["1", "2"]
    assert upstream.connections == 1


async def test_a_slow_answer_waits_for_its_events(upstream: Upstream):
    head, more = asyncio.Event(), asyncio.Event()
    upstream.answers([head, *chunked([b"one", more, b"two"], trailers={"X-T": "end"})])
    async with connect(upstream.port) as client:
        await client.send(b"GET / HTTP/1.1\r\n\r\n")
        await upstream.received(1)
        head.set()
        assert (await client.until(b"one\r\n")).endswith(b"\r\n\r\n3\r\none\r\n")
        more.set()
        assert await client.until(b"\r\n\r\n") == b"3\r\ntwo\r\n0\r\nx-t: end\r\n\r\n"


async def test_chunks_and_trailers_are_read_as_one_message(upstream: Upstream):
    upstream.answers(chunked([b"one", b"two"], trailers={"X-T": "end"}))
    async with connect(upstream.port) as client:
        message = await client.get()

    assert (message.body, message.trailers) == (b"onetwo", [(b"x-t", b"end")])


@pytest.mark.parametrize(
    ("script", "received"),
    [
        ([CLOSE], b""),
        ([b"HTTP/1.1 200 O", CLOSE], b"HTTP/1.1 200 O"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal", CLOSE], b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal"),
        ([RESET], b""),
    ],
)
async def test_a_broken_server_closes_where_its_script_says(upstream: Upstream, script: list[bytes], received: bytes):
    upstream.answers(script)
    async with connect(upstream.port) as client:
        await client.send(b"GET / HTTP/1.1\r\n\r\n")
        assert await client.rest() == received


async def test_a_script_may_answer_before_it_reads_the_body(upstream: Upstream):
    upstream.answers([b"HTTP/1.1 100 Continue\r\n\r\n", BODY, *answer(200)])
    async with connect(upstream.port) as client:
        await client.send(b"PUT / HTTP/1.1\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
        assert (await client.head()).status == 100
        await client.send(b"hi")
        assert (await client.message()).status == 200

    assert upstream.last.body == b"hi"


async def test_interim_responses_are_kept_beside_the_final_one(upstream: Upstream):
    upstream.answers([b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", *answer(200)])
    async with connect(upstream.port) as client:
        message = await client.get()

    assert [(hint.status, hint.get("link")) for hint in message.interim] == [(103, "</a>")]


async def test_an_upgraded_connection_sends_every_byte_back(upstream: Upstream):
    upstream.answers(upgrade())
    async with connect(upstream.port) as client:
        accepted = await client.ask(b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
        await client.send(b"ping")
        assert (accepted.status, await client.exactly(4)) == (101, b"ping")


async def test_a_refusing_port_refuses():
    with refusing() as port, pytest.raises(ConnectionRefusedError):
        async with connect(port):
            pass


async def test_a_closed_upstream_drops_its_connections_and_frees_its_port(upstream: Upstream):
    async with connect(upstream.port) as client:
        await client.get()
        await upstream.aclose()
        assert await client.rest() == b""
    assert upstream.open == 0
    await upstream.start(port=upstream.port)
