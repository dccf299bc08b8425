"""Headers, bodies and requests, without any connection."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import BodyTooLarge, GatewayError
from pointsman.message import (
    HIGH_WATER,
    NOTHING,
    OVER,
    Address,
    Body,
    HeaderList,
    Headers,
    Parsed,
    Request,
    Response,
    reason,
)
from pointsman.testing import a_request


class Source:
    def __init__(self) -> None:
        self.paused = 0
        self.abandoned = 0
        self.log: list[str] = []

    def pause_reading(self) -> None:
        self.log.append("pause")

    def resume_reading(self) -> None:
        self.log.append("resume")

    def abandon(self) -> None:
        self.abandoned += 1


class Sink:
    def __init__(self) -> None:
        self.log: list[Any] = []

    def write(self, chunk: bytes) -> None:
        self.log.append(chunk)

    def end(self, trailers: HeaderList) -> None:
        self.log.append(trailers)

    def fail(self, error: Exception) -> None:
        self.log.append(error)


# headers


def test_headers_are_an_ordered_multi_map() -> None:
    headers = Headers([(b"a", b"1"), (b"b", b"2"), (b"a", b"3")])
    assert headers.get(b"a") == b"1"
    assert headers.get_all(b"a") == [b"1", b"3"]
    headers.set(b"a", b"4")
    assert headers.raw == [(b"a", b"4"), (b"b", b"2")]
    headers.add(b"b", b"5")
    headers.set(b"c", b"6")
    headers.remove(b"b")
    headers.remove(b"z")
    assert list(headers) == [(b"a", b"4"), (b"c", b"6")]
    assert b"a" in headers
    assert len(headers) == 2
    copy = headers.copy()
    copy.add(b"d", b"7")
    assert copy != headers == Headers([(b"a", b"4"), (b"c", b"6")])


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_nothing_but_a_line_can_be_set(name: bytes, value: bytes) -> None:
    headers = Headers()
    try:
        headers.set(name, value)
    except ValueError:
        assert len(headers) == 0
        return
    assert name
    assert not set(name) & set(b" \t\r\n:\0")
    assert name == name.lower()
    assert not set(value) & set(b"\r\n\0")


def test_unknown_statuses_have_a_reason_too() -> None:
    assert (reason(200), reason(799)) == (b"OK", b"status code 799")


# bodies


def test_what_came_before_the_sink_is_held_and_given_in_order() -> None:
    source, sink = Source(), Sink()
    body = Body(source)
    body.feed(b"a")
    body.feed(b"b")
    body.attach(sink)
    body.feed(b"c")
    body.end([(b"t", b"1")])
    assert sink.log == [b"ab", b"c", [(b"t", b"1")]]
    assert source.log == []


def test_holding_too_much_pauses_the_source_once_until_a_sink_comes() -> None:
    source = Source()
    body = Body(source)
    for _ in range(5):
        body.feed(b"x" * (HIGH_WATER // 2))
    assert source.log == ["pause"]
    assert repr(body) == f"<Body open, {HIGH_WATER // 2 * 5} bytes held, 1 pauses>"
    body.attach(Sink())
    assert source.log == ["pause", "resume"]
    assert not body.paused


def test_pauses_are_counted() -> None:
    source = Source()
    body = Body(source)
    body.pause()
    body.pause()
    body.resume()
    assert source.log == ["pause"]
    assert body.paused
    body.resume()
    assert source.log == ["pause", "resume"]


def test_an_orphan_pauses_nobody() -> None:
    source = Source()
    body = Body(source)
    body.orphan()
    body.pause()
    body.resume()
    body.abandon()
    assert source.log == []
    assert source.abandoned == 0


def test_an_end_and_a_failure_are_told_once_and_late_sinks_learn_of_them() -> None:
    error = RuntimeError("broken")
    for ending, expected in ((lambda body: body.end(), []), (lambda body: body.fail(error), error)):
        early, late = Sink(), Sink()
        first, second = Body(), Body()
        first.attach(early)
        for body in (first, second):
            ending(body)
            body.fail(RuntimeError("too late"))
        second.attach(late)
        assert early.log == late.log == [expected]


def test_a_body_is_read_once() -> None:
    body = Body.of(b"x")
    body.attach(Sink())
    with pytest.raises(RuntimeError, match="already being read"):
        body.attach(Sink())


def test_a_sink_that_fails_its_body_while_it_is_told_hears_of_it_once() -> None:
    body = Body(Source())

    class Failing(Sink):
        def write(self, chunk: bytes) -> None:
            super().write(chunk)
            body.fail(RuntimeError("enough"))

    body.feed(b"a")
    sink = Failing()
    body.attach(sink)
    body.feed(b"b")
    assert [type(entry) for entry in sink.log] == [bytes, RuntimeError]


def test_wanted_is_called_when_the_first_sink_comes() -> None:
    calls = []
    body = Body()
    body.wanted = lambda: calls.append(1)
    assert not body.attached
    body.attach(Sink())
    assert body.attached
    assert calls == [1]


def test_the_empty_body_is_one_for_all_and_may_be_read_again_and_again() -> None:
    for _ in range(2):
        sink = Sink()
        NOTHING.attach(sink)
        assert sink.log == [[]]
    NOTHING.pause()
    NOTHING.resume()
    NOTHING.abandon()
    assert (NOTHING.ended, NOTHING.length, NOTHING.attached) == (True, 0, False)


@pytest.mark.parametrize("limit", [4, 5, 6])
async def test_reading_a_body_ends_at_the_limit(limit: int) -> None:
    for body in (Body.of(b"hello"), Body.stream(pieces(b"he", b"", b"llo")), Body.stream(pieces(b"hello"), 5)):
        if limit < 5:
            with pytest.raises(BodyTooLarge):
                await body.read(limit)
        else:
            assert await body.read(limit) == b"hello"


async def pieces(*chunks: bytes) -> Any:
    for chunk in chunks:
        yield chunk


async def test_iterating_waits_pauses_and_raises() -> None:
    source = Source()
    body = Body(source)
    got: list[bytes] = []

    async def reading() -> None:
        async for chunk in body:
            got.append(chunk)

    task = asyncio.ensure_future(reading())
    await asyncio.sleep(0)
    body.feed(b"a")
    body.feed(b"b")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert got == [b"ab"]
    body.feed(b"x" * HIGH_WATER)
    assert source.log == ["pause"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert source.log == ["pause", "resume"]
    body.fail(GatewayError(502, "cut"))
    with pytest.raises(GatewayError):
        await task


async def test_a_stream_goes_no_faster_than_its_sink_and_ends_with_it() -> None:
    made = []

    async def counting() -> Any:
        for number in range(5):
            made.append(number)
            yield b"%d" % number

    body, sink = Body.stream(counting()), Sink()
    await asyncio.sleep(0)
    assert made == []
    body.pause()
    body.attach(sink)
    for _ in range(5):
        await asyncio.sleep(0)
    assert made == [0]
    body.resume()
    for _ in range(5):
        await asyncio.sleep(0)
    assert sink.log == [b"0", b"1", b"2", b"3", b"4", []]


async def test_a_stream_that_raises_fails_its_body() -> None:
    async def broken() -> Any:
        yield b"a"
        raise OSError("gone")

    sink = Sink()
    Body.stream(broken()).attach(sink)
    for _ in range(5):
        await asyncio.sleep(0)
    assert [type(entry) for entry in sink.log] == [bytes, OSError]


async def test_an_abandoned_stream_is_closed_at_once() -> None:
    closed = []

    async def endless() -> Any:
        try:
            while True:
                yield b"a"
                await asyncio.sleep(0)
        finally:
            closed.append(True)

    body = Body.stream(endless())
    body.pause()
    body.attach(Sink())
    await asyncio.sleep(0)
    body.abandon()
    for _ in range(5):
        await asyncio.sleep(0)
    assert closed == [True]


# requests and responses


def test_callbacks_run_once_last_first_and_all_of_them() -> None:
    request = Request(b"GET", b"/", Headers(), NOTHING)
    order: list[str] = []

    def broken() -> None:
        order.append("b")
        raise RuntimeError("callback")

    request.on_done(lambda: order.append("a"))
    request.on_done(broken)
    request.on_done(lambda: order.append("c"))
    with pytest.raises(RuntimeError, match="callback"):
        request.finish()
    request.finish()
    assert order == ["c", "b", "a"]


def test_rewriting_changes_both_forms_of_the_path() -> None:
    request = Request(b"GET", b"/old", Headers(), NOTHING)
    request.rewrite(b"/a%20b")
    assert (request.path, request.routing_path, request.decoded_path) == (b"/a%20b", b"/a b", b"/a b")
    request.rewrite(b"")
    assert request.path == b"/"


def test_addresses_print_and_count_as_ip_addresses() -> None:
    assert str(Address("::1", 80)) == "[::1]:80"
    assert str(Address("fe80::1%eth0", 80)) == "[fe80::1]:80"
    assert str(Address("::ffff:10.0.0.1", 1).ip) == "10.0.0.1"
    assert str(Address("", 0).ip) == "0.0.0.0"


async def test_a_response_may_be_awaited_and_gives_itself() -> None:
    response = Response(200, body=b"x")
    assert await response is response
    assert repr(response) == "<Response 200>"
    assert Response.text(404, "no\n").headers.get(b"x-content-type-options") == b"nosniff"
    assert Response.plain(502).body.take() == b"Bad Gateway"


# once more


def a_request_with(headers: Headers) -> Request:
    request = Request(b"GET", b"/a", headers, Body.of(b"body"), b"a.test", b"a.test")
    request.query = b"x=1"
    return request


def parsed_headers() -> Headers:
    return Headers((), Parsed([((b"x-a", b"1"), None, b"\r\nX-A: 1")], 0, b"\r\nX-A: 1"))


@pytest.mark.parametrize("headers", [parsed_headers, lambda: Headers([(b"x-a", b"1")])], ids=["as read", "touched"])
def test_a_request_is_again_what_it_was_when_it_was_marked(headers: Any) -> None:
    request = a_request_with(headers())
    body = request.body
    mark = request.mark()
    for _ in range(2):
        request.headers.set(b"x-a", b"2")
        request.headers.add(b"x-b", b"3")
        request.rewrite(b"/b")
        request.query = request.method = request.authority = request.host = request.upgrade = b"else"
        request.append_forwarded_for = False
        request.body = NOTHING
        request.rewind(mark)
        assert (request.path, request.routing_path, request.query) == (b"/a", b"/a", b"x=1")
        assert (request.method, request.authority, request.host, request.upgrade) == (b"GET", b"a.test", b"a.test", b"")
        assert request.append_forwarded_for
        assert request.body is body
        assert list(request.headers) == [(b"x-a", b"1")]


def test_headers_that_nobody_touched_are_as_they_were_read_after_a_rewind() -> None:
    request = a_request_with(parsed_headers())
    mark = request.mark()
    request.headers.add(b"x-b", b"3")
    request.rewind(mark)
    assert request.headers.parsed is not None


def test_what_waits_for_the_end_of_an_attempt_is_called_when_the_request_is_rewound() -> None:
    said: list[str] = []
    request = a_request_with(Headers())
    request.on_done(lambda: said.append("outside"))
    mark = request.mark()
    request.on_done(lambda: said.append("first"))
    request.on_done(lambda: said.append("second"))
    request.rewind(mark)
    assert said == ["second", "first"]
    request.on_done(lambda: said.append("third"))
    request.finish()
    assert said == ["second", "first", "third", "outside"]


def test_a_body_that_is_cut_ends_on_both_sides() -> None:
    source, sink, error = Source(), Sink(), GatewayError(504)
    body = Body(source)
    body.attach(sink)
    body.feed(b"half")
    body.cut(error)
    body.cut(error)
    assert sink.log == [b"half", error]
    assert source.abandoned == 1


def test_a_body_that_has_ended_cannot_be_cut() -> None:
    source, sink = Source(), Sink()
    body = Body(source)
    body.end()
    body.cut(GatewayError(504))
    body.attach(sink)
    assert (sink.log, source.abandoned) == ([[]], 0)


# requests beside the client's


def test_a_request_beside_the_clients_has_its_client_and_nothing_else_of_it() -> None:
    first = a_request("POST", "http://A.example:81/x?y", {"X-A": "1"}, b"body", client="10.0.0.9")
    first.exchange.router, first.exchange.tried = "shop@file", ("a server",)
    first.append_forwarded_for = False
    twin = first.beside(b"GET", b"/asked?1", Headers([(b"x-b", b"2")]))
    assert (twin.method, twin.path, twin.routing_path, twin.query) == (b"GET", b"/asked", b"/asked", b"1")
    assert (twin.authority, twin.client, twin.body, twin.upgrade) == (first.authority, first.client, NOTHING, b"")
    assert (twin.exchange.router, twin.exchange.tried, twin.append_forwarded_for) == ("shop@file", (), False)
    twin.headers.set(b"x-a", b"3")
    twin.state["x"] = 1
    twin.exchange.user = b"bob"
    assert (first.headers.get(b"x-a"), first.state, first.exchange.user) == (b"1", {}, None)


def test_it_is_over_with_the_clients_and_what_was_not_read_is_given_up() -> None:
    first, source, over = a_request(), Source(), []
    twin = first.beside(b"GET", b"/", Headers())
    twin.exchange.upstream = Body(source)
    twin.on_done(lambda: over.append(1))
    first.finish()
    first.finish()
    twin.finish()
    assert (source.abandoned, over) == (1, [1])


def test_it_does_not_meet_connections_that_its_client_has_authenticated() -> None:
    class Kept:
        def __init__(self) -> None:
            self.shut_times = 0

        def close(self) -> list[Any]:
            return [self]

        def shut(self) -> None:
            self.shut_times += 1

    first, kept = a_request(), Kept()
    first.link.private = {}
    twin = first.beside(b"GET", b"/", Headers())
    assert twin.link is not first.link
    assert twin.link.private == {}
    twin.link.private["pool"] = kept
    assert first.link.private == {}
    twin.finish()
    assert kept.shut_times == 1


@pytest.mark.parametrize(
    ("length", "limit", "chunks", "given_up"), [(None, 4, 2, 0), (None, 3, 2, 1), (4, 3, 0, 1), (4, 4, 1, 0)]
)
def test_a_body_that_is_discarded_may_end_within_its_limit(
    length: int | None, limit: int, chunks: int, given_up: int
) -> None:
    source = Source()
    body = Body(source, length)
    body.discard(limit)
    for _ in range(chunks):
        body.feed(b"ab")
    assert source.abandoned == given_up
    body.end()
    body.discard(0)
    assert source.abandoned == given_up


def test_an_exchange_that_is_over_keeps_nothing() -> None:
    OVER.error = ValueError()
    OVER.attempts += 1
    assert (OVER.error, OVER.attempts, OVER.peer) == (None, 0, "")
