"""Sending a client elsewhere: which status, and which URL it asked for (middlewares.md §3.18, §3.19).

Of the `redirect...` middlewares and of entry points that redirect (operations.md §2.6).
"""

from typing import Final

from pointsman.dialect.urls import visible
from pointsman.message import Headers, Request, Response

DEFAULT_PORTS: Final = {b"http": b"80", b"https": b"443"}
_CAME_BY: Final = {b"http": b"http", b"ws": b"http", b"https": b"https", b"wss": b"https"}


def redirected(request: Request, location: bytes, permanent: bool, status: int = 0) -> Response:
    """The answer: 302, or 301 if it is permanent, to GET; 307 or 308 to all others, which keeps their method and body.

    A `status` is for all of them. `location` is printable ASCII.
    """
    lasting, temporary = (301, 302) if request.method == b"GET" else (308, 307)
    answer = Response.plain(status or (lasting if permanent else temporary))
    answer.headers = Headers([(b"location", location)])
    return answer


def target_of(request: Request) -> bytes:
    """Path and query: the path as it is by now, the query as the client wrote it. `OPTIONS *` has neither."""
    _, mark, query = request.target.partition(b"?")
    return (request.path if request.path != b"*" else b"") + mark + query


def scheme_of(request: Request) -> bytes:
    """http or https, as the client came: what X-Forwarded-Proto says, which the edge believes of trusted peers alone."""
    said = request.headers.get(b"x-forwarded-proto") or b""
    return _CAME_BY.get(said.lower()) or request.scheme


def with_scheme(request: Request, scheme: bytes, port: bytes) -> bytes | None:
    """The URL that was asked for, with another scheme and port; None if that is the very one.

    `port` b"" is the scheme's own. The port that the client named is never kept.
    """
    host, asked = split_authority(request.authority)
    came_by = scheme_of(request)
    usual = DEFAULT_PORTS.get(scheme, b"")
    if came_by == scheme and (asked or usual) == (port or usual):
        return None
    there = host if port in (b"", usual) else host + b":" + port
    return visible(scheme + b"://" + there + target_of(request))


def split_authority(authority: bytes) -> tuple[bytes, bytes]:
    """Host, in its brackets if it has any, and port."""
    end = authority.rfind(b"]") + 1
    host, _, port = authority[end:].partition(b":")
    return authority[:end] + host, port
