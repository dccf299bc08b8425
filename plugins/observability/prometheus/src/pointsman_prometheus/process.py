"""`process_*` of all processes of the gateway together, read from /proc, and `python_info`."""

import os
import platform
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from pointsman import Metric, Sample

_PROC: Final = Path("/proc")


class Processes:
    """The control process and its workers, which are its children. Where there is no /proc nothing is said of them."""

    def __init__(self, proc: Path = _PROC) -> None:
        self._proc = proc
        self._seconds = 0.0
        """CPU time that was told last: a counter never falls, not while a process that ended is between here and there."""
        self._tick = os.sysconf("SC_CLK_TCK")
        self._page = os.sysconf("SC_PAGE_SIZE")

    def metrics(self) -> list[Metric]:
        found = [_python()]
        with suppress(OSError, ValueError, IndexError):
            found += self._process()
        return found

    def _process(self) -> list[Metric]:
        seconds = descriptors = 0.0
        resident = virtual = 0
        for folder in (self._proc / "self", *self._children()):
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                opened = len(os.listdir(folder / "fd"))
            except OSError:  # it has just ended
                continue
            seconds += sum(map(int, fields[11:15])) / self._tick  # children that have ended included
            virtual += int(fields[20])
            resident += int(fields[21]) * self._page
            descriptors += opened
        self._seconds = max(self._seconds, seconds)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return [
            _metric("cpu_seconds_total", "CPU time of all processes together, in seconds.", "counter", self._seconds),
            _metric("max_fds", "File descriptors that each process may have open.", "gauge", limit),
            _metric("open_fds", "File descriptors that all processes have open.", "gauge", descriptors),
            _metric("resident_memory_bytes", "Memory of all processes together, in bytes.", "gauge", resident),
            _metric("start_time_seconds", "When the gateway was started, in seconds since 1970.", "gauge", self._started()),
            _metric("virtual_memory_bytes", "Address space of all processes together, in bytes.", "gauge", virtual),
        ]

    def _children(self) -> Iterator[Path]:
        for task in (self._proc / "self" / "task").iterdir():
            with suppress(OSError):
                yield from (self._proc / number for number in (task / "children").read_text().split())

    def _started(self) -> float:
        ticks = int((self._proc / "self" / "stat").read_text().rpartition(")")[2].split()[19])
        booted = next(line for line in (self._proc / "stat").read_text().splitlines() if line.startswith("btime "))
        return int(booted.split()[1]) + ticks / self._tick


def _metric(name: str, help: str, kind: Literal["counter", "gauge"], value: float) -> Metric:
    return Metric(f"process_{name}", help, kind, (), [Sample((), value)])


def _python() -> Metric:
    labels = ("implementation", "version")
    values = (platform.python_implementation(), ".".join(map(str, sys.version_info[:3])))
    return Metric("python_info", "What the gateway runs on.", "gauge", labels, [Sample(values, 1)])
