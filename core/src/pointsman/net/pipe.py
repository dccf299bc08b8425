"""One end of a byte pipe over a transport: what arrives goes to the other end, which can hold it back (message.Tunnel).

Theory of operation. Until `open` what arrives is held, and above HELD_BYTES no more is read. Then each end writes into the
other; whose buffer is full pauses the other's reading, and pauses are counted. The end of what one side says is told to the
other by half-closing it, and the pipe goes on in the other direction until that ends too. An end that is closed still sends
what it has, as long as the peer takes some of it every STALL_SECONDS.

Where much goes from one plain socket to another, the kernel moves it (`splice.py`): the sender's transport pauses, the
receiver's sends what it still has, and then neither sees those bytes until the sender is through.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

from pointsman.deadlines import NEVER, Deadlines
from pointsman.message import Tunnel
from pointsman.net.splice import Splice
from pointsman.net.tls import TlsTransport

HELD_BYTES: Final = 64 * 1024
BULK_BYTES: Final = 16 * 1024
BULK_PIECES: Final = 16
"""So many pieces of that size in a row, and the kernel moves what follows."""
LOOK_SECONDS: Final = 1.0
STALL_SECONDS: Final = 60.0
"""How long a peer may take nothing of what is left to send before it is cut off."""


class PipeEnd(asyncio.Protocol):
    """One connection as an end of a pipe."""

    __slots__ = (
        "_bulk",
        "_deadlines",
        "_empty",
        "_ended",
        "_first",
        "_held",
        "_left",
        "_left_since",
        "_other",
        "_pauses",
        "_shut",
        "_splice",
        "_waiting",
        "deadline",
        "transport",
        "write_paused",
    )

    def __init__(self, deadlines: Deadlines) -> None:
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made
        self.deadline = NEVER
        self.write_paused = False
        self._deadlines = deadlines
        self._other: Tunnel | None = None
        self._held = bytearray()
        self._pauses = 0
        self._waiting = False
        self._ended = False
        self._first: asyncio.Future[None] | None = None
        self._shut = False
        self._bulk = 0
        """Large pieces in a row."""
        self._splice: Splice | None = None
        self._empty: Callable[[], None] | None = None
        self._left = 0
        """What was to be sent when we last looked, and since when it has been so much:"""
        self._left_since = 0.0

    # the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._deadlines.watch(self)

    def data_received(self, data: bytes) -> None:
        other = self._other
        if other is not None:
            other.write(data)
            if len(data) < BULK_BYTES:
                self._bulk = 0
            else:
                self._bulk += 1
                if self._bulk == BULK_PIECES:
                    self._to_kernel(other)
            return
        self._held += data
        if self._waiting or len(self._held) >= HELD_BYTES:
            self.wait()
        self._wake()

    async def first_bytes(self) -> bytes:
        """What has come, or else what comes first; b"" if nothing does."""
        if not self._held and not self._ended and not self.transport.is_closing():
            self._first = asyncio.get_running_loop().create_future()
            await self._first
        held = bytes(self._held)
        self._held.clear()
        return held

    def _wake(self) -> None:
        if self._first is not None and not self._first.done():
            self._first.set_result(None)

    def wait(self) -> None:
        """Read no more until the pipe is open. uvloop forgets it if it is said in `connection_made`: say it again."""
        if not self._waiting:
            self._waiting = True
            self._pauses += 1
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """The peer says no more. False, which closes the transport, once both directions are over."""
        self._ended = True
        self._wake()
        if self._other is not None:
            self._other.write_eof()
        return not self._shut and not self.transport.is_closing()

    def connection_lost(self, error: Exception | None) -> None:
        self._deadlines.forget(self)
        self.deadline = NEVER
        self._wake()
        self._end_splice()
        other, self._other = self._other, None
        if other is not None:
            other.close()

    def pause_writing(self) -> None:
        self.write_paused = True
        if self._other is not None:
            self._other.pause_reading()

    def resume_writing(self) -> None:
        self.write_paused = False
        empty, self._empty = self._empty, None
        if empty is not None:
            self.transport.set_write_buffer_limits()
        if self._other is not None:
            self._other.resume_reading()
        if empty is not None:
            empty()

    def expire(self) -> None:
        """What is left to send has gone, or has some more time, or is not taken."""
        if self.drains():
            self.deadline = asyncio.get_running_loop().time() + LOOK_SECONDS
        else:
            self.transport.abort()

    def drains(self) -> bool:
        """Whether something is left to send and the peer still takes it."""
        left, now = self.transport.get_write_buffer_size(), asyncio.get_running_loop().time()
        if left != self._left:
            self._left, self._left_since = left, now
        return left > 0 and now - self._left_since < STALL_SECONDS

    def is_being_told(self) -> bool:
        """Whether the other side is over, and what it said is still on its way to the peer."""
        return self._shut and self.drains()

    # the other end's side

    def open(self, other: Tunnel) -> None:
        """From now on what arrives goes to `other`, and first of all what has arrived."""
        if self.transport.is_closing():
            other.close()
            return
        self._other = other
        if self.write_paused:
            other.pause_reading()
        if self._held:
            held = bytes(self._held)
            self._held.clear()
            other.write(held)
        if self._waiting:
            self._waiting = False
            self.resume_reading()
        if self._ended and self._other is other:
            other.write_eof()

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def write_eof(self) -> None:
        """The other side says no more."""
        self._shut = True
        if self.transport.is_closing():
            return
        if self._ended or not self.transport.can_write_eof():
            other = self._other
            self.close()
            if other is not None:
                other.close()
        else:
            self.transport.write_eof()

    def pause_reading(self) -> None:
        self._pauses += 1
        if self._pauses == 1 and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        self._pauses -= 1
        if not self._pauses and not self.transport.is_closing():
            self.transport.resume_reading()

    def close(self) -> None:
        """The other end is gone. What it said is still sent."""
        self._other = None
        self._held.clear()
        self._end_splice()
        if not self.transport.is_closing():
            self.deadline = asyncio.get_running_loop().time() + LOOK_SECONDS
            self.transport.close()

    # much at a time

    def _to_kernel(self, other: Tunnel) -> None:
        """From here on, or as soon as `other` has sent what it has, the kernel moves what comes, if it can."""
        if isinstance(other, PipeEnd) and _is_plain(self.transport) and _is_plain(other.transport):
            self.pause_reading()
            if other.transport.get_write_buffer_size():
                other._empty = self._begin_splice
                other.transport.set_write_buffer_limits(0)
            else:
                self._begin_splice()

    def _begin_splice(self) -> None:
        other = self._other
        if isinstance(other, PipeEnd) and not self.transport.is_closing() and not other.transport.is_closing():
            sender, receiver = (end.transport.get_extra_info("socket").fileno() for end in (self, other))
            with suppress(OSError):
                self._splice = Splice(asyncio.get_running_loop(), sender, receiver, self._spliced)
                return
        self.resume_reading()

    def _spliced(self) -> None:
        self._splice = None
        self.resume_reading()

    def _end_splice(self) -> None:
        """While it has its duplicates, no socket of its is really closed."""
        self._empty = None
        splice, self._splice = self._splice, None
        if splice is not None:
            splice.stop()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'open' if self._other is not None else 'apart'}, {self._pauses} pauses>"


def _is_plain(transport: asyncio.Transport) -> bool:
    return not isinstance(transport, TlsTransport) and transport.get_extra_info("socket") is not None


def keep_alive(transport: asyncio.BaseTransport, seconds: float) -> None:
    """Have the kernel notice a peer that has gone without a word."""
    found = transport.get_extra_info("socket")
    if seconds <= 0 or found is None:
        return
    with suppress(OSError, AttributeError):  # not on every system, nor for every kind of socket
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
            found.setsockopt(socket.IPPROTO_TCP, option, max(1, round(seconds)))
