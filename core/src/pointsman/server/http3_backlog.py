"""What was said over HTTP/3 and the client has not said to have: of streams that wait for it, and of streams that are over.

Who waits, and for how long without the client taking anything, is looked at whenever something has come from it.
"""

from collections.abc import Iterator
from typing import Final

from pointsman.net.quic import ServerConnection
from pointsman.server.http3_stream import Http3Stream

STREAM_BYTES: Final = 512 * 1024
"""What may wait of one body before no more of it is taken."""
RESUME_BYTES: Final = 128 * 1024
CONNECTION_BYTES: Final = 4 * 1024 * 1024
"""What may wait in one connection before its streams wait as soon as they have said something."""


class Backlog:
    """Of one connection."""

    __slots__ = ("_quic", "_tails", "_throttled", "_waiting")

    def __init__(self, quic: ServerConnection) -> None:
        self._quic = quic
        self._tails: dict[int, tuple[int, float]] = {}
        """Of streams that are over: how much waits, and when the client last took some."""
        self._throttled: set[Http3Stream] = set()
        self._waiting = 0

    @property
    def tails(self) -> bool:
        """Whether the client has not all of what is over."""
        return bool(self._tails)

    def __bool__(self) -> bool:
        return bool(self._tails or self._throttled)

    def throttles(self, stream: Http3Stream, now: float) -> bool:
        """Whether a stream that has just said something must wait from now on."""
        left = self._quic.unacknowledged(stream.id)
        if stream.throttled or left < (STREAM_BYTES if self._waiting < CONNECTION_BYTES else 1):
            return False
        stream.throttled = True
        stream.left, stream.moved = left, now
        self._waiting += left
        self._throttled.add(stream)
        return True

    def over(self, stream: Http3Stream, now: float) -> None:
        """A stream is over, but for what waits of it."""
        self._release(stream)
        left = self._quic.unacknowledged(stream.id)
        if left >= 0:
            self._tails[stream.id] = (left, now)

    def look(self, now: float) -> Iterator[Http3Stream]:
        """See what the client has taken since; the streams that may go on."""
        unacknowledged = self._quic.unacknowledged
        for number, (before, _) in list(self._tails.items()):
            left = unacknowledged(number)
            if left < 0:
                del self._tails[number]
            elif left < before:
                self._tails[number] = (left, now)
        for stream in list(self._throttled):
            left = unacknowledged(stream.id)
            if left < stream.left:
                self._waiting += left - stream.left
                stream.left, stream.moved = left, now
            if left <= RESUME_BYTES and stream.throttled:
                self._release(stream)
                yield stream

    def forsaken(self, before: float) -> list[int]:
        """The streams that are over and of which the client has taken nothing since; they are forgotten."""
        found = [number for number, (_, moved) in self._tails.items() if moved <= before]
        for number in found:
            del self._tails[number]
        return found

    @property
    def oldest(self) -> float:
        """When the client last took something of the tail that waits longest."""
        return min((moved for _, moved in self._tails.values()), default=float("inf"))

    def _release(self, stream: Http3Stream) -> None:
        if stream.throttled:
            stream.throttled = False
            self._throttled.discard(stream)
            self._waiting -= stream.left

    def __repr__(self) -> str:
        return f"<Backlog {self._waiting} bytes of {len(self._throttled)} streams, {len(self._tails)} tails>"
