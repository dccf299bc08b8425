"""What a session calls, and how it is set up: the two ends of the engine."""

from typing import TYPE_CHECKING, Final, Protocol

from attrs import frozen

from pointsman.http2.hpack import Field, HeaderBlock

if TYPE_CHECKING:
    from pointsman.http2.session import Stream


class Fault(Exception):
    """The peer broke a rule, and the connection with it: it ends with this error code (RFC 9113 §5.4.1)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Malformed(Exception):
    """A request, response or trailers that are none: their stream is reset with PROTOCOL_ERROR (RFC 9113 §8.1.1)."""


@frozen
class SessionSettings:
    """What a session allows its peer. Sizes in bytes."""

    max_streams: int = 250
    """Streams the peer may have open at once."""
    stream_window: int = 256 * 1024
    """How much of one body may be on its way or wait here to be taken."""
    session_window: int = 1024 * 1024
    """The same for all bodies together; at least 65 535, where every session begins."""
    header_limit: int = 1024 * 1024
    """For a header block, compressed, and for its list of fields (name + value + 32 each)."""
    decoder_table: int = 4096
    encoder_table: int = 4096
    connect_protocol: bool = False
    """Whether extended CONNECT is understood (RFC 8441)."""


class Owner(Protocol):
    """Has the transport. Nothing here is called after `failed`."""

    def send(self, data: bytes, /) -> None:
        """Write to the transport."""

    def opened(self, stream: "Stream", block: HeaderBlock, ended: bool, /) -> None:
        """The client began a request: give the stream its `receiver`. Malformed resets it. Only towards clients."""

    def idle(self) -> None:
        """The last open stream is over."""

    def goaway(self, last: int, code: int, debug: bytes, /) -> None:
        """The peer takes no more streams. Those above `last` have had their `gone(REFUSED_STREAM, True)`."""

    def ready(self) -> None:
        """The peer's first SETTINGS are here."""

    def pong(self, payload: bytes, /) -> None:
        """An answer to `ping`."""

    def failed(self, code: int, reason: str, /) -> None:
        """The peer broke a rule, GOAWAY is sent: tell the streams (`lost()`) and close."""


class Receiver(Protocol):
    """Has one stream. After `gone`, or after both sides have ended, nothing more comes."""

    def data(self, chunk: bytes, /) -> None:
        """A piece of the body. None come while the stream is paused."""

    def ended(self, trailers: list[Field], /) -> None:
        """The peer's side is over."""

    def gone(self, code: int, by_peer: bool, /) -> None:
        """The stream is gone: reset by the peer, or here because the peer broke a rule."""

    def pause(self) -> None:
        """Give no more data for now: what was given waits for the peer's window, or for the transport."""

    def resume(self) -> None:
        """It has all been sent."""

    def sent(self) -> None:
        """Our side has ended on the wire, some time after `end` was called: only if it could not be sent at once."""


class Nobody:
    """The receiver of a stream that nobody has, or nobody has any more."""

    def data(self, chunk: bytes) -> None: ...
    def ended(self, trailers: list[Field]) -> None: ...
    def gone(self, code: int, by_peer: bool) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def sent(self) -> None: ...


NOBODY: Final = Nobody()


class ResponseReceiver(Receiver, Protocol):
    """Has a stream towards a server."""

    def interim(self, status: int, fields: list[Field], /) -> None:
        """A 1xx response."""

    def answered(self, status: int, fields: list[Field], ended: bool, /) -> None:
        """The response head, without its pseudo-header; if `ended`, it was all."""
