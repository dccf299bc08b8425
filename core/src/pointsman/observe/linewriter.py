"""Lines on their way to a file, which may be slow or full: requests never wait for it.

Theory of operation. The loop collects lines and hands them over in *batches*, a few milliseconds' worth each, to a thread of
the writer's own, which alone touches the file. A batch is written by one call, so that several workers append to one file
without mixing lines (O_APPEND); into a pipe by calls of at most PIPE_BUF bytes, for the same reason. What waits is limited:
when the file takes nothing, newer lines are dropped and counted. Both the beginning and the end of that are told, once.
"""

import asyncio
import errno
import logging
import os
import select
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from pointsman.logs.files import open_to_append

log = logging.getLogger("pointsman.accesslog")

BATCH_SECONDS: Final = 0.005
BATCH_LINES: Final = 1024
MAX_LINES: Final = 65_536
"""How many lines may wait, unless the user wants more."""
MAX_BYTES: Final = 16 << 20
"""How much may wait, whoever says what."""
RETRY_SECONDS: Final = 0.5
STOP_SECONDS: Final = 4.0
FILE_MODE: Final = 0o664
STDOUT: Final = 1
_PIPE_BYTES: Final = getattr(select, "PIPE_BUF", 512)
_REOPEN: Final = b""


def open_file(path: str) -> int:
    """A descriptor that appends; missing folders are made. OSError."""
    return open_to_append(Path(path), FILE_MODE)


class LineWriter:
    """Lines to a file, or to stdout if the path is empty. OSError if the file cannot be opened."""

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop, max_lines: int = 0) -> None:
        self.dropped = 0
        """Lines that were lost, since the start."""
        self._path = path
        self._loop = loop
        self._max_lines = max(max_lines, MAX_LINES)
        self._lines: list[str] = []
        self._waiting = 0
        """Lines that are with the thread."""
        self._waiting_bytes = 0
        self._queue: SimpleQueue[tuple[bytes, int] | None] = SimpleQueue()
        self._descriptor = open_file(path) if path else STDOUT
        self._told = 0
        """How many of the dropped ones the log has been told of; less than all during an outage."""
        self._failing = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access log", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """One line, without its end. From the loop's thread."""
        lines = self._lines
        if not lines:
            self._loop.call_later(BATCH_SECONDS, self._hand_over)
        lines.append(line)
        if len(lines) >= BATCH_LINES:
            self._hand_over()

    def reopen(self) -> None:
        """Go on in a new file of the same name, after what has been written so far (SIGUSR1)."""
        self._hand_over()
        if self._path:
            self._queue.put((_REOPEN, 0))

    async def aclose(self) -> None:
        """Write what is left, for as long as that takes, but not for ever."""
        if self._stopping.is_set():
            return
        self._hand_over()
        self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join, STOP_SECONDS)
        self._stopping.set()

    # the loop's side

    def _hand_over(self) -> None:
        lines = self._lines
        if not lines:
            return
        self._lines = []
        count = len(lines)
        if self._waiting and (self._waiting + count > self._max_lines or self._waiting_bytes > MAX_BYTES):
            self._lose(count)
            return
        lines.append("")
        batch = "\n".join(lines).encode("utf-8", "replace")
        self._waiting += count
        self._waiting_bytes += len(batch)
        self._queue.put((batch, count))

    def _lose(self, count: int) -> None:
        if self._told == self.dropped:
            log.error("%s takes no more lines%s; requests go on, lines are dropped", self._name, self._failing)
        self.dropped += count

    def _done(self, size: int, count: int) -> None:
        """The thread has written a batch."""
        self._waiting -= count
        self._waiting_bytes -= size
        if self._told != self.dropped and not self._waiting:
            log.warning("%s takes lines again; %d were dropped", self._name, self.dropped - self._told)
            self._told = self.dropped

    @property
    def _name(self) -> str:
        return f"access log {self._path}" if self._path else "access log on stdout"

    # the thread's side

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            batch, count = item
            if batch is _REOPEN:
                self._open_again()
                continue
            for piece in _whole_lines(batch, self._limit()):
                self._put(piece)
            with suppress(RuntimeError):  # the loop is closed, and nobody counts any more
                self._loop.call_soon_threadsafe(self._done, len(batch), count)
        if self._path:
            os.close(self._descriptor)

    def _limit(self) -> int:
        try:
            return _PIPE_BYTES if stat.S_ISFIFO(os.fstat(self._descriptor).st_mode) else MAX_BYTES
        except OSError:
            return MAX_BYTES

    def _open_again(self) -> None:
        try:
            descriptor = open_file(self._path)
        except OSError as error:
            log.error("%s cannot be opened again: %s; it goes on in the old file", self._name, error.strerror)
            return
        os.close(self._descriptor)
        self._descriptor = descriptor

    def _put(self, data: bytes) -> None:
        """Write all of it, again and again if need be. A line that was cut is written anew, after an end for its stump."""
        while data:
            try:
                size = os.write(self._descriptor, data)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EINTR):
                    select.select((), (self._descriptor,), (), RETRY_SECONDS)
                elif not self._wait(error):
                    return
                continue
            if size == len(data):
                self._recover()
                return
            whole = data.rfind(b"\n", 0, size) + 1
            data = data[whole:] if whole == size else b"\n" + data[whole:]

    def _wait(self, error: OSError) -> bool:
        """Whether it is worth another try: not when whoever reads stdout is gone, or when the gateway stops."""
        if not self._failing:
            self._failing = f" ({error.strerror})"
            log.error("%s cannot be written: %s; lines are kept for a while, requests go on", self._name, error.strerror)
        return error.errno != errno.EPIPE and not self._stopping.wait(RETRY_SECONDS)

    def _recover(self) -> None:
        if self._failing:
            self._failing = ""
            log.warning("%s is written again", self._name)


def _whole_lines(batch: bytes, limit: int) -> Iterator[bytes]:
    """The batch in pieces of whole lines, of at most `limit` bytes where lines are not longer."""
    at = 0
    while len(batch) - at > limit:
        end = batch.rfind(b"\n", at, at + limit) + 1 or batch.find(b"\n", at) + 1
        yield batch[at:end]
        at = end
    yield batch[at:] if at else batch
