"""The body of a request that may be sent again: it streams on, and what has passed is remembered, up to a limit.

Theory of operation. A Memory is the sink of the client's body, and the source of the body that the current try reads. It
reads nothing before that try does. When another try begins, the new one's body gets what is remembered, then what still
comes, while the old one gets nothing more. Above the limit everything is forgotten: the current try goes on, as the last.
"""

from pointsman import Body

Trailers = list[tuple[bytes, bytes]]


class Memory:
    """One request's body, for as many tries as it takes. `whole` says whether another one could have all of it."""

    __slots__ = ("_current", "_ended", "_error", "_inner", "_kept", "_limit", "_trailers", "whole")

    def __init__(self, inner: Body, limit: int) -> None:
        """`limit` is in bytes."""
        self._inner = inner
        self._limit = limit
        self._kept = bytearray()
        self._ended = False
        self._trailers: Trailers = []
        self._error: Exception | None = None
        self.whole = True
        self._current = Body(self, inner.length)
        if inner.ended:
            inner.attach(self)
        else:
            self._current.wanted = self._begin

    def body(self) -> Body:
        """The body of the first try."""
        return self._current

    def again(self) -> Body:
        """The body of the next try, in place of the one before it."""
        before, body = self._current, Body(self, self._inner.length)
        before.orphan()
        self._current = body
        if before.paused:  # it is not to be waited for any more
            self._inner.resume()
        if not self._inner.attached:
            body.wanted = self._begin
            return body
        if self._kept:
            body.feed(bytes(self._kept))
        if self._ended:
            body.end(self._trailers.copy())
        elif self._error is not None:
            body.fail(self._error)
        return body

    def forget(self) -> None:
        """There will be no further try: what comes from now on passes only."""
        self.whole = False
        self._kept = bytearray()

    def _begin(self) -> None:
        if not self._inner.attached:
            self._inner.attach(self)

    # the sink of what the client sends

    def write(self, chunk: bytes) -> None:
        if self.whole:
            if len(self._kept) + len(chunk) > self._limit:
                self.forget()
            else:
                self._kept += chunk
        self._current.feed(chunk)

    def end(self, trailers: Trailers) -> None:
        self._ended = True
        self._trailers = trailers
        self._current.end(trailers)

    def fail(self, error: Exception) -> None:
        self._error = error
        self._current.fail(error)

    # the source of what the current try reads

    def pause_reading(self) -> None:
        self._inner.pause()

    def resume_reading(self) -> None:
        self._inner.resume()

    def abandon(self) -> None:
        self._inner.abandon()

    def __repr__(self) -> str:
        return f"<Memory of {len(self._kept)} bytes{'' if self.whole else ', forgotten'}>"
