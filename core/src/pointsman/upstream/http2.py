"""HTTP/2 towards servers: one connection, many exchanges at once, each on a stream of its own (`http2_stream.py`).

Theory of operation. NEW until the server's SETTINGS are here (whoever dials waits for `greeted`), then OPEN: its pool has it
and takes streams from it while it has `room`. DRAINING after a GOAWAY, and when it is not wanted any more: no new streams,
and at the end of the last one it closes. Whatever breaks the rules, or the silence after a PING, ends all its streams.

One stream that is not taken stops only itself: its window is small and the connection's is larger than all of theirs, so
what may wait here is bounded by the number of streams. Nothing is timed per request: `deadline` is looked at when it is due.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from pointsman.deadlines import NEVER
from pointsman.errors import GatewayError
from pointsman.http2.contract import SessionSettings
from pointsman.http2.hpack import HeaderBlock
from pointsman.http2.session import Session, Stream
from pointsman.upstream.http2_stream import Http2Stream

if TYPE_CHECKING:
    from pointsman.upstream.pool import SharedPool
    from pointsman.upstream.transport import Transport

NEW: Final = 0
OPEN: Final = 1
DRAINING: Final = 2
CLOSED: Final = 3

MAX_STREAMS: Final = 250
"""Streams on one connection, whatever more the server allows."""
SETTINGS: Final = SessionSettings(stream_window=256 * 1024, session_window=2**30)
PING: Final = b"pointsmn"
PING_SECONDS: Final = 15.0
CLOSE_SECONDS: Final = 5.0


class Http2Upstream(asyncio.Protocol):
    """One connection to a server."""

    __slots__ = (
        "_claimed",
        "_fresh",
        "_heard_at",
        "_idle_until",
        "_pinged",
        "_state",
        "deadline",
        "greeted",
        "owner",
        "pool",
        "session",
        "transport",
        "used",
    )

    def __init__(self, owner: "Transport", pool: "SharedPool") -> None:
        loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made
        self.owner = owner
        self.pool = pool
        self.deadline = NEVER
        self.greeted: asyncio.Future[None] = loop.create_future()
        """Done when the server has shown that it speaks HTTP/2; GatewayError 502 if it does not."""
        self.used = False
        """Whether an exchange has begun on it."""
        self.session = Session(self, SETTINGS, client=True, clock=loop.time)
        self._state = NEW
        self._claimed = 0
        self._fresh: list[Http2Stream] = []
        self._heard_at = loop.time()
        self._idle_until = NEVER
        self._pinged = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.pool.members.add(self)
        self.owner.deadlines.watch(self)
        self.session.start()

    # streams

    @property
    def room(self) -> int:
        """How many more requests it can carry now."""
        if self._state != OPEN:
            return 0
        return min(self.session.capacity, MAX_STREAMS - len(self.session.streams)) - self._claimed

    def carrier(self) -> Http2Stream:
        """A stream to be; `room` must be above 0. Whoever has it begins it or shuts it."""
        self._claimed += 1
        self._idle_until = NEVER
        return Http2Stream(self)

    def unclaim(self) -> None:
        """One of them is a real stream now, or will never be."""
        self._claimed -= 1

    def left(self) -> None:
        """An exchange is over."""
        self.pool.gone()
        if not self._claimed and not self.session.streams:
            self._rest()
        self.pool.wake()

    def fresh(self, stream: Http2Stream) -> None:
        """This one's response has begun: it is told when everything that came with it has been read."""
        self._fresh.append(stream)

    def _tell(self) -> None:
        while self._fresh:
            streams, self._fresh = self._fresh, []
            for stream in streams:
                stream.tell()

    def _rest(self) -> None:
        """Nobody uses it now: close it, or keep it for a while."""
        if self._state == DRAINING or (self._state == OPEN and not self.pool.max_idle):
            self._close()
            return
        timeout = self.owner.settings.idle_timeout
        if timeout > 0 and self._state == OPEN:
            self._idle_until = self.owner.deadlines.now + timeout
            self.deadline = min(self.deadline, self._idle_until)

    # bytes

    def data_received(self, data: bytes) -> None:
        self._heard_at = self.owner.deadlines.now
        self._pinged = False
        self.session.receive(data)
        if self._fresh:
            self._tell()

    def eof_received(self) -> bool:
        return False

    def send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def pause_writing(self) -> None:
        self.session.pause_writing()

    def resume_writing(self) -> None:
        self.session.resume_writing()
        if self._fresh:
            self._tell()

    # the session's news

    def ready(self) -> None:
        if self._state == NEW:
            self._state = OPEN
            if not self.greeted.done():
                self.greeted.set_result(None)
            silence = self.owner.settings.read_idle_timeout
            if silence > 0:
                self.deadline = self._heard_at + silence

    def opened(self, stream: Stream, block: HeaderBlock, ended: bool) -> None:
        """Servers begin no requests."""

    def idle(self) -> None:
        """`left` knows better: who has claimed a stream counts as well."""

    def goaway(self, last: int, code: int, debug: bytes) -> None:
        self.shut()

    def pong(self, payload: bytes) -> None:
        """Whatever comes shows that the server is there."""

    def failed(self, code: int, reason: str) -> None:
        self._end(GatewayError(502, f"the server does not speak HTTP/2 as it should: {reason}"), politely=True)

    # endings

    def expire(self) -> None:
        """Idle for too long, or silent, or what was left to send is not taken."""
        if self._state == CLOSED:
            self.transport.abort()
            return
        now = self.owner.deadlines.now
        if self._idle_until <= now:
            self._close()
            return
        due = NEVER
        silence = self.owner.settings.read_idle_timeout
        if silence > 0:
            if self._pinged:
                self._end(GatewayError(504, "the server does not answer a PING"))
                return
            due = self._heard_at + silence
            if due <= now:
                self._pinged = True
                self.session.ping(PING)
                due = now + (self.owner.settings.ping_timeout or PING_SECONDS)
        self.deadline = min(due, self._idle_until)

    @property
    def carried(self) -> Sequence[Http2Stream]:
        """The exchanges that are on it now."""
        return [each for stream in self.session.streams.values() if isinstance(each := stream.receiver, Http2Stream)]

    def drain(self) -> None:
        """Carry nothing after what it carries now."""
        if self._state == OPEN:
            self.shut()

    def shut(self) -> None:
        """Carry nothing new; close it when what it carries is over."""
        if self._state == NEW:
            self._end(GatewayError(502, "the server is going away", retry="always"), politely=True)
            return
        if self._state == OPEN:
            self._state = DRAINING
            self.pool.leave(self)
        if self._state == DRAINING and not self._claimed and not self.session.streams:
            self._close()

    def _close(self) -> None:
        """Nobody uses it: say good-bye."""
        self.session.shut()
        self._end(GatewayError(502, "the connection was closed here", side="internal"), politely=True)

    def connection_lost(self, error: Exception | None) -> None:
        self.owner.deadlines.forget(self)
        self.pool.members.discard(self)
        if self._state != CLOSED:
            why = f"the server closed the connection: {error or 'end of stream'}"
            self._end(GatewayError(502, why, retry="always" if self._state == NEW else "if_reused"))

    def _end(self, error: GatewayError, *, politely: bool = False) -> None:
        """It is of no use any more, and whoever uses it learns why."""
        state, self._state = self._state, CLOSED
        if state == OPEN:
            self.pool.leave(self)
        self._tell()  # what came before the end did come
        streams = self.session.lost()
        self.deadline = NEVER
        if not self.transport.is_closing():
            if politely:
                self.deadline = self.owner.deadlines.now + CLOSE_SECONDS
                self.transport.close()
            else:
                self.transport.abort()
        if not self.greeted.done():
            self.greeted.set_exception(error)
            self.greeted.exception()  # whoever dialled may have left
        for stream in streams:
            carried = stream.receiver
            if isinstance(carried, Http2Stream):  # or the end of another has ended it meanwhile
                carried.lost(error)

    def __repr__(self) -> str:
        state = ("new", "open", "draining", "closed")[self._state]
        return f"<Http2Upstream {self.pool.name} {state}, {len(self.session.streams)} streams>"
