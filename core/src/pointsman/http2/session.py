"""One HTTP/2 connection, either end (RFC 9113).

Theory of operation. A session waits for the PREFACE (only towards clients) and the peer's FIRST SETTINGS, then it is OPEN,
until `closed`. Frames are read as they come; a header block that goes on in CONTINUATIONs is collected, and nothing else may
come in between. `streams` holds those that are not over: a stream leaves it when both sides have ended or one has reset it,
and then its receiver gets at most what was kept for it while it was paused. Higher numbers than the highest seen are idle,
all others closed; `_resets` are the last ones that were reset here, whose peer may not know it yet.

What may be sent is bounded by the stream's window, the session's, and the transport. What may not, waits with its stream;
`_ready` are the waiting streams that have a window of their own, and they take turns, a frame each. What was received is
credited to the peer when its receiver has taken it, in steps of half a window.

What the peer can make us do for nothing has a budget (`budget.py`): control frames, empty frames, resets (asked for or
provoked); and nothing of a client is read while what we said is not taken. A server is always read: what it has to say
is what was asked for, it may wait for us to take it before it takes more, and one slow upload must not hold up all answers.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, cast

from pointsman.http2 import frames
from pointsman.http2.budget import CONTROL_FRAMES, CONTROL_FRAMES_PER_SECOND, RESETS, RESETS_PER_SECOND, Budget
from pointsman.http2.contract import NOBODY, Fault, Malformed, Owner, Receiver, ResponseReceiver, SessionSettings
from pointsman.http2.fields import read_status, read_trailers
from pointsman.http2.frames import (
    CANCEL,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FIRST_WINDOW,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HEAD_SIZE,
    HEADERS,
    LARGEST_STREAM,
    LARGEST_WINDOW,
    NO_ERROR,
    PADDED,
    PREFACE,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    SMALLEST_FRAME_LIMIT,
    STREAM_CLOSED,
    WITH_PRIORITY,
    head,
)
from pointsman.http2.hpack import BadBlock, Decoder, Encoder, Field, HeaderBlock

_WAIT_PREFACE: Final = 0
_WAIT_SETTINGS: Final = 1
_OPEN: Final = 2

MAX_CONTINUATIONS: Final = 128
FLUSH_BYTES: Final = 256 * 1024
"""Answers made while frames are read are collected up to here."""
WAITING_BYTES: Final = 16 * 1024 * 1024
"""What may wait for windows in one session before no further stream may begin to wait: a hundred downloads at once are none
too many, and each has what its server sent in one go."""
LARGEST_SENT_FRAME: Final = 64 * 1024
_REMEMBERED_RESETS: Final = 512
_DEFAULT_MAX_STREAMS: Final = 100
_EARNED_PER_FRAME: Final = 4
_unpack_head = frames.HEAD.unpack_from


class Stream:
    """One request and its response."""

    __slots__ = (
        "_answered",
        "_end_came",
        "_end_trailers",
        "_held",
        "_kept",
        "_owed",
        "_pending",
        "closed",
        "credit",
        "id",
        "local_ended",
        "paused",
        "receiver",
        "remote_ended",
        "session",
        "waiting",
        "waiting_since",
        "window",
    )

    def __init__(self, session: "Session", number: int, window: int, credit: int) -> None:
        self.id = number
        self.session = session
        self.receiver: Receiver = NOBODY
        """Set by whoever takes the stream."""
        self.window = window
        """What the peer lets us send."""
        self.credit = credit
        """What we let the peer send."""
        self.local_ended = self.remote_ended = self.closed = self.paused = False
        self.waiting = 0
        """Bytes that wait to be sent."""
        self.waiting_since = 0.0
        """The clock when they began to wait, or when some of them were last sent; 0 if none do."""
        self._pending: deque[bytes] | None = None
        self._end_trailers: list[Field] | None = None
        self._end_came: list[Field] | None = None
        self._answered = False
        self._owed = 0
        self._kept = 0
        self._held: bytearray | None = None

    # sending

    def send_headers(self, block: bytes, end: bool = False) -> None:
        """A block that `session.encoder` has just made."""
        session = self.session
        if self.closed:
            return
        session.frames_sent += 1
        session.emit(frames.headers(self.id, block, end, session.frame_limit))
        if end:
            self._end_local()

    def answer(self, block: bytes, content: bytes) -> None:
        """A whole response: its head and all of its body."""
        session = self.session
        size = len(content)
        if (
            not size
            or size > self.window
            or size > session.window
            or size > session.frame_limit
            or session.write_paused
            or len(block) > SMALLEST_FRAME_LIMIT
        ):
            self.send_headers(block, not content)
            self.send_data(content, True)
            return
        if self.closed:
            return
        number = self.id
        self.window -= size
        session.window -= size
        session.emit(
            b"".join(
                (head(len(block) << 8 | HEADERS, END_HEADERS, number), block, head(size << 8, END_STREAM, number), content)
            )
        )
        session.frames_sent += 2
        self._end_local()

    def send_data(self, chunk: bytes, end: bool = False) -> None:
        """A piece of the body, the last if `end`. What cannot be sent at once is kept, and the receiver paused meanwhile."""
        if self.closed or not chunk:
            return
        session = self.session
        size = len(chunk)
        if size > self.window or size > session.window or size > session.frame_limit or session.write_paused or self.waiting:
            self._wait(chunk, end)
            return
        self.window -= size
        session.window -= size
        session.frames_sent += 1
        session.emit(head(size << 8, END_STREAM if end else 0, self.id) + chunk)
        if end:
            self._end_local()

    def end(self, trailers: Iterable[Field] = ()) -> None:
        """Nothing more comes from us, after what waits has been sent."""
        if self.closed or self.local_ended:
            return
        if self.waiting:
            self._end_trailers = list(trailers)
            return
        session = self.session
        fields = list(trailers)
        if fields:
            session.emit(frames.headers(self.id, session.encoder.encode(fields), True, session.frame_limit))
        else:
            session.emit(head(0, END_STREAM, self.id))
        self._end_local()

    def reset(self, code: int = CANCEL) -> None:
        """Give it up. The receiver is not told."""
        if not self.closed:
            self.session.emit(frames.rst_stream(self.id, code))
            self.session.forget(self, by_us=True)
        self.drop()

    def _end_local(self) -> None:
        self.local_ended = True
        if self.remote_ended:
            self.session.forget(self)

    def _wait(self, chunk: bytes, end: bool) -> None:
        session = self.session
        first = not self.waiting
        if first and session.waiting > WAITING_BYTES and not session._client:
            session.give_up(self, ENHANCE_YOUR_CALM)
            return
        if self._pending is None:
            self._pending = deque()
        self._pending.append(chunk)
        self.waiting += len(chunk)
        session.waiting += len(chunk)
        if end:
            self._end_trailers = []
        if first:
            self.waiting_since = session.clock()
            if self.window > 0:
                session.make_ready(self)
            if self.waiting:
                self.receiver.pause()

    def send_some(self, most: int) -> None:
        """Send up to `most` bytes of what waits, within the windows, as one frame."""
        session = self.session
        size = min(most, self.waiting, self.window, session.window)
        self.window -= size
        session.window -= size
        self.waiting -= size
        session.waiting -= size
        session.frames_sent += 1
        trailers = self._end_trailers
        ending = not self.waiting and trailers is not None and not trailers
        session.emit(b"".join([head(size << 8, END_STREAM if ending else 0, self.id), *self._take(size)]))
        if self.waiting:
            self.waiting_since = session.clock()
            return
        self.waiting_since = 0.0
        if trailers is None:
            self.receiver.resume()
            return
        if trailers:
            session.emit(frames.headers(self.id, session.encoder.encode(trailers), True, session.frame_limit))
        self._end_local()
        self.receiver.sent()

    def _take(self, size: int) -> list[bytes]:
        """The first `size` bytes of what waits."""
        pending = self._pending
        assert pending is not None
        pieces = []
        while size:
            piece = pending[0]
            if len(piece) > size:
                pending[0] = piece[size:]
                piece = piece[:size]
            else:
                pending.popleft()
            pieces.append(piece)
            size -= len(piece)
        return pieces

    # receiving

    @property
    def end_told(self) -> bool:
        """Whether the peer's side has ended, and nothing that came before the end is kept here."""
        return self.remote_ended and self._end_came is None

    def pause(self) -> None:
        """Take no more for now: the peer gets no further window."""
        self.paused = True

    def resume(self) -> None:
        """What was kept meanwhile comes at once, and the peer gets its window back."""
        if not self.paused:
            return
        self.paused = False
        held, self._held = self._held, None
        if held:
            if not self.closed:
                self._kept += len(held)
            self.receiver.data(bytes(held))
            if self.paused:  # again, in its turn
                return
        kept, self._kept = self._kept, 0
        if kept:
            self.session.credit(self, kept)
        trailers, self._end_came = self._end_came, None
        if trailers is not None:
            self.receiver.ended(trailers)

    def take(self, chunk: bytes, size: int) -> None:
        """A piece of the body has come, in frames of `size` bytes all in all."""
        if self.paused:
            if self._held is None:
                self._held = bytearray()
            self._held += chunk
            self._kept += size - len(chunk)
            return
        self.receiver.data(chunk)
        if self.paused and not self.closed:  # whoever got it keeps it for now
            self._kept += size
        else:
            self.session.credit(self, size)

    def end_remote(self, trailers: list[Field]) -> None:
        """The peer's side has ended."""
        self.remote_ended = True
        if self.local_ended:
            self.session.forget(self)
        if self._held:
            self._end_came = trailers
        else:
            self.receiver.ended(trailers)

    def settled(self) -> int:
        """The stream is over: how many bytes of the connection's window it had, which the others get back.

        Whoever keeps some of them, or has not taken them yet, may be slow about it; the peer cannot send more here.
        """
        kept, self._kept = self._kept + len(self._held or b""), 0
        return kept

    def drop(self) -> None:
        """Nobody wants what is held here."""
        self._held = self._end_came = None

    def __repr__(self) -> str:
        sides = f"{'ended' if self.remote_ended else 'open'} there, {'ended' if self.local_ended else 'open'} here"
        return f"<Stream {self.id} {'over' if self.closed else sides}, {self.waiting} bytes wait>"


