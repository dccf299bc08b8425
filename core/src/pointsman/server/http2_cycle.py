"""An exchange over HTTP/2: how its head and body are written, and the stream's news for it."""

import asyncio
import base64
import hashlib
from collections.abc import Iterable
from functools import cache
from time import monotonic
from typing import Any, Final, Protocol

from pointsman import wire
from pointsman.deadlines import NEVER
from pointsman.dialect.grpc import is_grpc
from pointsman.errors import ClientGone, GatewayError
from pointsman.http2.contract import NOBODY, Nobody, Receiver
from pointsman.http2.frames import CANCEL, INTERNAL_ERROR, NO_ERROR, PROTOCOL_ERROR
from pointsman.http2.hpack import Field, literal
from pointsman.http2.session import Stream
from pointsman.message import NOTHING, Body, HeaderList, Headers, Parsed, Request, Response, Tunnel
from pointsman.routing.snapshot import Snapshot
from pointsman.server.cycle import Cycle
from pointsman.server.grpc import trailers_only

DRAIN_BYTES: Final = 256 * 1024
_INDEXED: Final = {200: b"\x88", 204: b"\x89", 206: b"\x8a", 304: b"\x8b", 400: b"\x8c", 404: b"\x8d", 500: b"\x8e"}
_OF_UPGRADES: Final = frozenset((b"connection", b"upgrade", b"sec-websocket-accept"))
_WEBSOCKET_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Statuses(dict[int, bytes]):
    """Status -> its field, encoded, and what goes with every answer."""

    def __init__(self, alt_svc: bytes) -> None:
        self.rest = literal(b"alt-svc", alt_svc) if alt_svc else b""

    def __missing__(self, status: int) -> bytes:
        field = self[status] = (_INDEXED.get(status) or literal(b":status", b"%d" % status)) + self.rest
        return field


@cache
def statuses_with(alt_svc: bytes) -> Statuses:
    """Those of an entry point that is reached over HTTP/3, too; b"" for all others."""
    return Statuses(alt_svc)


class _Lengths(dict[int, bytes]):
    """Length -> the Content-Length field, encoded."""

    def __missing__(self, length: int) -> bytes:
        field = literal(b"content-length", b"%d" % length)
        if length < 4096:
            self[length] = field
        return field


_LENGTHS: Final = _Lengths()
_date: tuple[bytes, bytes] = (b"", b"")


def _date_field() -> bytes:
    """`Date` for now, encoded; made once a second."""
    global _date
    line = wire.date_line()
    if _date[0] is not line:
        _date = (line, literal(b"date", line.partition(b": ")[2]))
    return _date[1]


def sent_on(parsed: Parsed) -> HeaderList:
    """The lines of a server's head that go on: those that have a wire form in HTTP/1."""
    return [line[0] for line in parsed.lines if line[2]] + parsed.added


def written(headers: Headers) -> HeaderList:
    prefixes = wire.RESPONSE_PREFIXES
    return [pair for pair in headers.raw if prefixes[pair[0]]]


class ServedStream(Protocol):
    """What an exchange asks of its stream, whichever version frames it. Codes are HTTP/2's."""

    id: int
    session: Any
    receiver: Receiver
    local_ended: bool
    remote_ended: bool
    closed: bool

    @property
    def end_told(self) -> bool: ...
    def send_headers(self, block: Any, end: bool = False, /) -> None: ...
    def answer(self, block: Any, content: bytes, /) -> None: ...
    def send_data(self, chunk: bytes, end: bool = False, /) -> None: ...
    def end(self, trailers: Iterable[Field] = (), /) -> None: ...
    def reset(self, code: int = CANCEL, /) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class ServedConnection(Protocol):
    """What an exchange asks of its connection."""

    statuses: Statuses

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...
    def stalls(self) -> None: ...
    def drain(self, stream: Any, /) -> None: ...
    def linger(self, task: "asyncio.Task[None]", /) -> None: ...
    def hurry(self, cycle: Any, now: float, /) -> None: ...


