"""TLS between a socket and a protocol, for either side: OpenSSL does the work in memory, this moves the bytes.

Theory of operation. Whoever has the raw transport makes a `TlsTransport`, feeds it with `shake` until that says that the
handshake is over, and then `hand_to`s it to the protocol within. From there on the transport is the raw transport's protocol
and the inner protocol's transport. What came together is delivered together. What is written is encrypted at once,
in slices; while the raw transport has enough, the rest is held as it is, and the inner protocol has been told to pause.

    inner protocol  <-- data_received --  TlsTransport  <-- data_received --  raw transport
                    --  write         -->               --  write         -->

Our close_notify ends only what we send (RFC 8446 §6.1): reading goes on until the peer's. An end without one is a
truncation: the inner protocol is never told `eof_received`, it loses the connection with an error.
"""

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, cast

RECORD_BYTES: Final = 16 * 1024
"""The largest piece of plaintext in one TLS record."""
FEED_BYTES: Final = 4 * RECORD_BYTES
"""How much OpenSSL is given at once: its buffers grow with it and never shrink again."""
SLICE_BYTES: Final = 8 * RECORD_BYTES
"""How much is encrypted before it is seen whether the raw transport has enough."""
UNASKED_BYTES: Final = 512 * 1024
"""How much may wait to be sent before an answer that TLS itself owes the peer is one too many."""

_ALERT: Final = re.compile(r"(?:TLSV1|TLSV13|SSLV3)_(?:ALERT_)?(\w+)")
_TEXT: Final = re.compile(r"\[SSL\] ([a-z0-9 ]+)")
_OURS: Final = {
    "UNSUPPORTED_PROTOCOL": "protocol_version",
    "VERSION_TOO_LOW": "protocol_version",
    "WRONG_VERSION_NUMBER": "protocol_version",
    "WRONG_SSL_VERSION": "protocol_version",
    "INAPPROPRIATE_FALLBACK": "inappropriate_fallback",
    "NO_SHARED_CIPHER": "no_shared_cipher",
    "NO_SUITABLE_KEY_SHARE": "no_shared_group",
    "NO_SUITABLE_GROUPS": "no_shared_group",
    "NO_SHARED_GROUP": "no_shared_group",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "no_shared_signature",
    "NO_SHARED_SIGNATURE_ALGORITHMS": "no_shared_signature",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "certificate_required",
    "UNEXPECTED_EOF_WHILE_READING": "eof",
}
_VERIFY: Final = {2: "unknown_ca", 18: "unknown_ca", 19: "unknown_ca", 20: "unknown_ca", 21: "unknown_ca"} | {
    9: "certificate_expired",
    10: "certificate_expired",
    23: "certificate_revoked",
    62: "wrong_name",
    64: "wrong_name",
}

MEANINGS: Final = {
    "alert_bad_certificate": "the client refuses the certificate it was shown",
    "alert_certificate_expired": "the certificate it was shown has expired",
    "alert_certificate_unknown": "the client refuses the certificate it was shown",
    "alert_unknown_ca": "the client does not trust the certificate it was shown",
    "certificate_expired": "the client's certificate has expired",
    "certificate_required": "the client showed no certificate",
    "eof": "the client left in the middle",
    "no_application_protocol": "the client speaks none of the ALPN protocols",
    "no_shared_cipher": "the client offers no cipher suite that can be used",
    "protocol_version": "the client speaks no TLS version that is allowed",
    "unknown_ca": "the client's certificate is from no authority in clientAuth.caFiles",
    "unrecognized_name": "no certificate for that name, and sniStrict is set",
}
"""What failures of clients' handshakes mean, in words."""


