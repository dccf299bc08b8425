"""Bodies and tunnels that tell when something passes, for whoever does not bear silence. Nothing is copied or held."""

from collections.abc import Callable

from pointsman.message import NOTHING, Body, HeaderList, Tunnel

Touch = Callable[[], None]
"""Called for every piece that passes, so it does very little."""


def noticed(body: Body, touch: Touch) -> Body:
    """The same body, which is read from here on; `touch` is called for each piece, and when its reader goes on reading."""
    return _NoticedBody(body, touch).outer


def noticed_tunnel(end: Tunnel, touch: Touch) -> Tunnel:
    """The same end of a byte pipe; `touch` is called for each piece in either direction."""
    return _NoticedTunnel(end, touch)


class _NoticedBody:
    """Between a body and whoever reads it: the sink of the one, the source of `outer`."""

    __slots__ = ("_inner", "_touch", "outer")

    def __init__(self, inner: Body, touch: Touch) -> None:
        self._touch = touch
        self._inner = inner
        self.outer = Body(self, inner.length)
        inner.attach(self)

    def write(self, chunk: bytes) -> None:
        self._touch()
        self.outer.feed(chunk)

    def end(self, trailers: HeaderList) -> None:
        outer, self.outer = self.outer, NOTHING  # the two must not keep each other alive
        outer.end(trailers)

    def fail(self, error: Exception) -> None:
        outer, self.outer = self.outer, NOTHING
        outer.fail(error)

    def pause_reading(self) -> None:
        self._inner.pause()

    def resume_reading(self) -> None:
        self._touch()
        self._inner.resume()

    def abandon(self) -> None:
        self._inner.abandon()


class _NoticedTunnel:
    """One end of a byte pipe; what it is told is noted and passed on."""

    __slots__ = ("_end", "_touch")

    def __init__(self, end: Tunnel, touch: Touch) -> None:
        self._touch = touch
        self._end = end

    def open(self, other: Tunnel) -> None:
        self._end.open(_NoticedTunnel(other, self._touch))

    def write(self, data: bytes) -> None:
        self._touch()
        self._end.write(data)

    def write_eof(self) -> None:
        self._end.write_eof()

    def pause_reading(self) -> None:
        self._end.pause_reading()

    def resume_reading(self) -> None:
        self._end.resume_reading()

    def close(self) -> None:
        self._end.close()
