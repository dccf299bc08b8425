"""`entryPoints.X.http.redirections`: every request of one entry point sent to another (operations.md §2.6).

Each is a router of the provider `internal` and an internal service that answers it.
"""

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from pointsman.config.static import Static
from pointsman.message import Headers, Request, Response

ACME: Final = "/.well-known/acme-challenge/"
DEFAULT_PORTS: Final = {b"http": b"80", b"https": b"443"}


@frozen
class Redirection:
    """Where the requests of an entry point are sent."""

    entry_point: str
    target: str
    """An entry point or a port, as it stands in names."""
    scheme: bytes
    port: bytes
    permanent: bool
    priority: int
    rule: str

    @property
    def router(self) -> str:
        return f"{self.entry_point}-to-{self.target}"

    @property
    def service(self) -> str:
        return f"redirect-{self.router}"

    def __call__(self, request: Request) -> Response:
        """The redirect: 301 or 302 for GET, 308 or 307 for all others, to the same host and path.

        Whoever already asked for exactly that, as a trusted peer's X-Forwarded-Proto may say, would ask for ever: 418, as
        from `noop@internal`.
        """
        host, port = _split(request.authority)
        proto = request.headers.get(b"x-forwarded-proto") or request.scheme
        came_by = {b"ws": b"http", b"wss": b"https"}.get(proto.lower(), proto.lower())
        if came_by == self.scheme and (port or DEFAULT_PORTS.get(came_by)) == self.port:
            return Response(418)
        there = host if DEFAULT_PORTS.get(self.scheme) == self.port else host + b":" + self.port
        _, mark, query = request.target.partition(b"?")
        permanent, temporary = (301, 302) if request.method == b"GET" else (308, 307)
        answer = Response.plain(permanent if self.permanent else temporary)
        answer.headers = Headers([(b"location", self.scheme + b"://" + there + request.path + mark + query)])
        return answer


def _split(authority: bytes) -> tuple[bytes, bytes]:
    """Host, in its brackets if it has any, and port."""
    end = authority.rfind(b"]") + 1
    host, _, port = authority[end:].partition(b":")
    return authority[:end] + host, port


def redirections(static: Static) -> Iterator[Redirection]:
    """All of them. One that leads nowhere is left out: the static checks have named it."""
    for name, point in static.entry_points.items():
        redirect = point.http.redirections.entry_point if point.http.redirections is not None else None
        if redirect is None or point.listen.protocol != "tcp":
            continue
        target = static.entry_points.get(redirect.to)
        if target is None and not redirect.to.startswith(":"):
            continue
        port = redirect.to[1:] if target is None else str(target.listen.port)
        rule = "HostRegexp(`^.+$`)"
        if point.allow_acme_bypass:
            rule += f" && !PathPrefix(`{ACME}`)"
        yield Redirection(
            name,
            redirect.to.removeprefix(":"),
            redirect.scheme.lower().encode("ascii", "replace"),
            port.encode("ascii", "replace"),
            redirect.permanent,
            redirect.priority,
            rule,
        )
