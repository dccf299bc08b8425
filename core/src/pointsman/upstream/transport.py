"""How servers are reached: timeouts, TLS, and one pool per server (routing.md §7.1)."""

import asyncio
from collections.abc import Callable, Collection
from typing import Any, Final, cast
from urllib.parse import urlsplit

from attrs import frozen

from pointsman.api import Peer
from pointsman.deadlines import NEVER, Deadlines
from pointsman.errors import GatewayError, without_frames
from pointsman.net.client_tls import HANDSHAKE_SECONDS, SYSTEM, ClientTls
from pointsman.net.names import Names, is_address
from pointsman.net.pipe import keep_alive
from pointsman.net.tls import Agreement, Handshake
from pointsman.upstream.carrier import Carrier
from pointsman.upstream.http1 import Http1Upstream
from pointsman.upstream.http2 import Http2Upstream
from pointsman.upstream.pool import Pool, SharedPool
from pointsman.values import shown_url

KEEP_ALIVE_SECONDS: Final = 30.0
"""From one probe of a silent connection to the next; fixed in the dialect (routing.md §7.1)."""
LOOK_SECONDS: Final = 5.0
"""From one look at names that may have moved to the next."""
Maker = Callable[[bytes], asyncio.Protocol]
"""Makes what speaks a protocol: b"h2", or anything else for HTTP/1.1."""


@frozen
class TransportSettings:
    """A `serversTransport`, in seconds and objects. 0 seconds means no timeout."""

    max_idle: int = 200
    dial_timeout: float = 30.0
    response_header_timeout: float = 0.0
    idle_timeout: float = 90.0
    read_idle_timeout: float = 0.0
    """HTTP/2: silence after which the server is asked whether it is still there ..."""
    ping_timeout: float = 15.0
    """... and how long it may take to say so."""
    http2: bool = True
    """Whether HTTP/2 is offered to servers with TLS, and spoken to those at `h2c://`."""
    tls: ClientTls = SYSTEM


class Transport:
    """The connections of all services that name the same `serversTransport`: a pool per scheme, host and port."""

    def __init__(self, settings: TransportSettings, deadlines: Deadlines, names: Names | None = None) -> None:
        self.settings = settings
        self.deadlines = deadlines
        self.names = names or Names()
        self.deadline = NEVER
        """When to look again whether servers that are called by name have moved."""
        self._pools: dict[tuple[bool, bool, str, int], Pool[Any]] = {}
        self._named: dict[Pool[Any], str] = {}
        """Those of them with connections that were opened by name."""

    def pool_for(self, peer: Peer) -> Pool[Any]:
        """The pool of connections to this server; made on first use, shared with every service that has the server too."""
        key = (peer.tls, peer.h2c, peer.host, peer.port)
        pool = self._pools.get(key)
        if pool is None:
            kind = SharedPool if self.settings.http2 and (peer.tls or peer.h2c) else Pool
            pool = self._pools[key] = kind(f"{peer.host}:{peer.port}", max(0, self.settings.max_idle))
        return pool

    async def connect(self, peer: Peer, pool: Pool[Any], single: bool = False) -> Carrier:
        """Something new to carry a request, or a place on what others opened meanwhile.

        `single`: a connection of its own, over HTTP/1. GatewayError 504 if it takes too long, 502 if it fails.
        """
        if peer.h2c and not self.settings.http2:
            raise GatewayError(502, f"{peer.url} speaks HTTP/2, which its serversTransport disables")
        if single or not isinstance(pool, SharedPool):
            return await self._open(peer, pool, False)
        while pool.shares is not False:
            if (carrier := pool.take()) is not None:
                return cast(Carrier, carrier)
            if not pool.dialling and not pool.full:
                return await self._open_for_all(peer, pool)
            try:
                async with asyncio.timeout(self.settings.dial_timeout or None):
                    await pool.wait()
            except TimeoutError:
                raise GatewayError(504, f"no connection to {peer.url} had room for one more request in time") from None
        return await self._open(peer, pool, True)

    async def _open_for_all(self, peer: Peer, pool: SharedPool) -> Carrier:
        """Requests that come meanwhile wait for this one connection, and share its fate."""
        pool.dialling = True
        failure: GatewayError | None = None
        try:
            return await self._open(peer, pool, True)
        except GatewayError as error:
            failure = error
            raise
        finally:
            pool.dialled(failure)

    async def _open(self, peer: Peer, pool: Pool[Any], http2: bool) -> Carrier:
        """A connection of our own. `http2`: over HTTP/2, if the server agrees."""
        pool.opened()
        made: list[Http1Upstream | Http2Upstream] = []

        def make(protocol: bytes) -> Http1Upstream | Http2Upstream:
            chosen = Http2Upstream(self, pool) if protocol == b"h2" else Http1Upstream(self, pool)  # type: ignore[arg-type]
            made.append(chosen)
            return chosen

        carrier: Carrier | None = None
        try:
            async with asyncio.timeout(self.settings.dial_timeout or None):
                await self._dial(peer, pool, http2, make)
                carrier = await _greeted(made[-1])
            if carrier is None:
                raise GatewayError(502, f"{peer.url} closed the connection as soon as it was open", retry="always")
        except TimeoutError:
            raise GatewayError(504, f"connecting to {peer.url} took too long", retry="always") from None
        except (OSError, ValueError) as error:  # includes failed handshakes, and names that cannot be asked for
            without_frames(error)
            raise GatewayError(502, f"cannot connect to {peer.url}: {error}", retry="always") from error
        finally:
            if carrier is None:
                pool.gone()
                for connection in made:
                    if connection.transport is not None:
                        connection.shut()
        return carrier

    async def _dial(self, peer: Peer, pool: Pool[Any], http2: bool, make: Maker) -> None:
        """Connect, and have `make` make the protocol that was agreed on."""
        loop = asyncio.get_running_loop()
        if peer.host.startswith("/"):
            await loop.create_unix_connection(lambda: make(b""), peer.host)
        elif not peer.tls:
            protocol = b"h2" if peer.h2c and http2 else b""
            transport, _ = await self.names.connect(lambda: make(protocol), peer.host, peer.port)
            keep_alive(transport, KEEP_ALIVE_SECONDS)
            self._follow(peer, pool)
        else:
            await self._shake_hands(peer, pool, http2, make)

    async def _shake_hands(self, peer: Peer, pool: Pool[Any], http2: bool, make: Maker) -> None:
        loop = asyncio.get_running_loop()
        tls = self.settings.tls
        context = tls.context("h2", "http/1.1") if http2 else tls.context("http/1.1")
        name, done = tls.name_for(peer.host), loop.create_future()
        last = pool.agreed
        session = last[1].session if last is not None and last[0] is context else None

        def choose(agreed: Agreement) -> asyncio.Protocol:
            pool.agreed = (context, agreed)
            return make(agreed.alpn)

        try:
            transport, _ = await self.names.connect(
                lambda: Handshake(context, name, choose, done, session), peer.host, peer.port
            )
            keep_alive(transport, KEEP_ALIVE_SECONDS)
            self._follow(peer, pool)
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await done
        finally:
            done.cancel()

    # names that move

    def _follow(self, peer: Peer, pool: Pool[Any]) -> None:
        """Have its connections leave addresses that its name has no more."""
        if not is_address(peer.host):
            self._named[pool] = peer.host
            if self.deadline == NEVER:
                self.deadlines.watch(self)
                self.deadline = self.deadlines.now + LOOK_SECONDS

    def expire(self) -> None:
        """Look where the names point that there are connections to."""
        self._named = {pool: host for pool, host in self._named.items() if pool.members}
        if not self._named:
            self.deadlines.forget(self)
            return
        self.deadline = self.deadlines.now + LOOK_SECONDS
        for pool, host in self._named.items():
            addresses = self.names.known(host)
            if addresses:
                for connection in list(pool.members):
                    if connection.transport.get_extra_info("peername", ("",))[0] not in addresses:
                        connection.drain()

    def close(self) -> None:
        """Close what is idle; what is busy closes when it is done."""
        for pool in self._pools.values():
            for connection in pool.close():
                connection.shut()

    def prune(self, used: Collection[Pool[Any]]) -> None:
        """Forget the pools of servers that no service has any more: servers come and go for as long as the process lives."""
        for key in [key for key, pool in self._pools.items() if pool not in used]:
            for connection in self._pools.pop(key).close():
                connection.shut()


