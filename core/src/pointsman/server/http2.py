"""HTTP/2 towards clients: a session, a cycle per stream.

Theory of operation. The connection lives as long as its `Session`; a stream's life is its `Http2Cycle`'s. It is SERVING;
perhaps WORN (a keep-alive limit is reached: it leaves when it is idle, or with the next request); then LEAVING (a GOAWAY is
out, streams that came before it go on, and with the last one it closes); or LINGERING (broken off:
our side is shut, what comes is thrown away so that the GOAWAY is not lost to a reset). `deadline` is when something may be
due, and `expire` looks what is: nothing is written down per request but for bodies.

Draining is said twice: first "no more streams", and, when a PING sent with it has come back, or after a second, "none after
this one", so that no request is lost that was on its way (RFC 9113 §6.8).
"""

import asyncio
import base64
import secrets
from typing import Final, cast

from pointsman.deadlines import NEVER
from pointsman.http2.contract import Malformed
from pointsman.http2.fields import REQUEST_FIELDS, Pseudo, request_lines
from pointsman.http2.frames import CANCEL, ENHANCE_YOUR_CALM, SETTINGS_TIMEOUT
from pointsman.http2.hpack import Field, HeaderBlock, literal
from pointsman.http2.session import Session, Stream
from pointsman.message import Link, Request, reason
from pointsman.server.entry import Entry
from pointsman.server.head import Block, request_from
from pointsman.server.http2_cycle import Drain, Http2Cycle, statuses_with
from pointsman.wire import BadMessage, Line

SERVING: Final = 0
WORN: Final = 1
LEAVING: Final = 2
LINGERING: Final = 3

SETTINGS_SECONDS: Final = 10.0
GOODBYE_SECONDS: Final = 1.0
DRAIN_SECONDS: Final = 5.0
LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 256 * 1024
BATCH_BYTES: Final = 64 * 1024
STALL_SECONDS: Final = 60.0
"""How long what was sent may wait without any of it being taken, where the idle timeout is off."""
_GOODBYE: Final = b"farewell"


class Head:
    """What a header block means here, kept with it as long as the client repeats it."""

    __slots__ = ("authority", "block", "fields", "method", "target", "upgrade")

    def __init__(self, pseudo: Pseudo, fields: list[Field], block: Block) -> None:
        self.method = b"GET" if pseudo.protocol is not None else pseudo.method
        self.target = pseudo.path or pseudo.authority or b"*"
        self.authority = pseudo.authority
        self.fields = fields
        self.block = block
        self.upgrade = pseudo.protocol is not None


def read_head(said: list[Field], last: Head | None, entry: Entry, link: Link, trusted: bool) -> Head:
    """What the fields of a request mean; `last` is the head of one before it on this connection. BadMessage, Malformed."""
    pseudo = Pseudo(said)
    if pseudo.protocol is not None and pseudo.protocol.lower() != b"websocket":
        raise BadMessage("a protocol that is not spoken over streams", 501)  # RFC 9220 §3
    fields = said[pseudo.count :]
    if last is not None and pseudo.protocol is None and pseudo.authority == last.authority and fields == last.fields:
        block = last.block  # another path, and all else as before
    else:
        lines = request_lines(pseudo, fields)
        if pseudo.protocol is not None:
            lines = _with_websocket_key(lines)
        block = Block.of(lines, entry.settings, link, trusted, b"websocket" if pseudo.protocol else b"")
    if block.negotiates and link.private is None:
        link.private = {}
    return Head(pseudo, fields, block)


