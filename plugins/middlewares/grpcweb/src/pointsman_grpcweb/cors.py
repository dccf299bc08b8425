"""Who may call from where: origins, preflights, and what answers say of it (middlewares.md §3.12)."""

from collections.abc import Iterable
from typing import Final

from pointsman import Request, Response

Lines = list[tuple[bytes, bytes]]
METHODS: Final = frozenset((b"GET", b"POST", b"HEAD"))
MAX_AGE_SECONDS: Final = 600
_VARY: Final = (
    (b"vary", b"Origin"),
    (b"vary", b"Access-Control-Request-Method"),
    (b"vary", b"Access-Control-Request-Headers"),
)


class Origins:
    """Those that may call."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(origin.encode() for origin in allowed)

    def lines(self, origin: bytes) -> Lines:
        """What an answer to `origin` says; nothing if it may not call, or if it is b""."""
        if not origin or not (b"*" in self._allowed or origin in self._allowed):
            return []
        return [(b"access-control-allow-origin", origin), (b"access-control-allow-credentials", b"true")]


def is_preflight(request: Request) -> bool:
    """Whether a browser asks if it may send a gRPC-Web request."""
    if request.method != b"OPTIONS":
        return False
    asked = request.headers.get(b"access-control-request-headers")
    return asked is not None and b"x-grpc-web" in asked.lower() and bool(_asked_method(request))


def _asked_method(request: Request) -> bytes:
    return request.headers.get(b"access-control-request-method") or b""


def preflight(request: Request, origins: Origins) -> Response:
    """The answer to one. A foreign origin learns nothing, and its browser refuses."""
    lines: Lines = list(_VARY)
    method = _asked_method(request)
    allowed = origins.lines(request.headers.get(b"origin") or b"")
    if allowed and method in METHODS:
        lines += allowed
        lines += (
            (b"access-control-allow-methods", method),
            (b"access-control-allow-headers", request.headers.get(b"access-control-request-headers") or b""),
            (b"access-control-max-age", b"%d" % MAX_AGE_SECONDS),
        )
    return Response(200, lines)


def exposed(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The names of all headers of an answer that scripts may read, and of the status, wherever it stands."""
    names = dict.fromkeys(name for name, _ in headers if not name.startswith(b"access-control-"))
    return b", ".join([*names, *(name for name in (b"grpc-status", b"grpc-message") if name not in names)])