async def _greeted(connection: Http1Upstream | Http2Upstream) -> Carrier | None:
    """A carrier on a connection that has just been made; None if it has closed already. GatewayError if it is of no use."""
    if isinstance(connection, Http1Upstream):
        if isinstance(connection.pool, SharedPool):
            connection.pool.shares = False
        return connection if connection.ready() else None
    async with asyncio.timeout(HANDSHAKE_SECONDS):
        await connection.greeted
    connection.pool.shares = True
    if connection.room <= 0:
        return None
    connection.pool.join(connection)
    return connection.carrier()


def unix_peer(path: str, service: str) -> Peer:
    """A server on a unix socket, which is told for which service each request is; only the gateway itself has one."""
    peer = Peer(f"unix:{path}", host=path, port=0, base_path=f"/{service}".encode(), preserve_path=True)
    peer.authority = b"localhost"
    return peer


def peer_from(url: str, *, weight: int = 1, preserve_path: bool = False) -> Peer:
    """A server from its URL (routing.md §1.3). ValueError says what is wrong with it."""
    shown = shown_url(url)
    if any(ord(character) <= 32 or ord(character) == 127 for character in url):
        raise ValueError(f"the server URL {shown!r} holds a space or a control character")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "h2c"):
        raise ValueError(f"the server URL {shown!r} does not begin with http://, https:// or h2c://")
    host = parts.hostname
    if not host:
        raise ValueError(f"the server URL {shown!r} names no host")
    tls = parts.scheme == "https"
    try:
        port = parts.port or (443 if tls else 80)
    except ValueError:  # it may be part of a password
        raise ValueError(f"the server URL {shown!r} has a port that is none; write it as http://host:port") from None
    peer = Peer(url, host=host, port=port, tls=tls, h2c=parts.scheme == "h2c", weight=weight, preserve_path=preserve_path)
    peer.authority = parts.netloc.rpartition("@")[2].encode("idna" if not parts.netloc.isascii() else "ascii")
    peer.base_path = parts.path.encode()
    return peer
