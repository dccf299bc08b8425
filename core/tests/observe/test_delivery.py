"""Spans in batches to an exporter, and what becomes of them when that is away."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from pointsman.observe.delivery import Delivery, Limits
from pointsman.shared import AcrossState, MemoryFile
from pointsman.spans import Span
from pointsman.testing import a_span, eventually

QUICK = Limits(queue=6, batch=2, delay_seconds=0.01, export_seconds=5.0)


class Collector:
    """Takes batches, or fails, or never comes to an end."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.error: Exception | None = None
        self.hangs = asyncio.Event()
        self.hangs.set()

    async def export(self, spans: Sequence[Span]) -> None:
        await self.hangs.wait()
        if self.error is not None:
            raise self.error
        self.batches.append(len(spans))


def delivering(limits: Limits = QUICK) -> tuple[Collector, Delivery, list[int]]:
    collector, lost = Collector(), []
    delivery = Delivery("paper", collector.export, limits, lost.append)
    delivery.start()
    return collector, delivery, lost


def add(delivery: Delivery, number: int) -> None:
    for _ in range(number):
        delivery.add(a_span())


async def test_a_full_batch_goes_at_once_and_the_rest_after_a_while() -> None:
    collector, delivery, _ = delivering(Limits(6, 2, 60.0))
    add(delivery, 2)
    await eventually(lambda: collector.batches == [2])
    add(delivery, 1)
    await asyncio.sleep(0)
    assert collector.batches == [2]
    await delivery.stop()
    assert collector.batches == [2, 1]


async def test_what_comes_while_a_batch_is_under_way_waits_for_company() -> None:
    collector, delivery, _ = delivering(Limits(6, 2, 60.0))
    collector.hangs.clear()
    add(delivery, 2)
    await asyncio.sleep(0.01)
    add(delivery, 3)
    collector.hangs.set()
    await eventually(lambda: collector.batches == [2, 2])
    await asyncio.sleep(0.01)
    assert collector.batches == [2, 2]
    await delivery.stop()
    assert collector.batches == [2, 2, 1]


async def test_one_of_all_workers_tells_of_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    file = MemoryFile.create(2)
    (first, one, _), (second, other, _) = delivering(), delivering()
    for number, delivery in enumerate((one, other)):
        delivery.shared = AcrossState(file, number, b"outages")
    first.error = second.error = OSError("nobody is there")
    add(one, 2)
    await eventually(lambda: one.dropped == 2)
    add(other, 2)
    await eventually(lambda: other.dropped == 2)
    assert [record.getMessage() for record in caplog.records] == [
        "tracing.paper: spans cannot be exported, and are dropped as long as that lasts: nobody is there"
    ]

    first.error = second.error = None
    for collector, delivery in ((second, other), (first, one)):
        add(delivery, 2)
        await eventually(lambda sent=collector.batches: sent == [2])
    assert [record.getMessage() for record in caplog.records[1:]] == [
        "tracing.paper: spans are exported again; 2 were dropped"
    ]

    second.error = OSError("gone once more")  # and now it is the other one's turn
    add(other, 2)
    await eventually(lambda: len(caplog.records) == 3)
    await one.stop()
    await other.stop()
    file.close()


async def test_what_waits_goes_when_its_time_has_come() -> None:
    collector, delivery, _ = delivering()
    add(delivery, 1)
    await eventually(lambda: collector.batches == [1])
    await delivery.stop()


async def test_what_finds_no_room_is_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    collector, delivery, lost = delivering()
    collector.hangs.clear()
    add(delivery, 10)
    collector.hangs.set()
    await eventually(lambda: lost == [4])
    assert sum(collector.batches) == 6
    assert caplog.text.count("more spans than can be exported; 4 were dropped") == 1
    await delivery.stop()
    assert delivery.dropped == 4


async def test_an_outage_is_told_once_and_once_more_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    collector, delivery, lost = delivering()
    collector.error = ConnectionRefusedError("nobody there")
    for number in (1, 2, 3):
        add(delivery, 1)
        await eventually(lambda number=number: len(lost) == number)
    assert [record.getMessage() for record in caplog.records] == [
        "tracing.paper: spans cannot be exported, and are dropped as long as that lasts: nobody there"
    ]
    collector.error = None
    add(delivery, 1)
    await eventually(lambda: collector.batches == [1])
    assert caplog.records[-1].getMessage() == "tracing.paper: spans are exported again; 3 were dropped"
    assert len(caplog.records) == 2
    await delivery.stop()


@pytest.mark.spec("O-76")
async def test_a_collector_that_hangs_does_not_hold_up_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointsman.observe.delivery.STOP_SECONDS", 0.02)
    collector, delivery, lost = delivering()
    collector.hangs.clear()
    add(delivery, 5)
    await asyncio.wait_for(delivery.stop(), 2)
    assert sum(lost) == 5


async def test_a_collector_that_hangs_is_given_up_after_its_time(caplog: pytest.LogCaptureFixture) -> None:
    collector, delivery, lost = delivering(Limits(6, 2, 0.01, 0.01))
    collector.hangs.clear()
    add(delivery, 1)
    await eventually(lambda: lost == [1])
    assert "it took longer than 0.01 s" in caplog.text
    await delivery.stop()


async def test_a_stop_sends_what_is_left_and_gives_up_at_the_first_failure() -> None:
    collector, delivery, lost = delivering(Limits(6, 2, 60.0))
    collector.error = OSError("away")
    add(delivery, 5)
    await delivery.stop()
    assert sum(lost) == 5


def test_limits_are_opentelemetrys_variables(caplog: pytest.LogCaptureFixture) -> None:
    environ: Any = {
        "OTEL_BSP_MAX_QUEUE_SIZE": "100",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "512",
        "OTEL_BSP_SCHEDULE_DELAY": "1500",
        "OTEL_BSP_EXPORT_TIMEOUT": "-1",
    }
    assert Limits.of({}) == Limits(2048, 512, 5.0, 30.0)
    assert Limits.of(environ) == Limits(100, 100, 1.5, 30.0)
    assert "OTEL_BSP_EXPORT_TIMEOUT must be a positive number; 30000 is used" in caplog.text
