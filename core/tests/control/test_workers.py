"""Workers as processes: one that hangs is noticed."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from pointsman.compile import Secrets
from pointsman.config.static import Static
from pointsman.control.workers import Process
from pointsman.shared import MemoryFile
from pointsman.testing import eventually


@asynccontextmanager
async def a_process(beat_seconds: float = 0.05) -> AsyncIterator[Process]:
    process = Process(0, Static(), {}, None, Secrets(), lambda problems: None, MemoryFile.create(1))
    process.beat_seconds = beat_seconds
    try:
        await eventually(lambda: process.alive, "it answers")
        yield process
    finally:
        await process.stop()


async def test_a_worker_that_hangs_is_killed_and_replaced(caplog: pytest.LogCaptureFixture) -> None:
    async with a_process() as process:
        first = process.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        await eventually(lambda: not process.alive, "it is noticed")
        await eventually(lambda: process.alive and process.pid != first, "it is replaced")
    messages = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
    assert messages[0] == "worker 0 has not answered for 0.5 s; it is killed"
    assert messages[1].startswith("worker 0 ended with status -9")


async def test_a_worker_that_does_not_end_is_killed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pointsman.control.workers.STOP_SECONDS", 0.3)
    async with a_process(beat_seconds=60) as process:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
    assert process.pid is None
    assert "does not stop; it is killed" in caplog.text


async def test_a_worker_is_not_asked_again_before_it_has_answered() -> None:
    async with a_process() as process:
        written: list[bytes] = []

        class Mute:
            write: Callable[[bytes], None] = staticmethod(written.append)

        process._beats = 3
        beating = asyncio.ensure_future(process._beat(Mute()))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        assert written == []
        beating.cancel()
