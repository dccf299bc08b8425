"""HTTP/2 clients for a House: one that knows the protocol (the h2 library), and one that sends what it is told."""

from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from pointsman.http2 import frames
from pointsman.http2.hpack import Encoder, Field
from pointsman.message import Address, Link
from pointsman.server.http2 import Http2Protocol

GET: list[Field] = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a.test"), (b":path", b"/a")]
CLIENT = ("192.0.2.7", 40000)


class Answer:
    """What came on one stream."""

    def __init__(self) -> None:
        self.interim: list[tuple[int, dict[bytes, bytes]]] = []
        self.fields: list[Field] = []
        self.body = b""
        self.trailers: list[Field] = []
        self.ended = False
        self.code: int | None = None
        """The error of its RST_STREAM."""

    @property
    def status(self) -> int:
        return int(self.get(b":status") or b"0")

    def get(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.fields if key == name), None)

    def __repr__(self) -> str:
        return f"<Answer {self.status}, {len(self.body)} bytes, {'ended' if self.ended else f'code {self.code}'}>"


def connection(house: Any, wire_type: Any, scheme: bytes = b"http") -> Any:
    """A wire whose near end speaks HTTP/2."""
    wire = wire_type(house.loop, CLIENT)
    wire.protocol = Http2Protocol(house.entry, Link(Address(*CLIENT), Address("192.0.2.1", 8000), scheme, "web"))
    wire.protocol.connection_made(wire)
    return wire


class Knowing:
    """A client by the h2 library."""

    def __init__(self, house: Any, wire_type: Any, settings: dict[int, int], window: int) -> None:
        self.house = house
        self.wire = connection(house, wire_type)
        self.answers: dict[int, Answer] = {}
        self.events: list[Any] = []
        self.reading = True
        """False: what comes is not acknowledged, and windows close."""
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        self.h2.initiate_connection()
        if settings:
            self.h2.update_settings(settings)
        if window:
            self.h2.increment_flow_control_window(window)
        self.carry()

    def carry(self) -> None:
        """Bytes both ways, until both are silent."""
        while True:
            there = self.h2.data_to_send()
            if there and not self.wire.closing:
                self.wire.receive(there)
            here = self.wire.take()
            if here:
                for event in self.h2.receive_data(here):
                    self._note(event)
            if not there and not here:
                return

    def _note(self, event: Any) -> None:
        self.events.append(event)
        answer = self.answers.get(getattr(event, "stream_id", 0) or 0)
        if answer is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            answer.fields = list(event.headers)
        elif isinstance(event, h2.events.InformationalResponseReceived):
            fields = dict(event.headers)
            answer.interim.append((int(fields.pop(b":status")), fields))
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            if self.reading and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = list(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset):
            answer.code = int(event.error_code)

    def begin(self, fields: list[Field] = GET, end: bool = True) -> Answer:
        """Begin a request."""
        stream = self.h2.get_next_available_stream_id()
        answer = self.answers[stream] = Answer()
        answer.stream = stream  # type: ignore[attr-defined]
        self.h2.send_headers(stream, fields, end_stream=end)
        self.carry()
        return answer

    def send(self, answer: Any, data: bytes, end: bool = False) -> None:
        self.h2.send_data(answer.stream, data, end_stream=end)
        self.carry()

    async def settle(self) -> None:
        await self.house.settle()
        self.carry()

    async def ask(self, fields: list[Field] = GET, body: bytes | None = None) -> Answer:
        """A whole request, and what the gateway does about it as far as it can."""
        answer = self.begin(fields, body is None)
        if body is not None:
            self.send(answer, body, True)
        await self.settle()
        return answer

    @property
    def goaways(self) -> list[Any]:
        return [event for event in self.events if isinstance(event, h2.events.ConnectionTerminated)]


class Frame:
    """One frame that the gateway sent."""

    def __init__(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self.kind, self.flags, self.stream, self.payload = kind, flags, stream, payload

    @property
    def code(self) -> int:
        """The error of RST_STREAM or GOAWAY."""
        return int.from_bytes(self.payload[4:8] if self.kind == frames.GOAWAY else self.payload[:4], "big")

    def __repr__(self) -> str:
        return f"<Frame {self.kind} on {self.stream}, flags {self.flags:x}, {self.payload[:24]!r}>"


class Raw:
    """A client that sends the frames it is told to send, right or wrong."""

    def __init__(self, house: Any, wire_type: Any, begun: bool, settings: Any) -> None:
        self.house = house
        self.wire = connection(house, wire_type)
        self.encoder = Encoder()
        self.frames: list[Frame] = []
        self._unread = b""
        if begun:
            self.send(frames.PREFACE + frames.settings(settings) + frames.SETTINGS_ACK)
            self.take()

    def send(self, *data: bytes) -> None:
        for piece in data:
            if self.wire.closing or self.wire.eof:
                return
            self.wire.offer(piece)

    def request(self, stream: int = 1, fields: Any = GET, end: bool = True) -> bytes:
        return frames.headers(stream, self.encoder.encode(fields), end)

    def take(self) -> list[Frame]:
        """What came since the last time."""
        data, at, found = self._unread + self.wire.take(), 0, []
        while len(data) - at >= 9:
            word, flags, stream = frames.HEAD.unpack_from(data, at)
            end = at + 9 + (word >> 8)
            if end > len(data):
                break
            found.append(Frame(word & 0xFF, flags, stream, data[at + 9 : end]))
            at = end
        self._unread = data[at:]
        self.frames += found
        return found

    async def settle(self) -> list[Frame]:
        await self.house.settle()
        return self.take()

    @property
    def closed(self) -> bool:
        return bool(self.wire.closing or self.wire.eof)

    def goaway_code(self) -> int | None:
        self.take()
        return next((frame.code for frame in self.frames if frame.kind == frames.GOAWAY), None)

    def reset_code(self, stream: int) -> int | None:
        self.take()
        resets = (frame.code for frame in self.frames if frame.kind == frames.RST_STREAM and frame.stream == stream)
        return next(resets, None)


@pytest.fixture
def http2_client(house: Any, wire_type: Any) -> Callable[..., Knowing]:
    def make(settings: dict[int, int] | None = None, window: int = 0) -> Knowing:
        return Knowing(house, wire_type, settings or {}, window)

    return make


@pytest.fixture
def raw_http2(house: Any, wire_type: Any) -> Callable[..., Raw]:
    def make(begun: bool = True, settings: Any = ()) -> Raw:
        return Raw(house, wire_type, begun, settings)

    return make
