"""What an observer hears of exchanges and of attempts at servers."""

import re
from typing import Any

import pytest

from pointsman.config.http_model import Cookie
from pointsman.errors import GatewayError
from pointsman.message import Exchange, Headers, Request, Response
from pointsman.observe.observer import Attempt, Observer, Silent
from pointsman.upstream.attentive import AttentiveForwarder
from pointsman.upstream.composite_failover import FailoverByStatus as Failing
from pointsman.upstream.sticky import Sticky

GET = b"GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Heard:
    """A watch that keeps what it is told, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.exchanges: list[Exchange] = []
        self.latest: list[Attempt] = []
        """Those that the exchanges had at their ends."""
        self.attempts: list[Attempt] = []

    def begin(self, exchange: Exchange) -> None:
        self.events.append(f"begin {exchange.router or '-'}")

    def attempt(self, attempt: Attempt) -> None:
        attempt.request.headers.set(b"x-traced", b"1")
        self.attempts.append(attempt)
        self.events.append(f"attempt {attempt.service} {attempt.server.url}")

    def answered(self, attempt: Attempt) -> None:
        self.events.append(f"answered {attempt.status}")

    def attempted(self, attempt: Attempt) -> None:
        self.events.append(f"attempted {attempt.status}")

    def refused(self, exchange: Exchange, why: str) -> None:
        self.events.append(f"refused: {why}")

    def finish(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        self.latest.append(exchange.attempt)
        self.events.append(f"finish {exchange.status} {exchange.bytes_out}")


def observed(house: Any, **settings: Any) -> Heard:
    heard = Heard()
    house.set_up(observer=Observer([heard, Silent()], house.loop.time), **settings)
    return heard


ONE = ["begin r@file", "attempt s@file http://10.0.0.1:9000"]


async def test_an_exchange_and_its_attempt_are_followed_to_the_end(house: Any) -> None:
    heard = observed(house)
    client = await house.ask(GET)
    assert heard.events == ONE
    assert b"\r\nX-Traced: 1\r\n" in house.server.take()

    house.server.receive(OK)
    assert client.take().endswith(b"ok")
    assert heard.events == [*ONE, "answered 200", "attempted 200", "finish 200 2"]


async def test_a_body_that_streams_belongs_to_the_attempt(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("cycle", "http1_cycle"):
        monkeypatch.setattr(f"pointsman.server.{module}.monotonic", house.loop.time)
    heard = observed(house)
    await house.ask(GET)
    house.server.receive(CHUNKED)
    await house.advance(1)
    house.server.receive(b"2\r\nok\r\n")
    assert heard.events == [*ONE, "answered 200"]

    await house.advance(1)
    house.server.receive(b"0\r\nX-Sum: 7\r\n\r\n")
    (attempt,), (exchange,) = heard.attempts, heard.exchanges
    assert heard.events[-2:] == ["attempted 200", "finish 200 2"]
    assert exchange.trailers == [(b"x-sum", b"7")]
    assert attempt.finished - attempt.answered == pytest.approx(2, abs=0.2)
    assert exchange.finished - exchange.started == pytest.approx(2, abs=0.2)


async def test_what_no_server_answers_is_an_attempt_that_failed(house: Any) -> None:
    heard = observed(house)
    house.refuse = ConnectionRefusedError()
    client = await house.ask(GET)

    assert client.sent.startswith(b"HTTP/1.1 502")
    assert heard.events == [*ONE, "attempted 502", "finish 502 11"]


async def test_a_client_that_leaves_ends_both(house: Any) -> None:
    heard = observed(house)
    client = await house.ask(GET)
    client.break_off()

    assert heard.events == [*ONE, "attempted 0", "finish 499 0"]


async def test_what_no_router_matches_is_followed_too(house: Any) -> None:
    heard = observed(house, rule="Path(`/other`)")
    await house.ask(GET)

    assert heard.events == ["begin -", "finish 404 19"]


async def test_another_attempt_ends_the_one_before(house: Any) -> None:
    async def again(request: Request, call_next: Any) -> Response:
        with pytest.raises(GatewayError):
            await call_next(request)
        house.refuse = None
        assert request.exchange.retry()
        response: Response = await call_next(request)
        return response

    heard = observed(house, around=again)
    house.refuse = ConnectionRefusedError()
    await house.ask(GET)
    house.server.receive(OK)
    await house.settle()

    assert heard.events == [*ONE, "attempted 502", ONE[1], "answered 200", "attempted 200", "finish 200 2"]
    assert heard.exchanges[0].retries == 1


async def test_a_request_beside_has_attempts_of_its_own(house: Any) -> None:
    async def ask_first(request: Request, call_next: Any) -> Response:
        beside = request.beside(b"GET", b"/check", Headers())
        (await house.forwarder(beside)).abandon()
        beside.finish()
        response: Response = await call_next(request)
        return response

    heard = observed(house, around=ask_first)
    await house.ask(GET)
    house.server.receive(b"HTTP/1.1 204 No Content\r\n\r\n")
    await house.settle()
    house.server.receive(OK)
    await house.settle()

    assert heard.events == [*ONE, "answered 204", "attempted 204", ONE[1], "answered 200", "attempted 200", "finish 200 2"]


async def test_a_watch_alone_hears_no_more_of_what_is_of_no_interest_to_it(house: Any) -> None:
    class Bored(Heard):
        def begin(self, exchange: Exchange) -> bool:
            super().begin(exchange)
            return True

    heard = Bored()
    house.set_up(observer=Observer([heard], house.loop.time))
    client = await house.ask(GET)
    house.server.receive(OK)

    assert client.sent.endswith(b"ok")
    assert heard.events == ["begin r@file"]


async def test_whoever_follows_and_breaks_harms_nobody(house: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Silent):
        def finish(self, exchange: Exchange) -> None:
            raise RuntimeError("not today")

    house.set_up(observer=Observer([Broken()], house.loop.time))
    client = await house.ask(GET)
    house.server.receive(OK)

    assert client.sent.endswith(b"ok")
    assert "not today" in caplog.text
    house.check_books()


def test_a_refusal_is_told_to_whoever_follows_the_exchange() -> None:
    heard, exchange = Heard(), Exchange()
    exchange.refuse("Nobody follows it")
    exchange.observer = Observer([heard, Silent()], lambda: 0.0)
    exchange.refuse("Too many requests")

    assert heard.events == ["refused: Too many requests"]


async def test_an_attempt_at_a_server_that_a_cookie_chose_is_followed_too(house: Any) -> None:
    heard = observed(house)
    plain = house.forwarder
    cookie = Sticky(Cookie("n"), "s@file", [(house.peer.url, house.peer)])
    sticky = AttentiveForwarder("s@file", plain.pick, plain.transport, sticky=cookie)
    house.set_up(observer=Observer([heard], house.loop.time), handler=sticky)
    first = await house.ask(GET)
    house.server.receive(OK)
    kept = re.search(rb"Set-Cookie: (n=[^;]+)", first.take())
    assert kept is not None
    heard.events.clear()

    await house.ask(GET[:-2] + b"Cookie: " + kept[1] + b"\r\n\r\n", first)
    house.server.receive(OK)
    assert heard.events == [*ONE, "answered 200", "attempted 200", "finish 200 2"]


async def test_an_attempt_on_behalf_of_a_failover_is_the_exchanges_own(house: Any) -> None:
    heard = observed(house)
    stand_in = Failing("f@file", house.forwarder, house.forwarder, None, None, statuses={500})
    house.set_up(observer=Observer([heard], house.loop.time), handler=stand_in)
    await house.ask(GET)
    house.server.receive(OK)
    await house.settle()

    (exchange,), (attempt,) = heard.exchanges, heard.attempts
    assert (heard.latest, attempt.status, exchange.status) == ([attempt], 200, 200)


@pytest.mark.parametrize("touched", [False, True])
async def test_what_the_gateway_tells_stands_once_whatever_middlewares_say(house: Any, touched: bool) -> None:
    async def say(request: Request, call_next: Any) -> Response:
        request.told = b"\r\nTraceparent: ours"
        if touched:
            request.headers.add(b"traceparent", b"theirs")
        response: Response = await call_next(request)
        return response

    house.set_up(around=say)
    head = await house.forwarded(GET)

    assert head.count(b"\r\nTraceparent: ") == 1
    assert b"\r\nTraceparent: ours\r\n" in head + b"\r\n"
