"""QUIC towards clients: aioquic's connection, with limits of our own (RFC 9000, RFC 9001).

Everything that leans on what aioquic does not promise is in this file and in `server/http3_framing.py`; their tests notice
when another version of it does otherwise. What differs from it:

- what a peer may send follows what was taken of it, where aioquic doubles the windows whatever becomes of the content;
- the certificate is chosen when the ClientHello is here, and that may be no larger than on TCP;
- there are no session tickets, so no 0-RTT and nothing that could be replayed.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from aioquic.quic.connection import Limit, QuicConnection, QuicConnectionError, QuicReceiveContext
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.events import ConnectionTerminated
from aioquic.quic.packet import QuicErrorCode, QuicFrameType, QuicPacketType
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.stream import QuicStream
from attrs import frozen

from pointsman.net.hello import MAX_HELLO, BadHello, Hello, parse_message

STREAM_WINDOW: Final = 256 * 1024
"""How much of one body may be on its way or wait here to be taken."""
CONNECTION_WINDOW: Final = 1024 * 1024
"""The same for all streams of a connection together."""
UNIDIRECTIONAL_STREAMS: Final = 16
"""HTTP/3 needs three from a client; some open others to see that nobody minds."""
_LIMIT_BYTES: Final = 1 + 8
_STREAM_LIMIT_BYTES: Final = 1 + 8 + 8
_CLOSE_BYTES: Final = 1 + 8 + 8 + 8

logging.getLogger("quic").disabled = True  # a line per packet of whoever knocks: what matters is counted elsewhere


class Refused(tls.Alert):
    """There is no handshake on these terms; the client gets this alert."""

    def __init__(self, description: int) -> None:
        super().__init__(tls.AlertDescription(description).name)
        self.description = tls.AlertDescription(description)


@frozen(eq=False, repr=False)
class Identity:
    """A certificate, its chain and its key, as aioquic takes them."""

    chain: Sequence[Any]
    key: Any

    @classmethod
    def read(cls, certificate: str, key: str) -> "Identity":
        """From PEM texts. ValueError if aioquic does not take them."""
        return cls(tls.load_pem_x509_certificates(certificate.encode()), tls.load_pem_private_key(key.encode()))


GROUPS: Final = {"P-256": "SECP256R1", "P-384": "SECP384R1", "X25519": "X25519"}
"""OpenSSL's names of the groups that aioquic knows -> its own."""


def groups_of(names: Sequence[str]) -> list[int]:
    """Those of OpenSSL's groups that aioquic knows."""
    return [int(tls.Group[GROUPS[name]]) for name in names if name in GROUPS]


@frozen(eq=False)
class Chosen:
    """What a handshake runs with."""

    identity: Identity
    groups: Sequence[int] = ()
    """Empty for all that aioquic knows."""


