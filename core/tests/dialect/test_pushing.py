"""When metrics are pushed, and what becomes of those that do not arrive."""

import asyncio
import logging
import time

import pytest

from pointsman.dialect import pushing
from pointsman.dialect.pushing import PushConfig, Pusher
from pointsman.measures import Metric, Sample
from pointsman.testing import FakeContext, eventually

METRICS = [Metric("traefik_a_total", "", "counter", (), [Sample((), 1), Sample((), 2)])]


class Collector:
    """Notes when pushes begin and end; does what it is told to meanwhile."""

    def __init__(self):
        self.begun = []
        self.under_way = self.most = self.done = 0
        self.meanwhile = self.nothing

    async def nothing(self):
        pass

    async def __call__(self, metrics):
        self.begun.append(asyncio.get_running_loop().time())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.meanwhile()
            self.done += 1
        finally:
            self.under_way -= 1


@pytest.fixture
def collector(monkeypatch):
    monkeypatch.setattr(pushing, "FIRST_SECONDS", 0.01)
    return Collector()


async def test_it_pushes_soon_and_then_once_per_interval_and_at_the_end(collector):
    pusher = Pusher(FakeContext(metrics=METRICS), 0.05, collector)
    pusher.start()
    await eventually(lambda: collector.done >= 3)
    await pusher.aclose()

    begun = collector.begun
    assert min(begun[1] - begun[0], begun[2] - begun[1]) > 0.04
    assert collector.done == len(begun) >= 4
    await pusher.aclose()


async def test_a_push_that_takes_long_costs_intervals_and_has_no_other_beside_it(collector):
    collector.meanwhile = lambda: asyncio.sleep(0.12)
    pusher = Pusher(FakeContext(metrics=METRICS), 0.05, collector)
    pusher.start()
    await eventually(lambda: collector.done >= 2)
    await pusher.aclose()

    assert collector.most == 1
    assert collector.begun[1] - collector.begun[0] > 0.14


async def test_what_is_pushed_when_the_stop_comes_is_pushed_to_the_end_and_then_once_more(collector):
    pushing_now = asyncio.Event()
    collector.meanwhile = pushing_now.wait
    pusher = Pusher(FakeContext(metrics=METRICS), 60.0, collector)
    pusher.start()
    await eventually(lambda: collector.under_way)
    closing = asyncio.create_task(pusher.aclose())
    await asyncio.sleep(0)
    pushing_now.set()
    await closing

    assert collector.done == 2


async def test_outages_are_counted_and_said_once(collector, caplog):
    async def fail():
        raise OSError("nobody is there")

    context = FakeContext("statsD", metrics=METRICS)
    pusher = Pusher(context, 0.02, collector)
    collector.meanwhile = fail
    with caplog.at_level(logging.WARNING):
        pusher.start()
        await eventually(lambda: len(collector.begun) >= 3)
        assert "dropped" in repr(pusher)
        collector.meanwhile = collector.nothing
        await eventually(lambda: collector.done)
        await pusher.aclose()

    assert context.lost == 2 * (len(collector.begun) - collector.done)
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "metrics.statsD: metrics cannot be delivered, and are dropped as long as that lasts: nobody is there",
        f"metrics.statsD: metrics are delivered again; {context.lost} samples were dropped",
    ]


async def test_a_collector_that_never_answers_does_not_hold_up_the_stop(collector, caplog, monkeypatch):
    monkeypatch.setattr(pushing, "LAST_SECONDS", 0.05)
    collector.meanwhile = asyncio.Event().wait
    context = FakeContext("otlp", metrics=METRICS)
    pusher = Pusher(context, 60.0, collector)
    pusher.start()
    began = time.monotonic()
    await pusher.aclose()

    assert time.monotonic() - began < 1.0
    assert context.lost == 2
    assert "metrics.otlp: the last metrics did not arrive in time" in caplog.text


async def test_where_there_is_nothing_nobody_is_bothered(collector):
    pusher = Pusher(FakeContext(), 0.01, collector)
    pusher.start()
    await asyncio.sleep(0.03)
    await pusher.aclose()

    assert collector.begun == []


def test_it_needs_what_its_options_say():
    needs = PushConfig(add_entry_points_labels=False, add_routers_labels=True).needs((1.0,), semantic=True)

    assert (needs.entry_points, needs.routers, needs.services, needs.semantic) == (False, True, True, True)
    assert needs.boundaries == (1.0,)
    assert PushConfig().needs().boundaries == pushing.BOUNDARIES == tuple(sorted(pushing.BOUNDARIES))


def test_nobody_is_pushed_to_all_the_time():
    with pytest.raises(ValueError, match="must be at least 100ms"):
        PushConfig(push_interval=0.0)
