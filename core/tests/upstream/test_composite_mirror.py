"""Mirroring (routing.md §5.7): exact shares, independent copies, and an original that never notices."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import ClientGone, GatewayError
from pointsman.message import NOTHING, Body, Exchange, Request, Response
from pointsman.testing import a_request, answering, eventually
from pointsman.upstream import composite_mirror
from pointsman.upstream.composite_mirror import Mirror, Mirroring


class Reading:
    """A service that reads the body it gets."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.seen: list[tuple[bytes, bytes]] = []
        self.requests: list[Request] = []
        self.exchanges: list[Exchange] = []

    async def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        self.exchanges.append(request.exchange)
        self.seen.append((request.method, await request.body.read(1 << 30)))
        if self.error is not None:
            raise self.error
        return Response(200, None, b"x")


def service(main: Any, *mirrors: tuple[Any, int], **options: Any) -> Mirroring:
    made = [Mirror(f"m{number}", handler, percent) for number, (handler, percent) in enumerate(mirrors)]
    return Mirroring("mir@file", main, made, **options)


async def settled(mirroring: Mirroring) -> None:
    await eventually(lambda: not mirroring._running, "nothing is being mirrored")


async def ask(mirroring: Mirroring, request: Request, error: Exception | None = None) -> None:
    try:
        await mirroring(request)
    except GatewayError as problem:
        error = problem
    request.exchange.error = error
    request.finish()
    await settled(mirroring)


@pytest.mark.spec("R-55")
async def test_each_mirror_gets_its_share_and_the_first_of_every_two_at_50():
    main, c, b, none = Reading(), Reading(), Reading(), Reading()
    mirroring = service(main, (c, 100), (b, 50), (none, 0))
    for number in range(10):
        await ask(mirroring, a_request("POST", body=b"%d" % number))
    assert len(main.seen) == len(c.seen) == 10
    assert [body for _, body in b.seen] == [b"0", b"2", b"4", b"6", b"8"]
    assert none.seen == []


@given(st.lists(st.integers(0, 100), min_size=1, max_size=4), st.integers(1, 300))
def test_no_mirror_ever_strays_from_its_share(percents: Sequence[int], times: int):
    mirrors = [Mirror(str(percent), answering(), percent) for percent in percents]
    for total in range(1, times + 1):
        for mirror in mirrors:
            mirror.wants(total)
            assert 0 <= mirror.sent - total * mirror.percent / 100 < 1


@pytest.mark.spec("R-56")
async def test_a_body_at_the_limit_is_mirrored_and_one_above_is_only_answered():
    main, mirror = Reading(), Reading()
    mirroring = service(main, (mirror, 100), max_body_size=3)
    await ask(mirroring, a_request("POST", body=b"abc"))
    await ask(mirroring, a_request("POST", body=b"abcd"))
    chunked = a_request("POST", body=b"abcde")
    chunked.body.length = None
    await ask(mirroring, chunked)
    assert [body for _, body in main.seen] == [b"abc", b"abcd", b"abcde"]
    assert [body for _, body in mirror.seen] == [b"abc"]


@pytest.mark.spec("R-56")
async def test_a_body_that_streams_is_read_first_and_goes_on_streaming_above_the_limit():
    async def chunks(*pieces: bytes) -> Any:
        for piece in pieces:
            yield piece

    main, mirror = Reading(), Reading()
    mirroring = service(main, (mirror, 100), max_body_size=3)
    for pieces in ((b"ab", b"c"), (b"ab", b"cd", b"ef")):
        request = a_request("POST")
        request.body = Body.stream(chunks(*pieces))
        await ask(mirroring, request)
    assert [body for _, body in main.seen] == [b"abc", b"abcdef"]
    assert [body for _, body in mirror.seen] == [b"abc"]
    assert mirror.requests[0].body.length is None


async def test_without_bodies_a_copy_says_that_it_is_empty_and_the_original_streams():
    main, mirror = Reading(), Reading()
    mirroring = service(main, (mirror, 100), mirror_body=False)
    request = a_request("POST", headers={"Content-Length": "3", "Trailer": "x", "X-A": "1"}, body=b"abc")
    body = request.body
    await ask(mirroring, request)
    assert request.body is body
    assert main.seen == [(b"POST", b"abc")]
    assert mirror.seen == [(b"POST", b"")]
    copy = mirror.requests[0]
    assert list(copy.headers) == [(b"x-a", b"1"), (b"content-length", b"0")]
    assert request.headers.get(b"content-length") == b"3"


