"""Answers as Pendings: whatever can be awaited calls back, and whatever calls back can be awaited."""

import asyncio
import inspect
from collections.abc import Awaitable
from typing import Any

import pytest

from pointsman.answers import Deferred, edited, followed, pending
from pointsman.api import Receiver
from pointsman.errors import ClientGone, GatewayError
from pointsman.message import Body, Response
from pointsman.testing import a_request


class Told:
    """A receiver that keeps what it was told."""

    def __init__(self) -> None:
        self.outcomes: list[Any] = []

    def respond(self, response: Response) -> None:
        self.outcomes.append(response)

    def fail(self, error: BaseException) -> None:
        self.outcomes.append(error)


class Later(Deferred):
    """A Pending that answers when the test says so."""

    def __init__(self) -> None:
        self.receiver: Receiver | None = None
        self.cancelled = False

    def subscribe(self, receiver: Receiver) -> None:
        self.receiver = receiver

    def cancel(self) -> None:
        self.cancelled = True


class Source:
    def __init__(self) -> None:
        self.abandoned = 0

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def abandon(self) -> None:
        self.abandoned += 1


async def after(gate: asyncio.Event, outcome: Response | Exception) -> Response:
    await gate.wait()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_a_pending_is_its_own() -> None:
    later = Later()
    assert pending(later) is later


def test_an_answer_that_is_here_calls_back_at_once() -> None:
    told, response = Told(), Response(200)
    pending(response).subscribe(told)
    assert told.outcomes == [response]


@pytest.mark.parametrize("outcome", [Response(200), ValueError("no")], ids=["an answer", "an error"])
async def test_a_coroutine_calls_back_from_a_task(outcome: Any) -> None:
    told, gate = Told(), asyncio.Event()
    pending(after(gate, outcome)).subscribe(told)
    await settle()
    assert told.outcomes == []
    gate.set()
    await settle()
    assert told.outcomes == [outcome]


@pytest.mark.parametrize("begun", [False, True])
async def test_one_that_is_cancelled_calls_nobody_back(begun: bool) -> None:
    told, gate = Told(), asyncio.Event()
    answer = pending(after(gate, Response(200)))
    answer.subscribe(told)
    if begun:
        await settle()
    answer.cancel()
    gate.set()
    await settle()
    assert told.outcomes == []


async def test_one_that_cancels_itself_fails() -> None:
    async def leaves() -> Response:
        raise asyncio.CancelledError

    told = Told()
    pending(leaves()).subscribe(told)
    await settle()
    assert isinstance(told.outcomes[0], ClientGone)


async def of(answer: Awaitable[Response]) -> Response:
    return await answer


@pytest.mark.parametrize("outcome", [Response(200), ValueError("no")], ids=["an answer", "an error"])
async def test_a_deferred_answer_can_be_awaited(outcome: Any) -> None:
    later = Later()
    task = asyncio.create_task(of(later))
    await settle()
    assert later.receiver is not None
    if isinstance(outcome, Response):
        later.receiver.respond(outcome)
        assert await task is outcome
    else:
        later.receiver.fail(outcome)
        with pytest.raises(ValueError, match="no"):
            await task


@pytest.mark.parametrize("answered", [False, True])
async def test_whoever_stops_awaiting_cancels_and_takes_no_answer(answered: bool) -> None:
    later, source = Later(), Source()
    task = asyncio.create_task(of(later))
    await settle()
    assert later.receiver is not None
    if answered:
        later.receiver.respond(Response(200, None, Body(source)))
    task.cancel()
    await settle()
    assert later.cancelled
    later.receiver.respond(Response(200, None, Body(source)))
    assert source.abandoned == 1 + answered
    assert task.cancelled()


# answers that others follow


def ways(outcome: Response | Exception) -> list[Any]:
    """The same outcome at once, called back, and from a coroutine."""

    def at_once(request: Any) -> Awaitable[Response]:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def coroutine(request: Any) -> Response:
        await asyncio.sleep(0)
        return await at_once(request)

    return [at_once, lambda request: pending(coroutine(request)), coroutine]


