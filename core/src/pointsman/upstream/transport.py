"""How servers are reached: timeouts, TLS, and one pool per server (routing.md §7.1)."""

import asyncio
from collections.abc import Collection
from urllib.parse import urlsplit

from attrs import frozen

from pointsman.api import Peer
from pointsman.deadlines import Deadlines
from pointsman.errors import GatewayError
from pointsman.net.client_tls import HANDSHAKE_SECONDS, SYSTEM, ClientTls
from pointsman.upstream.http1 import Http1Upstream
from pointsman.upstream.pool import Pool


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

    def __init__(self, settings: TransportSettings, deadlines: Deadlines) -> None:
        self.settings = settings
        self.deadlines = deadlines
        self._pools: dict[tuple[bool, str, int], Pool[Http1Upstream]] = {}

    def pool_for(self, peer: Peer) -> Pool[Http1Upstream]:
        """The pool of connections to this server; made on first use, shared with every service that has the server too."""
        key = (peer.tls, peer.host, peer.port)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = Pool(f"{peer.host}:{peer.port}", max(0, self.settings.max_idle))
        return pool

    async def connect(self, peer: Peer, pool: Pool[Http1Upstream]) -> Http1Upstream:
        """A new connection. GatewayError 504 if it takes too long, 502 if it fails."""
        loop = asyncio.get_running_loop()
        tls = self.settings.tls if peer.tls else None
        pool.opened()
        connection: Http1Upstream | None = None
        ready = False
        try:
            async with asyncio.timeout(self.settings.dial_timeout or None):
                if peer.host.startswith("/"):
                    _, connection = await loop.create_unix_connection(lambda: Http1Upstream(self, pool), peer.host)
                else:
                    _, connection = await loop.create_connection(
                        lambda: Http1Upstream(self, pool),
                        peer.host,
                        peer.port,
                        ssl=tls.context("http/1.1") if tls else None,
                        server_hostname=tls.name_for(peer.host) if tls else None,
                        ssl_handshake_timeout=HANDSHAKE_SECONDS if tls else None,
                    )
            ready = connection.ready()
            if not ready:
                raise GatewayError(502, f"{peer.url} closed the connection as soon as it was open", retry="always")
        except TimeoutError:
            raise GatewayError(504, f"connecting to {peer.url} took too long", retry="always") from None
        except (OSError, ValueError) as error:  # includes SSLErrors, and names that cannot be asked for
            raise GatewayError(502, f"cannot connect to {peer.url}: {error}", retry="always") from error
        finally:
            if not ready:
                pool.gone()
        return connection

    def close(self) -> None:
        """Close what is idle; what is busy closes when it is done."""
        for pool in self._pools.values():
            for connection in pool.close():
                connection.shut()

    def prune(self, used: Collection[Pool[Http1Upstream]]) -> None:
        """Forget the pools of servers that no service has any more: servers come and go for as long as the process lives."""
        for key in [key for key, pool in self._pools.items() if pool not in used]:
            for connection in self._pools.pop(key).close():
                connection.shut()


def unix_peer(path: str) -> Peer:
    """A server on a unix socket; only the gateway itself has one."""
    peer = Peer(f"unix:{path}", host=path, port=0)
    peer.authority = b"localhost"
    return peer


def peer_from(url: str, *, weight: int = 1, preserve_path: bool = False) -> Peer:
    """A server from its URL (routing.md §1.3). ValueError says what is wrong with it."""
    if any(ord(character) <= 32 or ord(character) == 127 for character in url):
        raise ValueError(f"the server URL {url!r} holds a space or a control character")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "h2c"):
        raise ValueError(f"the server URL {url!r} does not begin with http://, https:// or h2c://")
    if parts.scheme == "h2c":
        raise ValueError(f"the server URL {url!r}: HTTP/2 to servers is not supported yet; use http:// or https://")
    host = parts.hostname
    if not host:
        raise ValueError(f"the server URL {url!r} names no host")
    tls = parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    peer = Peer(url, host=host, port=port, tls=tls, weight=weight, preserve_path=preserve_path)
    peer.authority = parts.netloc.rpartition("@")[2].encode("idna" if not parts.netloc.isascii() else "ascii")
    peer.base_path = parts.path.encode()
    return peer
