"""An exchange over HTTP/1: how its head and body are written."""

import asyncio
import math
import socket
import struct
from time import monotonic
from typing import TYPE_CHECKING, Final

from pointsman import wire
from pointsman.errors import GatewayError
from pointsman.message import NOTHING, HeaderList, Headers, Request, Response, Tunnel
from pointsman.routing.snapshot import Snapshot
from pointsman.server.cycle import Cycle

if TYPE_CHECKING:
    from pointsman.server.http1 import Http1Protocol

FLUSH_BYTES: Final = 4096
_RESET: Final = struct.pack("ii", 1, 0)


def _written(headers: Headers) -> list[bytes]:
    """The wire form of headers that somebody made or touched, with a Date."""
    wires = wire.RESPONSE_WIRES
    lines = b"".join([wires[pair] or b"" for pair in headers.raw])
    return [lines] if b"\r\nDate: " in lines else [lines, wire.date_line()]


def _is_event_stream(headers: Headers) -> bool:
    """Whether every piece of the body is news (routing.md §6.6)."""
    return any(name == b"content-type" and value.lower().startswith(b"text/event-stream") for name, value in headers.pairs())


class Http1Cycle(Cycle):
    """An exchange over HTTP/1: how its head and body are written."""

    __slots__ = (
        "_chunked",
        "_flush_seconds",
        "_flusher",
        "_head",
        "_held",
        "_held_bytes",
        "_left",
        "_paused",
        "_silent",
        "protocol",
    )

    def __init__(self, protocol: "Http1Protocol", request: Request, snapshot: Snapshot) -> None:
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
        self._head = b""
        self._left: int | None = None
        self._chunked = False
        self._silent = False
        self._paused = False
        self._flush_seconds = 0.0
        self._flusher: asyncio.TimerHandle | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0

    def respond(self, response: Response) -> None:
        try:
            content = response.content
            parsed = response.headers.parsed
            if content is None or parsed is None or not self.open or self.head_sent:
                self._respond(response)
                return
            # the usual: all of it is here, and nobody touched the headers
            request = self.request
            protocol = self.protocol
            status = response.status
            if (
                status < 200
                or status == 304
                or status == 204
                or request.version == 10
                or request.method == b"HEAD"
                or protocol._close_after
                or protocol.entry.limited
                or protocol._body is not NOTHING
            ):
                self._respond(response)
                return
            self.status = status
            self.response = response
            self._pending = None
            self.head_sent = True
            self.bytes_out = length = len(content)
            date = b"" if parsed.seen & wire.DATE else wire.date_line()
            parts = (protocol.status_lines[status], parsed.wire, date, wire.LENGTH_LINES[length], b"\r\n\r\n", content)
            protocol.transport.write(b"".join(parts))
            self.finish()
        except Exception as error:
            self._unwritable(error)

    def _respond(self, response: Response) -> None:
        body = response.body
        if not self.open or self.head_sent:
            body.abandon()
            if response.tunnel is not None:
                response.tunnel.close()
            return
        self._pending = None
        request = self.request
        protocol = self.protocol
        status = response.status
        headers = response.headers
        parsed = headers.parsed
        if parsed is not None:  # nobody touched them
            parts = [protocol.status_lines[status], parsed.wire]
            if not parsed.seen & wire.DATE:
                parts.append(wire.date_line())
        else:
            parts = [protocol.status_lines[status], *_written(headers)]
        if status < 200:
            if status != 101 or response.tunnel is None:
                raise ValueError(f"{status} is not the status of an answer")
            self.status = status
            self.response = response
            self._switch(response, response.tunnel, parts)
            return
        self.status = status
        self.response = response
        length = body.length
        if request.method == b"HEAD" or status == 304 or status == 204:
            self._silent = True
            self._left = None
            stated = response.headers.get(b"content-length") or (b"%d" % length if length else None)
            if stated is not None and status != 204:
                parts.append(b"\r\nContent-Length: " + stated)
        elif length is not None:
            self._left = length
            parts.append(b"\r\nContent-Length: %d" % length)
            self._flush_seconds = response.flush_seconds
        elif request.version != 10:
            self._chunked = True
            parts.append(b"\r\nTransfer-Encoding: chunked")
        else:
            protocol._close_after = True
        if protocol.closes_after():
            parts.append(b"\r\nConnection: close")
        elif request.version == 10:
            parts.append(b"\r\nConnection: keep-alive")
        parts.append(b"\r\n\r\n")
        self._head = b"".join(parts)
        self.head_sent = True
        if self._silent:
            self._flush()
            body.abandon()
            self.finish()
            return
        if body.ended and length is not None:
            content = body.take()
            self.bytes_out = len(content)
            if len(content) != length:
                self._mismatch()
                return
            protocol.transport.write(self._head + content)
            self._head = b""
            self.finish()
            return
        if self._flush_seconds > 0 and _is_event_stream(headers):
            self._flush_seconds = 0.0
        self._body = body
        body.attach(self)
        if self._head and not self._held:
            self._flush()
        if self.open and protocol.write_paused:
            self.pause()

    def _flush(self) -> None:
        """Send the head, and what is held for `flushInterval`, now."""
        head, self._head = self._head, b""
        if self._flusher is not None:
            self._flusher.cancel()
            self._flusher = None
        if self._held:
            head += b"".join(self._held)
            self._held.clear()
            self._held_bytes = 0
        if head:
            self.protocol.transport.write(head)

    def _hold(self, chunk: bytes) -> bool:
        """Keep a small piece of a body of known length back for a moment, for others to travel with it (routing.md §6.6)."""
        self._held_bytes += len(chunk)
        if self._held_bytes >= FLUSH_BYTES or not self._left:
            if not self._held:
                self._held_bytes = 0
                return False
            self._held.append(chunk)
            self._flush()
            return True
        self._held.append(chunk)
        if self._flusher is None and self._flush_seconds != math.inf:
            self._flusher = self.loop.call_later(self._flush_seconds, self._flush)
        return True

    def _switch(self, response: Response, tunnel: Tunnel, parts: list[bytes]) -> None:
        """101: the connection becomes a byte pipe (routing.md §6.4)."""
        parts += (
            b"\r\nConnection: Upgrade\r\nUpgrade: ",
            response.headers.get(b"upgrade") or self.request.upgrade,
            b"\r\n\r\n",
        )
        self.head_sent = True
        self.protocol.transport.write(b"".join(parts))
        self.protocol.open(tunnel)
        tunnel.open(self.protocol)

    def write(self, chunk: bytes) -> None:
        if not self.open or not chunk:
            return
        size = len(chunk)
        self.bytes_out += size
        if self._chunked:
            chunk = b"%x\r\n%b\r\n" % (size, chunk)
        elif self._left is not None:
            self._left -= size
            if self._left < 0:
                self._mismatch()
                return
            if self._flush_seconds > 0 and self._hold(chunk):
                return
        head = self._head
        if head:
            self._head = b""
            chunk = head + chunk
        self.protocol.transport.write(chunk)

    def end(self, trailers: HeaderList) -> None:
        if not self.open:
            return
        self.trailers = trailers
        self._body = None
        if self._chunked:
            chunk = wire.last_chunk(trailers) if trailers else b"0\r\n\r\n"
            self.protocol.transport.write(self._head + chunk if self._head else chunk)
            self._head = b""
        elif self._left:
            self._mismatch()
            return
        else:
            self._flush()
        self.finish()

    def _mismatch(self) -> None:
        self._flush()
        self.fail(GatewayError(502, "the body is not as long as its Content-Length"))

    def reset(self) -> None:
        body, self._body = self._body, None
        self.protocol._close_after = True
        transport = self.protocol.transport
        if self._chunked or self._left is not None or not self.head_sent:
            # what is already written reaches the client; the missing end tells it that this was not all
            self._flush()
            transport.close()
        else:  # up to the close: only a reset says that it is not all
            connected = transport.get_extra_info("socket")
            if connected is not None:
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
        if body is not None:
            body.abandon()

    def interim(self, status: int, headers: Headers) -> None:
        if self.open and not self.head_sent and self.request.version != 10:
            lines = [wire.STATUS_LINES[status]]
            lines += [wire.RESPONSE_PREFIXES[name] + value for name, value in headers.raw if wire.RESPONSE_PREFIXES[name]]
            self.protocol.transport.write(b"".join(lines) + b"\r\n\r\n")

    def pause(self) -> None:
        if self._body is not None and not self._paused:
            self._paused = True
            self._body.pause()

    def resume(self) -> None:
        if self._body is not None and self._paused:
            self._paused = False
            self._body.resume()

    def _over(self) -> None:
        if self._flusher is not None:
            self._flusher.cancel()
        self.protocol.cycle_over(self)
