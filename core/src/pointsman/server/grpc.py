"""Errors of the gateway as a gRPC client understands them: a 200 whose head holds the status, and nothing after it.

(gRPC over HTTP/2, "Responses": Trailers-Only; the mapping is gRPC's own for answers of proxies that know nothing of it.) The
reference answers gRPC clients with plain 404s and 502s, which they show as `UNKNOWN` or `UNAVAILABLE` without the word.
"""

from typing import Final

from pointsman.errors import GatewayError, TooLate
from pointsman.message import Headers, Response, reason

_UNKNOWN: Final = 2
_DEADLINE_EXCEEDED: Final = 4
_STATUSES: Final = {400: 13, 401: 16, 403: 7, 404: 12, 408: 4, 429: 14, 502: 14, 503: 14, 504: 14}
_UNRESERVED: Final = frozenset(range(0x20, 0x7F)) - {0x25}


def is_grpc(content_type: bytes | None) -> bool:
    return content_type is not None and content_type.lower().startswith(b"application/grpc")


def trailers_only(response: Response, error: BaseException | None) -> Response:
    """The same refusal for a gRPC client. Other headers than those that describe the body stay."""
    status = response.status
    code = _STATUSES.get(status, _UNKNOWN)
    if isinstance(error, TooLate) or (status == 504 and isinstance(error, GatewayError)):  # the gateway's own
        code = _DEADLINE_EXCEEDED
    word = response.content.strip() if response.content and len(response.content) <= 1024 else reason(status)
    described = (b"content-type", b"content-length", b"content-encoding", b"x-content-type-options")
    headers = Headers([line for line in response.headers if line[0] not in described])
    headers.add(b"content-type", b"application/grpc")
    headers.add(b"grpc-status", b"%d" % code)
    headers.add(b"grpc-message", _percent_encoded(word))
    if response.content is None:
        response.body.abandon()
    return Response(200, headers)


def _percent_encoded(text: bytes) -> bytes:
    return b"".join([b"%c" % byte if byte in _UNRESERVED else b"%%%02X" % byte for byte in text])
