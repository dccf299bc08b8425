"""The checker: follows configurations, probes, logs and tells each change once. No sockets, and a clock that tests move."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pointsman.config.static import StaticServersTransport
from pointsman.control.checks import Check
from pointsman.control.health import Checker
from pointsman.control.merge import Tree, diff, merge
from pointsman.control.probe import Failed

A, B = "http://a.example", "http://b.example"


class FakeProbe:
    """Finds what the test says."""

    def __init__(self) -> None:
        self.sick: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.hang: asyncio.Event | None = None
        self.closed = False

    async def start(self) -> None:
        pass

    async def __call__(self, check: Check, url: str) -> None:
        self.asked.append(url)
        if self.hang is not None:
            await self.hang.wait()
        if url in self.sick:
            raise self.sick[url]

    async def aclose(self) -> None:
        self.closed = True


class Ward:
    """A checker, its probe, and the news it told."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.probe = FakeProbe()
        self.news: list[Any] = []
        self.checker = Checker(StaticServersTransport(), self.news.append, self.probe, limit=10)
        self._tree: Tree = merge({})[0]

    async def follow(self, *urls: str, **options: Any) -> None:
        balancer = {"servers": [{"url": url} for url in urls], "healthCheck": {"interval": "10s"}, **options}
        tree, _ = merge({"file": {"http": {"services": {"s": {"loadBalancer": balancer}} if urls else {}}}}, self._tree)
        await self.checker.follow(tree, diff(self._tree, tree))
        self._tree = tree

    async def after(self, seconds: float) -> list[Any]:
        """The news of so many seconds."""
        self.news.clear()
        self.checker._news.set()  # the loop's own alarm clock does not know that its clock was moved
        await self.clock.advance(seconds)
        self.checker._news.set()
        await self.clock.settle()
        return self.news


@pytest.fixture
async def ward(clock: Any) -> AsyncIterator[Ward]:
    ward = Ward(clock)
    await ward.checker.start()
    yield ward
    await ward.checker.aclose()


Told = Callable[[], list[tuple[str, str]]]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    caplog.set_level(logging.INFO, "pointsman.health")
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records]


@pytest.mark.spec("R-48")
async def test_changes_are_told_and_logged_once_each(ward: Ward, told: Told):
    await ward.follow(A, B)
    assert await ward.after(9.9) == []
    assert ward.probe.asked == []
    ward.probe.sick[B] = Failed("status 503")
    assert await ward.after(0.2) == [{"s@file": {B: False}}]
    assert ward.probe.asked == [A, B]
    assert await ward.after(10) == []
    del ward.probe.sick[B]
    assert await ward.after(10) == [{"s@file": {B: True}}]
    assert ward.checker.states == {"s@file": {A: True, B: True}}
    assert told() == [
        ("WARNING", f"service s@file: server {B} is DOWN: status 503"),
        ("INFO", f"service s@file: server {B} is UP"),
    ]


@pytest.mark.spec("R-108")
async def test_a_reload_that_leaves_the_check_alone_changes_nothing_that_is_known(ward: Ward):
    ward.probe.sick[A] = Failed("status 503")
    await ward.follow(A)
    await ward.after(10.1)
    ward.news.clear()
    await ward.follow(A, B, passHostHeader=False)
    assert ward.news == []
    assert ward.checker.states == {"s@file": {A: False, B: True}}


async def test_a_reload_that_changes_the_check_or_drops_it_tells_that_all_are_up(ward: Ward):
    ward.probe.sick[A] = Failed("status 503")
    await ward.follow(A)
    await ward.after(10.1)
    await ward.follow(A, healthCheck={"interval": "10s", "path": "/other"})
    assert ward.news == [{"s@file": {A: False}}, {"s@file": {A: True}}]
    assert await ward.after(10.1) == [{"s@file": {A: False}}]
    await ward.follow()
    assert ward.news[-1] == {"s@file": {A: True}}
    ward.probe.asked.clear()
    await ward.after(20)
    assert ward.probe.asked == []


async def test_where_answers_are_judged_too_every_good_probe_is_told(ward: Ward, told: Told):
    await ward.follow(A, B, passiveHealthCheck={"maxFailedAttempts": 1})
    ward.probe.sick[B] = Failed("status 503")
    assert await ward.after(10.1) == [{"s@file": {A: True}}, {"s@file": {B: False}}]
    assert await ward.after(10) == [{"s@file": {A: True}}]
    assert len(told()) == 1


async def test_with_thresholds_a_change_is_told_when_enough_probes_in_a_row_say_so(ward: Ward, told: Told):
    check = {"interval": "10s", "healthyThreshold": 2, "unhealthyThreshold": 3}
    await ward.follow(A, healthCheck=check, passiveHealthCheck={"maxFailedAttempts": 1})
    assert await ward.after(10.1) == []
    assert await ward.after(10) == [{"s@file": {A: True}}], "workers that put it out need a good one of two in a row"
    ward.probe.sick[A] = Failed("status 503")
    assert [await ward.after(10) for _ in range(3)][-1] == [{"s@file": {A: False}}]
    ward.probe.sick.clear()
    assert await ward.after(10) == []
    assert await ward.after(10) == [{"s@file": {A: True}}]
    assert [level for level, _ in told()] == ["WARNING", "INFO"]


async def test_a_probe_that_breaks_counts_as_failed_and_the_checks_go_on(ward: Ward, told: Told):
    await ward.follow(A)
    ward.probe.sick[A] = RuntimeError("a mistake")
    assert await ward.after(10.1) == [{"s@file": {A: False}}]
    assert ("ERROR", f"service s@file: the probe of {A} failed") in told()
    ward.probe.sick.clear()
    assert await ward.after(10) == [{"s@file": {A: True}}]


async def test_no_more_than_so_many_probes_run_at_once(ward: Ward):
    ward.probe.hang = asyncio.Event()
    await ward.follow(*(f"http://{number}.example" for number in range(25)))
    await ward.after(10.1)
    assert len(ward.probe.asked) == 10
    ward.probe.hang.set()
    await ward.after(0)
    await ward.after(0)
    assert len(ward.probe.asked) == 25


async def test_it_ends_with_probes_under_way_and_can_be_ended_twice(ward: Ward):
    ward.probe.hang = asyncio.Event()
    await ward.follow(A)
    await ward.after(10.1)
    assert repr(ward.checker) == "<Checker <Rounds 1 services, 1 under way, down: none>>"
    await ward.checker.aclose()
    await ward.checker.aclose()
    assert ward.probe.closed


async def test_it_can_be_ended_without_a_start(clock: Any):
    await Ward(clock).checker.aclose()
