"""HTTP/1.1 towards servers: one connection, one exchange at a time.

Theory of operation. NEW until its connector has it and READY until its first exchange: only then it keeps its pool's books.
IDLE in the pool; `begin` makes it HEAD (waiting for the response head, any 1xx before it), then BODY until the framing says
that the response is over. It goes back to the pool only if both messages ended where they should and the server did not say
close. After a 101 it is a TUNNEL. Whatever comes while IDLE, or after the end, makes it unusable.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from pointsman import wire
from pointsman.api import Peer
from pointsman.deadlines import NEVER
from pointsman.errors import GatewayError
from pointsman.message import NOTHING, Body, HeaderList, Headers, Response, Tunnel
from pointsman.upstream.carrier import Carrier
from pointsman.upstream.http1_head import request_head
from pointsman.upstream.pool import Pool
from pointsman.wire import BadMessage, Chunked

if TYPE_CHECKING:
    from pointsman.upstream.forward import Forwarding
    from pointsman.upstream.transport import Transport

IDLE: Final = 0
HEAD: Final = 1
BODY: Final = 2
TUNNEL: Final = 3
CLOSED: Final = 4
NEW: Final = 5
READY: Final = 6

MAX_HEAD: Final = 1_048_576
MAX_INTERIM: Final = 100
HELD_BYTES: Final = 64 * 1024
CLOSE_SECONDS: Final = 5.0


class Http1Upstream(asyncio.Protocol):
    """One connection to a server."""

    __slots__ = (
        "_body",
        "_buffer",
        "_chunked",
        "_chunking",
        "_eof",
        "_interims",
        "_keep",
        "_last",
        "_left",
        "_other",
        "_outgoing",
        "_owner",
        "_state",
        "_time",
        "deadline",
        "forwarding",
        "heard",
        "pool",
        "reused",
        "transport",
        "write_paused",
    )
    version = 11

    def __init__(self, owner: "Transport", pool: Pool["Http1Upstream"]) -> None:
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made
        self.pool = pool
        self.deadline = NEVER
        self.forwarding: Forwarding | None = None
        self.reused = False
        self.heard = False
        self.write_paused = False
        self._owner = owner
        self._time = asyncio.get_running_loop().time
        self._last: wire.ResponseHead | None = None
        self._state = NEW
        self._eof = False
        self._buffer = bytearray()
        self._body: Body = NOTHING
        self._chunked: Chunked | None = None
        self._chunking = False
        self._outgoing = b""
        self._left = -1
        self._keep = True
        self._interims = 0
        self._other: Tunnel | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.pool.members.add(self)
        self._owner.deadlines.watch(self)

    def ready(self) -> bool:
        """The connector has it, and from now on it keeps its pool's books itself. False: it is closed already."""
        if self._state == NEW and not self.transport.is_closing():
            self._state = READY
            return True
        self._state = CLOSED
        return False

    @property
    def usable(self) -> bool:
        return self._state != CLOSED and not self.transport.is_closing()

    @property
    def waiting(self) -> bool:
        """Whether the response head is still to come."""
        return self._state == HEAD

    # the request out

    def begin(self, forwarding: "Forwarding", peer: Peer, alone: bool) -> None:
        """The next exchange on this connection is this one's."""
        self.forwarding = forwarding
        self._state = HEAD
        self.heard = False
        self._interims = 0
        self.deadline = NEVER
        request = forwarding.request
        head = request_head(request, peer, forwarding.service.pass_host)
        if alone:
            self.transport.write(head)
        else:
            self._outgoing = head
            self._chunking = request.body.length is None

    def send_head(self) -> None:
        if self._outgoing:
            head, self._outgoing = self._outgoing, b""
            self.transport.write(head)

    def send(self, chunk: bytes) -> None:
        if self._chunking:
            chunk = wire.chunk(chunk)
        if self._outgoing:  # the first bytes travel with the head
            chunk = self._outgoing + chunk
            self._outgoing = b""
        self.transport.write(chunk)

    def finish(self, trailers: HeaderList) -> None:
        if self._chunking:
            head, self._outgoing = self._outgoing, b""
            self.transport.write(head + wire.last_chunk(trailers))
        else:
            self.send_head()

    # bytes in

    def data_received(self, data: bytes) -> None:
        state = self._state
        if state == HEAD:
            self.heard = True
            buffer = self._buffer
            if buffer:
                known = max(0, len(buffer) - 3)
                buffer += data
                if buffer.find(b"\r\n\r\n", known) < 0 and len(buffer) <= MAX_HEAD:
                    return
                data = bytes(buffer)
                buffer.clear()
            self._head(data)
        elif state == BODY:
            self._body_data(data)
        elif state == TUNNEL:
            if self._other is not None:
                self._other.write(data)
            else:
                self._buffer += data
                if len(self._buffer) >= HELD_BYTES:
                    self.pause_reading()
        else:
            self.shut()

    def _head(self, data: bytes) -> None:
        forwarding = self.forwarding
        if forwarding is None:
            self.shut()
            return
        head = self._last
        if head is not None and data.startswith(head.whole):  # the same head again
            rest = data[len(head.whole) :]
        else:
            end = data.find(b"\r\n\r\n")
            if end < 0 or end > MAX_HEAD:
                if len(data) > MAX_HEAD:
                    self._bad(BadMessage("a response head that is too large"))
                else:
                    self._buffer += data
                return
            rest = data[end + 4 :]
            try:
                head = self._last = wire.ResponseHead(data[:end])
            except BadMessage as error:
                self._bad(error)
                return
        status = head.status
        response = Response(status, Headers((), head.parsed))
        if status < 200:
            self._interim(status, response.headers, rest)
            return
        self.deadline = NEVER
        self._keep = head.keep
        length = head.length
        if forwarding.request.method == b"HEAD" or status == 204 or status == 304 or length == 0:
            self._keep = head.keep and not rest
            self._release()
        elif length == len(rest):
            response.content = rest
            self._release()
        else:
            response.body = self._body = Body(self, length)
            self._state = BODY
            self._chunked = Chunked() if head.chunked else None
            self._left = -1 if length is None else length
            if length is None and not head.chunked:
                self._keep = False
            if rest:
                self._body_data(rest)
        forwarding.answered(response)

    def _interim(self, status: int, headers: Headers, rest: bytes) -> None:
        """A 1xx: the upgrade that was asked for, or something to pass on before the answer (routing.md §6.4)."""
        forwarding = self.forwarding
        if forwarding is None:
            return
        if status == 101:
            self._switch(headers, rest)
            return
        self._interims += 1
        if self._interims > MAX_INTERIM:
            self._bad(BadMessage("too many 1xx responses"))
            return
        forwarding.interim(status, headers)
        if rest and self._state == HEAD:
            self._head(rest)

    def _switch(self, headers: Headers, rest: bytes) -> None:
        forwarding = self.forwarding
        if forwarding is None:
            return
        agreed = headers.get(b"upgrade", b"")
        if not forwarding.request.upgrade or (agreed or b"").lower() != forwarding.request.upgrade.lower():
            self._bad(BadMessage("a 101 that nobody asked for"))
            return
        if not forwarding.sent:
            self._bad(BadMessage("a 101 before the request was over"))
            return
        self._state = TUNNEL
        self.deadline = NEVER
        response = Response(101, headers)
        response.tunnel = self
        self._buffer += rest
        forwarding.answered(response)

    def _body_data(self, data: bytes) -> None:
        body = self._body
        if self._chunked is not None:
            try:
                pieces, rest = self._chunked.feed(data)
            except BadMessage as error:
                self._bad(error)
                return
            if pieces:
                body.feed(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            if rest is not None:
                if rest:
                    self._keep = False
                self._complete(self._chunked)
        elif self._left < 0:
            body.feed(data)
        else:
            size = len(data)
            if size > self._left:
                data = data[: self._left]
                self._keep = False
            self._left -= len(data)
            body.feed(data)
            if not self._left:
                self._complete()

    def _complete(self, chunked: Chunked | None = None) -> None:
        """The body has ended where its framing says. The connection is free before its body is told."""
        body, self._body = self._body, NOTHING
        if body.paused:  # who paused it wanted less of this body, not of the next one
            self.resume_reading()
        body.orphan()
        self._release()
        body.end(chunked.trailers if chunked is not None else None)

    def _release(self) -> None:
        """The exchange is over: back to the pool, if both sides are willing."""
        forwarding, self.forwarding = self.forwarding, None
        sent = True
        if forwarding is not None:
            sent = forwarding.sent
            forwarding.over()
        if self._keep and sent and not self.write_paused:
            self._state = IDLE
            self.reused = True
            timeout = self._owner.settings.idle_timeout
            if timeout > 0:
                self.deadline = self._owner.deadlines.now + timeout
            if not self.pool.give(self):
                self._state = CLOSED
                self.deadline = NEVER
                self.transport.close()
        else:
            self.pool.gone()
            self._state = CLOSED
            if sent and not self.write_paused:
                self.transport.close()
            else:  # nobody will read the rest of the request
                self.transport.abort()

    def _bad(self, error: BadMessage) -> None:
        self._fail(GatewayError(502, f"the server's answer is not HTTP: {error}"))

    # endings

    def _fail(self, error: GatewayError) -> None:
        """This connection is of no use any more, and whoever waits for it learns why."""
        state, self._state = self._state, CLOSED
        forwarding, self.forwarding = self.forwarding, None
        body, self._body = self._body, NOTHING
        other, self._other = self._other, None
        if state == IDLE:
            self.pool.lost(self)
        elif state not in (CLOSED, NEW):
            self.pool.gone()
        self.deadline = NEVER
        if not self.transport.is_closing():
            self.transport.abort()
        if other is not None:
            other.close()
        if forwarding is not None:
            forwarding.over()
            if state == HEAD:
                forwarding.failed(self, error)
        body.orphan()
        if body is not NOTHING:
            body.fail(error)

    def connection_lost(self, error: Exception | None) -> None:
        self._owner.deadlines.forget(self)
        self.pool.members.discard(self)
        if self._state == BODY and self._left < 0 and self._chunked is None and error is None:
            self._keep = False
            self._complete()
        elif self._state != CLOSED:
            self._fail(GatewayError(502, f"the server closed the connection: {error or 'end of stream'}", retry="if_reused"))

    def eof_received(self) -> bool:
        if self._state == TUNNEL and self._other is not None and not self._eof and self.transport.can_write_eof():
            self._other.write_eof()
            return True
        if self._state == IDLE:
            self.shut()  # at once: nobody must take it from the pool any more
        return False

    def expire(self) -> None:
        """Idle for too long, the response head did not come in time, or what was left to send is not taken."""
        if self._state == IDLE:
            self.shut()
        elif self._state == CLOSED:
            self.transport.abort()
        else:
            self._fail(GatewayError(504, "the server did not answer in time"))

    def give_up(self, error: GatewayError) -> None:
        """Carry on no longer: whoever waits for the rest gets this error."""
        self._fail(error)

    @property
    def carried(self) -> Sequence[Carrier]:
        """The exchanges that are on it now."""
        return (self,) if self.forwarding is not None else ()

    def drain(self) -> None:
        """Carry nothing after what it carries now."""
        if self._state == IDLE:
            self.shut()
        elif self._state in (HEAD, BODY):
            self.pool.gone()
            self.pool = self.pool.apart("draining", 0)
            self.pool.opened()

    def shut(self) -> None:
        """Close without telling anybody."""
        self._fail(GatewayError(502, "the connection was closed here", side="internal"))

    # the response body's source

    def pause_reading(self) -> None:
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def abandon(self) -> None:
        """Nobody wants the rest of the response."""
        if self._state in (HEAD, BODY):
            self.shut()
        elif self._state == TUNNEL:
            self.close()

    # the request body's way out

    def pause_writing(self) -> None:
        self.write_paused = True
        if self._other is not None:
            self._other.pause_reading()
        elif self.forwarding is not None:
            self.forwarding.pause()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._other is not None:
            self._other.resume_reading()
        elif self.forwarding is not None:
            self.forwarding.resume()

    # the byte pipe after a 101

    def open(self, other: Tunnel) -> None:
        held = bytes(self._buffer)
        self._buffer.clear()
        self.resume_reading()  # before the other end gets what is held, and may pause
        if held:
            other.write(held)
        if self._state != TUNNEL:  # it has closed while the response was on its way
            other.close()
            return
        self._other = other
        if self.write_paused:
            other.pause_reading()

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def write_eof(self) -> None:
        self._eof = True
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            other = self._other
            self.close()
            if other is not None:
                other.close()

    def close(self) -> None:
        """The other end is gone. What it said is still sent."""
        self._other = None
        if self._state != TUNNEL:
            self.shut()
            return
        self._state = CLOSED
        self.pool.gone()
        forwarding, self.forwarding = self.forwarding, None
        if forwarding is not None:
            forwarding.over()
        self.deadline = self._time() + CLOSE_SECONDS
        self.transport.close()

    def __repr__(self) -> str:
        return (
            f"<Http1Upstream {self.pool.name} {('idle', 'head', 'body', 'tunnel', 'closed', 'new', 'ready')[self._state]}>"
        )