async def test_a_request_without_a_body_is_mirrored_as_it_is():
    mirror = Reading()
    request = a_request(headers={"X-A": "1"})
    request.body = NOTHING
    await ask(service(answering(), (mirror, 100), mirror_body=False), request)
    copy = mirror.requests[0]
    assert (copy.method, copy.path, copy.query, copy.authority) == (b"GET", b"/path", b"x=1", b"a.example")
    assert copy.headers == request.headers
    assert copy.body is NOTHING


async def test_a_copy_is_of_the_request_as_it_came_and_independent_of_it():
    async def meddling(request: Request) -> Response:
        request.headers.set(b"x-a", b"changed")
        request.rewrite(b"/changed")
        return Response(200)

    one, other = Reading(), Reading()

    async def meddling_mirror(request: Request) -> Response:
        request.headers.set(b"x-a", b"mirror")
        return await one(request)

    request = a_request(headers={"X-A": "1"})
    exchange = request.exchange
    await ask(service(meddling, (meddling_mirror, 100), (other, 100)), request)
    copy = other.requests[0]
    assert (copy.headers.get(b"x-a"), copy.path) == (b"1", b"/path")
    assert other.exchanges[0] is not exchange
    assert copy.link is not request.link
    assert exchange.attempts == 0


async def test_mirrors_wait_until_the_answer_is_complete():
    mirror = Reading()
    mirroring = service(answering(), (mirror, 100))
    request = a_request()
    await mirroring(request)
    await settled(mirroring)
    assert mirror.seen == []
    request.finish()
    await settled(mirroring)
    assert len(mirror.seen) == 1


async def test_nothing_is_mirrored_for_a_client_that_left():
    mirror = Reading()
    await ask(service(answering(), (mirror, 100)), a_request(), ClientGone())
    assert mirror.seen == []


async def test_an_error_of_the_first_service_is_mirrored_all_the_same():
    mirror = Reading()
    await ask(service(Reading(GatewayError(502)), (mirror, 100)), a_request())
    assert len(mirror.seen) == 1


async def test_an_upgrade_is_not_mirrored():
    mirror = Reading()
    request = a_request()
    request.upgrade = b"websocket"
    await ask(service(answering(), (mirror, 100)), request)
    assert mirror.seen == []