class Http2Cycle(Cycle):
    """An exchange on one stream. The source of the request's body, and the sink of the response's."""

    __slots__ = (
        "_left",
        "_length",
        "_paused",
        "_request_body",
        "_upload_left",
        "protocol",
        "read_due",
        "stream",
        "write_due",
    )

    def __init__(self, protocol: ServedConnection, stream: ServedStream, request: Request, snapshot: Snapshot) -> None:
        loop = protocol.loop  # all of `Cycle` is set here too: a call less per request
        self.request = request
        self.router = self.service = ""
        self.status = self.bytes_in = self.bytes_out = self.origin_bytes = self.attempts = self.retries = self.tentative = 0
        self.started = monotonic()
        self.finished = 0.0
        self.error = self.upstream = self.server = None
        self.observer = self.noted = self.attempt = self.span = self.response = self.trailers = None
        self.tried = ()
        self.user = None
        self.request_id = b""
        self.loop = loop
        self.snapshot = snapshot
        self._task = self._pending = self._body = None
        self.open = True
        self.head_sent = False
        request.exchange = self
        snapshot.holders += 1
        self.protocol = protocol
        self.stream = stream
        self.read_due = NEVER
        """The loop's time by which the request's body must be here ..."""
        self.write_due = NEVER
        """... and by which the answer must be out."""
        self._request_body = NOTHING
        self._upload_left: int | None = None
        self._left: int | None = None
        self._paused = False

    # the answer

    def respond(self, response: Response) -> None:
        try:
            content = response.content
            parsed = response.headers.parsed
            status = response.status
            if (
                content is None
                or parsed is None
                or not self.open
                or self.head_sent
                or status < 200
                or status == 204
                or status == 304
                or self.request.method == b"HEAD"
            ):
                self._respond(response)
                return
            # the usual: all of it is here, and nobody touched the headers
            self.status = status
            self.response = response
            self._pending = None
            self.head_sent = True
            self.bytes_out = length = len(content)
            stream = self.stream
            rest = _LENGTHS[length] if parsed.seen & wire.DATE else _date_field() + _LENGTHS[length]
            first = self.protocol.statuses[status]
            stream.answer(stream.session.encoder.encode_kept(first, parsed, sent_on, rest), content)
            if stream.local_ended or stream.closed:
                self.finish()
        except Exception as error:
            self._unwritable(error)

    def _respond(self, response: Response) -> None:
        if not self.open or self.head_sent:
            response.body.abandon()
            if response.tunnel is not None:
                response.tunnel.close()
            return
        refusal = response.status != 200 and self._is_refusal_of_grpc(response)
        if refusal:
            response = trailers_only(response, self.error)
        self._pending = None
        status = self.status = response.status
        self.response = response
        if status < 200:
            if status != 101 or response.tunnel is None:
                raise ValueError(f"{status} is not the status of an answer")
            self._switch(response, response.tunnel)
            return
        content = response.content
        length = len(content) if content is not None else response.body.length
        silent = self.request.method == b"HEAD" or status == 204 or status == 304
        stated: int | bytes | None = None
        if silent:
            if status != 204:
                stated = response.headers.get(b"content-length") or length or None
        elif not refusal:
            stated = length
        block = self._block(response.headers, stated)
        self.head_sent = True
        stream = self.stream
        if silent:
            stream.send_headers(block, True)
            response.body.abandon()
            self.finish()
        elif content is not None:
            self.bytes_out = len(content)
            stream.answer(block, content)
            self._ended()
        else:
            self._begin_body(response.body, block)

    def _is_refusal_of_grpc(self, response: Response) -> bool:
        """Whether the gateway itself refuses a gRPC request: by an error, or before a server was asked."""
        return (
            (self.error is not None or not self.attempts)
            and response.status >= 200
            and is_grpc(self.request.headers.get(b"content-type"))
            and not is_grpc(response.headers.get(b"content-type"))
        )

    def _block(self, headers: Headers, stated: int | bytes | None) -> Any:
        """The response's head, with this Content-Length, in the form that the stream sends."""
        encoder, statuses = self.stream.session.encoder, self.protocol.statuses
        extra = b""
        if stated is not None:
            extra = _LENGTHS[stated] if isinstance(stated, int) else literal(b"content-length", stated)
        parsed = headers.parsed
        if parsed is not None:  # nobody touched them
            dated = parsed.seen & wire.DATE
            return encoder.encode_kept(statuses[self.status], parsed, sent_on, extra if dated else _date_field() + extra)
        fields = written(headers)
        dated = any(name == b"date" for name, _ in fields)
        fields.insert(0, (b":status", b"%d" % self.status))
        return encoder.encode(fields) + statuses.rest + (extra if dated else _date_field() + extra)

    def _begin_body(self, body: Body, block: Any) -> None:
        stream = self.stream
        self._left = body.length
        self._body = body
        session = stream.session
        corked = session.cork()  # the head and what is here of the body travel together
        try:
            stream.send_headers(block)
            body.attach(self)
        finally:
            if corked:
                session.uncork()

    def write(self, chunk: bytes) -> None:
        if not self.open or not chunk:
            return
        size = len(chunk)
        self.bytes_out += size
        if self._left is not None:
            self._left -= size
            if self._left < 0:
                self._mismatch()
                return
        self.stream.send_data(chunk)

    def end(self, trailers: HeaderList) -> None:
        if not self.open:
            return
        self.trailers = trailers
        self._body = None
        if self._left:
            self._mismatch()
            return
        self.stream.end(wire.passable(trailers) if trailers else ())
        self._ended()

    def _ended(self) -> None:
        """Everything is given to the stream: over, unless some of it waits for the client."""
        if self.stream.local_ended or self.stream.closed:
            self.finish()

    def sent(self) -> None:
        self.finish()

    def _mismatch(self) -> None:
        self.fail(GatewayError(502, "the body is not as long as its Content-Length"))

    def reset(self) -> None:
        body, self._body = self._body, None
        self.stream.reset(INTERNAL_ERROR)
        if body is not None:
            body.abandon()

    def interim(self, status: int, headers: Headers) -> None:
        if self.open and not self.head_sent:
            self.stream.send_headers(self.stream.session.encoder.encode([(b":status", b"%d" % status), *written(headers)]))

    def pause(self) -> None:
        self.protocol.stalls()
        if self._body is not None and not self._paused:
            self._paused = True
            self._body.pause()

    def resume(self) -> None:
        if self._body is not None and self._paused:
            self._paused = False
            self._body.resume()

    # the request body

    def expect_body(self, length: int | None, due: float, expects: bool) -> None:
        """The request goes on in DATA; it must be here by `due`."""
        self._upload_left = length
        self.read_due = due
        body = self.request.body = self._request_body = Body(self, length)
        if expects:
            body.wanted = self._send_continue

    def _send_continue(self) -> None:
        if self.open and not self.head_sent and not self.stream.remote_ended:
            self.interim(100, Headers())

    def data(self, chunk: bytes) -> None:
        self.bytes_in += len(chunk)
        if self._upload_left is not None:
            self._upload_left -= len(chunk)
            if self._upload_left < 0:
                self._malformed()
                return
        self._request_body.feed(chunk)

    def ended(self, trailers: list[Field]) -> None:
        if self._upload_left:
            self._malformed()
            return
        self.read_due = NEVER
        self.protocol.hurry(self, self.loop.time())
        body, self._request_body = self._request_body, NOTHING
        body.orphan()
        if body is not NOTHING:
            body.end(trailers)

    def _malformed(self) -> None:
        """More or less DATA than Content-Length says (RFC 9113 §8.1.1)."""
        stream = self.stream
        if stream.closed:
            self.gone(PROTOCOL_ERROR, False)
        else:
            stream.session.stream_error(stream.id, PROTOCOL_ERROR)

    def late(self) -> None:
        """The request body did not come in time."""
        self.read_due = NEVER
        if self.head_sent:
            self.stream.reset(CANCEL)
            self.gone(CANCEL, False)
            return
        self.cancel_work()
        self.fail(GatewayError(408, "the request body did not come in time", side="client"))

    def pause_reading(self) -> None:
        self.stream.pause()

    def resume_reading(self) -> None:
        self.stream.resume()

    def abandon(self) -> None:
        """Nobody reads the request body any more: what still comes of it ends with the answer."""

    # endings

    def gone(self, code: int, by_peer: bool) -> None:
        """The stream was reset, or its connection is gone."""
        task = self._task
        body, self._request_body = self._request_body, NOTHING
        body.orphan()
        self.abort(ClientGone("client reset the stream" if by_peer else "the stream was reset"))
        if body is not NOTHING:  # after the exchange: what fails because of it must find nobody who waits
            body.fail(ClientGone())
        if task is not None and not task.done():
            self.protocol.linger(task)

    def _over(self) -> None:
        stream = self.stream
        stream.receiver = NOBODY  # they must not keep each other alive
        if not stream.closed:
            if stream.local_ended:  # the client still sends what nobody wants
                self.protocol.drain(stream)
            else:
                stream.reset(INTERNAL_ERROR)
        body, self._request_body = self._request_body, NOTHING
        if body is not NOTHING:
            body.orphan()
            body.fail(GatewayError(400, "the request was answered before its body had come", side="client"))

    # extended CONNECT

    def _switch(self, response: Response, tunnel: Tunnel) -> None:
        """101: the stream becomes a byte pipe (RFC 8441 §5)."""
        key = self.request.headers.get(b"sec-websocket-key")
        accepted = response.headers.get(b"sec-websocket-accept")
        if key is not None and self.request.upgrade == b"websocket" and accepted != accept_for(key):
            tunnel.close()
            raise GatewayError(502, "the server accepted a WebSocket that it was not asked for")
        self.status = 200
        self.head_sent = True
        fields: Iterable[Field] = [(b":status", b"200"), *written(response.headers)]
        stream = self.stream
        stream.send_headers(stream.session.encoder.encode([field for field in fields if field[0] not in _OF_UPGRADES]))
        end = StreamTunnel(self, tunnel)
        stream.receiver = end
        tunnel.open(end)
        if stream.end_told:  # before there was a server to tell
            end.ended([])
        stream.resume()


