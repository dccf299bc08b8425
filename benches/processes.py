"""Processes under measurement: pinned to a core, read from /proc, ended by the pid that we began."""

import os
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

TICKS: Final = os.sysconf("SC_CLK_TCK")
PATIENCE_SECONDS: Final = 20.0


def pinned(core: int, *command: object) -> list[str]:
    """The command on one core. taskset becomes the program, so the pid is the program's."""
    return ["taskset", "-c", str(core), *map(str, command)]


def tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                children.setdefault(int(_fields(int(entry.name))[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, ())
    return found


def _fields(pid: int) -> list[str]:
    """/proc/PID/stat from its third field on: the second may hold anything, but it ends with the last parenthesis."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these processes so far, with all their threads."""
    total = 0
    for pid in pids:
        fields = _fields(pid)
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


class Share:
    """A part of one core for one process, by a control group of its own; nothing is limited where that cannot be made."""

    PERIOD_US: Final = 10_000

    def __init__(self, pid: int, part: float) -> None:
        quota = int(part * self.PERIOD_US)
        first, second = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
        self._folder = (first if first.is_dir() else second) / f"pointsman-bench-{pid}"
        self.limits = False
        try:
            self._folder.mkdir()
            if first.is_dir():
                (self._folder / "cpu.cfs_period_us").write_text(str(self.PERIOD_US))
                (self._folder / "cpu.cfs_quota_us").write_text(str(quota))
            else:
                (self._folder / "cpu.max").write_text(f"{quota} {self.PERIOD_US}")
            (self._folder / "cgroup.procs").write_text(str(pid))
            self.limits = True
        except OSError:
            self.remove()

    def remove(self) -> None:
        """Once the process has ended."""
        with suppress(OSError):
            self._folder.rmdir()


def core_busy_seconds(core: int) -> float:
    """What everybody has used of a core so far."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq = map(int, ticks[:7])
            return (user + nice + system + irq + softirq) / TICKS
    raise LookupError(f"there is no core {core}")


def pss_mebibytes(pids: Iterable[int]) -> float:
    """Proportional set size: memory that is shared counts in parts, so that processes can be added up."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def wait_until(ready: Callable[[], object], process: "subprocess.Popen[bytes]", what: str) -> None:
    """Ask until it is so. RuntimeError if the process ends, TimeoutError if it takes too long."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{what} exited with {process.returncode}")
        with suppress(OSError):
            if ready():
                return
        time.sleep(0.02)
    raise TimeoutError(f"{what} is not ready after {PATIENCE_SECONDS:g} s")


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask, wait, kill."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