class Session:
    """One connection's framing, windows and streams."""

    __slots__ = (
        "_acked",
        "_buffer",
        "_client",
        "_control",
        "_corked",
        "_credit",
        "_gathered",
        "_gathered_bytes",
        "_gatherer",
        "_highest",
        "_last_taken",
        "_next_stream",
        "_out",
        "_out_bytes",
        "_owed",
        "_owner",
        "_partial",
        "_partial_count",
        "_partial_flags",
        "_partial_stream",
        "_peer_max_streams",
        "_peer_window",
        "_phase",
        "_ready",
        "_reset_budget",
        "_resets",
        "_skipped",
        "clock",
        "closed",
        "completed",
        "connect_protocol",
        "decoder",
        "encoder",
        "frame_limit",
        "frames_sent",
        "going_away",
        "last_stream",
        "lingering",
        "settings",
        "streams",
        "waiting",
        "window",
        "write_paused",
    )

    def __init__(self, owner: Owner, settings: SessionSettings, *, client: bool = False, clock: Callable[[], float]) -> None:
        self._owner = owner
        self._client = client
        self.settings = settings
        self.clock = clock
        self.decoder = Decoder(settings.header_limit, max(4096, settings.decoder_table))
        self.encoder = Encoder(settings.encoder_table)
        self.streams: dict[int, Stream] = {}
        self.last_stream = 0
        """The highest stream the peer has begun and we have taken."""
        self._highest = 0
        self.lingering = 0
        """Streams that are over while the work for them is not: the owner counts them, and they count as open."""
        self.completed = 0
        """Streams that ended on both sides."""
        self.frames_sent = 0
        self.window = FIRST_WINDOW
        """What the peer lets us send, on all streams together."""
        self.waiting = 0
        """Bytes that wait to be sent, of all streams."""
        self.write_paused = False
        self.closed = False
        self.going_away = False
        """The peer takes, or gives, no more streams."""
        self.connect_protocol = False
        """Whether the peer understands extended CONNECT (RFC 8441)."""
        self.frame_limit = SMALLEST_FRAME_LIMIT
        """The largest frame to send."""
        self._credit = settings.session_window
        self._owed = 0
        self._peer_window = FIRST_WINDOW
        self._peer_max_streams = _DEFAULT_MAX_STREAMS
        self._next_stream = 1
        self._last_taken = LARGEST_STREAM
        self._acked = False
        self._phase = _WAIT_SETTINGS if client else _WAIT_PREFACE
        self._buffer = b""
        self._corked = False
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._ready: dict[int, Stream] = {}
        self._resets: dict[int, None] = {}
        self._skipped: set[int] = set()
        self._gatherer: Stream | None = None
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._partial = bytearray()
        self._partial_stream = 0
        self._partial_flags = 0
        self._partial_count = 0
        self._control = Budget(CONTROL_FRAMES, CONTROL_FRAMES_PER_SECOND, clock)
        self._reset_budget = Budget(RESETS, RESETS_PER_SECOND, clock)

    # what the owner calls

    def start(self) -> None:
        """Say what we allow: the first thing on the wire."""
        settings = self.settings
        values = [
            (frames.MAX_CONCURRENT_STREAMS, settings.max_streams),
            (frames.INITIAL_WINDOW_SIZE, settings.stream_window),
            (frames.MAX_HEADER_LIST_SIZE, settings.header_limit),
        ]
        if settings.decoder_table != 4096:
            values.append((frames.HEADER_TABLE_SIZE, settings.decoder_table))
        if self._client:
            values[0] = (frames.ENABLE_PUSH, 0)
        elif settings.connect_protocol:
            values.append((frames.ENABLE_CONNECT_PROTOCOL, 1))
        first = (PREFACE if self._client else b"") + frames.settings(values)
        if settings.session_window > FIRST_WINDOW:
            first += frames.window_update(0, settings.session_window - FIRST_WINDOW)
        self.emit(first)

    @property
    def settled(self) -> bool:
        """Whether the peer has acknowledged our SETTINGS."""
        return self._acked

    @property
    def receiving_headers(self) -> bool:
        """Whether a header block, or another frame, has begun to come and is not here whole."""
        return self._partial_stream > 0 or (bool(self._buffer) and not self.write_paused)

    @property
    def capacity(self) -> int:
        """How many more streams may be begun now."""
        if self.closed or self.going_away or self._next_stream > LARGEST_STREAM:
            return 0
        return max(0, self._peer_max_streams - len(self.streams))

    def request(self, fields: Iterable[Field], receiver: ResponseReceiver, end: bool = False) -> Stream:
        """Begin a stream towards a server. `capacity` must be above 0."""
        number = self._next_stream
        self._next_stream += 2
        stream = self.streams[number] = Stream(self, number, self._peer_window, self.settings.stream_window)
        stream.receiver = receiver
        stream.send_headers(self.encoder.encode(fields), end)
        return stream

    def ping(self, payload: bytes) -> None:
        """8 bytes that come back in `owner.pong`."""
        self.emit(frames.ping(payload))

    def announce_shut(self) -> None:
        """Tell a client to begin no more streams; those that are on their way are still taken (§6.8)."""
        self.emit(frames.goaway(LARGEST_STREAM, NO_ERROR))

    def shut(self, code: int = NO_ERROR) -> None:
        """Take no more streams than have come; those go on."""
        if self._last_taken == LARGEST_STREAM and not self.closed:
            self._last_taken = self.last_stream
            self.emit(frames.goaway(self.last_stream, code))

    def pause_writing(self) -> None:
        """The transport can take no more."""
        self.write_paused = True

    def resume_writing(self) -> None:
        self.write_paused = False
        self._send_waiting()
        if self._buffer and not self.write_paused and not self.closed:
            self.receive(b"")

    def lost(self) -> list[Stream]:
        """The transport is gone, or of no use: forget everything. The streams that were not over."""
        self.closed = True
        streams = list(self.streams.values())
        self.streams.clear()
        self._ready.clear()
        self._buffer = b""
        for stream in streams:
            stream.closed = True
        return streams

    def receive(self, data: bytes) -> None:
        """Take what came from the peer."""
        if self.closed:
            return
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        at, size = 0, len(data)
        self._corked = True
        fault: Fault | None = None
        try:
            if self._phase == _WAIT_PREFACE:
                if not self._preface(data):
                    self._buffer = data
                    return
                at = len(PREFACE)
            while size - at >= HEAD_SIZE and (not self.write_paused or self._client) and not self.closed:
                word, flags, number = _unpack_head(data, at)
                length = word >> 8
                if length > SMALLEST_FRAME_LIMIT:
                    raise Fault(FRAME_SIZE_ERROR, "a frame larger than allowed")
                begin = at + HEAD_SIZE
                end = begin + length
                if end > size:
                    break
                at = end
                self._frame(word & 0xFF, flags, number & LARGEST_STREAM, data[begin:end])
            if self._gatherer is not None:
                self._give_gathered()
        except Fault as problem:
            fault = problem
        finally:
            self._corked = False
        if fault is not None:
            self._fail(fault)
        else:
            if at < size and not self.closed:
                self._buffer = data[at:] if at else data
            if self._out:
                self._flush()

    # frames in

    def _preface(self, data: bytes) -> bool:
        """Whether the client's preface is here (§3.4)."""
        if data.startswith(PREFACE):
            self._phase = _WAIT_SETTINGS
            return True
        if not PREFACE.startswith(data):
            raise Fault(PROTOCOL_ERROR, "not the preface of HTTP/2")
        return False

    def _frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if self._partial_stream:
            if kind != CONTINUATION or number != self._partial_stream:
                raise Fault(PROTOCOL_ERROR, "a header block was interrupted")
        elif self._phase != _OPEN:
            if kind != frames.SETTINGS or flags & frames.ACK:
                raise Fault(PROTOCOL_ERROR, "the first frame is not SETTINGS")
            self._phase = _OPEN
            self._on_settings(flags, number, payload)
            self._owner.ready()
            return
        if kind == DATA:
            self._on_data(flags, number, payload)
            return
        if self._gatherer is not None:
            self._give_gathered()
        if kind == HEADERS:
            self._on_headers(flags, number, payload)
        elif kind < len(_HANDLERS):
            _HANDLERS[kind](self, flags, number, payload)
        else:
            self._strain()

    def _strain(self) -> None:
        """The peer had us do something that is of no use to a request."""
        if not self._control.spend(self.frames_sent * _EARNED_PER_FRAME):
            raise Fault(ENHANCE_YOUR_CALM, "too many control frames")

    def _on_data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        if not number:
            raise Fault(PROTOCOL_ERROR, "DATA on stream 0")
        self._credit -= size
        if self._credit < 0:
            raise Fault(FLOW_CONTROL_ERROR, "more DATA than the connection's window")
        stream = self.streams.get(number)
        if flags & PADDED:
            payload = _unpadded(payload)
        if not payload and not flags & END_STREAM:
            self._strain()
        if stream is None or stream.remote_ended:
            self._give_gathered()
            self._return_credit(size)
            self._on_closed(number)
            return
        stream.credit -= size
        if stream.credit < 0:
            self._give_gathered()
            self._return_credit(size)
            self.stream_error(number, FLOW_CONTROL_ERROR)
            return
        if self._client and not stream._answered:
            self._give_gathered()
            self._return_credit(size)
            self.stream_error(number, PROTOCOL_ERROR)
            return
        if self._gatherer is not stream:
            self._give_gathered()
            self._gatherer = stream
        self._gathered.append(payload)
        self._gathered_bytes += size
        if flags & END_STREAM:
            self._give_gathered()
            if not stream.closed:
                stream.end_remote([])

    def _give_gathered(self) -> None:
        """Data that came in several frames are given together."""
        stream, self._gatherer = self._gatherer, None
        if stream is None:
            return
        pieces, size = self._gathered, self._gathered_bytes
        self._gathered, self._gathered_bytes = [], 0
        if stream.closed:
            self._return_credit(size)
        elif size:
            stream.take(pieces[0] if len(pieces) == 1 else b"".join(pieces), size)

    def credit(self, stream: Stream, size: int) -> None:
        """The peer gets its window back, in big steps."""
        self._return_credit(size)
        if not stream.remote_ended and not stream.closed:
            stream._owed += size
            if stream._owed * 2 >= self.settings.stream_window:
                stream.credit += stream._owed
                self.emit(frames.window_update(stream.id, stream._owed))
                stream._owed = 0

    def _return_credit(self, size: int) -> None:
        self._owed += size
        if size and self._owed * 2 >= self.settings.session_window and not self.closed:
            self._credit += self._owed
            self.emit(frames.window_update(0, self._owed))
            self._owed = 0

    def _on_headers(self, flags: int, number: int, payload: bytes) -> None:
        if not number:
            raise Fault(PROTOCOL_ERROR, "HEADERS on stream 0")
        depends = 0
        if flags & PADDED:
            payload = _unpadded(payload)
        if flags & WITH_PRIORITY:
            if len(payload) < 5:
                raise Fault(FRAME_SIZE_ERROR, "HEADERS too short for a priority")
            depends = frames.NUMBER.unpack_from(payload)[0] & LARGEST_STREAM
            payload = payload[5:]
        if flags & END_HEADERS:
            self._on_block(number, payload, flags & END_STREAM > 0, depends == number)
        else:
            self._partial_stream = number
            self._partial_flags = flags & END_STREAM | (0x100 if depends == number else 0)
            self._partial += payload

    def _on_continuation(self, flags: int, number: int, payload: bytes) -> None:
        if not self._partial_stream:
            raise Fault(PROTOCOL_ERROR, "CONTINUATION of nothing")
        partial = self._partial
        partial += payload
        self._partial_count += 1
        if len(partial) > self.settings.header_limit or self._partial_count > MAX_CONTINUATIONS:
            raise Fault(ENHANCE_YOUR_CALM, "a header block beyond all bounds")
        if flags & END_HEADERS:
            ended, selfish = self._partial_flags & END_STREAM > 0, self._partial_flags & 0x100 > 0
            block = bytes(partial)
            partial.clear()
            self._partial_stream = self._partial_count = 0
            self._on_block(number, block, ended, selfish)

    def _on_block(self, number: int, data: bytes, ended: bool, selfish: bool) -> None:
        """A whole header block: a request, a response, trailers, or something for a stream that is over."""
        try:
            block = self.decoder.decode(data)
        except BadBlock as error:
            raise Fault(COMPRESSION_ERROR, str(error)) from None
        stream = self.streams.get(number)
        if stream is None:
            if self._client or not number & 1 or number <= self._highest:
                self._on_closed(number, headers=True)
            else:
                self._on_request(number, block, ended, selfish)
        elif stream.remote_ended:
            self.stream_error(number, STREAM_CLOSED)
        elif selfish or block.oversize:
            self.stream_error(number, PROTOCOL_ERROR)
        else:
            try:
                if not self._client or stream._answered:
                    if not ended:
                        raise Malformed("trailers that do not end the stream")
                    stream.end_remote(read_trailers(block.fields))
                else:
                    self._on_response(stream, block, ended)
            except Malformed:
                self.stream_error(number, PROTOCOL_ERROR)

    def _on_request(self, number: int, block: HeaderBlock, ended: bool, selfish: bool) -> None:
        if number != self._highest + 2 and number > 1 and len(self._skipped) < _REMEMBERED_RESETS:
            self._skipped.update(range(self._highest + 1 | 1, min(number, self._highest + 2 * _REMEMBERED_RESETS), 2))
        self._highest = number
        if number > self._last_taken:  # it came after our GOAWAY: the client knows that nothing was done
            self._remember_reset(number)
            return
        self.last_stream = number
        if selfish:
            self.stream_error(number, PROTOCOL_ERROR)
            return
        if len(self.streams) + self.lingering >= self.settings.max_streams:
            self.stream_error(number, REFUSED_STREAM)
            return
        stream = self.streams[number] = Stream(self, number, self._peer_window, self.settings.stream_window)
        stream.remote_ended = ended
        try:
            self._owner.opened(stream, block, ended)
        except Malformed:
            self.stream_error(number, PROTOCOL_ERROR)

    def _on_response(self, stream: Stream, block: HeaderBlock, ended: bool) -> None:
        status, fields = read_status(block)
        receiver = cast(ResponseReceiver, stream.receiver)
        if status < 200:
            if ended or status == 101:
                raise Malformed("an interim response that is none")
            receiver.interim(status, fields)
            return
        stream._answered = True
        if ended:
            stream.remote_ended = True
            if stream.local_ended:
                self.forget(stream)
        receiver.answered(status, fields, ended)

    def _on_closed(self, number: int, headers: bool = False) -> None:
        """DATA or HEADERS for a stream that is not open (§5.1)."""
        if self._is_idle(number):
            raise Fault(PROTOCOL_ERROR, "a frame on a stream that nobody has begun")
        if number in self._resets:  # the peer did not know yet
            return
        if headers and number in self._skipped:
            raise Fault(PROTOCOL_ERROR, "a stream number lower than one before it")
        if headers and number not in self.streams:
            raise Fault(STREAM_CLOSED, "HEADERS on a stream that is over")
        self.stream_error(number, STREAM_CLOSED)

    def _is_idle(self, number: int) -> bool:
        if self._client:
            return not number & 1 or number >= self._next_stream
        return not number & 1 or number > self._highest

    def _on_priority(self, flags: int, number: int, payload: bytes) -> None:
        if not number:
            raise Fault(PROTOCOL_ERROR, "PRIORITY on stream 0")
        self._strain()
        code = FRAME_SIZE_ERROR if len(payload) != 5 else PROTOCOL_ERROR
        if len(payload) == 5 and frames.NUMBER.unpack_from(payload)[0] & LARGEST_STREAM != number:
            return  # read, and not heeded (§5.3.2)
        if number not in self.streams:
            raise Fault(code, "a PRIORITY frame that is none")
        self.stream_error(number, code)

    def _on_rst_stream(self, flags: int, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Fault(FRAME_SIZE_ERROR, "RST_STREAM of a wrong size")
        if not number or self._is_idle(number):
            raise Fault(PROTOCOL_ERROR, "RST_STREAM on a stream that nobody has begun")
        stream = self.streams.get(number)
        if stream is None:
            self._strain()
            return
        self.forget(stream, reset=True)
        stream.drop()
        stream.receiver.gone(frames.NUMBER.unpack(payload)[0], True)
        self._count_reset()

    def _on_settings(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise Fault(PROTOCOL_ERROR, "SETTINGS on a stream")
        if flags & frames.ACK:
            if payload:
                raise Fault(FRAME_SIZE_ERROR, "SETTINGS with ACK and a payload")
            self._acked = True
            self.decoder.table_size = self.settings.decoder_table
            return
        if len(payload) % 6:
            raise Fault(FRAME_SIZE_ERROR, "SETTINGS of a wrong size")
        self._strain()
        for key, value in frames.SETTING.iter_unpack(payload):
            self._set(key, value)
        self.emit(frames.SETTINGS_ACK)

    def _set(self, key: int, value: int) -> None:
        if key == frames.HEADER_TABLE_SIZE:
            self.encoder.resize(value)
        elif key == frames.INITIAL_WINDOW_SIZE:
            if value > LARGEST_WINDOW:
                raise Fault(FLOW_CONTROL_ERROR, "an initial window that is too large")
            change, self._peer_window = value - self._peer_window, value
            if not change:
                return
            self._strain()
            for stream in list(self.streams.values()):
                stream.window += change
                if stream.window > LARGEST_WINDOW:
                    raise Fault(FLOW_CONTROL_ERROR, "a window that is too large")
                if stream.waiting:
                    self.make_ready(stream) if stream.window > 0 else self._ready.pop(stream.id, None)
        elif key == frames.MAX_FRAME_SIZE:
            if not SMALLEST_FRAME_LIMIT <= value <= frames.LARGEST_FRAME_LIMIT:
                raise Fault(PROTOCOL_ERROR, "a frame size out of bounds")
            self.frame_limit = min(value, LARGEST_SENT_FRAME)
        elif key == frames.MAX_CONCURRENT_STREAMS:
            self._peer_max_streams = value
        elif key == frames.ENABLE_PUSH:
            if value > 1 or (value and self._client):
                raise Fault(PROTOCOL_ERROR, "ENABLE_PUSH that is neither 0 nor 1")
        elif key == frames.ENABLE_CONNECT_PROTOCOL:
            if value > 1 or (self.connect_protocol and not value):
                raise Fault(PROTOCOL_ERROR, "ENABLE_CONNECT_PROTOCOL that is neither 0 nor 1, or taken back")
            self.connect_protocol = value == 1

    def _on_push_promise(self, flags: int, number: int, payload: bytes) -> None:
        raise Fault(PROTOCOL_ERROR, "PUSH_PROMISE, which nobody may send here")

    def _on_ping(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise Fault(PROTOCOL_ERROR, "PING on a stream")
        if len(payload) != 8:
            raise Fault(FRAME_SIZE_ERROR, "PING of a wrong size")
        self._strain()
        if flags & frames.ACK:
            self._owner.pong(payload)
        else:
            self.emit(frames.ping(payload, True))

    def _on_goaway(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise Fault(PROTOCOL_ERROR, "GOAWAY on a stream")
        if len(payload) < 8:
            raise Fault(FRAME_SIZE_ERROR, "GOAWAY of a wrong size")
        self._strain()
        self.going_away = True
        last, code = frames.NUMBER.unpack_from(payload)[0] & LARGEST_STREAM, frames.NUMBER.unpack_from(payload, 4)[0]
        if self._client:
            for stream in [stream for stream in self.streams.values() if stream.id > last]:
                self.forget(stream, reset=True)
                stream.drop()
                stream.receiver.gone(REFUSED_STREAM, True)
        self._owner.goaway(last, code, payload[8:])

    def _on_window_update(self, flags: int, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Fault(FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong size")
        self._strain()
        increment = frames.NUMBER.unpack(payload)[0] & LARGEST_WINDOW
        if not number:
            self.window += increment
            if not increment or self.window > LARGEST_WINDOW:
                code = FLOW_CONTROL_ERROR if increment else PROTOCOL_ERROR
                raise Fault(code, "an increment of 0, or a window that is too large")
            self._send_waiting()
            return
        stream = self.streams.get(number)
        if stream is None:
            if self._is_idle(number):
                raise Fault(PROTOCOL_ERROR, "WINDOW_UPDATE on a stream that nobody has begun")
            return
        stream.window += increment
        if not increment or stream.window > LARGEST_WINDOW:
            self.stream_error(number, FLOW_CONTROL_ERROR if increment else PROTOCOL_ERROR)
        elif stream.waiting and stream.window > 0:
            self.make_ready(stream)

    # frames out

    def emit(self, data: bytes) -> None:
        """Frames for the peer: at once, or, while we read, with all that follows from what has come."""
        if self.closed:
            return
        if not self._corked:
            self._owner.send(data)
            return
        self._out.append(data)
        self._out_bytes += len(data)
        if self._out_bytes > FLUSH_BYTES:
            self._flush()

    def cork(self) -> bool:
        """Collect what is emitted until `uncork`; False if it is being collected already, and not to be uncorked."""
        if self._corked:
            return False
        self._corked = True
        return True

    def uncork(self) -> None:
        self._corked = False
        if self._out:
            self._flush()

    def _flush(self) -> None:
        out, self._out = self._out, []
        self._out_bytes = 0
        self._owner.send(out[0] if len(out) == 1 else b"".join(out))

    def make_ready(self, stream: Stream) -> None:
        """It waits, and has a window: its turn comes."""
        self._ready[stream.id] = stream
        self._send_waiting()

    def _send_waiting(self) -> None:
        """A frame of each waiting stream in turn, as long as the connection's window and the transport allow."""
        ready = self._ready
        corked = bool(ready) and self.cork()
        while ready and self.window > 0 and not self.write_paused and not self.closed:
            number = next(iter(ready))
            stream = ready.pop(number)
            stream.send_some(self.frame_limit)
            if stream.waiting and stream.window > 0 and not stream.closed:
                ready[number] = stream
        if corked:
            self.uncork()

    # endings

    def forget(self, stream: Stream, reset: bool = False, by_us: bool = False) -> None:
        """The stream is over: by itself, or reset by one side."""
        stream.closed = True
        number = stream.id
        if self.streams.pop(number, None) is None:
            return
        self._return_credit(stream.settled())
        if stream.waiting:
            self.waiting -= stream.waiting
            stream.waiting = 0
            stream._pending = None
            self._ready.pop(number, None)
        if by_us:
            self._remember_reset(number)
        elif not reset:
            self.completed += 1
        if not self.streams:
            self._owner.idle()

    def stream_error(self, number: int, code: int) -> None:
        """The peer broke a rule that concerns one stream only (§5.4.2)."""
        self.emit(frames.rst_stream(number, code))
        stream = self.streams.get(number)
        if stream is not None:
            self.forget(stream, by_us=True)
            stream.drop()
            stream.receiver.gone(code, False)
        else:
            self._remember_reset(number)
        self._count_reset()

    def _remember_reset(self, number: int) -> None:
        self._resets[number] = None
        if len(self._resets) > _REMEMBERED_RESETS:
            del self._resets[next(iter(self._resets))]

    def give_up(self, stream: Stream, code: int) -> None:
        """Reset a stream for what its peer does not do."""
        stream.reset(code)
        stream.receiver.gone(code, False)

    def _count_reset(self) -> None:
        """Whoever asks for resets, or provokes them, has work done for nothing (CVE-2023-44487, CVE-2025-8671)."""
        if not self._client and not self._reset_budget.spend(self.completed):
            raise Fault(ENHANCE_YOUR_CALM, "too many resets")

    def _fail(self, fault: Fault) -> None:
        self.emit(frames.goaway(self.last_stream, fault.code, str(fault).encode()))
        if self._out:
            self._flush()
        self.closed = True
        self._owner.failed(fault.code, str(fault))

    def __repr__(self) -> str:
        role = "client" if self._client else "server"
        return f"<Session as {role}, {len(self.streams)} streams, {self.waiting} bytes wait>"


def _unpadded(payload: bytes) -> bytes:
    if not payload:
        raise Fault(FRAME_SIZE_ERROR, "a padded frame without its padding")
    padding = payload[0]
    if padding >= len(payload):
        raise Fault(PROTOCOL_ERROR, "more padding than frame")
    return payload[1 : len(payload) - padding]


_HANDLERS: Final[tuple[Callable[[Session, int, int, bytes], None], ...]] = (
    Session._on_data,
    Session._on_headers,
    Session._on_priority,
    Session._on_rst_stream,
    Session._on_settings,
    Session._on_push_promise,
    Session._on_ping,
    Session._on_goaway,
    Session._on_window_update,
    Session._on_continuation,
)