def accept_for(key: bytes) -> bytes:
    """Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 §4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _WEBSOCKET_GUID, usedforsecurity=False).digest())


class Drain(Nobody):
    """The receiver of a stream that was answered before its request had come: the rest is thrown away, within limits, as on
    HTTP/1; a client that still sends after that is told to stop (RFC 9113 §8.1)."""

    __slots__ = ("_left", "_stream", "due")

    def __init__(self, stream: Stream, due: float) -> None:
        self._stream = stream
        self._left = DRAIN_BYTES
        self.due = due

    def data(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        if self._left < 0:
            self.stop()

    def ended(self, trailers: list[Field]) -> None:
        self._stream.receiver = NOBODY  # they must not keep each other alive

    def gone(self, code: int, by_peer: bool) -> None:
        self._stream.receiver = NOBODY

    def stop(self) -> None:
        """It has sent for long enough."""
        self._stream.reset(NO_ERROR)
        self._stream.receiver = NOBODY


class StreamTunnel:
    """The client's end of a byte pipe that runs over a stream's DATA."""

    __slots__ = ("_cycle", "_other", "_stream")

    def __init__(self, cycle: Http2Cycle, other: Tunnel) -> None:
        self._cycle = cycle
        self._stream = cycle.stream
        self._other: Tunnel | None = other

    # what the other end calls

    def open(self, other: Tunnel) -> None:
        self._other = other

    def write(self, data: bytes) -> None:
        self._cycle.bytes_out += len(data)
        self._stream.send_data(data)

    def write_eof(self) -> None:
        self._stream.end()
        self._over_if_both_ended()

    def pause_reading(self) -> None:
        self._stream.pause()

    def resume_reading(self) -> None:
        self._stream.resume()

    def close(self) -> None:
        """The other end is gone. What it said is still sent."""
        self._other = None
        self._stream.end()
        if self._stream.local_ended or self._stream.closed:
            self._cycle.finish()

    # what the stream calls

    def data(self, chunk: bytes) -> None:
        self._cycle.bytes_in += len(chunk)
        if self._other is not None:
            self._other.write(chunk)

    def ended(self, trailers: list[Field]) -> None:
        if self._other is not None:
            self._other.write_eof()
        self._over_if_both_ended()

    def gone(self, code: int, by_peer: bool) -> None:
        other, self._other = self._other, None
        self._cycle.finish()
        if other is not None:
            other.close()

    def pause(self) -> None:
        self._cycle.protocol.stalls()
        if self._other is not None:
            self._other.pause_reading()

    def resume(self) -> None:
        if self._other is not None:
            self._other.resume_reading()

    def sent(self) -> None:
        if self._other is None:
            self._cycle.finish()
        else:
            self._over_if_both_ended()

    def _over_if_both_ended(self) -> None:
        if self._stream.closed:
            other, self._other = self._other, None
            self._cycle.finish()
            if other is not None:
                other.close()