class Http2Protocol(asyncio.Protocol):
    """One client connection."""

    __slots__ = (
        "_discarded",
        "_goodbye_due",
        "_idle_since",
        "_last",
        "_opened",
        "_out",
        "_out_bytes",
        "_requests",
        "_state",
        "_unsent",
        "deadline",
        "entry",
        "link",
        "loop",
        "session",
        "statuses",
        "transport",
        "trusted",
    )

    def __init__(self, entry: Entry, link: Link) -> None:
        self.entry = entry
        self.loop = entry.loop
        self.link = link
        self.trusted = link.trusted = entry.settings.trusts(link.client)
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made
        self.statuses = statuses_with(entry.settings.alt_svc if link.tls is not None else b"")
        self.session = Session(self, entry.http2, clock=self.loop.time)
        self.deadline = NEVER
        self._state = SERVING
        self._out: list[bytes] = []
        """What is to be written in one go."""
        self._out_bytes = 0
        self._unsent = NEVER
        self._discarded = 0
        self._last: Head | None = None
        self._requests = 0
        self._opened = self._idle_since = self.loop.time()
        self._goodbye_due = NEVER

    # the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.entry.opened(self)
        self._by(self._opened + SETTINGS_SECONDS)
        self.session.start()

    def connection_lost(self, error: Exception | None) -> None:
        self.entry.closed(self)
        self.deadline = NEVER
        self._out = []
        for stream in self.session.lost():
            stream.receiver.gone(CANCEL, True)
        self.link.release()

    def eof_received(self) -> bool:
        return False

    def data_received(self, data: bytes) -> None:
        if self._state != LINGERING:
            self.session.receive(data)
            return
        self._discarded += len(data)
        if self._discarded > LINGER_BYTES:
            self.transport.pause_reading()  # a reset could overtake the GOAWAY: leave the rest until the deadline

    def pause_writing(self) -> None:
        """The client does not take what it asked for: nothing more is read of it until it does."""
        self.session.pause_writing()
        self._unsent = NEVER
        self.transport.pause_reading()
        self.stalls()

    def resume_writing(self) -> None:
        self.session.resume_writing()
        if not self.session.write_paused and not self.transport.is_closing() and self._state != LINGERING:
            self.transport.resume_reading()

    def shut_when_idle(self) -> None:
        """Close now if no request is running, else after the last."""
        if self._state > WORN:
            return
        self._state = LEAVING
        self.session.announce_shut()
        self.session.ping(_GOODBYE)
        self._goodbye_due = self.loop.time() + GOODBYE_SECONDS
        self._by(self._goodbye_due)

    def _leave(self) -> None:
        """Take no more requests than have come."""
        self._state = LEAVING
        self._goodbye_due = NEVER
        self.session.shut()
        if not self.session.streams:
            self.loop.call_soon(self._close_if_idle)  # the GOAWAY may still be on its way out

    def _close_if_idle(self) -> None:
        if not self.session.streams and not self.transport.is_closing():
            self._close()

    # what is due

    def _by(self, due: float) -> None:
        if due < self.deadline:
            self.deadline = due

    def _patience(self) -> float:
        settings = self.entry.settings
        return settings.idle_timeout or STALL_SECONDS

    def stalls(self) -> None:
        """Something waits for the client: look later whether it still does."""
        self._by(self.loop.time() + self._patience())

    def expire(self) -> None:
        if self._state == LINGERING:
            self.transport.abort()
            return
        now = self.loop.time()
        if not self.session.settled:
            if self._opened + SETTINGS_SECONDS <= now:
                self._break_off(SETTINGS_TIMEOUT)
                return
            self._by(self._opened + SETTINGS_SECONDS)
        if self.session.write_paused and not self._moves():
            self.transport.abort()
            return
        if self._goodbye_due <= now:
            self._leave()
        self._by(self._goodbye_due)
        if self.session.streams:
            self._expire_streams(now)
        else:
            self._expire_idle(now)

    def _moves(self) -> bool:
        """Whether the client has taken some of what waits in the transport since we last looked."""
        unsent, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        self.stalls()
        return self._unsent < unsent

    def _expire_streams(self, now: float) -> None:
        patience = self._patience()
        for stream in list(self.session.streams.values()):
            cycle = stream.receiver
            if stream.waiting:
                if stream.waiting_since + patience <= now:
                    self.session.give_up(stream, CANCEL)
                    continue
                self._by(stream.waiting_since + patience)
            if isinstance(cycle, Drain):
                cycle.stop() if cycle.due <= now else self._by(cycle.due)
                continue
            if not isinstance(cycle, Http2Cycle):
                continue
            if cycle.read_due <= now:
                cycle.late()
            elif cycle.write_due <= now:
                self.session.give_up(stream, CANCEL)
            else:
                self._by(min(cycle.read_due, cycle.write_due))

    def _expire_idle(self, now: float) -> None:
        settings = self.entry.settings
        timeout = settings.idle_timeout if self._requests else settings.read_timeout
        if timeout <= 0:
            return
        if self._idle_since + timeout > now:
            self._by(self._idle_since + timeout)
            return
        self.session.shut()
        self._close()

    # what the session says

    def send(self, data: bytes) -> None:
        """Write, but where several streams are open wait for what else the loop has for them now: one TLS record and write
        for ten answers instead of ten of each made a request a third cheaper, measured with ten streams a connection."""
        out = self._out
        if not out and len(self.session.streams) <= 1:
            self._write(data)
            return
        if not out:
            self.loop.call_soon(self._flush)
        out.append(data)
        self._out_bytes += len(data)
        if self._out_bytes >= BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        out = self._out
        if out:
            self._out, self._out_bytes = [], 0
            self._write(b"".join(out))

    def _write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def _close(self) -> None:
        """Nothing more is to be said; what has been is still sent, as long as the client takes it."""
        self._flush()
        self._state = LINGERING
        self.deadline = self.loop.time() + self._patience()
        self.transport.close()

    def ready(self) -> None:
        timeout = self.entry.settings.read_timeout
        if timeout > 0:
            self._by(self._opened + timeout)

    def idle(self) -> None:
        self._idle_since = now = self.loop.time()
        if self._state == WORN or self.session.going_away:
            self._leave()
        elif self._state != SERVING:
            if self._goodbye_due == NEVER:
                self.loop.call_soon(self._close_if_idle)
        elif self.entry.settings.idle_timeout > 0:
            self._by(now + self.entry.settings.idle_timeout)

    def pong(self, payload: bytes) -> None:
        if payload == _GOODBYE and self._goodbye_due != NEVER:
            self._leave()

    def goaway(self, last: int, code: int, debug: bytes) -> None:
        if not self.session.streams:
            self._leave()

    def failed(self, code: int, reason: str) -> None:
        """The client broke a rule: GOAWAY is out."""
        if code == ENHANCE_YOUR_CALM:
            self.entry.calmed += 1
        else:
            self.entry.refused += 1
        self._linger(code)

    def _break_off(self, code: int) -> None:
        self.entry.refused += 1
        self.session.shut(code)
        self._linger(code)

    def _linger(self, code: int) -> None:
        self._state = LINGERING
        for stream in self.session.lost():
            stream.receiver.gone(code, False)
        self._flush()
        if self.transport.is_closing():
            return
        self.deadline = self.loop.time() + LINGER_SECONDS
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    # requests

    def opened(self, stream: Stream, fields: HeaderBlock, ended: bool) -> None:
        """The client has begun a request. Malformed resets its stream."""
        head: Head | None = fields.made
        try:
            if head is None:
                head = self._read(fields)
            request = self._request_from(head)
        except BadMessage as error:
            self._refuse(stream, error)
            return
        except Malformed:
            self.entry.refused += 1
            raise
        block = head.block
        if ended and block.length:
            self.entry.refused += 1
            raise Malformed("a request without the content that it announces")
        entry = self.entry
        self._requests += 1
        if entry.limited:
            self._limit()
        cycle = Http2Cycle(self, stream, request, entry.current.snapshot)
        stream.receiver = cycle
        if head.upgrade:
            stream.pause()  # until there is somebody who takes what the client says beyond its request
        elif not ended:
            timeout = entry.settings.read_timeout
            due = cycle.started + timeout if timeout > 0 else NEVER
            cycle.expect_body(block.length, due, block.expects)
            self._by(due)
        elif entry.settings.write_timeout > 0:
            self.hurry(cycle, cycle.started)
        cycle.dispatch(entry)

    def _read(self, block: HeaderBlock) -> Head:
        """What a header block says that was not seen before, or not since the client's table changed."""
        if block.oversize:
            raise BadMessage("the head is too large", 431)
        head = read_head(block.fields, self._last, self.entry, self.link, self.trusted)
        if not head.upgrade:
            self._last = block.made = head
        return head

    def _request_from(self, head: Head) -> Request:
        request = request_from(head.method, head.target, 1, head.block, self.entry.settings, self.link, self.trusted)
        request.version = 20
        return request

    def _refuse(self, stream: Stream, error: BadMessage) -> None:
        """Answer what is a stream, but no request for anybody."""
        self.entry.refused += 1
        phrase = b"%d %b" % (error.status, reason(error.status))
        fields = [(b":status", b"%d" % error.status), (b"content-type", b"text/plain; charset=utf-8")]
        block = self.session.encoder.encode(fields) + self.statuses.rest + literal(b"content-length", b"%d" % len(phrase))
        stream.answer(block, phrase)
        if not stream.closed:
            self.drain(stream)

    def drain(self, stream: Stream) -> None:
        """The answer is out, or on its way, and the request is not all here."""
        due = self.loop.time() + DRAIN_SECONDS
        stream.receiver = Drain(stream, due)
        stream.resume()
        self._by(due)

    def _limit(self) -> None:
        """The request that has come may be the last of this connection (operations.md §2.1)."""
        if self._state == WORN:
            self._leave()
        elif self._state == SERVING and self.entry.wears_out(self._requests, self._opened):
            self._state = WORN

    def hurry(self, cycle: Http2Cycle, now: float) -> None:
        """The request is here whole: the answer has the write timeout."""
        timeout = self.entry.settings.write_timeout
        if timeout > 0:
            cycle.write_due = now + timeout
            self._by(cycle.write_due)

    def linger(self, task: "asyncio.Task[None]") -> None:
        """Its stream is over, the work for it is not: it counts as open until then."""
        self.session.lingering += 1
        task.add_done_callback(self._lingered)

    def _lingered(self, task: "asyncio.Task[None]") -> None:
        self.session.lingering -= 1

    def __repr__(self) -> str:
        state = ("serving", "worn", "leaving", "lingering")[self._state]
        return f"<Http2Protocol {self.link.client} {state}, {self._requests} requests, {len(self.session.streams)} streams>"


def _with_websocket_key(lines: list[Line]) -> list[Line]:
    """HTTP/1 asks for a WebSocket with a key, HTTP/2 without (RFC 8441 §5): it is made here, and its answer checked here."""
    others = [line for line in lines if line[0][0] != b"sec-websocket-key"]
    return [*others, REQUEST_FIELDS[(b"sec-websocket-key", base64.b64encode(secrets.token_bytes(16)))]]