class HandshakeFailure(ConnectionError):
    """No connection came of it. `kind` is the class it is counted under: `unknown_ca`, `eof`, `alert_unknown_ca` ...

    A kind that begins with `alert_` is what the peer said to us.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"the TLS handshake failed: {kind}{f' ({detail})' if detail else ''}")
        self.kind = kind


def _failure(error: ssl.SSLError | ssl.CertificateError) -> HandshakeFailure:
    reason = getattr(error, "reason", None) or _spoken(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        message = getattr(error, "verify_message", "") or str(error)
        return HandshakeFailure(_VERIFY.get(getattr(error, "verify_code", 0), "bad_certificate"), message)
    if reason in _OURS:
        return HandshakeFailure(_OURS[reason])
    alert = _ALERT.fullmatch(reason)
    if alert:
        return HandshakeFailure(f"alert_{alert[1].lower()}")
    return HandshakeFailure("other", reason.lower().replace("_", " ") or str(error))


def _spoken(error: Exception) -> str:
    """The reason out of the text: `ssl` does not have a name for each."""
    found = _TEXT.search(str(error))
    return found[1].upper().replace(" ", "_") if found else ""


class Agreement:
    """What a handshake agreed on: `message.Secured`. It says nothing of a handshake that is not over."""

    __slots__ = ("_certificates", "_ssl", "alpn", "options", "server_name")

    def __init__(self, tls: ssl.SSLObject, options: str, server_name: bytes) -> None:
        self._ssl = tls
        self._certificates: Sequence[bytes] | None = None
        self.options = options
        self.server_name = server_name
        self.alpn = (tls.selected_alpn_protocol() or "").encode()

    @property
    def version(self) -> str:
        return self._ssl.version() or ""

    @property
    def cipher(self) -> str:
        """By OpenSSL's name."""
        cipher = self._ssl.cipher()
        return cipher[0] if cipher else ""

    @property
    def resumed(self) -> bool:
        """Whether the peer came with a ticket of an earlier session."""
        return bool(self._ssl.session_reused)

    @property
    def session(self) -> ssl.SSLSession | None:
        """What another connection to this server can go on with, as far as the server has said by now."""
        return self._ssl.session

    def certificates(self) -> Sequence[bytes]:
        """The peer's certificate in DER, then what it sent of its chain; a resumed session knows only the first.

        The same objects each time, for they are the same as long as the connection lasts.
        """
        if self._certificates is None:
            self._certificates = self._read_certificates()
        return self._certificates

    def _read_certificates(self) -> Sequence[bytes]:
        own = self._ssl.getpeercert(binary_form=True)
        if own is None:
            return ()
        # public from Python 3.13 on
        chain = cast(Any, self._ssl)._sslobj.get_unverified_chain() or ()
        return (own, *(der for der in map(_der, chain) if der != own))

    def __repr__(self) -> str:
        return f"<Agreement {self.version} {self.cipher}, options {self.options}>"


