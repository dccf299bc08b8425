"""A new connection, until it is known who takes it (routing.md §8.3-§8.5).

Theory of operation. An opening is in one state: PROXY (a PROXY header may come first), FIRST (too little has come to tell
what it is), HELLO (TLS, and the ClientHello is not whole), POSTGRES (we have agreed to TLS: the ClientHello must follow),
SHAKE (the handshake runs), LINGER (an alert is out; what comes is thrown away so that it is not lost to a reset). It ends by
handing the connection to a protocol, with all that has come, or by closing it. What comes later is no business of its.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any, Final, cast

from pointsman.deadlines import NEVER
from pointsman.message import Address, Facts, Link
from pointsman.net import proxyheader
from pointsman.net.hello import RECORD, BadHello, Hello, HelloReader
from pointsman.net.tls import HandshakeFailure, TlsTransport
from pointsman.server.door import EMPTY_DOOR, Closed, Door, TcpRoute, Terms
from pointsman.server.entry import Entry
from pointsman.server.http1 import Http1Protocol
from pointsman.server.http2 import Http2Protocol
from pointsman.server.tcp import TcpProtocol

log = logging.getLogger("pointsman.server")

PROXY: Final = -1
FIRST: Final = 0
HELLO: Final = 1
POSTGRES: Final = 2
SHAKE: Final = 3
LINGER: Final = 4

OPENING_SECONDS: Final = 10.0
"""From the first byte to the end of the handshake; less if the entry point's read timeout is."""
LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 256 * 1024

HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n"
POSTGRES_REQUEST: Final = bytes.fromhex("0000000804d2162f")
"""SSLRequest."""
ACME_PROTOCOL: Final = b"acme-tls/1"
CHALLENGE_SECONDS: Final = 2.0

DECODE_ERROR: Final = 50
UNRECOGNIZED_NAME: Final = 112
NO_APPLICATION_PROTOCOL: Final = 120

_ALERTS: Final = {
    DECODE_ERROR: "decode_error",
    UNRECOGNIZED_NAME: "unrecognized_name",
    NO_APPLICATION_PROTOCOL: "no_application_protocol",
}


