"""HTTP/1.1 towards clients: bytes in, a cycle per request, bytes out.

Theory of operation. A connection is in one state: HEAD (waiting for or collecting a head), BODY (the body of the running
request is coming), WAIT (it is all here, the answer is not out), DRAIN (the answer is out before the body was all here: the
rest is thrown away, within limits), LINGER (our side is shut; what comes is thrown away so that the answer is not lost to a
reset), TUNNEL (a byte pipe). Requests of a pipeline are taken one after the other; while one runs, reading stops after the
next chunk. Nothing here waits: every state has a deadline, looked at by the sweep of `deadlines.py`.
"""

import asyncio
import re
from typing import Final, cast

from pointsman import wire
from pointsman.deadlines import NEVER
from pointsman.errors import ClientGone, GatewayError
from pointsman.message import NOTHING, Body, Link, Request, Tunnel, reason
from pointsman.server.entry import Entry
from pointsman.server.head import Block, request_from
from pointsman.server.http1_cycle import Http1Cycle
from pointsman.wire import BadMessage, Chunked

HEAD: Final = 0
BODY: Final = 1
WAIT: Final = 2
DRAIN: Final = 3
LINGER: Final = 4
TUNNEL: Final = 5

MAX_REPEATED: Final = 8 * 1024
"""Longest request line before a repeated header block: far below any limit on heads."""
HELD_BYTES: Final = 64 * 1024
DRAIN_BYTES: Final = 256 * 1024
DRAIN_SECONDS: Final = 5.0
LINGER_SECONDS: Final = 2.0
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_EMPTY_LINES: Final = re.compile(rb"(?:\r\n)*")