def _der(certificate: Any) -> bytes:
    encoded: bytes = certificate if isinstance(certificate, bytes) else certificate.public_bytes(2)
    return encoded


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """One connection, encrypted. Until `hand_to` it is driven by `shake`."""

    __slots__ = (
        "_choked",
        "_closing",
        "_ended",
        "_eof",
        "_eof_due",
        "_error",
        "_held",
        "_held_bytes",
        "_incoming",
        "_outgoing",
        "_paused",
        "_protocol",
        "_raw",
        "_ssl",
        "_tickets",
        "_told",
    )

    def __init__(
        self,
        raw: asyncio.Transport,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_name: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        """For the client's side: `server_name` is what is asked for (SNI), and what the certificate is checked
        against; `session` an earlier one of the same context to go on with.

        ValueError if it cannot be either.
        """
        self._raw = raw
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side, server_name, session)
        self._protocol: asyncio.Protocol = None  # type: ignore[assignment]  # set by hand_to
        self._paused = False
        """The inner protocol wants no more."""
        self._ended = False
        """The peer's close_notify has come."""
        self._eof_due = False
        """And the inner protocol is to be told when it reads again."""
        self._choked = False
        """The raw transport wants no more."""
        self._told = False
        """And the inner protocol knows."""
        self._held: deque[memoryview] = deque()
        """Plaintext that is still to be encrypted."""
        self._held_bytes = 0
        self._eof = False
        """We say no more: our close_notify is out, or follows what is held."""
        self._closing = False
        self._error: Exception | None = None
        self._tickets = 0
        """Bytes of session tickets that go out with the first answer: nobody waits for them, and a packet is a packet."""

    # the handshake

    def shake(self, data: bytes = b"") -> bool:
        """Take bytes of the handshake; whether it is over. A client's begins with `shake()`.

        HandshakeFailure: then the alert, if there is one, is with the raw transport, which is the caller's to close.
        """
        if data:
            self._incoming.write(data)
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except (ssl.SSLError, ssl.CertificateError) as error:
            self._flush()
            raise _failure(error) from error
        if self._ssl.server_side and self._ssl.version() == "TLSv1.3":
            self._tickets = self._outgoing.pending
        else:
            self._flush()
        return True

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._raw.write(self._outgoing.read())

    def agreement(self, options: str = "", server_name: bytes = b"") -> Agreement:
        """What the handshake agreed on."""
        return Agreement(self._ssl, options, server_name)

    def hand_to(self, protocol: asyncio.Protocol) -> None:
        """The handshake is over: connect the inner protocol, and deliver what has come for it."""
        self._protocol = protocol
        self._raw.set_protocol(self)
        protocol.connection_made(self)
        if self._incoming.pending and not self._paused and not self._closing:
            self._deliver()

    # the raw transport's protocol

    def data_received(self, data: bytes | memoryview) -> None:
        if self._ended or self._closing:
            return
        if len(data) > FEED_BYTES:
            view = memoryview(data)
            for at in range(0, len(view), FEED_BYTES):
                self.data_received(view[at : at + FEED_BYTES])
            return
        self._incoming.write(data)
        if not self._paused:
            self._deliver()

    def eof_received(self) -> bool:
        if self._incoming.pending and not self._paused and not self._closing:
            self._deliver()
        if self._ended:
            return not self._closing
        self._error = self._error or ConnectionResetError("the peer closed the connection without close_notify")
        self._give_up()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        protocol, self._protocol = self._protocol, None  # type: ignore[assignment]
        self._closing = True
        self._held.clear()
        self._held_bytes = 0
        protocol.connection_lost(self._error or error)

    def pause_writing(self) -> None:
        self._choked = True
        if not self._told and self._protocol is not None:
            self._told = True
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._choked = False
        if self._held:
            self._encrypt()
        self._relieve()

    def _relieve(self) -> None:
        if self._told and not self._choked and not self._held and self._protocol is not None:
            self._told = False
            self._protocol.resume_writing()

    # bytes in

    def _deliver(self) -> None:
        """Decrypt what has come, and hand it over in one piece."""
        incoming = self._incoming
        read = self._ssl.read
        pieces = []
        try:
            while True:
                pieces.append(read(RECORD_BYTES))
                if not incoming.pending:
                    break
                if not pieces[-1]:
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            pieces.append(b"")
        except ssl.SSLError as error:
            self._break(error)
            return
        if self._outgoing.pending and self._outgoing.pending != self._tickets:
            self._answer()
        if not pieces:
            return
        if not pieces[-1]:
            self._ended = self._eof_due = True
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if data:
            self._protocol.data_received(data)
        if self._eof_due:
            self._end()

    def _end(self) -> None:
        """Tell of the peer's close_notify, unless the inner protocol does not read."""
        if not self._paused and not self._closing:
            self._eof_due = False
            if not self._protocol.eof_received():
                self.close()

    def _deliver_later(self) -> None:
        if self._paused or self._closing:
            return
        try:
            if self._eof_due:
                self._end()
            elif not self._ended:
                self._deliver()
        except Exception as error:  # as the loop does with what a protocol raises: the connection is over
            self._error = error
            self._raw.abort()

    def _answer(self) -> None:
        """Send what OpenSSL itself has to say: a key update, a ticket. A peer that asks and never reads is cut off."""
        self._raw.write(self._outgoing.read())
        if self._choked and self._raw.get_write_buffer_size() > UNASKED_BYTES:
            self.abort()

    def _break(self, error: Exception) -> None:
        """What came is not TLS: say so, and lose the connection."""
        self._error = error
        if not self._raw.is_closing():
            self._flush()
        self._give_up()
        self._raw.close()

    def _give_up(self) -> None:
        self._closing = True
        self._held.clear()
        self._held_bytes = 0

    def pause_reading(self) -> None:
        if not self._paused and not self._closing:
            self._paused = True
            self._raw.pause_reading()

    def resume_reading(self) -> None:
        if self._paused and not self._closing:
            self._paused = False
            self._raw.resume_reading()
            if self._incoming.pending or self._eof_due:
                asyncio.get_running_loop().call_soon(self._deliver_later)

    def is_reading(self) -> bool:
        return not self._paused and not self._closing

    # bytes out

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._eof:
            raise RuntimeError("write() after write_eof()")
        size = len(data)
        if size <= RECORD_BYTES and not self._held and not self._choked:
            if size and not self._closing:
                self._ssl.write(data)
                self._raw.write(self._outgoing.read())
            return
        if not self._closing:
            self._held.append(memoryview(data if type(data) is bytes else bytes(data)))
            self._held_bytes += size
            if not self._choked and self._held_bytes == size:
                self._encrypt()

    def writelines(self, lines: Any) -> None:
        self.write(b"".join(lines))

    def _encrypt(self) -> None:
        """Send what is held until the raw transport has enough; then what was to follow it."""
        held, encrypt = self._held, self._ssl.write
        while held and not self._choked:
            view = held.popleft()
            at, end = 0, min(len(view), SLICE_BYTES)
            records = []
            while at < end:
                at += encrypt(view[at : min(at + RECORD_BYTES, end)])
                records.append(self._outgoing.read())
            self._held_bytes -= end
            if end < len(view):
                held.appendleft(view[end:])
            self._raw.writelines(records)
        if not held:
            if self._eof or self._closing:
                self._notify()
            if self._closing:
                self._raw.close()

    def _notify(self) -> None:
        """Send close_notify, once: OpenSSL knows."""
        unread = self._incoming.read()  # it would look there for the peer's, and break over data
        with suppress(ssl.SSLError):  # the peer's has not come
            self._ssl.unwrap()
        if unread:
            self._incoming.write(unread)
        if not self._raw.is_closing():
            self._flush()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Say that nothing more comes, behind what was written. Reading goes on."""
        if not self._eof and not self._closing:
            self._eof = True
            if not self._held:
                self._notify()

    def close(self) -> None:
        """Send what was written, then close_notify, and close. Nothing more is read."""
        if not self._closing:
            self._closing = True
            if not self._held:
                self._notify()
                self._raw.close()

    def abort(self) -> None:
        self._give_up()
        self._raw.abort()

    def is_closing(self) -> bool:
        return self._closing or self._raw.is_closing()

    def get_write_buffer_size(self) -> int:
        return self._held_bytes + self._raw.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._raw.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)

    # who is at the ends

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Another protocol takes over from the one within."""
        self._protocol = cast(asyncio.Protocol, protocol)
        self._told = False

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._ssl if name == "ssl_object" else self._raw.get_extra_info(name, default)

    def __repr__(self) -> str:
        state = "closing" if self._closing else "choked" if self._choked else "open"
        return f"<TlsTransport {state}, {self._held_bytes} bytes held>"