async def outcome_of(answer: Any) -> Any:
    """As a connection takes it: called back."""
    told = Told()
    pending(answer).subscribe(told)
    for _ in range(10):
        await asyncio.sleep(0)
    (outcome,) = told.outcomes
    return outcome


async def test_an_answer_may_be_passed_on_replaced_or_followed_by_one_that_is_to_come() -> None:
    first, second = Response(404), Response(200)
    for handler in ways(first):
        assert await outcome_of(followed(handler, a_request(), lambda response: response)) is first
        for after in ways(second):
            assert await outcome_of(followed(handler, a_request(), lambda response, after=after: after(None))) is second
            assert await followed(handler, a_request(), lambda response, after=after: after(None)) is second


async def test_an_error_may_be_replaced_or_left() -> None:
    for handler in ways(GatewayError(502)):
        kept = followed(handler, a_request(), lambda response: response, lambda error: Response(error.status))
        assert (await kept).status == 502
        for after in ways(ClientGone()):
            with pytest.raises(ClientGone):
                await followed(handler, a_request(), lambda response: response, lambda error, after=after: after(None))
    for handler in ways(GatewayError(502))[1:]:
        assert (await outcome_of(followed(handler, a_request(), lambda response: response))).status == 502


async def test_what_goes_wrong_while_following_is_the_outcome_and_the_first_answer_is_given_up() -> None:
    source, first, told = Source(), Later(), Told()

    def wrong(response: Response) -> Any:
        raise ValueError("no")

    pending(followed(lambda request: first, a_request(), wrong)).subscribe(told)
    assert first.receiver is not None
    first.receiver.respond(Response(200, None, Body(source)))
    assert isinstance(told.outcomes[0], ValueError)
    assert source.abandoned == 1


class Unaskable(Deferred):
    """What raises when it is asked, as a balancer's `pick` may."""

    def subscribe(self, receiver: Receiver) -> None:
        raise ValueError("no")


async def test_what_cannot_be_asked_after_the_first_answer_is_the_outcome_too() -> None:
    first, told = Later(), Told()
    pending(followed(lambda request: first, a_request(), lambda response: Unaskable())).subscribe(told)
    assert first.receiver is not None
    first.receiver.respond(Response(200))
    assert isinstance(told.outcomes[0], ValueError)


async def test_an_edited_coroutine_is_closed_when_nobody_awaits_it_any_more() -> None:
    async def handler() -> Response:
        raise AssertionError("it has not begun")

    answer, told = edited(coroutine := handler(), lambda response: None), Told()
    assert hasattr(answer, "subscribe")
    answer.subscribe(told)
    answer.cancel()
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED
    assert not told.outcomes


async def test_other_errors_than_the_gateways_are_not_replaced() -> None:
    for handler in ways(KeyError("x")):
        with pytest.raises(KeyError):
            await followed(handler, a_request(), lambda response: response, lambda error: Response(200))


@pytest.mark.parametrize("far", [False, True], ids=["the first", "what follows"])
async def test_cancelling_cancels_whichever_is_under_way(far: bool) -> None:
    first, second, told, source = Later(), Later(), Told(), Source()
    answer = pending(followed(lambda request: first, a_request(), lambda response: second))
    answer.subscribe(told)
    assert first.receiver is not None
    if far:
        first.receiver.respond(Response(404))
    answer.cancel()
    assert (first.cancelled, second.cancelled) == (not far, far)
    if not far:
        first.receiver.respond(Response(200, None, Body(source)))
        assert source.abandoned == 1
    assert told.outcomes == []


@pytest.mark.parametrize("begun", [False, True])
async def test_cancelling_reaches_a_coroutine_that_follows(begun: bool) -> None:
    steps: list[str] = []

    async def long(response: Response) -> Response:
        steps.append("begun")
        try:
            await asyncio.sleep(100)
        finally:
            steps.append("over")
        return response

    first, told = Later(), Told()
    answer = pending(followed(lambda request: first, a_request(), long))
    answer.subscribe(told)
    assert first.receiver is not None
    first.receiver.respond(Response(200))
    if begun:
        await settle()
    answer.cancel()
    await settle()
    assert told.outcomes == []
    assert steps == (["begun", "over"] if begun else [])