class ServerConnection(QuicConnection):
    """One connection. `choose` is asked once, when the ClientHello is whole; it raises Refused."""

    def __init__(
        self,
        configuration: QuicConfiguration,
        original: bytes,
        retried: bytes | None,
        max_streams: int,
        choose: Callable[[Hello], Chosen],
    ) -> None:
        super().__init__(
            configuration=configuration, original_destination_connection_id=original, retry_source_connection_id=retried
        )
        for limit, most in (
            (self._local_max_streams_bidi, max_streams),
            (self._local_max_streams_uni, UNIDIRECTIONAL_STREAMS),
        ):
            limit.value = limit.sent = most
        self._choose = choose
        self._serve_hello: Callable[[Buffer, Buffer, Buffer], None] | None = None
        self._held: dict[int, int] = {}
        self._held_bytes = 0
        self._stopped: set[int] = set()

    @property
    def begun(self) -> bool:
        """Whether a packet has come that is one."""
        return self._remote_initial_source_connection_id is not None

    @property
    def ended(self) -> ConnectionTerminated | None:
        """Why it is over, whoever says so; None while it goes on."""
        return self._close_event

    @property
    def cipher(self) -> str:
        """The suite agreed on, by its name in TLS."""
        schedule = self.tls.key_schedule
        return f"TLS_{schedule.cipher_suite.name}" if schedule is not None else ""

    # the handshake

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        self._serve_hello = self.tls._server_handle_hello
        self.tls._server_handle_hello = self._hello  # type: ignore[method-assign]

    def _hello(self, input_buf: Buffer, initial_buf: Buffer, handshake_buf: Buffer) -> None:
        """The ClientHello is here: go on with the certificate that it asks for."""
        context, go_on, self._serve_hello = self.tls, self._serve_hello, None
        assert go_on is not None
        try:
            hello = parse_message(input_buf.data_slice(0, input_buf.capacity))
        except BadHello as error:
            raise tls.AlertDecodeError(str(error)) from None
        chosen = self._choose(hello)
        context.certificate, *context.certificate_chain = chosen.identity.chain
        context.certificate_private_key = chosen.identity.key
        if chosen.groups:
            context._supported_groups = [group for group in context._supported_groups if group in chosen.groups]
        go_on(input_buf, initial_buf, handshake_buf)

    def _handle_crypto_frame(self, context: QuicReceiveContext, frame_type: int, buf: Buffer) -> None:
        at = buf.tell()
        if buf.pull_uint_var() + buf.pull_uint_var() > MAX_HELLO:
            raise QuicConnectionError(
                error_code=QuicErrorCode.CRYPTO_BUFFER_EXCEEDED,
                frame_type=frame_type,
                reason_phrase="the handshake is too large",
            )
        buf.seek(at)
        super()._handle_crypto_frame(context, frame_type, buf)

    # what the peer may send

    def hold(self, stream_id: int, size: int) -> None:
        """So much that came on this stream waits to be taken: the peer gets no further window for it."""
        self._held[stream_id] = self._held.get(stream_id, 0) + size
        self._held_bytes += size

    def release(self, stream_id: int) -> None:
        """What waited has been taken, or nobody wants it."""
        self._held_bytes -= self._held.pop(stream_id, 0)

    def stop(self, stream_id: int, code: int) -> None:
        """Nothing more is wanted of this stream. Safe when it is over."""
        stream = self._streams.get(stream_id)
        if stream is not None and not stream.receiver.is_finished:
            self._stopped.add(stream_id)
            stream.receiver.stop(code)

    def stopped(self, stream_id: int) -> bool:
        """Whether it was said that nothing more is wanted of it; forgotten when the peer is through with it."""
        return stream_id in self._stopped

    def forget(self, stream_id: int) -> None:
        """The peer is through with a stream."""
        self._stopped.discard(stream_id)

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace) -> None:
        data = self._local_max_data
        if data.value - data.used < CONNECTION_WINDOW // 2:
            receivers = [stream.receiver for stream in self._streams.values()]
            gaps = sum(each.highest_offset - each.starting_offset() for each in receivers if not each.is_finished)
            granted = data.used - self._held_bytes - gaps + CONNECTION_WINDOW
            if granted - data.value >= CONNECTION_WINDOW // 4:
                data.value = granted
        if data.value != data.sent:
            self._write_limit(builder, data)
        for limit in (self._local_max_streams_bidi, self._local_max_streams_uni):
            if limit.value != limit.sent and limit.sent - limit.used < limit.value - limit.sent:
                self._write_limit(builder, limit)

    def _write_limit(self, builder: QuicPacketBuilder, limit: Limit) -> None:
        frame = builder.start_frame(
            limit.frame_type, _LIMIT_BYTES, handler=self._on_connection_limit_delivery, handler_args=(limit,)
        )
        frame.push_uint_var(limit.value)
        limit.sent = limit.value

    def _write_stream_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream) -> None:
        receiver, number = stream.receiver, stream.stream_id
        if number is None or not stream.max_stream_data_local or receiver.is_finished or number in self._stopped:
            return
        granted = receiver.starting_offset() - self._held.get(number, 0) + STREAM_WINDOW
        if granted - stream.max_stream_data_local >= STREAM_WINDOW // 2:
            stream.max_stream_data_local = granted
        if stream.max_stream_data_local_sent != stream.max_stream_data_local:
            frame = builder.start_frame(
                QuicFrameType.MAX_STREAM_DATA,
                _STREAM_LIMIT_BYTES,
                handler=self._on_max_stream_data_delivery,
                handler_args=(stream,),
            )
            frame.push_uint_var(number)
            frame.push_uint_var(stream.max_stream_data_local)
            stream.max_stream_data_local_sent = stream.max_stream_data_local

    # what waits to be taken by the peer

    def takes(self, stream_id: int) -> bool:
        """Whether anything more can be said on a stream."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return False
        sender = stream.sender
        return not sender.is_finished and sender._buffer_fin is None and sender._reset_error_code is None

    def unacknowledged(self, stream_id: int) -> int:
        """Bytes given to a stream that the peer has not said to have; -1 when it has all, and the end."""
        stream = self._streams.get(stream_id)
        if stream is None or stream.sender.is_finished:
            return -1
        return stream.sender._buffer_stop - stream.sender._buffer_start

    def __repr__(self) -> str:
        return f"<ServerConnection {self.host_cid.hex()}, {len(self._streams)} streams>"


def server_configuration(idle_timeout: float) -> QuicConfiguration:
    """What all connections of an entry point share. The certificate comes later; aioquic only looks whether there is one."""
    return QuicConfiguration(
        is_client=False,
        alpn_protocols=["h3"],
        idle_timeout=idle_timeout,
        max_data=CONNECTION_WINDOW,
        max_stream_data=STREAM_WINDOW,
        certificate=_LATER,
        private_key=_LATER,
    )


_LATER: Final = object()


def refusal(version: int, source: bytes, destination: bytes, code: int) -> bytes:
    """A packet that ends a connection before it begins; `source` is the ID that the client chose for us."""
    crypto = CryptoPair()
    crypto.setup_initial(cid=source, is_client=False, version=version)
    builder = QuicPacketBuilder(
        host_cid=source,
        is_client=False,
        max_datagram_size=SMALLEST_MAX_DATAGRAM_SIZE,
        peer_cid=destination,
        version=version,
    )
    builder.start_packet(QuicPacketType.INITIAL, crypto)
    frame = builder.start_frame(QuicFrameType.TRANSPORT_CLOSE, _CLOSE_BYTES)
    for number in (code, int(QuicFrameType.PADDING), 0):
        frame.push_uint_var(number)
    datagrams, _ = builder.flush()
    return bytes(datagrams[0])