class Handshake(asyncio.Protocol):
    """The client's side of a new connection: a protocol for `create_connection` that shakes hands and then steps aside.

    `choose` makes the inner protocol, knowing what was agreed on. `done` gets it, or a HandshakeFailure; a future that is
    cancelled before aborts the connection.
    """

    __slots__ = ("_choose", "_context", "_done", "_raw", "_server_name", "_session", "_tls")

    def __init__(
        self,
        context: ssl.SSLContext,
        server_name: str,
        choose: Callable[[Agreement], asyncio.Protocol],
        done: "asyncio.Future[asyncio.Protocol]",
        session: ssl.SSLSession | None = None,
    ) -> None:
        self._context = context
        self._session = session
        self._server_name = server_name
        self._choose = choose
        self._done = done
        self._raw: asyncio.Transport | None = None
        self._tls: TlsTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        raw = self._raw = cast(asyncio.Transport, transport)
        self._done.add_done_callback(self._left)
        try:
            self._tls = TlsTransport(
                raw, self._context, server_side=False, server_name=self._server_name, session=self._session
            )
        except ValueError as error:
            self._fail(error)
        self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        tls = self._tls
        if tls is None:
            return
        try:
            if tls.shake(data):
                self._tls = None
                protocol = self._choose(tls.agreement())
                tls.hand_to(protocol)
                if not self._done.done():
                    self._done.set_result(protocol)
        except Exception as error:  # also what `choose` raises: somebody waits to hear of it
            self._fail(error)

    def eof_received(self) -> None:
        self._fail(HandshakeFailure("eof"))

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(HandshakeFailure("reset" if error else "eof"))

    def _left(self, done: "asyncio.Future[asyncio.Protocol]") -> None:
        if done.cancelled() and self._raw is not None:
            self._tls = None
            self._raw.abort()

    def _fail(self, failure: Exception) -> None:
        self._tls = None
        if not self._done.done():
            self._done.set_exception(failure)
        if self._raw is not None:
            self._raw.close()
