"""What an entry point does with a new connection under one snapshot (routing.md §8.3): who takes it, and on which TLS terms.

Pure: made while a configuration is compiled, asked by `server/opening.py` before anything is answered.
"""

import logging
import ssl
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from attrs import Factory, frozen

from pointsman.api import TcpMiddleware
from pointsman.deadlines import Deadlines
from pointsman.message import Facts, Link
from pointsman.net.pipe import PipeEnd
from pointsman.server.certificates import Pair
from pointsman.server.terms import TlsSettings

log: Final = logging.getLogger("pointsman.server")


class Terms(Protocol):
    """TLS options, compiled."""

    @property
    def name(self) -> str:
        """`default`, `strict@file`"""

    @property
    def alpn(self) -> tuple[bytes, ...]:
        """What the gateway speaks under these options, the most wanted first; never empty."""

    @property
    def sni_strict(self) -> bool: ...

    @property
    def lapsed(self) -> bool:
        """Whether the options of this name demand something else by now: what is agreed on under these serves no more."""

    @property
    def settings(self) -> TlsSettings:
        """For who makes handshakes otherwise than by a context."""

    def context_for(self, pair: Pair) -> ssl.SSLContext:
        """The context for a handshake with this certificate; made on first use, then the same one.

        ValueError if OpenSSL does not take the certificate under these options.
        """


class Certificates(Protocol):
    """The certificates that may be served (routing.md §8.1)."""

    @property
    def default(self) -> Pair: ...

    def find(self, name: bytes) -> Pair | None:
        """The certificate for a server name, or, without one, for the local address as text; None: the default is left."""


class TcpServers(Protocol):
    """The servers that a service has chosen for a connection."""

    @property
    def termination_delay(self) -> float:
        """Seconds that one side has left when the other has finished; negative for no limit (routing.md §8.6)."""

    async def connect(self, link: Link, deadlines: Deadlines) -> PipeEnd:
        """A connection to one of them, as a pipe that is not open yet. GatewayError if none is to be had."""


class TcpService(Protocol):
    """What a TCP router passes connections on to."""

    def choose(self) -> TcpServers | None:
        """The servers for the next connection; None if there are none."""


class TcpRoute:
    """A compiled TCP router."""

    __slots__ = ("middlewares", "name", "passthrough", "service", "terms")

    def __init__(
        self,
        name: str,
        service: TcpService,
        middlewares: Sequence[TcpMiddleware] = (),
        *,
        terms: Terms | None = None,
        passthrough: bool = False,
    ) -> None:
        self.name = name
        self.service = service
        self.middlewares = tuple(middlewares)
        self.terms = terms
        """For a terminating router; None if its options are broken: its connections are closed without an alert."""
        self.passthrough = passthrough

    def admit(self, link: Link) -> Callable[[], None] | None:
        """Ask the router's middlewares. What to call when the connection is over, or None: it is closed at once."""
        releases: list[Callable[[], None]] = []
        for middleware in self.middlewares:
            try:
                release = middleware.admit(link)
            except Exception:  # a plugin's mistake lets nobody in
                log.exception("router %s: a middleware failed", self.name, extra={"routerName": self.name})
                release = None
            if release is None:
                _run(releases)
                return None
            releases.append(release)
        return lambda: _run(releases)

    def __repr__(self) -> str:
        return f"<TcpRoute {self.name}{' passthrough' if self.passthrough else ''}>"


def _run(releases: list[Callable[[], None]]) -> None:
    while releases:
        try:
            releases.pop()()
        except Exception:  # the others must run
            log.exception("a middleware failed at the end of a connection")


class TcpTable(Protocol):
    """TCP routers in order of priority."""

    def match(self, facts: Facts) -> TcpRoute | None: ...

    def __len__(self) -> int: ...


class NoTcp:
    """The table without routers."""

    def match(self, facts: Facts) -> TcpRoute | None:
        return None

    def __len__(self) -> int:
        return 0


class HttpsHosts(Protocol):
    """Which TLS options the HTTPS routers of an entry point ask for, by server name (routing.md §4.3)."""

    def find(self, name: bytes) -> "Terms | Closed | None":
        """For a name that a `Host` rule has, exactly or by wildcard; None for one that none has."""

    @property
    def catch_all(self) -> bool:
        """Whether an HTTPS router without a Host is there."""


class Closed:
    """In place of Terms that are broken: connections are closed without an alert."""


CLOSED = Closed()


class NoHosts:
    """No HTTPS routers."""

    catch_all = False

    def find(self, name: bytes) -> Terms | Closed | None:
        return None


@frozen(eq=False)
class Door:
    """Everything `Opening` asks, in the order of routing.md §8.3."""

    plain: TcpTable = Factory(NoTcp)
    """TCP routers without `tls`."""
    secure: TcpTable = Factory(NoTcp)
    """TCP routers with `tls` but for the pure catch-all."""
    secure_catch_all: TcpTable = Factory(NoTcp)
    """TCP routers with `tls` whose rule is exactly HostSNI(`*`)."""
    https: HttpsHosts = Factory(NoHosts)
    default: Terms | Closed = CLOSED
    """The options `default`."""
    certificates: Certificates | None = None
    """None only where no TLS can be served at all."""

    @property
    def only_plain_tcp(self) -> bool:
        """No TLS router of either kind: plaintext TCP routers are asked before anything is read."""
        return len(self.plain) > 0 and not (len(self.secure) or len(self.secure_catch_all) or self.has_https)

    has_https: bool = False
    """Whether any HTTPS router is there."""

    def pair_for(self, terms: Terms, name: bytes) -> Pair | None:
        """The certificate for a server name, or for the local address as text; None if the client gets none (§8.1)."""
        if self.certificates is None:
            return None
        pair = self.certificates.find(name)
        return self.certificates.default if pair is None and not terms.sni_strict else pair

    def choose(self, facts: Facts) -> TcpRoute | Terms | Closed:
        """Who takes a TLS connection: a TCP route, or HTTPS under these terms, or nobody."""
        found = self.https.find(facts.server_name) if facts.server_name else None
        if found is not None:
            return found
        route = self.secure.match(facts)
        if route is None and not self.https.catch_all:
            route = self.secure_catch_all.match(facts)
        return self.default if route is None else route

    def choose_http3(self, server_name: bytes) -> Terms | Closed:
        """The terms of an HTTP/3 connection: only HTTPS routers are asked (§8.3)."""
        return (self.https.find(server_name) if server_name else None) or self.default

    def choose_tcp(self, facts: Facts) -> TcpRoute | None:
        """Who takes a TLS connection that cannot be HTTPS (routing.md §8.5)."""
        route = self.secure.match(facts)
        return self.secure_catch_all.match(facts) if route is None else route


EMPTY_DOOR = Door()