async def test_a_mirror_that_fails_harms_neither_the_original_nor_the_next_mirror():
    after = Reading()
    done: list[str] = []

    async def failing(request: Request) -> Response:
        request.on_done(lambda: done.append("over"))
        request.on_done(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
        raise RuntimeError("bug")

    def raising(request: Request) -> Any:
        raise GatewayError(503)

    request = a_request()
    await ask(service(answering(), (failing, 100), (raising, 100), (after, 100)), request)
    assert request.exchange.error is None
    assert len(after.seen) == 1
    assert done == ["over"]


async def test_a_mirror_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(composite_mirror, "MIRROR_SECONDS", 0.001)
    body = Body()

    async def endless(request: Request) -> Response:
        return Response(200, None, body)

    after = Reading()
    await ask(service(answering(), (endless, 100), (after, 100)), a_request())
    assert len(after.seen) == 1


async def test_above_their_number_mirrored_requests_are_dropped_and_counted():
    mirror = Reading()
    mirroring = service(answering(), (mirror, 100), at_once=2)
    for _ in range(5):
        request = a_request()
        await mirroring(request)
        request.finish()
    assert repr(mirroring) == "<Mirroring mir@file, 2 under way, 0 bytes held, 3 dropped>"
    await settled(mirroring)
    assert len(mirror.seen) == 2
    await ask(mirroring, a_request())
    assert (len(mirror.seen), mirroring.dropped) == (3, 3)


async def test_the_bodies_of_all_copies_together_are_bounded():
    mirror = Reading()
    mirroring = service(Reading(), (mirror, 100), held_bytes=10)
    running = [a_request("POST", body=body) for body in (b"a" * 6, b"b" * 6, b"c" * 4)]
    for request in running:
        await mirroring(request)
    assert (mirroring.held, mirroring.dropped) == (10, 1)
    for request in running:
        request.finish()
    await settled(mirroring)
    assert [body for _, body in mirror.seen] == [b"a" * 6, b"c" * 4]
    assert mirroring.held == 0


async def test_a_body_that_is_larger_than_all_may_be_together_is_mirrored_alone():
    mirror = Reading()
    mirroring = service(Reading(), (mirror, 100), held_bytes=3)
    await ask(mirroring, a_request("POST", body=b"a" * 6))
    await ask(mirroring, a_request("POST", body=b"b" * 6))
    assert (len(mirror.seen), mirroring.held, mirroring.dropped) == (2, 0, 0)


async def test_while_a_body_is_read_it_takes_the_room_it_may_need():
    more = asyncio.Event()

    async def chunks() -> Any:
        yield b"a"
        await more.wait()
        yield b"b"

    main, mirror = Reading(), Reading()
    mirroring = service(main, (mirror, 100), max_body_size=8, held_bytes=10)
    streamed = a_request("POST")
    streamed.body = Body.stream(chunks())
    first = asyncio.ensure_future(ask(mirroring, streamed))
    await asyncio.sleep(0)
    assert mirroring.held == 8
    await ask(mirroring, a_request("POST", body=b"abc"))
    await ask(mirroring, a_request("POST", body=b"x" * 9))
    assert (mirroring.held, mirroring.dropped) == (8, 1)
    more.set()
    await first
    assert [body for _, body in main.seen] == [b"abc", b"x" * 9, b"ab"]
    assert [body for _, body in mirror.seen] == [b"ab"]
    assert mirroring.held == 0


@pytest.mark.parametrize("error", [ClientGone(), RuntimeError("bug"), ConnectionError("gone")])
async def test_a_request_that_is_not_mirrored_takes_no_room(error: Exception):
    mirroring = service(answering(), (Reading(), 100))
    await ask(mirroring, a_request("POST", body=b"abc"), error)
    assert mirroring.held == 0


async def test_a_body_that_breaks_off_takes_no_room():
    async def chunks() -> Any:
        yield b"a"
        raise ClientGone

    mirroring = service(answering(), (Reading(), 100))
    request = a_request("POST")
    request.body = Body.stream(chunks())
    with pytest.raises(ClientGone):
        await mirroring(request)
    assert mirroring.held == 0


class Unanswered:
    """A pending answer that does not come."""

    def __init__(self) -> None:
        self.cancelled = False

    def subscribe(self, receiver: Any) -> None:
        self.receiver = receiver

    def cancel(self) -> None:
        self.cancelled = True


async def test_a_server_that_never_answers_is_let_go_and_the_next_mirror_has_its_turn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(composite_mirror, "MIRROR_SECONDS", 0.001)
    never, after = Unanswered(), Reading()
    await ask(service(answering(), (lambda request: never, 100), (after, 100)), a_request())
    assert never.cancelled
    assert len(after.seen) == 1


async def test_who_answers_after_all_disturbs_nobody(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(composite_mirror, "MIRROR_SECONDS", 0.001)
    stubborn_is_over, late = asyncio.Event(), Response(200, None, Body())

    async def stubborn(request: Request) -> Response:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stubborn_is_over.set()
        return late

    never = Unanswered()
    mirroring = service(answering(), (stubborn, 100), (lambda request: never, 100))
    request = a_request()
    await mirroring(request)
    request.finish()
    await stubborn_is_over.wait()
    await settled(mirroring)
    assert never.cancelled
    assert not late.body.attached


async def test_an_answer_that_a_middleware_replaced_is_not_left_lying_about():
    abandoned: list[str] = []

    class Source:
        def abandon(self) -> None:
            abandoned.append("yes")

    async def replacing(request: Request) -> Response:
        request.exchange.upstream = Body(Source())  # type: ignore[arg-type]
        return Response(200, None, b"mine")

    await ask(service(answering(), (replacing, 100)), a_request())
    assert abandoned == ["yes"]
