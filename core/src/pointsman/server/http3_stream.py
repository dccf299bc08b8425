"""A request's stream in HTTP/3, with the face of one in HTTP/2 (`http2/session.py`): for an exchange they are the same."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pointsman.http2.contract import NOBODY, Receiver
from pointsman.http2.frames import CANCEL
from pointsman.http2.hpack import Field
from pointsman.server.http3_framing import CODES, NO_ERROR

if TYPE_CHECKING:
    from pointsman.server.http3 import Http3Protocol


class Http3Stream:
    """One request and its response."""

    __slots__ = (
        "_end_came",
        "_held",
        "begun",
        "closed",
        "headed",
        "id",
        "left",
        "local_ended",
        "moved",
        "paused",
        "receiver",
        "remote_ended",
        "session",
        "throttled",
        "trailers",
    )

    def __init__(self, session: "Http3Protocol", number: int, now: float) -> None:
        self.id = number
        self.session = session
        self.receiver: Receiver = NOBODY
        """Set by whoever takes the stream."""
        self.begun = now
        self.headed = self.local_ended = self.remote_ended = self.closed = self.paused = False
        self.trailers: list[Field] = []
        self.throttled = False
        """Whether the receiver is paused until the client has taken something."""
        self.left = 0
        """Bytes that the client had not taken when it was last looked."""
        self.moved = now
        """The time when it had last taken some."""
        self._held = bytearray()
        self._end_came = False

    # sending

    def send_headers(self, block: Sequence[Field], end: bool = False) -> None:
        """The fields of a head, `:status` first."""
        if self.closed or self.local_ended:
            return
        session = self.session
        if session.sends(self.id):
            session.framing.send_headers(self.id, list(block), end)
        session.wake()
        if end:
            self._end_local()

    def answer(self, block: Sequence[Field], content: bytes) -> None:
        """A whole response: its head and all of its body."""
        self.send_headers(block, not content)
        self.send_data(content, True)

    def send_data(self, chunk: bytes, end: bool = False) -> None:
        """A piece of the body, the last if `end`; the receiver is paused while too much waits for the client."""
        if self.closed or self.local_ended or not chunk:
            return
        session = self.session
        if session.sends(self.id):
            session.framing.send_data(self.id, chunk, end)
        session.wake()
        if end:
            self._end_local()
        else:
            session.said(self)

    def end(self, trailers: Iterable[Field] = ()) -> None:
        """Nothing more comes from us."""
        if self.closed or self.local_ended:
            return
        session = self.session
        fields = list(trailers)
        if session.sends(self.id):
            if fields:
                session.framing.send_headers(self.id, fields, True)
            else:
                session.framing.send_data(self.id, b"", True)
        session.wake()
        self._end_local()

    def reset(self, code: int = CANCEL) -> None:
        """Give it up; `code` is HTTP/2's. The receiver is not told."""
        if self.closed:
            return
        session = self.session
        if not self.local_ended and session.sends(self.id):
            session.quic.reset_stream(self.id, CODES.get(code, NO_ERROR))
        self.stop(CODES.get(code, NO_ERROR))

    def stop(self, code: int = NO_ERROR) -> None:
        """Nobody wants the rest of the request (RFC 9114 §4.1)."""
        if not self.remote_ended:
            self.session.quic.stop(self.id, code)
        self.session.forget(self)
        self.session.wake()

    def _end_local(self) -> None:
        self.local_ended = True
        if self.remote_ended:
            self.session.forget(self)

    # receiving

    @property
    def end_told(self) -> bool:
        """Whether the client's side has ended, and nothing that came before the end is kept here."""
        return self.remote_ended and not self._end_came

    def pause(self) -> None:
        """Take no more for now: the client gets no further window."""
        self.paused = True

    def resume(self) -> None:
        """What was kept meanwhile comes at once, and the client gets its window back."""
        if not self.paused:
            return
        self.paused = False
        held, self._held = self._held, bytearray()
        if held:
            self.receiver.data(bytes(held))
            if self.paused:  # again, in its turn
                return
        self.session.quic.release(self.id)
        self.session.wake()
        if self._end_came:
            self._end_came = False
            self.receiver.ended(self.trailers)

    def take(self, chunk: bytes) -> None:
        """A piece of the body has come."""
        if self.paused:
            self._held += chunk
        else:
            self.receiver.data(chunk)
        if self.paused and not self.closed:  # whoever got it keeps it for now
            self.session.quic.hold(self.id, len(chunk))

    def end_remote(self) -> None:
        """The client's side has ended."""
        self.remote_ended = True
        if self.local_ended:
            self.session.forget(self)
        if self._held:
            self._end_came = True
        else:
            self.receiver.ended(self.trailers)

    def drop(self) -> None:
        """Nobody wants what is kept here."""
        self._held = bytearray()
        self._end_came = False
        self.session.quic.release(self.id)

    def __repr__(self) -> str:
        sides = f"{'ended' if self.remote_ended else 'open'} there, {'ended' if self.local_ended else 'open'} here"
        return f"<Http3Stream {self.id} {'over' if self.closed else sides}>"
