"""Moving much from one socket to another inside the kernel (splice(2), Linux): no byte becomes one of Python's.

Theory of operation. A `Splice` is one direction of a byte pipe between two plain sockets. It works on duplicates of their
descriptors, while the sender's transport does not read. Bytes go from the socket into a kernel pipe, and from there into the
other socket; what that does not take stays in the pipe, and nothing more is taken until it does. When the sender says no
more, or either side fails, it is over: the sender's transport reads on, and finds the end or the failure itself.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

PIPE_BYTES: Final = 512 * 1024
MAX_SPLICES: Final = 256
"""At a time: each takes four descriptors, and up to PIPE_BYTES of the kernel's memory while its receiver is slow."""
_SET_PIPE_SIZE: Final = 1031
"""F_SETPIPE_SZ (fcntl(2))."""
_FLAGS: Final = 3
"""SPLICE_F_MOVE | SPLICE_F_NONBLOCK (splice(2))."""

_count = 0


class Splice:
    """One direction. `done` is called when it is over, once, unless it was stopped."""

    __slots__ = ("_done", "_from", "_held", "_in", "_loop", "_open", "_out", "_to", "_writing")

    def __init__(self, loop: asyncio.AbstractEventLoop, sender: int, receiver: int, done: Callable[[], None]) -> None:
        """OSError where it is not possible: not on Linux, too many, no descriptors."""
        global _count
        if _count >= MAX_SPLICES or not hasattr(os, "splice"):
            raise OSError("no splice to be had")
        self._loop = loop
        self._done = done
        self._held = 0
        self._writing = False
        self._open: list[int] = []
        try:
            self._open += os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            self._open += [os.dup(sender), os.dup(receiver)]
        except OSError:
            self._close()
            raise
        self._out, self._in, self._from, self._to = self._open
        _enlarge(self._in)
        _count += 1
        loop.add_reader(self._from, self._readable)

    def stop(self) -> None:
        """What is in the kernel pipe is lost. Safe when it is over."""
        global _count
        if self._open:
            _count -= 1
            self._loop.remove_reader(self._from)
            self._loop.remove_writer(self._to)
            self._close()

    def _readable(self) -> None:
        try:
            size = os.splice(self._from, self._in, PIPE_BYTES, flags=_FLAGS)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            self._finish()
            return
        self._held += size
        self._pass_on()

    def _pass_on(self) -> None:
        try:
            while self._held:
                self._held -= os.splice(self._out, self._to, self._held, flags=_FLAGS)
        except BlockingIOError:
            if not self._writing:
                self._writing = True
                self._loop.remove_reader(self._from)
                self._loop.add_writer(self._to, self._pass_on)
            return
        except OSError:
            self._finish()
            return
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._to)
            self._loop.add_reader(self._from, self._readable)

    def _finish(self) -> None:
        self.stop()
        self._done()

    def _close(self) -> None:
        while self._open:
            os.close(self._open.pop())

    def __repr__(self) -> str:
        return f"<Splice {'open' if self._open else 'over'}, {self._held} bytes held>"


def _enlarge(pipe: int) -> None:
    """More at a time costs less; where the system does not allow it, the usual size does too."""
    import fcntl  # not on every system

    with suppress(OSError):
        fcntl.fcntl(pipe, _SET_PIPE_SIZE, PIPE_BYTES)
