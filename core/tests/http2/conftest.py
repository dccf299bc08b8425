"""Both ends of a session without sockets: what one says, kept as frames; and receivers that take notes."""

from collections.abc import Callable
from typing import Any

import pytest

from pointsman.http2 import frames
from pointsman.http2.hpack import Encoder, Field, HeaderBlock
from pointsman.http2.session import Session, SessionSettings, Stream

REQUEST: list[Field] = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a.test"), (b":path", b"/")]


class Frame:
    def __init__(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self.kind, self.flags, self.stream, self.payload = kind, flags, stream, payload

    @property
    def code(self) -> int:
        """The error of RST_STREAM or GOAWAY."""
        return int.from_bytes(self.payload[4:8] if self.kind == frames.GOAWAY else self.payload[:4], "big")

    @property
    def ends(self) -> bool:
        return bool(self.flags & frames.END_STREAM)

    def __repr__(self) -> str:
        return f"<Frame {self.kind} on {self.stream}, flags {self.flags:x}, {self.payload[:24]!r}>"


def split(data: bytes) -> list[Frame]:
    """The frames in `data`, which must hold whole ones."""
    found, at = [], 0
    while at < len(data):
        word, flags, stream = frames.HEAD.unpack_from(data, at)
        end = at + 9 + (word >> 8)
        found.append(Frame(word & 0xFF, flags, stream, data[at + 9 : end]))
        at = end
    assert at == len(data)
    return found


class Notes:
    """A receiver that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.body = b""

    def interim(self, status: int, fields: list[Field]) -> None:
        self.told.append(("interim", status, fields))

    def answered(self, status: int, fields: list[Field], ended: bool) -> None:
        self.told.append(("answered", status, fields, ended))

    def data(self, chunk: bytes) -> None:
        self.body += chunk
        self.told.append(("data", len(chunk)))

    def ended(self, trailers: list[Field]) -> None:
        self.told.append(("ended", trailers))

    def gone(self, code: int, by_peer: bool) -> None:
        self.told.append(("gone", code, by_peer))

    def pause(self) -> None:
        self.told.append(("pause",))

    def resume(self) -> None:
        self.told.append(("resume",))

    def sent(self) -> None:
        self.told.append(("sent",))


class End:
    """One end of a connection: a session, what it says, and what its owner is told."""

    def __init__(self, settings: SessionSettings, client: bool) -> None:
        self.now = 1000.0
        self.said = b""
        self.told: list[Any] = []
        self.receivers: dict[int, Notes] = {}
        self.streams: dict[int, Stream] = {}
        self.requests: dict[int, HeaderBlock] = {}
        self.answer: Callable[[Stream], None] | None = None
        self.encoder = Encoder()
        self.session = Session(self, settings, client=client, clock=lambda: self.now)
        self.session.start()

    def send(self, data: bytes) -> None:
        assert not self.closed
        self.said += data

    @property
    def closed(self) -> bool:
        return any(what[0] == "failed" for what in self.told)

    def take(self) -> list[Frame]:
        """The frames it has said since the last time."""
        said, self.said = self.said, b""
        return split(said.removeprefix(frames.PREFACE))

    def opened(self, stream: Stream, block: HeaderBlock, ended: bool) -> None:
        stream.receiver = self.receivers[stream.id] = Notes()
        self.streams[stream.id] = stream
        self.requests[stream.id] = block
        if self.answer is not None:
            self.answer(stream)

    def idle(self) -> None:
        self.told.append(("idle",))

    def goaway(self, last: int, code: int, debug: bytes) -> None:
        self.told.append(("goaway", last, code, debug))

    def ready(self) -> None:
        self.told.append(("ready",))

    def pong(self, payload: bytes) -> None:
        self.told.append(("pong", payload))

    def failed(self, code: int, reason: str) -> None:
        self.told.append(("failed", code, reason))
        self.session.lost()

    # what the far end says

    def hears(self, *data: bytes) -> None:
        for piece in data:
            self.session.receive(piece)

    def hears_request(self, stream: int = 1, fields: list[Field] | None = None, end: bool = True) -> None:
        block = self.encoder.encode(REQUEST if fields is None else fields)
        self.hears(frames.headers(stream, block, end))


@pytest.fixture
def server() -> Callable[..., End]:
    """A session towards a client whose preface and SETTINGS have come."""

    def make(*, begun: bool = True, client_settings: Any = (), **settings: Any) -> End:
        end = End(SessionSettings(**settings), client=False)
        if begun:
            end.hears(frames.PREFACE + frames.settings(client_settings) + frames.SETTINGS_ACK)
            end.take()
            end.told.clear()
        return end

    return make


@pytest.fixture
def client() -> Callable[..., End]:
    """A session towards a server whose SETTINGS have come."""

    def make(*, server_settings: Any = (), **settings: Any) -> End:
        end = End(SessionSettings(**settings), client=True)
        end.hears(frames.settings(server_settings) + frames.SETTINGS_ACK)
        end.take()
        end.told.clear()
        return end

    return make


@pytest.fixture
def notes() -> type[Notes]:
    return Notes
