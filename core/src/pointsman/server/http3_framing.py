"""HTTP/3 framing (RFC 9114): aioquic's, with limits and rules of our own.

There are no dynamic tables, neither way: what they would save is less than what a client could make us keep. A message that
is malformed is its stream's affair, and whether it is one is said where HTTP/2's is (`http2/fields.py`).
"""

from typing import Final

import pylsqpack
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import (
    FrameType,
    FrameUnexpected,
    H3Connection,
    H3Stream,
    HeadersState,
    Setting,
    encode_frame,
)
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.connection import QuicConnection, stream_is_unidirectional

from pointsman.http2 import frames

MAX_BLOCK: Final = 64 * 1024
"""Bytes of a header block as it comes; QPACK's library takes no larger field than this either."""
MAX_CONTROL: Final = 16 * 1024
"""Bytes of a frame on a stream that is no request's."""

NO_ERROR: Final = 0x100
INTERNAL_ERROR: Final = 0x102
EXCESSIVE_LOAD: Final = 0x107
REQUEST_REJECTED: Final = 0x10B
REQUEST_CANCELLED: Final = 0x10C
MESSAGE_ERROR: Final = 0x10E

CODES: Final = {
    frames.NO_ERROR: NO_ERROR,
    frames.PROTOCOL_ERROR: MESSAGE_ERROR,
    frames.INTERNAL_ERROR: INTERNAL_ERROR,
    frames.REFUSED_STREAM: REQUEST_REJECTED,
    frames.CANCEL: REQUEST_CANCELLED,
    frames.ENHANCE_YOUR_CALM: EXCESSIVE_LOAD,
}
"""HTTP/2's words for why a stream ends -> HTTP/3's (RFC 9114 appendix A.4)."""


class Framing(H3Connection):
    """The frames of one connection."""

    def __init__(self, quic: QuicConnection, field_limit: int) -> None:
        self._field_limit = field_limit
        self.block_limit = min(field_limit, MAX_BLOCK)
        super().__init__(quic)

    def goaway(self, stream_id: int) -> None:
        """Say that requests from this one on are not served."""
        assert self._local_control_stream_id is not None
        self._quic.send_stream_data(
            self._local_control_stream_id, encode_frame(FrameType.GOAWAY, encode_uint_var(stream_id))
        )

    def oversize(self, stream_id: int) -> bool:
        """Whether a frame that must come whole is larger than it may be, or is going to be."""
        stream = self._stream.get(stream_id)
        if stream is None:
            return False
        if stream_is_unidirectional(stream_id):
            return len(stream.buffer) > MAX_CONTROL
        announced = stream.frame_size if stream.frame_type == FrameType.HEADERS else None
        return len(stream.buffer) > self.block_limit or (announced or 0) > self.block_limit

    def drop(self, stream_id: int) -> None:
        """Nothing more of this stream is looked at."""
        self._stream.pop(stream_id, None)

    def _init_connection(self) -> None:
        self._max_table_capacity = self._blocked_streams = 0
        self._decoder = pylsqpack.Decoder(0, 0)
        super()._init_connection()

    def _get_local_settings(self) -> dict[int, int]:
        return {Setting.MAX_FIELD_SECTION_SIZE: self._field_limit, Setting.ENABLE_CONNECT_PROTOCOL: 1}

    def _validate_settings(self, settings: dict[int, int]) -> None:
        super()._validate_settings(settings)
        settings[Setting.QPACK_MAX_TABLE_CAPACITY] = settings[Setting.QPACK_BLOCKED_STREAMS] = 0

    def _handle_request_or_push_frame(
        self, frame_type: int, frame_data: bytes | None, stream: H3Stream, stream_ended: bool
    ) -> list[H3Event]:
        """A request's HEADERS, DATA and trailers, as they are."""
        state = stream.headers_recv_state
        if frame_type == FrameType.DATA:
            if state != HeadersState.AFTER_HEADERS:
                raise FrameUnexpected("DATA frame is not allowed in this state")
            if not frame_data and not stream_ended:
                return []
            return [DataReceived(frame_data or b"", stream.stream_id, stream_ended)]
        if frame_type != FrameType.HEADERS or state == HeadersState.AFTER_TRAILERS:
            raise FrameUnexpected("HEADERS frame is not allowed in this state")
        fields = self._decode_headers(stream.stream_id, frame_data)
        first = state == HeadersState.INITIAL
        stream.headers_recv_state = HeadersState.AFTER_HEADERS if first else HeadersState.AFTER_TRAILERS
        return [HeadersReceived(fields, stream.stream_id, stream_ended)]
