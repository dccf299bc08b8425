"""HTTP/3 towards clients (RFC 9114): a QUIC connection, an exchange per stream.

Theory of operation. A connection SHAKEs hands, then it is SERVING; perhaps WORN (a keep-alive limit is reached: it leaves
when it is idle, or with the next request); then LEAVING (a GOAWAY is out, streams that came before it go on, and when the
client has all that was said to the last of them it closes); then it is OVER. Draining is said twice, as over HTTP/2.

Datagrams are given to it in batches by its `Http3Entry`, which then has it `flush`: what aioquic has to say goes out, and
its timer is set. What is said at other times is flushed once the loop comes round. `deadline` is when something else may be
due.

A stream is in `streams` until both sides have ended or one has reset it; what was said on it and is not acknowledged is in
the `backlog` until it is, so that neither a close nor a client that takes nothing is forgotten.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from aioquic import tls
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.connection import stream_is_unidirectional
from aioquic.quic.events import (
    ConnectionIdIssued,
    ConnectionIdRetired,
    ConnectionTerminated,
    HandshakeCompleted,
    PingAcknowledged,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)
from aioquic.quic.packet import QuicErrorCode
from attrs import define

from pointsman.deadlines import NEVER
from pointsman.http2.budget import RESETS, RESETS_PER_SECOND, Budget
from pointsman.http2.contract import NOBODY, Malformed
from pointsman.http2.fields import read_trailers
from pointsman.http2.frames import CANCEL, PROTOCOL_ERROR
from pointsman.http2.hpack import Field
from pointsman.message import Link, Request, reason
from pointsman.net.quic import ServerConnection
from pointsman.server.door import Terms
from pointsman.server.entry import Entry
from pointsman.server.head import request_from
from pointsman.server.http2 import GOODBYE_SECONDS, STALL_SECONDS, Head, read_head
from pointsman.server.http2_cycle import statuses_with
from pointsman.server.http3_backlog import Backlog
from pointsman.server.http3_cycle import FieldsAsTheyAre, Http3Cycle
from pointsman.server.http3_framing import EXCESSIVE_LOAD, INTERNAL_ERROR, NO_ERROR, REQUEST_REJECTED, Framing
from pointsman.server.http3_stream import Http3Stream
from pointsman.wire import BadMessage

if TYPE_CHECKING:
    from pointsman.server.http3_entry import Http3Entry

log: Final = logging.getLogger("pointsman.server")

SHAKE: Final = 0
SERVING: Final = 1
WORN: Final = 2
LEAVING: Final = 3
OVER: Final = 4

OPENING_SECONDS: Final = 10.0
PING_SECONDS: Final = 10.0
"""How often a client whose requests are being served is asked to keep the connection alive."""
FIRST_GOAWAY: Final = (1 << 62) - 4
_GOODBYE: Final = 1
_ALIVE: Final = 2


@define(eq=False)
class Agreed:
    """What the handshake agreed on: `message.Secured`."""

    options: str
    server_name: bytes
    cipher: str
    alpn: bytes = b"h3"
    version: str = "TLSv1.3"

    def certificates(self) -> tuple[bytes, ...]:
        """None: whoever asks for client certificates is not served over HTTP/3."""
        return ()


class Http3Protocol:
    """One client connection."""

    __slots__ = (
        "_alive_due",
        "_asked",
        "_flushing",
        "_goaway",
        "_goodbye_due",
        "_idle_since",
        "_last",
        "_lingering",
        "_opened",
        "_owner",
        "_requests",
        "_resets",
        "_state",
        "_timer",
        "_timer_at",
        "backlog",
        "deadline",
        "encoder",
        "entry",
        "framing",
        "link",
        "loop",
        "quic",
        "server_name",
        "statuses",
        "streams",
        "terms",
        "trusted",
    )

    def __init__(self, owner: "Http3Entry", link: Link) -> None:
        entry = owner.entry
        self._owner = owner
        self.entry: Entry = entry
        self.loop = entry.loop
        self.link = link
        self.trusted = link.trusted = entry.settings.trusts(link.client)
        self.quic: ServerConnection = None  # type: ignore[assignment]  # set by the owner, at once
        self.backlog: Backlog = None  # type: ignore[assignment]  # after the handshake, too
        self.framing: Framing = None  # type: ignore[assignment]  # after the handshake
        self.encoder = FieldsAsTheyAre()
        self.statuses = statuses_with(b"")
        self.server_name = b""
        self.terms: Terms = None  # type: ignore[assignment]  # chosen in the handshake
        self.streams: dict[int, Http3Stream] = {}
        self._opened = self._idle_since = now = self.loop.time()
        self.deadline = now + OPENING_SECONDS
        self._state = SHAKE
        self._last: Head | None = None
        self._requests = self._lingering = 0
        self._goaway = FIRST_GOAWAY
        self._asked = -4
        """The highest stream that a request came on."""
        self._goodbye_due = self._alive_due = NEVER
        self._resets = Budget(RESETS, RESETS_PER_SECOND, self.loop.time)
        self._flushing: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        entry.accepted += 1
        entry.opened(self)

    @property
    def transport(self) -> Any:
        """What `Entry` cuts."""
        return self

    def abort(self) -> None:
        """The grace period is over."""
        self.close(NO_ERROR)

    @property
    def shaking(self) -> bool:
        """Whether the handshake goes on."""
        return self._state == SHAKE

    # datagrams

    def receive(self, datagram: bytes, client: Any) -> None:
        """A datagram has come for it; `flush` is to follow."""
        try:
            self.quic.receive_datagram(datagram, client, self.loop.time())
            self._process()
        except Exception as error:  # of hostile bytes: this connection's affair and no other's
            self._broken(error)

    def wake(self) -> None:
        """There may be something to send."""
        if self._flushing is None and self._state != OVER:
            self._flushing = self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send what there is to send, and come back when QUIC's timer says so."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if self._state == OVER:
            return
        now = self.loop.time()
        try:
            for datagram, client in self.quic.datagrams_to_send(now):
                self._owner.send(datagram, client)
            if self.quic.ended is not None:
                self._lost()
                return
            due = self.quic.get_timer()
        except Exception as error:
            self._broken(error)
            return
        if due is None:
            return
        if due < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = due
            self._timer = self.loop.call_at(due, self._timed)

    def _timed(self) -> None:
        self._timer, self._timer_at = None, NEVER
        if self._state == OVER:
            return
        now = self.loop.time()
        due = self.quic.get_timer()
        if due is not None and due <= now:
            try:
                self.quic.handle_timer(now)
                self._process()
            except Exception as error:
                self._broken(error)
                return
        self.flush()

    def _process(self) -> None:
        event = self.quic.next_event()
        while event is not None and self._state != OVER:
            self._take(event)
            event = self.quic.next_event()
        if self._state != OVER and self.backlog:
            for stream in self.backlog.look(self.loop.time()):
                stream.receiver.resume()
            self._close_if_idle()

    def _take(self, event: QuicEvent) -> None:
        if isinstance(event, StreamDataReceived):
            self._stream_data(event)
        elif isinstance(event, ConnectionIdIssued):
            self._owner.issued(event.connection_id, self)
        elif isinstance(event, ConnectionIdRetired):
            self._owner.retired(event.connection_id, self)
        elif isinstance(event, StreamReset):
            self.framing.handle_event(event)
            self._reset_by_client(event.stream_id)
            self.quic.forget(event.stream_id)
        elif isinstance(event, StopSendingReceived):
            self.framing.handle_event(event)
            self._reset_by_client(event.stream_id)
        elif isinstance(event, PingAcknowledged):
            if event.uid == _GOODBYE and self._goodbye_due != NEVER:
                self._leave()
        elif isinstance(event, HandshakeCompleted):
            self._shaken()

    def _shaken(self) -> None:
        """The handshake is over."""
        self._owner.shaken(self)
        self._state = SERVING
        if self.terms.lapsed:  # while the handshake ran
            self.close(NO_ERROR)
            return
        self.link.tls = Agreed(self.terms.name, self.server_name, self.quic.cipher)
        self.framing = Framing(self.quic, self.entry.head_limit)
        self.backlog = Backlog(self.quic)
        timeout = self.entry.settings.read_timeout
        self.deadline = self.loop.time() + timeout if timeout > 0 else NEVER
        if self.entry.draining:
            self.shut_when_idle()

    # endings

    def close(self, code: int) -> None:
        """Say goodbye, at once."""
        if self._state == OVER:
            return
        self.quic.close(code)
        self.flush()
        self._lost()

    def forget_unbegun(self) -> None:
        """What came was no packet at all."""
        self._lost()

    def _broken(self, error: Exception) -> None:
        """aioquic, or something here, did not expect this."""
        if self._state == OVER:
            return
        self.entry.refused += 1
        self.entry.quic_failed(type(error).__name__, self.link.client)
        log.debug("HTTP/3 connection of %s: %r", self.link.client, error, exc_info=error)
        self.quic.close(INTERNAL_ERROR)
        try:
            if self.quic.begun:
                for datagram, client in self.quic.datagrams_to_send(self.loop.time()):
                    self._owner.send(datagram, client)
        except Exception:  # then it ends in silence
            log.debug("nothing could be said of it")
        self._lost()

    def _lost(self) -> None:
        """The connection is over, whoever ended it."""
        if self._state == OVER:
            return
        if self._state == SHAKE:
            self._owner.shaken(self)
            ended = self.quic.ended
            self.entry.handshake_failed(_kind(ended) if ended is not None else "eof", self.link.client)
        self._state = OVER
        for handle in (self._timer, self._flushing):
            if handle is not None:
                handle.cancel()
        self._timer = self._flushing = None
        self.deadline = NEVER
        self._owner.gone(self)
        self.entry.closed(self)
        streams, self.streams = self.streams, {}
        for stream in streams.values():
            stream.closed = True
            stream.receiver.gone(CANCEL, True)
        self.link.release()

    def shut_when_idle(self) -> None:
        """Close now if no request is running, else after the last."""
        if self._state == SHAKE:
            self.close(NO_ERROR)
        elif self._state < LEAVING:
            self._state = LEAVING
            self.framing.goaway(FIRST_GOAWAY)
            self.quic.send_ping(_GOODBYE)
            self._goodbye_due = self.loop.time() + GOODBYE_SECONDS
            self._by(self._goodbye_due)
            self.wake()

    def _leave(self) -> None:
        """Take no more requests than have come."""
        self._state = LEAVING
        self._goodbye_due = NEVER
        self._goaway = self._asked + 4
        self.framing.goaway(self._goaway)
        self.wake()
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._state == LEAVING and self._goodbye_due == NEVER and not self._busy:
            self.loop.call_soon(self._close_now)

    def _close_now(self) -> None:
        if not self._busy:
            self.close(NO_ERROR)

    @property
    def _busy(self) -> bool:
        return bool(self.streams or self.backlog.tails or self._lingering)

    # what is due

    def _by(self, due: float) -> None:
        if due < self.deadline:
            self.deadline = due

    def _patience(self) -> float:
        return self.entry.settings.idle_timeout or STALL_SECONDS

    def stalls(self) -> None:
        """Something waits for the client: look later whether it still does."""
        self._by(self.loop.time() + self._patience())

    def expire(self) -> None:
        if self._state == SHAKE:
            self.close(NO_ERROR)
            return
        now = self.loop.time()
        if self._goodbye_due <= now:
            self._leave()
        self._by(self._goodbye_due)
        self._expire_tails(now)
        if self.streams:
            self._expire_streams(now)
        elif not self._busy:
            self._expire_idle(now)

    def _expire_streams(self, now: float) -> None:
        patience, settings = self._patience(), self.entry.settings
        if self._alive_due <= now:
            self._alive_due = now + PING_SECONDS
            self.quic.send_ping(_ALIVE)
            self.wake()
        self._by(self._alive_due)
        for stream in list(self.streams.values()):
            cycle = stream.receiver
            if stream.throttled:
                if stream.moved + patience <= now:
                    self.give_up(stream)
                    continue
                self._by(stream.moved + patience)
            if not isinstance(cycle, Http3Cycle):
                if not stream.headed and settings.read_timeout > 0:
                    due = stream.begun + settings.read_timeout
                    stream.reset(CANCEL) if due <= now else self._by(due)
                continue
            if cycle.read_due <= now:
                cycle.late()
            elif cycle.write_due <= now:
                self.give_up(stream)
            else:
                self._by(min(cycle.read_due, cycle.write_due))

    def _expire_tails(self, now: float) -> None:
        patience = self._patience()
        for number in self.backlog.forsaken(now - patience):
            self.quic.reset_stream(number, INTERNAL_ERROR)
            self.wake()
        self._by(self.backlog.oldest + patience)
        self._close_if_idle()

    def _expire_idle(self, now: float) -> None:
        settings = self.entry.settings
        timeout = settings.idle_timeout if self._requests else settings.read_timeout
        if timeout <= 0:
            return
        if self._idle_since + timeout > now:
            self._by(self._idle_since + timeout)
        else:
            self.close(NO_ERROR)

    # what streams ask

    def sends(self, stream_id: int) -> bool:
        """Whether the client still takes something on a stream. If not, its event is on the way."""
        return self._state != OVER and self.quic.takes(stream_id)

    def said(self, stream: Http3Stream) -> None:
        """A stream has said a piece of its body: it may have to wait."""
        if self.backlog.throttles(stream, self.loop.time()):
            stream.receiver.pause()

    def forget(self, stream: Http3Stream) -> None:
        """It is over, but for what the client has not taken yet."""
        if self.streams.pop(stream.id, None) is None:
            return
        stream.closed = True
        stream.drop()
        self.framing.drop(stream.id)
        now = self.loop.time()
        self.backlog.over(stream, now)
        if not self.streams:
            self._idle(now)

    def give_up(self, stream: Http3Stream) -> None:
        """Reset a stream for what its client does not do."""
        receiver = stream.receiver
        stream.reset(CANCEL)
        receiver.gone(CANCEL, False)

    def stream_error(self, stream_id: int, code: int) -> None:
        """A message that is none."""
        stream = self.streams.get(stream_id)
        if stream is not None:
            receiver = stream.receiver
            stream.reset(code)
            receiver.gone(code, False)

    def drain(self, stream: Http3Stream) -> None:
        """The answer is out, and the request is not all here: the client need not send the rest (RFC 9114 §4.1)."""
        stream.receiver = NOBODY
        stream.stop()

    def hurry(self, cycle: Http3Cycle, now: float) -> None:
        """The request is here whole: the answer has the write timeout."""
        timeout = self.entry.settings.write_timeout
        if timeout > 0:
            cycle.write_due = now + timeout
            self._by(cycle.write_due)

    def linger(self, task: "asyncio.Task[None]") -> None:
        """Its stream is over, the work for it is not: it counts as open until then."""
        self._lingering += 1
        task.add_done_callback(self._lingered)

    def _lingered(self, task: "asyncio.Task[None]") -> None:
        self._lingering -= 1
        if not self.streams and self._state != OVER:
            self._idle(self.loop.time())

    def _idle(self, now: float) -> None:
        self._idle_since = now
        if self._state == WORN:
            self._leave()
        elif self._state == LEAVING:
            self._close_if_idle()
        elif self.entry.settings.idle_timeout > 0:
            self._by(now + self.entry.settings.idle_timeout)
        if self.backlog.tails:
            self.stalls()

    # requests

    def _stream_data(self, event: StreamDataReceived) -> None:
        number = event.stream_id
        if event.end_stream:
            self.quic.forget(number)
        elif self.quic.stopped(number):
            return
        if not stream_is_unidirectional(number) and number not in self.streams and not self._begin(number):
            return
        for found in self.framing.handle_event(event):
            stream = self.streams.get(number)
            if stream is None:
                return
            if isinstance(found, HeadersReceived):
                if stream.headed:
                    self._trailers(stream, found.headers)
                else:
                    stream.headed = True
                    self._head(stream, found.headers, found.stream_ended)
            elif isinstance(found, DataReceived):
                if found.data:
                    stream.take(found.data)
            else:
                continue
            if found.stream_ended and not stream.closed and not stream.remote_ended:
                stream.end_remote()
        begun = self.streams.get(number)
        if event.end_stream and begun is not None and not begun.headed:
            begun.remote_ended = True
            begun.reset(CANCEL)
        if self.quic.ended is None and self.framing.oversize(number):
            self._too_large(number)

    def _begin(self, number: int) -> bool:
        """The first that comes on a stream; False if nobody listens."""
        if not self.quic.takes(number):  # it is over for us
            self.quic.stop(number, NO_ERROR)
            return False
        if number >= self._goaway:
            self.quic.reset_stream(number, REQUEST_REJECTED)
            self.quic.stop(number, REQUEST_REJECTED)
            return False
        now = self.loop.time()
        self._asked = max(self._asked, number)
        self.streams[number] = Http3Stream(self, number, now)
        if len(self.streams) == 1:
            self._alive_due = now + PING_SECONDS
            self._by(self._alive_due)
        if self.entry.settings.read_timeout > 0:
            self._by(now + self.entry.settings.read_timeout)
        return True

    def _head(self, stream: Http3Stream, fields: list[Field], ended: bool) -> None:
        """The client has asked for something."""
        entry = self.entry
        stream.remote_ended = ended
        try:
            if sum([len(name) + len(value) + 32 for name, value in fields]) > entry.head_limit:
                raise BadMessage("the head is too large", 431)
            head = read_head(fields, self._last, entry, self.link, self.trusted)
            request = self._request_from(head)
            if ended and head.block.length:
                raise Malformed("a request without the content that it announces")
        except BadMessage as error:
            self._refuse(stream, error)
            return
        except Malformed:
            entry.refused += 1
            self._spend_reset()
            stream.reset(PROTOCOL_ERROR)
            return
        if not head.upgrade:
            self._last = head
        self._requests += 1
        if entry.limited:
            self._limit()
        cycle = Http3Cycle(self, stream, request, entry.current.snapshot)
        stream.receiver = cycle
        settings = entry.settings
        if head.upgrade:
            stream.pause()  # until there is somebody who takes what the client says beyond its request
        elif not ended:
            due = cycle.started + settings.read_timeout if settings.read_timeout > 0 else NEVER
            cycle.expect_body(head.block.length, due, head.block.expects)
            self._by(due)
        elif settings.write_timeout > 0:
            self.hurry(cycle, cycle.started)
        cycle.dispatch(entry)

    def _request_from(self, head: Head) -> Request:
        request = request_from(head.method, head.target, 1, head.block, self.entry.settings, self.link, self.trusted)
        request.version = 30
        return request

    def _trailers(self, stream: Http3Stream, fields: list[Field]) -> None:
        try:
            stream.trailers = read_trailers(fields)
        except Malformed:
            self.stream_error(stream.id, PROTOCOL_ERROR)

    def _refuse(self, stream: Http3Stream, error: BadMessage) -> None:
        """Answer what is a stream, but no request for anybody."""
        self.entry.refused += 1
        phrase = b"%d %b" % (error.status, reason(error.status))
        stream.answer(
            [
                (b":status", b"%d" % error.status),
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", b"%d" % len(phrase)),
            ],
            phrase,
        )
        if not stream.closed:
            self.drain(stream)

    def _too_large(self, number: int) -> None:
        """A frame that must come whole is too large for that."""
        stream = self.streams.get(number)
        if stream is None or stream.headed:
            self.entry.refused += 1
            self.quic.close(EXCESSIVE_LOAD)
        else:
            stream.headed = True
            self._refuse(stream, BadMessage("the head is too large", 431))

    def _reset_by_client(self, number: int) -> None:
        """The client does not want an answer any more, or has no more to ask."""
        stream = self.streams.get(number)
        if stream is None:
            return
        if not stream.local_ended:
            self._spend_reset()
        receiver = stream.receiver
        stream.reset(CANCEL)
        receiver.gone(CANCEL, True)

    def _spend_reset(self) -> None:
        """Whoever asks for resets, or provokes them, has work done for nothing."""
        if self.quic.ended is None and not self._resets.spend(self._requests):
            self.entry.calmed += 1
            self.quic.close(EXCESSIVE_LOAD)

    def _limit(self) -> None:
        """The request that has come may be the last of this connection (operations.md §2.1)."""
        if self._state == WORN:
            self._leave()
        elif self._state == SERVING and self.entry.wears_out(self._requests, self._opened):
            self._state = WORN

    def __repr__(self) -> str:
        state = ("shaking hands", "serving", "worn", "leaving", "over")[self._state]
        return f"<Http3Protocol {self.link.client} {state}, {self._requests} requests, {len(self.streams)} streams>"


def _kind(ended: ConnectionTerminated) -> str:
    """Why a handshake failed, in the words that are used for TLS over TCP."""
    alert = ended.error_code - int(QuicErrorCode.CRYPTO_ERROR)
    if ended.frame_type is None:
        return "timeout"
    try:
        return tls.AlertDescription(alert).name
    except ValueError:
        return f"quic_error_{ended.error_code:x}"
