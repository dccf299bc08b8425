"""TCP servers: who is next, and how it is reached (routing.md §7.2, §8.7).

A server that cannot be connected to is passed over for the next, each tried once and all within one `dialTimeout`: nothing
has been said to it that another could not be told, and a client of plain TCP has no 502 to learn of it by. (The reference
closes the connection.)
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from attrs import frozen

from pointsman.api import Peer
from pointsman.deadlines import Deadlines
from pointsman.errors import GatewayError, NoServer
from pointsman.message import Link
from pointsman.net.client_tls import HANDSHAKE_SECONDS, SYSTEM, ClientTls
from pointsman.net.names import Names
from pointsman.net.pipe import PipeEnd, keep_alive
from pointsman.net.proxyheader import build
from pointsman.net.tls import Handshake
from pointsman.upstream.shares import in_turn

log: Final = logging.getLogger("pointsman.upstream.tcp")


@frozen
class TcpSettings:
    """A TCP `serversTransport`, in seconds and objects."""

    dial_timeout: float = 30.0
    """0 is none."""
    keep_alive: float = 15.0
    """From one probe of a silent connection to the next; 0 is none."""
    termination_delay: float = 0.1
    """How long one side may go on when the other has finished; negative is without limit."""
    proxy_version: int = 0
    """Which PROXY header servers are sent before anything else, 1 or 2; 0 is none."""
    tls: ClientTls = SYSTEM
    """For the servers that want it."""


class TcpServers:
    """A load balancer: its servers in turn."""

    def __init__(self, name: str, peers: Sequence[Peer], settings: TcpSettings, names: Names) -> None:
        self.name = name
        self.peers = tuple(peers)
        self.settings = settings
        self._names = names
        self._pick = in_turn(self.peers)
        self._silent: set[Peer] = set()
        """Servers that could not be connected to when they were tried last."""

    def choose(self) -> "TcpServers":
        return self

    @property
    def termination_delay(self) -> float:
        return self.settings.termination_delay

    async def connect(self, link: Link, deadlines: Deadlines) -> PipeEnd:
        """A connection to the next server, as a pipe that is not open yet. GatewayError if none is to be had."""
        tried: list[Peer] = []
        try:
            async with asyncio.timeout(self.settings.dial_timeout or None):
                while (peer := self._pick(tried)) is not None:
                    tried.append(peer)
                    try:
                        end = await self._dial(peer, link, deadlines)
                    except (OSError, ValueError) as error:  # includes failed handshakes, and names that cannot be asked for
                        self._failed(peer, error)
                    else:
                        self._silent.discard(peer)
                        return end
        except TimeoutError:
            self._failed(tried[-1], TimeoutError(f"no answer within {self.settings.dial_timeout:g} s"))
            raise GatewayError(504, f"service {self.name}: no server could be reached in time") from None
        if tried:
            raise GatewayError(502, f"service {self.name}: no server can be reached")
        raise NoServer

    async def _dial(self, peer: Peer, link: Link, deadlines: Deadlines) -> PipeEnd:
        end, settings = PipeEnd(deadlines), self.settings
        make: Callable[[], asyncio.Protocol] = asyncio.Protocol if peer.tls else lambda: end
        transport, _ = await self._names.connect(make, peer.host, peer.port)
        try:
            keep_alive(transport, settings.keep_alive)
            if settings.proxy_version:
                transport.write(build(settings.proxy_version, link.client, link.local))
            if peer.tls:
                await _secure(transport, settings.tls, peer.host, end)
        except BaseException:
            transport.abort()
            raise
        return end

    def _failed(self, peer: Peer, error: Exception) -> None:
        """Said once for as long as it lasts."""
        if peer not in self._silent:
            self._silent.add(peer)
            log.warning(
                "service %s: cannot connect to %s: %s",
                self.name,
                peer.url,
                error,
                extra={"serviceName": self.name, "error": error},
            )

    def __repr__(self) -> str:
        return f"<TcpServers {self.name}, {len(self.peers)} servers, {len(self._silent)} silent>"


async def _secure(transport: asyncio.Transport, tls: ClientTls, host: str, end: PipeEnd) -> None:
    """Put TLS between the connection and its end. OSError if the handshake fails."""
    done: asyncio.Future[asyncio.Protocol] = asyncio.get_running_loop().create_future()
    handshake = Handshake(tls.context(), tls.name_for(host), lambda agreed: end, done)
    transport.set_protocol(handshake)
    try:
        handshake.connection_made(transport)
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            await done
    finally:
        done.cancel()


def tcp_peer(address: str, tls: bool = False) -> Peer:
    """A server from `host:port`. ValueError says what is wrong with it."""
    host, colon, port = address.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"the address {address!r} is not host:port")
    if any(ord(character) <= 32 or ord(character) == 127 for character in host) or (":" in host and "[" not in address):
        raise ValueError(f"the address {address!r} is not host:port; IPv6 is written [::1]:80")
    return Peer(address, host=host, port=int(port), tls=tls)
