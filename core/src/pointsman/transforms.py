"""A body made of another one on its way: what comes in is changed and goes out, without a task and without being kept.

Theory of operation. A passage is the sink of the one body and the source of the other. It begins when somebody reads the
other, and passes pauses, trailers, failures and disinterest on. What a transform does to a chunk holds the event loop, so no
more than `slice_bytes` go through it in one go: the rest waits for the loop's next turn, with the source paused.
"""

import asyncio
from collections import deque
from typing import Final, Protocol

from pointsman.errors import GatewayError
from pointsman.message import Body, HeaderList

SLICE_BYTES: Final = 256 * 1024


class Transform(Protocol):
    """What is done to one body. It is let go when the body has ended or failed, or when nobody wants the rest.

    An exception is a failure of the body: a GatewayError as it is, any other as one of the gateway.
    """

    def write(self, chunk: bytes, /) -> bytes:
        """What goes on in place of `chunk`; b"" while there is nothing."""

    def end(self, trailers: HeaderList, /) -> tuple[bytes, HeaderList]:
        """What comes last, and the trailers that go on."""


def transformed(body: Body, transform: Transform, *, length: int | None = None, slice_bytes: int = SLICE_BYTES) -> Body:
    """A body with what `transform` makes of `body`, which must not have been read. `length`: its bytes, if that is known.

    `slice_bytes` may pass through in one go; choose what takes about a millisecond.
    """
    passage = _Passage(body, transform, slice_bytes)
    made = passage.made = Body(passage, length)
    made.wanted = passage.begin
    return made


class _Passage:
    """The sink of `_body` and the source of `made`."""

    __slots__ = ("_body", "_ending", "_left", "_offset", "_paused", "_scheduled", "_slice", "_transform", "_waiting", "made")

    made: Body

    def __init__(self, body: Body, transform: Transform, slice_bytes: int) -> None:
        self._body = body
        self._transform: Transform | None = transform
        self._slice = self._left = slice_bytes
        """How much may pass in one go, and how much still may in this one."""
        self._waiting: deque[bytes] = deque()
        """What came and has not passed. While there is any, the source is paused."""
        self._offset = 0
        """How much of its first chunk has passed."""
        self._ending: HeaderList | None = None
        self._scheduled = False
        self._paused = False

    def begin(self) -> None:
        self._body.attach(self)

    # the sink

    def write(self, chunk: bytes) -> None:
        transform = self._transform
        if transform is None:
            return
        left = self._left = self._left - len(chunk)
        if left >= 0 and not self._waiting:
            try:
                made = transform.write(chunk)
            except Exception as error:
                self._broken(error)
                return
            if made:
                self.made.feed(made)
            return
        if not self._waiting:
            self._body.pause()
            self._schedule()
        self._waiting.append(chunk)

    def end(self, trailers: HeaderList) -> None:
        if self._waiting:
            self._ending = trailers
        else:
            self._finish(trailers)

    def fail(self, error: Exception) -> None:
        if self._transform is not None:
            self._let_go()
            self.made.fail(error)

    def _finish(self, trailers: HeaderList) -> None:
        transform = self._transform
        if transform is None:
            return
        try:
            last, trailers = transform.end(trailers)
        except Exception as error:
            self._broken(error)
            return
        self._let_go()
        if last:
            self.made.feed(last)
        self.made.end(trailers)

    def _broken(self, error: Exception) -> None:
        self._let_go()
        self._body.abandon()
        if not isinstance(error, GatewayError):
            problem = GatewayError(502, f"a body could not be transformed: {error!r}", side="internal")
            problem.__cause__ = error
            error = problem
        self.made.fail(error)

    def _let_go(self) -> None:
        self._transform = None
        self._waiting.clear()

    # what waits

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._scheduled = False
        waiting, left = self._waiting, self._slice
        while waiting and left > 0 and not self._paused:
            left -= self._pass_some(left)
        self._left = left
        if self._transform is None:
            return
        if waiting:
            if not self._paused:
                self._schedule()
        elif self._ending is not None:
            self._finish(self._ending)
        else:
            self._body.resume()

    def _pass_some(self, limit: int) -> int:
        """Transform up to `limit` bytes of the first chunk that waits; how many it were."""
        chunk, begin = self._waiting[0], self._offset
        piece = chunk[begin : begin + limit]
        if begin + len(piece) == len(chunk):
            self._waiting.popleft()
            self._offset = 0
        else:
            self._offset = begin + len(piece)
        assert self._transform is not None
        try:
            made = self._transform.write(piece)
        except Exception as error:
            self._broken(error)
        else:
            if made:
                self.made.feed(made)
        return len(piece)

    # the source

    def pause_reading(self) -> None:
        self._paused = True
        self._body.pause()

    def resume_reading(self) -> None:
        self._paused = False
        self._body.resume()
        if self._waiting:
            self._schedule()

    def abandon(self) -> None:
        self._let_go()
        self._body.abandon()
