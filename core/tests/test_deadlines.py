"""Timeouts: coarse, cheap, and independent of each other."""

import logging
from typing import Any

import pytest

from pointsman.deadlines import NEVER, Deadlines


class Watched:
    def __init__(self, deadline: float = NEVER, then: Any = None) -> None:
        self.deadline = deadline
        self.then = then
        self.expired = 0

    def expire(self) -> None:
        self.expired += 1
        if self.then is not None:
            self.then()


@pytest.fixture
async def now(clock: Any) -> Any:
    import asyncio

    return asyncio.get_running_loop().time


async def test_what_is_due_expires_once_and_within_a_tick(clock: Any, now: Any) -> None:
    deadlines, due, later = Deadlines(), Watched(now() + 1), Watched(now() + 9)
    deadlines.watch(due)
    deadlines.watch(later)
    await clock.advance(0.9)
    assert due.expired == 0
    await clock.advance(0.2)
    assert (due.expired, later.expired) == (1, 0)
    assert due.deadline == NEVER
    await clock.advance(5)
    assert due.expired == 1


async def test_what_is_forgotten_does_not_expire_and_the_sweep_stops(clock: Any, now: Any) -> None:
    deadlines, one = Deadlines(), Watched(now() + 1)
    deadlines.watch(one)
    deadlines.forget(one)
    await clock.advance(2)
    assert one.expired == 0
    assert deadlines._timer is None
    one.deadline = now()
    deadlines.watch(one)
    await clock.advance(1)
    assert one.expired == 1


async def test_one_that_breaks_does_not_stop_the_others(clock: Any, now: Any, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise RuntimeError("no")

    deadlines = Deadlines()
    both = [Watched(now(), broken), Watched(now(), broken)]
    for one in both:
        deadlines.watch(one)
    with caplog.at_level(logging.ERROR):
        await clock.advance(1)
    assert [one.expired for one in both] == [1, 1]
    both[0].deadline = now()
    await clock.advance(1)
    assert both[0].expired == 2


async def test_one_that_is_given_more_time_by_another_that_expires_keeps_it(clock: Any, now: Any) -> None:
    deadlines = Deadlines()
    both: list[Watched] = []

    def prolong() -> None:
        for one in both:
            if not one.expired:
                one.deadline = now() + 100

    both += [Watched(now(), prolong), Watched(now(), prolong)]
    for one in both:
        deadlines.watch(one)
    await clock.advance(1)
    assert sorted(one.expired for one in both) == [0, 1]
