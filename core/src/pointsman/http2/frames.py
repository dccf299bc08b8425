"""Frames as bytes (RFC 9113 §4, §6): numbers and names, and how each kind is written."""

from collections.abc import Iterable
from struct import Struct
from typing import Final

DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

# flags
END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
WITH_PRIORITY: Final = 0x20

# error codes (§7)
NO_ERROR: Final = 0x0
PROTOCOL_ERROR: Final = 0x1
INTERNAL_ERROR: Final = 0x2
FLOW_CONTROL_ERROR: Final = 0x3
SETTINGS_TIMEOUT: Final = 0x4
STREAM_CLOSED: Final = 0x5
FRAME_SIZE_ERROR: Final = 0x6
REFUSED_STREAM: Final = 0x7
CANCEL: Final = 0x8
COMPRESSION_ERROR: Final = 0x9
CONNECT_ERROR: Final = 0xA
ENHANCE_YOUR_CALM: Final = 0xB
INADEQUATE_SECURITY: Final = 0xC
HTTP_1_1_REQUIRED: Final = 0xD

ERROR_NAMES: Final = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)

# settings (§6.5.2; RFC 8441 §3)
HEADER_TABLE_SIZE: Final = 0x1
ENABLE_PUSH: Final = 0x2
MAX_CONCURRENT_STREAMS: Final = 0x3
INITIAL_WINDOW_SIZE: Final = 0x4
MAX_FRAME_SIZE: Final = 0x5
MAX_HEADER_LIST_SIZE: Final = 0x6
ENABLE_CONNECT_PROTOCOL: Final = 0x8

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SMALLEST_FRAME_LIMIT: Final = 16_384
LARGEST_FRAME_LIMIT: Final = 2**24 - 1
LARGEST_WINDOW: Final = 2**31 - 1
FIRST_WINDOW: Final = 65_535
LARGEST_STREAM: Final = 2**31 - 1

HEAD: Final = Struct(">IBI")
"""A frame's head: its length and kind in one number (`length << 8 | kind`), flags, stream."""
HEAD_SIZE: Final = 9
SETTING: Final = Struct(">HI")
NUMBER: Final = Struct(">I")

head = HEAD.pack
SETTINGS_ACK: Final = head(SETTINGS, ACK, 0)


def error_name(code: int) -> str:
    """`REFUSED_STREAM`; the number for one that nobody registered."""
    return ERROR_NAMES[code] if code < len(ERROR_NAMES) else f"error 0x{code:x}"


def settings(values: Iterable[tuple[int, int]]) -> bytes:
    payload = b"".join([SETTING.pack(key, value) for key, value in values])
    return head(len(payload) << 8 | SETTINGS, 0, 0) + payload


def ping(payload: bytes, ack: bool = False) -> bytes:
    """`payload` is 8 bytes."""
    return head(8 << 8 | PING, ACK if ack else 0, 0) + payload


def goaway(last_stream: int, code: int, debug: bytes = b"") -> bytes:
    size = 8 + len(debug)
    return head(size << 8 | GOAWAY, 0, 0) + NUMBER.pack(last_stream) + NUMBER.pack(code) + debug


def rst_stream(stream: int, code: int) -> bytes:
    return head(4 << 8 | RST_STREAM, 0, stream) + NUMBER.pack(code)


def window_update(stream: int, increment: int) -> bytes:
    return head(4 << 8 | WINDOW_UPDATE, 0, stream) + NUMBER.pack(increment)


def headers(stream: int, block: bytes, end_stream: bool, limit: int = SMALLEST_FRAME_LIMIT) -> bytes:
    """HEADERS, and as many CONTINUATIONs as a block above the frame limit needs."""
    flags = END_STREAM if end_stream else 0
    size = len(block)
    if size <= limit:
        return head(size << 8 | HEADERS, flags | END_HEADERS, stream) + block
    parts = [head(limit << 8 | HEADERS, flags, stream), block[:limit]]
    for at in range(limit, size, limit):
        piece = block[at : at + limit]
        last = END_HEADERS if at + limit >= size else 0
        parts += (head(len(piece) << 8 | CONTINUATION, last, stream), piece)
    return b"".join(parts)