class Opening(asyncio.Protocol):
    """One accepted connection of an entry point."""

    __slots__ = ("_data", "_discarded", "_hello", "_state", "_takes", "_tls", "deadline", "entry", "link", "transport")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made
        self.link: Link = None  # type: ignore[assignment]  # set by connection_made
        self.deadline = NEVER
        self._state = FIRST
        self._data = b""
        self._hello: HelloReader | None = None
        self._tls: TlsTransport | None = None
        self._takes: Taking | None = None
        self._discarded = 0

    # the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        raw = self.transport = cast(asyncio.Transport, transport)
        entry = self.entry
        peer = raw.get_extra_info("peername") or ("", 0)
        here = raw.get_extra_info("sockname") or ("", 0)
        self.link = Link(Address(peer[0], peer[1]), Address(here[0], here[1]), b"http", entry.name)
        timeout = entry.settings.read_timeout
        if timeout > 0:
            self.deadline = entry.loop.time() + timeout
        entry.accepted += 1
        entry.opened(self)
        if entry.settings.proxy_protocol:
            self._state = PROXY
        else:
            self._start(b"")

    def connection_lost(self, error: Exception | None) -> None:
        if self._state in (HELLO, POSTGRES, SHAKE):
            self._failed("reset" if error else "eof")
        self._let_go()

    def eof_received(self) -> bool:
        return False

    def _let_go(self) -> None:
        """The connection is over, or somebody else's."""
        takes, self._takes = self._takes, None
        if takes is not None:
            takes.release()
        self.deadline = NEVER
        self.entry.closed(self)

    def expire(self) -> None:
        """The deadline of the present state has passed."""
        if self._state == LINGER:
            self.transport.abort()
            return
        if self._state not in (PROXY, FIRST):
            self._failed("timeout")
        self.transport.close()

    def shut_when_idle(self) -> None:
        """Close now if nothing has come yet; else the opening goes on, and who takes the connection is told."""
        if self._state in (PROXY, FIRST) and not self._data:
            self.transport.close()

    def _door(self) -> Door:
        door: Door = self.entry.current.snapshot.doors.get(self.entry.name, EMPTY_DOOR)
        return door

    # the first bytes

    def data_received(self, data: bytes) -> None:
        state = self._state
        if state == FIRST:
            self._first(self._data + data if self._data else data)
        elif state in (HELLO, POSTGRES):
            self._collect(data)
        elif state == SHAKE:
            self._shake(data)
        elif state == PROXY:
            self._proxied(self._data + data)
        else:
            self._discard(len(data))

    def _proxied(self, data: bytes) -> None:
        """Take a PROXY header off, if there is one (operations.md §2.4): believed or not, it is nobody else's."""
        if not self._data:
            self._hurry()
        try:
            header = proxyheader.parse(data)
        except proxyheader.BadProxyHeader as error:
            self.entry.proxy_header_refused(str(error), self.link.client)
            self.transport.close()
            return
        if header is None:
            self._data = data
            return
        link = self.link
        if header.client is not None and header.local is not None and self.entry.settings.believes_proxy(link.client):
            link.client, link.local = header.client, header.local
        self._data = b""
        self._state = FIRST
        self._start(data[header.length :])

    def _start(self, data: bytes) -> None:
        """The first bytes of the client itself; where only plaintext TCP routers are, none are needed."""
        door = self._door()
        if door.only_plain_tcp:
            route = self._matched(door.plain.match, Facts(self.link.client, self.link.local))
            if self.transport.is_closing():
                return
            if route is not None:
                self._to_tcp(route, data)
                return
        if data:
            self._first(data)

    def _first(self, data: bytes) -> None:
        """Tell TLS, Postgres and plaintext apart."""
        if not self._data:
            self._hurry()
        byte = data[0]
        if byte == RECORD:
            self._state = HELLO
            self._collect(data)
        elif byte == 0 and POSTGRES_REQUEST.startswith(data[:8]):
            self._data = data
            if len(data) == len(POSTGRES_REQUEST):
                self._state = POSTGRES
                self.transport.write(b"S")
            elif len(data) > len(POSTGRES_REQUEST):
                self.transport.close()  # what follows came before we agreed, in clear: nobody means that
        else:
            self._plain(data)

    def _hurry(self) -> None:
        """Something has come: the rest has not as long as the first byte had."""
        timeout = self.entry.settings.read_timeout
        seconds = min(timeout, OPENING_SECONDS) if timeout > 0 else OPENING_SECONDS
        self.deadline = min(self.deadline, self.entry.loop.time() + seconds)

    def _plain(self, data: bytes) -> None:
        """Plaintext: a TCP router's, else HTTP."""
        door = self._door()
        if len(door.plain):
            self._data = data
            route = self._matched(door.plain.match, Facts(self.link.client, self.link.local))
            if self.transport.is_closing():
                return
            if route is not None:
                self._to_tcp(route)
                return
        if data[0] == 0x50 and HTTP2_PREFACE.startswith(data[: len(HTTP2_PREFACE)]):
            self._data = data
            if len(data) < len(HTTP2_PREFACE):
                return
            self._hand(http_protocol(b"h2", self.entry, self.link), data)
            return
        self._hand(Http1Protocol(self.entry, self.link), data)

    def _collect(self, data: bytes) -> None:
        """More of the ClientHello."""
        reader = self._hello
        if reader is None:
            if self._state == POSTGRES and data[0] != RECORD:
                self.transport.close()
                return
            reader = self._hello = HelloReader()
        try:
            hello = reader.feed(data)
        except BadHello:
            self._alert(DECODE_ERROR)
            return
        if hello is not None:
            self._secure(hello, reader.data)

    # TLS

    def _secure(self, hello: Hello, data: bytes) -> None:
        """The client has said whom it wants: find out who that is."""
        if _validates(hello) and self.entry.settings.answers_challenges:
            self._challenge(hello, data)
            return
        door = self._door()
        postgres = self._state == POSTGRES
        facts = Facts(self.link.client, self.link.local, hello.server_name, hello.alpn)
        chosen: Any = self._matched(door.choose_tcp if postgres else door.choose, facts)
        if self.transport.is_closing():
            return
        if chosen is None or isinstance(chosen, Closed):
            self.transport.close()
        elif not hasattr(chosen, "passthrough"):
            self._begin(Taking(chosen, None, _nothing), door, hello, data)
        elif chosen.passthrough:
            self._to_tcp(chosen, data, postgres)
        elif chosen.terms is None:
            self.transport.close()
        else:
            release = self._admitted(chosen)
            if release is not None:
                self._begin(Taking(chosen.terms, chosen, release), door, hello, data)

    def _challenge(self, hello: Hello, data: bytes) -> None:
        """Show whoever issues certificates that the name is ours; nothing is said beyond the handshake (RFC 8737 §3)."""
        context = self.entry.current.challenges.get((hello.server_name or b"").lower())
        if context is None:
            self._alert(UNRECOGNIZED_NAME)
            return
        self._takes = Taking(CHALLENGE_TERMS, None, _nothing)
        self._hello = None
        self._state = SHAKE
        self.deadline = self.entry.loop.time() + CHALLENGE_SECONDS
        self._tls = TlsTransport(self.transport, context, server_side=True)
        self._shake(data)

    def _begin(self, takes: "Taking", door: Door, hello: Hello, data: bytes) -> None:
        """Begin the handshake, if there is a certificate and a protocol that both sides speak."""
        self._takes = takes
        terms = takes.terms
        if door.certificates is None:
            self.transport.close()
            return
        pair = None
        if not _validates(hello):  # no certificate but that of a challenge is for them (§8.1)
            pair = door.pair_for(terms, hello.server_name or self.link.local.host.encode())
        if pair is None:
            self._alert(UNRECOGNIZED_NAME)
            return
        spoken = any(each in hello.alpn for each in terms.alpn if each != ACME_PROTOCOL)
        if hello.alpn and not spoken and self._state != POSTGRES:  # its clients offer `postgresql`, agreed without it
            self._alert(NO_APPLICATION_PROTOCOL)
            return
        try:
            context = terms.context_for(pair)
        except (ValueError, ssl.SSLError) as error:
            log.error(
                "entry point %s: TLS options %s: %s",
                self.entry.name,
                terms.name,
                error,
                extra={"entryPointName": self.entry.name, "error": error},
            )
            self.transport.close()
            return
        takes.server_name = hello.server_name
        self._hello = None
        self._state = SHAKE
        self._tls = TlsTransport(self.transport, context, server_side=True)
        self._shake(data)

    def _shake(self, data: bytes) -> None:
        tls, takes = self._tls, self._takes
        if tls is None or takes is None:
            return
        try:
            if not tls.shake(data):
                return
        except HandshakeFailure as failure:
            self._failed(failure.kind)
            self._linger()
            return
        if takes.terms.lapsed:  # while the handshake ran, or before it, if that was all
            self.transport.close()
            return
        agreed = self.link.tls = tls.agreement(takes.terms.name, takes.server_name)
        self._tls = self._takes = None
        if takes.route is not None:
            self._hand(TcpProtocol(self.entry, self.link, takes.route, takes.release), b"", tls)
        else:
            self.link.scheme = b"https"
            self._hand(http_protocol(agreed.alpn, self.entry, self.link), b"", tls)

    def _alert(self, description: int) -> None:
        """Say why there will be no handshake: a fatal alert in clear (RFC 8446 §6)."""
        self._failed(_ALERTS[description])
        self.transport.write(bytes((21, 3, 3, 0, 2, 2, description)))
        self._linger()

    def _failed(self, kind: str) -> None:
        self._state = LINGER
        self._tls = None
        self.entry.handshake_failed(kind, self.link.client)

    def _linger(self) -> None:
        """Shut our side and read on for a moment, so that the client gets the alert before it learns of the close."""
        self._state = LINGER
        self._hello = None
        self.deadline = self.entry.loop.time() + LINGER_SECONDS
        if not self.transport.is_closing():
            self.transport.write_eof()

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > LINGER_BYTES:
            self.transport.abort()

    # handing over

    def _matched(self, choose: Callable[[Facts], Any], facts: Facts) -> Any:
        """What a table says. One that breaks, for matchers may be a plugin's, closes this connection and no other."""
        try:
            return choose(facts)
        except Exception as error:
            log.error(
                "entry point %s: a connection cannot be routed: %r",
                self.entry.name,
                error,
                exc_info=error,
                extra={"entryPointName": self.entry.name},
            )
            self.transport.abort()
            return None

    def _admitted(self, route: TcpRoute) -> Callable[[], None] | None:
        """What to call when the connection is over, if the router's middlewares let it in; else it is closed."""
        try:
            release = route.admit(self.link)
        except Exception as error:
            log.error(
                "TCP router %s: a middleware raised %r", route.name, error, exc_info=error, extra={"routerName": route.name}
            )
            release = None
        if release is None:
            self.transport.close()
        return release

    def _to_tcp(self, route: TcpRoute, data: bytes = b"", postgres: bool = False) -> None:
        release = self._admitted(route)
        if release is not None:
            self._hand(TcpProtocol(self.entry, self.link, route, release, postgres), data or self._data)

    def _hand(self, protocol: asyncio.Protocol, data: bytes, tls: TlsTransport | None = None) -> None:
        """The connection is `protocol`'s from here on."""
        self._data = b""
        try:
            if tls is not None:
                tls.hand_to(protocol)
            else:
                self.transport.set_protocol(protocol)
                protocol.connection_made(self.transport)
                if data:
                    protocol.data_received(data)
        finally:
            self._let_go()
        if self.entry.draining:
            cast(Any, protocol).shut_when_idle()

    def __repr__(self) -> str:
        state = ("first", "hello", "postgres", "shake", "linger", "proxy")[self._state]
        return f"<Opening {self.link.client} {state}>"


def _validates(hello: Hello) -> bool:
    """Whether this is an authority that looks at a proof: it offers that protocol and no other (RFC 8737 §3)."""
    return hello.alpn == (ACME_PROTOCOL,)


class _ChallengeTerms:
    """Those of a handshake that nothing comes after."""

    name = ACME_PROTOCOL.decode()
    lapsed = True


CHALLENGE_TERMS: Final[Any] = _ChallengeTerms()


class Taking:
    """On whose terms a handshake runs, and who gets what is in it: a TCP route, or HTTP."""

    __slots__ = ("release", "route", "server_name", "terms")

    def __init__(self, terms: Terms, route: TcpRoute | None, release: Callable[[], None]) -> None:
        self.terms = terms
        self.route = route
        self.release = release
        self.server_name = b""


def http_protocol(alpn: bytes, entry: Entry, link: Link) -> asyncio.Protocol:
    """Who speaks what was agreed on: HTTP/1.1 unless it is HTTP/2."""
    return Http2Protocol(entry, link) if alpn == b"h2" else Http1Protocol(entry, link)


def _nothing() -> None:
    pass