class Http1Protocol(asyncio.Protocol):
    """One client connection."""

    __slots__ = (
        "_advancing",
        "_block",
        "_body",
        "_buffer",
        "_chunked",
        "_close_after",
        "_discarded",
        "_eof",
        "_left",
        "_opened",
        "_other",
        "_partial",
        "_pauses",
        "_requests",
        "_state",
        "_unsent",
        "cycle",
        "deadline",
        "entry",
        "link",
        "loop",
        "status_lines",
        "transport",
        "trusted",
        "write_paused",
    )

    def __init__(self, entry: Entry, link: Link) -> None:
        # per process
        self.entry = entry
        self.loop = entry.loop
        # per connection
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made
        self.link = link
        self.trusted = link.trusted = entry.settings.trusts(link.client)
        alt_svc = entry.settings.alt_svc
        self.status_lines = wire.status_lines_with(alt_svc) if alt_svc and link.tls is not None else wire.STATUS_LINES
        self.deadline = NEVER
        self.write_paused = False
        self._opened = 0.0
        self._requests = 0
        self._state = HEAD
        self._partial = bytearray()
        self._buffer = b""
        self._pauses = 0
        self._advancing = False
        self._block: Block | None = None
        self._other: Tunnel | None = None
        self._eof = False
        self._discarded = 0
        self._unsent = NEVER
        # per request
        self.cycle: Http1Cycle | None = None
        self._body: Body = NOTHING
        self._left = 0
        self._chunked: Chunked | None = None
        self._close_after = False

    # the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._opened = self.loop.time()
        timeout = self.entry.settings.read_timeout
        if timeout > 0:
            self.deadline = self._opened + timeout
        self.entry.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.entry.closed(self)
        self.deadline = NEVER
        other, self._other = self._other, None
        if other is not None:
            other.close()
        cycle, self.cycle = self.cycle, None
        body, self._body = self._body, NOTHING
        body.orphan()
        if cycle is not None:  # before the body: what fails because of it must find nobody who waits
            cycle.finish() if self._state == TUNNEL else cycle.abort(ClientGone())
        body.fail(ClientGone())
        self.link.release()

    def eof_received(self) -> bool:
        if self._state == TUNNEL and self._other is not None and not self._eof and self.transport.can_write_eof():
            self._other.write_eof()
            return True
        return False

    def expire(self) -> None:
        """The deadline of the present state has passed."""
        state, cycle, transport = self._state, self.cycle, self.transport
        if cycle is not None:
            if state == BODY and not cycle.head_sent:
                self._close_after = True
                cycle.cancel_work()
                cycle.fail(GatewayError(408, "the request body did not come in time", side="client"))
            else:
                transport.abort()
        elif state == HEAD and not self.write_paused:
            transport.close()
        elif state == DRAIN:
            self._linger()
        elif state == LINGER and 0 < transport.get_write_buffer_size() < self._unsent:
            self._unsent = transport.get_write_buffer_size()  # the client is slow, but reads
            self.deadline = self.loop.time() + LINGER_SECONDS
        else:
            transport.abort()

    def shut_when_idle(self) -> None:
        """Close now if no request is running, else after it."""
        if self.cycle is None and self._state == HEAD and not self._partial:
            self.transport.close()
        else:
            self._close_after = True

    # bytes in

    def data_received(self, data: bytes) -> None:
        state = self._state
        if state == HEAD:
            if self._partial:
                self._collect(data)
            else:
                self._advance(data)
        elif state in (BODY, DRAIN):
            self._body_data(data)
        elif state == TUNNEL:
            if self._other is not None:
                if self.cycle is not None:
                    self.cycle.bytes_in += len(data)
                self._other.write(data)
        elif state == WAIT:
            self._buffer += data
            if len(self._buffer) >= HELD_BYTES or self._pauses == 0:
                self.pause_reading()
        else:
            self._discard(len(data))

    def _collect(self, data: bytes) -> None:
        """More of a head that did not come whole."""
        partial = self._partial
        known = max(0, len(partial) - 3)
        partial += data
        if partial.find(b"\r\n\r\n", known) >= 0:
            data = bytes(partial)
            partial.clear()
            self._advance(data)
        elif len(partial) > self.entry.head_limit:
            self._refuse(BadMessage("the head is too large", 431))
        elif partial.count(b"\n", known) > partial.count(b"\r\n", max(0, known - 1)):
            self._refuse(BadMessage("a line does not end in CR LF"))

    def _advance(self, data: bytes) -> None:
        """Take request after request from `data`, as long as they are answered at once."""
        self._advancing = True
        try:
            while data:
                line_end = data.find(b"\r\n")
                block = self._block
                if block is not None and 0 < line_end <= MAX_REPEATED and data.startswith(block.tail, line_end + 2):
                    # the header lines of the last request again
                    self._buffer = data[line_end + 2 + len(block.tail) :]
                    try:
                        self._open(data[:line_end], block.source)
                    except BadMessage as error:
                        self._refuse(error)
                    if self._state != HEAD or self.write_paused or self.transport.is_closing():
                        return
                    data, self._buffer = self._buffer, b""
                    continue
                if not line_end:
                    data = data[_EMPTY_LINES.match(data).end() :]  # type: ignore[union-attr]
                end = data.find(b"\r\n\r\n")
                if end < 0 or end > self.entry.head_limit:
                    if len(data) > self.entry.head_limit:
                        self._refuse(BadMessage("the head is too large", 431))
                    elif data.count(b"\n") > data.count(b"\r\n"):  # it would wait for an end that does not come
                        self._refuse(BadMessage("a line does not end in CR LF"))
                    elif data:
                        if not self._partial and self.entry.settings.read_timeout > 0:
                            self.deadline = self.loop.time() + self.entry.settings.read_timeout
                        self._partial += data
                    return
                self._buffer = data[end + 4 :]
                line, _, source = data[:end].partition(b"\r\n")
                try:
                    self._open(line, source)
                except BadMessage as error:
                    self._refuse(error)
                if self._state != HEAD or self.write_paused or self.transport.is_closing():
                    return
                data, self._buffer = self._buffer, b""
        finally:
            self._advancing = False

    def _open(self, line: bytes, source: bytes) -> None:
        """A head is complete: make the request and have it answered."""
        method, target, minor = wire.request_line(line)
        block = self._block
        if block is None or block.source != source or not minor:
            block = Block(source, minor, self.entry.settings, self.link, self.trusted)
            self._block = block if minor and source else None
            if block.negotiates and self.link.private is None:
                self.link.private = {}  # what it says on this connection it may say to no other's server
        request = request_from(method, target, minor, block, self.entry.settings, self.link, self.trusted)
        self._close_after = block.close
        self._requests += 1
        settings = self.entry.settings
        cycle = self.cycle = Http1Cycle(self, request, self.entry.current.snapshot)
        if block.chunked or block.length:
            self._expect_body(request, block)
            if self.cycle is not cycle:
                return  # it was bad, and is answered for
        else:
            self._state = WAIT
            self.deadline = self.loop.time() + settings.write_timeout if settings.write_timeout > 0 else NEVER
        cycle.dispatch(self.entry)

    def _expect_body(self, request: Request, block: Block) -> None:
        """Prepare for the request body, and take what is here of it."""
        self._chunked = Chunked() if block.chunked else None
        self._left = block.length or 0
        body = request.body = self._body = Body(self, block.length)
        self._state = BODY
        if block.expects:
            body.wanted = self._send_continue
        timeout = self.entry.settings.read_timeout
        self.deadline = self.loop.time() + timeout if timeout > 0 else NEVER
        if self._buffer:
            rest, self._buffer = self._buffer, b""
            self._body_data(rest)

    # the request body

    def _body_data(self, data: bytes) -> None:
        size = len(data)
        if self._chunked is None:
            if size > self._left:
                self._buffer = data[self._left :]
                data = data[: self._left]
            self._left -= len(data)
            over = not self._left
        else:
            try:
                pieces, rest = self._chunked.feed(data)
            except BadMessage as error:
                self._broken_body(error)
                return
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)  # a thousand small chunks are not worth a write each
            over = rest is not None
            if rest:
                self._buffer = rest
        if self._state == DRAIN:
            self._discarded += size
            if over:
                self._ready(self.loop.time())
            elif self._discarded > DRAIN_BYTES:
                self._linger()
            return
        if self.cycle is not None:
            self.cycle.bytes_in += len(data)
        body = self._body
        if over:
            # from here on all may happen while the body is told: the exchange may finish, and the next one begin
            self._state = WAIT
            timeout = self.entry.settings.write_timeout
            self.deadline = self.loop.time() + timeout if timeout > 0 else NEVER
            self._body = NOTHING
            body.orphan()
            if self._buffer:
                if not self._pauses:
                    self.pause_reading()
            elif self._pauses:
                self._pauses = 0
                self.transport.resume_reading()
            trailers = self._chunked.trailers if self._chunked is not None else []
            if data:
                body.feed(data)
            body.end(trailers)
        elif data:
            body.feed(data)

    def _broken_body(self, error: BadMessage) -> None:
        self._close_after = True
        cycle = self.cycle
        if cycle is None:
            self._linger()
            return
        failure = GatewayError(error.status, str(error), side="client")
        if not cycle.head_sent:
            cycle.cancel_work()
            cycle.fail(failure)
        else:
            cycle.abort(failure)
            self.transport.abort()

    def _send_continue(self) -> None:
        if self.cycle is not None and self._state == BODY and not self.cycle.head_sent:
            self.transport.write(CONTINUE)

    def pause_reading(self) -> None:
        self._pauses += 1
        if self._pauses == 1:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self._pauses:
            self._pauses -= 1
            if not self._pauses:
                self.transport.resume_reading()

    def abandon(self) -> None:
        """Nobody reads the request body any more: what still comes of it is discarded when the answer is out."""

    # bytes out

    def pause_writing(self) -> None:
        self.write_paused = True
        if self._other is not None:
            self._other.pause_reading()
        elif self.cycle is not None:
            self.cycle.pause()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._other is not None:
            self._other.resume_reading()
        elif self.cycle is not None:
            self.cycle.resume()
        elif self._state == HEAD and self._pauses:
            self._pauses = 0
            self.transport.resume_reading()
            self._next()

    def closes_after(self) -> bool:
        """Whether the running exchange is the last on this connection."""
        if not self._close_after:
            entry = self.entry
            self._close_after = (
                entry.draining
                or (entry.limited and entry.wears_out(self._requests, self._opened))
                or (self._state == BODY and self._body.wanted is not None and not self._body.attached)
            )
        return self._close_after

    def cycle_over(self, cycle: "Http1Cycle") -> None:
        """The exchange has finished: go on with the next, or close."""
        if self.cycle is not cycle:
            return
        self.cycle = None
        body = self._body
        if body is not NOTHING:
            self._body = NOTHING
            body.orphan()
            body.fail(GatewayError(400, "the request was answered before its body had come", side="client"))
        if self.transport.is_closing():
            return
        if self._pauses:
            self._pauses = 0
            self.transport.resume_reading()
        if self._close_after:
            if self._state == BODY or self._buffer:
                self._linger()
            else:
                self.transport.close()
        elif self._state == BODY:
            self._state = DRAIN
            self._discarded = 0
            self.deadline = cycle.finished + DRAIN_SECONDS
        else:
            self._ready(cycle.finished)

    def _ready(self, now: float) -> None:
        """Wait for the next request, or take it if it is here and the client reads what it asked for."""
        self._state = HEAD
        entry = self.entry
        timeout = entry.settings.idle_timeout
        self.deadline = now + timeout if timeout > 0 else NEVER
        if entry.draining:
            self.transport.close()
        elif self.write_paused:
            self.pause_reading()
        elif self._buffer and not self._advancing:
            self._next()

    def _next(self) -> None:
        data, self._buffer = self._buffer, b""
        if data:
            self._advance(data)

    def _refuse(self, error: BadMessage) -> None:
        """Answer what is no request, and close."""
        self.entry.refused += 1
        phrase = b"%d %b" % (error.status, reason(error.status))
        lines = b"%b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
        self.transport.write(lines % (self.status_lines[error.status], len(phrase), phrase))
        self._linger()

    def _linger(self) -> None:
        """Shut our side, and read on for a moment, so that the client gets the answer before it learns of the close."""
        self._state = LINGER
        if self.transport.is_closing():
            return
        self._unsent = NEVER
        self._buffer = b""
        self._partial.clear()
        self._discarded = 0
        self.deadline = self.loop.time() + LINGER_SECONDS
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > DRAIN_BYTES and not self._pauses:
            self.pause_reading()  # a reset could overtake the answer: leave the rest until the deadline

    # the byte pipe after a 101

    def open(self, other: Tunnel) -> None:
        self._state = TUNNEL
        self._other = other
        self.deadline = NEVER
        if self._pauses:
            self._pauses = 0
            self.transport.resume_reading()
        held, self._buffer = self._buffer, b""
        if held:
            if self.cycle is not None:
                self.cycle.bytes_in += len(held)
            other.write(held)
        if self.write_paused:
            other.pause_reading()

    def write(self, data: bytes) -> None:
        if self.cycle is not None:
            self.cycle.bytes_out += len(data)
        if not self.transport.is_closing():
            self.transport.write(data)

    def write_eof(self) -> None:
        self._eof = True
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.close()

    def close(self) -> None:
        self._other = None
        cycle, self.cycle = self.cycle, None
        if cycle is not None:
            cycle.finish()
        self.transport.close()

    def __repr__(self) -> str:
        state = ("head", "body", "wait", "drain", "linger", "tunnel")[self._state]
        return f"<Http1Protocol {self.link.client} {state}, {self._requests} requests>"
