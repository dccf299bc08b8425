"""What gRPC says of content types, statuses and messages (gRPC over HTTP/2; its mapping of HTTP statuses)."""

from typing import Final

from pointsman.errors import GatewayError, TooLate
from pointsman.message import Headers, Response, reason

UNKNOWN: Final = 2
DEADLINE_EXCEEDED: Final = 4
UNAVAILABLE: Final = 14
_STATUSES: Final = {400: 13, 401: 16, 403: 7, 404: 12, 408: 4, 429: 14, 502: 14, 503: 14, 504: 14}
_UNRESERVED: Final = frozenset(range(0x20, 0x7F)) - {0x25}
_WORD_BYTES: Final = 1024


def is_grpc(content_type: bytes | None) -> bool:
    """Whether a body is gRPC; gRPC-Web is another thing."""
    if content_type is None:
        return False
    lower = content_type.lower()
    return lower == b"application/grpc" or lower.startswith((b"application/grpc+", b"application/grpc;"))


def status_for(status: int, error: BaseException | None = None) -> int:
    """The gRPC status for an HTTP status that no gRPC server gave; `error` is what it came of, if anything."""
    if isinstance(error, TooLate) or (status == 504 and isinstance(error, GatewayError)):  # the gateway's own
        return DEADLINE_EXCEEDED
    return _STATUSES.get(status, UNKNOWN)


def word_of(response: Response) -> bytes:
    """What a refusal says in words, as `grpc-message` is written: percent-encoded."""
    content = response.content
    word = content.strip() if content and len(content) <= _WORD_BYTES else reason(response.status)
    return b"".join([b"%c" % byte if byte in _UNRESERVED else b"%%%02X" % byte for byte in word])


def refusal(status: int) -> Response:
    """An answer without a message: all of it is in its head (Trailers-Only)."""
    headers = Headers([(b"content-type", b"application/grpc"), (b"grpc-status", b"%d" % status)])
    if status == UNAVAILABLE:
        headers.add(b"grpc-message", b"Service Unavailable")
    return Response(200, headers)
