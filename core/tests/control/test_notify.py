"""What a service manager hears."""

import asyncio
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pointsman.control.notify import Supervisor
from pointsman.testing import eventually


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def test_a_state_is_told_by_path(ear: socket.socket) -> None:
    Supervisor.of({"NOTIFY_SOCKET": ear.getsockname()}).tell("READY=1")
    assert ear.recv(100) == b"READY=1"


def test_a_state_is_told_by_abstract_name() -> None:
    name = f"pointsman-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        Supervisor.of({"NOTIFY_SOCKET": f"@{name}"}).tell("STOPPING=1")
        assert listening.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("1000000", "", 1.0),
        pytest.param("1500000", str(os.getpid()), 1.5, id="its-own"),
        ("1000000", "1", None),
        ("0", "", None),
        ("x", "", None),
        ("-5", "", None),
        ("", "", None),
        ("9" * 30, "", None),
    ],
)
def test_the_watchdog_is_minded_if_it_means_this_process(usec: str, pid: str, seconds: float | None) -> None:
    environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": usec, "WATCHDOG_PID": pid, "OTHER": "stays"}
    assert Supervisor.of(environment).watchdog_seconds == seconds
    assert environment == {"OTHER": "stays"}


async def test_the_watchdog_hears_nothing_while_the_gateway_is_not_well(ear: socket.socket) -> None:
    well = True
    asked = 0

    async def is_well() -> bool:
        nonlocal asked
        asked += 1
        return well

    def heard() -> int:
        count = 0
        with suppress(BlockingIOError):
            while ear.recv(100) == b"WATCHDOG=1":
                count += 1
        return count

    task = asyncio.create_task(Supervisor(ear.getsockname(), 0.02).reassure(is_well))
    await eventually(lambda: heard() > 0, "a sign of life")
    well = False
    await eventually(lambda: asked and not heard(), "silence")
    before = asked
    await eventually(lambda: asked > before + 3, "it is asked again")
    assert not heard()
    well = True
    await eventually(lambda: heard() > 0, "a sign of life again")
    task.cancel()


async def test_nobody_who_listens_is_no_trouble(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with caplog.at_level(logging.WARNING):
        Supervisor().tell("READY=1")
        await Supervisor("", 1.0).reassure(lambda: asyncio.sleep(0, True))
        assert not caplog.records
        gone = Supervisor(str(tmp_path / "gone"))
        gone.tell("READY=1")
        gone.tell("STOPPING=1")
        assert len(caplog.records) == 1
        Supervisor.of({"NOTIFY_SOCKET": "vsock:2:1"}).tell("READY=1")
        assert "neither a path" in caplog.text
