"""What an entry point does with a new connection under one snapshot (routing.md §8.3): who takes it, and on which TLS terms.

Pure: made while a configuration is compiled, asked by `server/opening.py` before anything is answered.
"""

import ssl
from collections.abc import Callable
from typing import Protocol

from attrs import Factory, frozen

from pointsman.message import Address, Link
from pointsman.server.certificates import Pair


@frozen
class Facts:
    """What is known of a connection before it is routed: nothing but addresses for plaintext, the ClientHello for TLS."""

    client: Address
    local: Address
    server_name: bytes = b""
    """SNI, lower case, without a trailing dot; b"" if there is none."""
    alpn: tuple[bytes, ...] = ()
    """What the client offers, in its order."""


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


class TcpRoute(Protocol):
    """A compiled TCP router."""

    name: str
    passthrough: bool
    terms: Terms | None
    """For a terminating router; None if its options are broken: its connections are closed without an alert."""

    def admit(self, link: Link) -> Callable[[], None] | None:
        """Ask the router's middlewares. What to call when the connection is over, or None: it is closed at once."""


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

    def choose(self, facts: Facts) -> TcpRoute | Terms | Closed:
        """Who takes a TLS connection: a TCP route, or HTTPS under these terms, or nobody."""
        found = self.https.find(facts.server_name) if facts.server_name else None
        if found is not None:
            return found
        route = self.secure.match(facts)
        if route is None and not self.https.catch_all:
            route = self.secure_catch_all.match(facts)
        return self.default if route is None else route

    def choose_tcp(self, facts: Facts) -> TcpRoute | None:
        """Who takes a TLS connection that cannot be HTTPS (routing.md §8.5)."""
        route = self.secure.match(facts)
        return self.secure_catch_all.match(facts) if route is None else route


EMPTY_DOOR = Door()
