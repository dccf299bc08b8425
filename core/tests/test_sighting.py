"""Answers that wait until the first bytes of their body are here."""

import asyncio
from collections.abc import Awaitable

import pytest

from pointsman.answers import Deferred, amended
from pointsman.errors import GatewayError
from pointsman.message import Body, Response
from pointsman.sighting import sighted
from pointsman.testing import a_request


class Later(Deferred):
    """A Pending that is told by the test."""

    def __init__(self) -> None:
        self.cancelled = False

    def subscribe(self, receiver):
        self.receiver = receiver

    def cancel(self):
        self.cancelled = True


class Taking:
    """A Receiver."""

    def __init__(self) -> None:
        self.told = []

    def respond(self, response):
        self.told.append(response)

    fail = respond


class Source:
    abandoned = False

    def pause_reading(self):
        pass

    resume_reading = pause_reading

    def abandon(self):
        self.abandoned = True


def seen(request, response) -> bool:
    return True


def subscribed(look=seen):
    later, taking = Later(), Taking()
    answer = sighted(lambda request: later, look)(a_request())
    answer.subscribe(taking)
    return answer, later, taking


async def test_a_head_waits_for_the_first_bytes_and_nothing_is_taken():
    _, later, taking = subscribed()
    body = Body(Source())
    response = Response(200, [], body)
    later.receiver.respond(response)
    assert taking.told == []

    body.feed(b"abc")
    assert taking.told == [response]
    assert (response.glimpse(2), body.attached) == (b"ab", False)
    body.end()
    assert await body.read(10) == b"abc"


@pytest.mark.parametrize("ending", ["end", "fail"])
async def test_an_end_or_a_failure_is_something_to_see(ending):
    _, later, taking = subscribed()
    body = Body(Source())
    later.receiver.respond(Response(200, [], body))
    body.end() if ending == "end" else body.fail(GatewayError(502))

    assert len(taking.told) == 1
    if ending == "end":
        assert await body.read(10) == b""
    else:
        with pytest.raises(GatewayError):
            await body.read(10)


@pytest.mark.parametrize("response", [Response(200, [], b"abc"), Response(204), Response(200, [], Body.of(b"x"))])
async def test_what_is_here_goes_on_at_once(response):
    _, later, taking = subscribed()
    later.receiver.respond(response)

    assert taking.told == [response]


async def test_who_does_not_want_to_look_does_not_wait():
    _, later, taking = subscribed(lambda request, response: False)
    later.receiver.respond(Response(200, [], Body(Source())))

    assert len(taking.told) == 1


async def test_a_silent_body_holds_its_head_only_for_a_moment(monkeypatch):
    monkeypatch.setattr("pointsman.sighting.LOOK_SECONDS", 0.0)
    _, later, taking = subscribed()
    body = Body(Source())
    later.receiver.respond(Response(200, [], body))
    await asyncio.sleep(0.01)

    assert len(taking.told) == 1
    body.feed(b"late")
    body.end()
    assert (await body.read(10), len(taking.told)) == (b"late", 1)


@pytest.mark.parametrize("wait", [False, True])
async def test_a_cancelled_one_gives_the_body_up(wait):
    answer, later, taking = subscribed()
    source = Source()
    if wait:
        later.receiver.respond(Response(200, [], Body(source)))
    answer.cancel()

    assert (later.cancelled, source.abandoned) == (not wait, wait)
    if not wait:
        later.receiver.respond(Response(200, [], Body(source)))
        assert source.abandoned
    assert taking.told == []


async def test_errors_pass():
    _, later, taking = subscribed()
    error = GatewayError(502)
    later.receiver.fail(error)
    assert taking.told == [error]

    def broken(request, response):
        raise ZeroDivisionError

    _, later, taking = subscribed(broken)
    later.receiver.respond(Response(200, [], Body(Source())))
    assert isinstance(taking.told[0], ZeroDivisionError)


@pytest.mark.parametrize("kind", ["pending", "coroutine", "plain"])
async def test_awaiting_works_for_every_kind_of_answer(kind):
    body = Body(Source())
    response = Response(200, [], body)

    async def coroutine() -> Response:
        return response

    later = Later()

    def handler(request) -> Awaitable[Response]:
        return {"pending": lambda: later, "coroutine": coroutine, "plain": lambda: response}[kind]()

    def edit(response: Response) -> None:
        response.headers.set(b"x-seen", response.glimpse(3))

    answer = amended(sighted(handler, seen), a_request(), edit)
    task = asyncio.ensure_future(_of(answer))
    await asyncio.sleep(0)
    if kind == "pending":
        later.receiver.respond(response)
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()

    body.feed(b"abcdef")
    assert (await task).headers.get(b"x-seen") == b"abc"


async def _of(answer: Awaitable[Response]) -> Response:
    return await answer
