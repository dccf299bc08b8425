"""Answers as Pendings: whatever can be awaited calls back, and whatever calls back can be awaited."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from pointsman.answers import Deferred, pending
from pointsman.api import Receiver
from pointsman.errors import ClientGone
from pointsman.message import Body, Response


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
