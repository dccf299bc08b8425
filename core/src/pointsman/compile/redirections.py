"""`entryPoints.X.http.redirections`: every request of one entry point sent to another (operations.md §2.6).

Each is a router of the provider `internal` and an internal service that answers it.
"""

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from pointsman.config.static import Static
from pointsman.dialect.redirection import redirected, with_scheme
from pointsman.message import Request, Response

ACME: Final = "/.well-known/acme-challenge/"


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
        there = with_scheme(request, self.scheme, self.port)
        return Response(418) if there is None else redirected(request, there, self.permanent)


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
