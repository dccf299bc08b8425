"""Collectors: endpoints, and what is tried again for how long."""

import asyncio
from email.utils import formatdate
from time import time

import pytest

from pointsman.dialect.collectors import Collector, Endpoint, Patience, Undelivered, sent_headers
from pointsman.errors import ConfigError, GatewayError
from pointsman.message import Body, Response


class Server:
    """Answers by script, the last answer for ever, and keeps what it got."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.bodies = []
        self.times = []

    async def __call__(self, request):
        self.bodies.append(await request.body.read(1_000_000))
        self.times.append(asyncio.get_running_loop().time())
        self.request = request
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if answer == "never":
            await asyncio.Event().wait()
        return Response(answer) if isinstance(answer, int) else answer


def a_collector(server, seconds=1.0, pause=0.001):
    return Collector(server, b"/v1/traces?a=1", [(b"x-a", b"1")], Patience(seconds, pause))


@pytest.mark.parametrize(
    ("text", "server", "target"),
    [
        ("https://localhost:4318", "https://localhost:4318", b"/v1/traces"),
        ("http://a.example", "http://a.example", b"/v1/traces"),
        ("http://a.example:1/", "http://a.example:1", b"/"),
        ("http://[::1]:1/x y?k=v w", "http://[::1]:1", b"/x%20y?k=v%20w"),
    ],
)
def test_a_path_is_used_as_it_is_and_the_default_where_there_is_none(text, server, target):
    assert Endpoint.of(text, "/v1/traces") == Endpoint(server, target)


@pytest.mark.parametrize(
    "text", ["", "localhost:4318", "ftp://a", "http://", "http://a:0", "http://a:x", "http://a#b", "//a"]
)
def test_what_is_no_url_is_refused_with_its_place_and_the_way_out(text):
    with pytest.raises(ConfigError, match="endpoint: this is no URL of a collector"):
        Endpoint.of(text, "/", "http.endpoint")


def test_a_password_in_a_url_is_refused_and_not_repeated():
    with pytest.raises(ConfigError) as refused:
        Endpoint.of("http://me:secret@a.example", "/")

    assert "headers" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_headers_are_checked_once_and_their_values_are_not_repeated():
    assert sent_headers({"Authorization": " Bearer x "}) == [(b"authorization", b"Bearer x")]
    for name, value in (("a b", "secret"), ("a", "sec\nret"), ("a", "secr€t")):
        with pytest.raises(ConfigError) as refused:
            sent_headers({name: value}, "http.headers")
        assert str(refused.value).startswith(f"http.headers.{name}: ")
        assert "secr" not in str(refused.value)


async def test_what_is_taken_is_posted_once():
    server = Server(Response(202, body=b"thanks"))

    assert await a_collector(server).post(b"batch") == b"thanks"
    assert server.bodies == [b"batch"]
    assert (server.request.method, server.request.path, server.request.query) == (b"POST", b"/v1/traces", b"a=1")
    assert server.request.headers.get(b"x-a") == b"1"


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500, 301, 501])
async def test_a_refusal_is_final(status):
    server = Server(status)
    with pytest.raises(Undelivered, match=f"it answered {status}"):
        await a_collector(server).post(b"batch")

    assert len(server.bodies) == 1


@pytest.mark.parametrize("first", [429, 502, 503, 504, GatewayError(502, "refused")])
async def test_a_collector_that_is_busy_or_away_is_asked_again_with_the_same(first):
    server = Server(first, first, 200)
    await a_collector(server).post(b"batch")

    assert server.bodies == [b"batch"] * 3


async def test_pauses_grow():
    server = Server(503, 503, 503, 200)
    await a_collector(server, 5.0, 0.02).post(b"")
    first, _, third = (after - before for before, after in zip(server.times, server.times[1:], strict=False))

    assert first >= 0.01
    assert third >= 0.04


async def test_tries_end_with_the_time_and_the_last_reason_is_told():
    server = Server(GatewayError(502, "cannot connect"))
    with pytest.raises(Undelivered, match="cannot connect"):
        await a_collector(server, 0.1).post(b"batch")

    assert len(server.bodies) > 1


async def test_a_collector_that_does_not_answer_is_given_up():
    with pytest.raises(Undelivered, match=r"did not answer within 0\.05 s"):
        await a_collector(Server("never"), 0.05).post(b"batch")


@pytest.mark.parametrize("when", [lambda: b"0", lambda: b"nonsense", lambda: b"", lambda: formatdate(time() - 9).encode()])
async def test_a_retry_after_that_says_nothing_is_no_hindrance(when):
    server = Server(Response(503, [(b"retry-after", when())]), 200)
    await a_collector(server).post(b"batch")

    assert len(server.bodies) == 2


@pytest.mark.parametrize("when", [lambda: b"30", lambda: formatdate(time() + 30).encode(), lambda: b"999999999"])
async def test_a_collector_that_wants_to_be_left_alone_is_not_asked_by_the_next_batch_either(when):
    server = Server(Response(429, [(b"retry-after", when())]), 200)
    collector = a_collector(server)
    with pytest.raises(Undelivered, match="it answered 429"):
        await collector.post(b"one")
    with pytest.raises(Undelivered, match=r"left alone, for another (29|30|60) s"):
        await collector.post(b"two")

    assert server.bodies == [b"one"]


async def test_a_cancelled_delivery_is_cancelled():
    posting = asyncio.ensure_future(a_collector(Server("never")).post(b"batch"))
    await asyncio.sleep(0)
    posting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await posting


async def test_an_answer_that_is_too_long_or_breaks_off_does_not_matter():
    async def endless():
        while True:
            yield bytes(30_000)

    async def broken():
        yield b"x"
        raise GatewayError(502, "broken")

    for chunks in (endless(), broken()):
        assert await a_collector(Server(Response(200, [], Body.stream(chunks)))).post(b"batch") == b""


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(None, 10.0), ("", 10.0), ("0", 10.0), ("-1", 10.0), ("1s", 10.0), ("250", 0.25), ("999999", 60.0)],
)
def test_the_environment_may_say_how_long_a_delivery_takes(monkeypatch, written, seconds):
    if written is not None:
        monkeypatch.setenv("OTEL_EXPORTER_X_TIMEOUT", written)

    assert Patience.of("OTEL_EXPORTER_X_TIMEOUT")._seconds == seconds
