"""Errors of the gateway as a gRPC client understands them: a 200 whose head holds the status, and nothing after it.

(gRPC over HTTP/2, "Responses": Trailers-Only; the mapping is gRPC's own for answers of proxies that know nothing of it.) The
reference answers gRPC clients with plain 404s and 502s, which they show as `UNKNOWN` or `UNAVAILABLE` without the word.
"""

from pointsman.dialect.grpc import status_for, word_of
from pointsman.message import Headers, Response


def trailers_only(response: Response, error: BaseException | None) -> Response:
    """The same refusal for a gRPC client. Other headers than those that describe the body stay."""
    described = (b"content-type", b"content-length", b"content-encoding", b"x-content-type-options")
    headers = Headers([line for line in response.headers if line[0] not in described])
    headers.add(b"content-type", b"application/grpc")
    headers.add(b"grpc-status", b"%d" % status_for(response.status, error))
    headers.add(b"grpc-message", word_of(response))
    if response.content is None:
        response.body.abandon()
    return Response(200, headers)
