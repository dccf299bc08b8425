"""The log on stdout where that is a pipe: who should empty it may have stopped, and the gateway must not stop with it."""

import logging
import os
import select
import stat
import threading
from contextlib import suppress
from queue import Full, Queue
from typing import Final

from pointsman.logs.lines import lost

MAX_LINES: Final = 10_000
"""How many may wait; newer ones are lost."""
CLOSE_SECONDS: Final = 2.0


def is_pipe(descriptor: int) -> bool:
    """Whether writing to it may have to wait for somebody."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class PipeLog(logging.Handler):
    """Lines to a descriptor, by a thread of its own. What is lost is counted, and told when there is room again."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lines: Queue[str | None] = Queue(MAX_LINES)
        self._lost = 0
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """From any thread; never waits."""
        try:
            if self._lost:
                self._lines.put_nowait(self.format(lost(record.name, self._lost)))
                self._lost = 0
            self._lines.put_nowait(self.format(record))
        except Full:
            self._lost += 1

    def flush(self) -> None:
        """Wait until all is written, but not for ever."""
        lines = self._lines
        with lines.all_tasks_done:
            lines.all_tasks_done.wait_for(lambda: not lines.unfinished_tasks, CLOSE_SECONDS)

    def close(self) -> None:
        self.flush()
        with suppress(Full):
            self._lines.put_nowait(None)
        super().close()

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            with suppress(OSError):  # nobody reads any more
                self._write(f"{line}\n".encode("utf-8", "replace"))
            self._lines.task_done()

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # who shares it has made it so
                select.select((), (self._descriptor,), ())
