"""A TCP router's connection: a server of its service is dialled, then bytes go both ways (routing.md §8.4-§8.6).

Theory of operation. The connection comes from `Opening` with the bytes that were read to decide about it. Reading stops; a
task dials, says what a Postgres server must hear first, and opens the pipe. When one side finishes, the other is told, and,
once it has taken what came before that, has `terminationDelay` to finish too. What the connection was admitted with is
released when it is lost, whatever happened.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from pointsman.deadlines import NEVER
from pointsman.errors import GatewayError, NoServer
from pointsman.message import Link
from pointsman.net.pipe import LOOK_SECONDS, PipeEnd, keep_alive
from pointsman.server.door import TcpRoute
from pointsman.server.entry import Entry

log: Final = logging.getLogger("pointsman.server.tcp")

SSL_REQUEST: Final = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""What a PostgreSQL client asks before it speaks TLS; the server says S or N (PostgreSQL, Message Formats)."""
SSL_WILLING: Final = b"S"
SSL_SECONDS: Final = 10.0
KEEP_ALIVE_SECONDS: Final = 15.0


class TcpProtocol(PipeEnd):
    """The client's end. `release` was given by the router's middlewares."""

    __slots__ = ("_dialling", "_entry", "_release", "_route", "_snapshot", "_ssl_request", "_termination_delay", "link")

    def __init__(
        self, entry: Entry, link: Link, route: TcpRoute, release: Callable[[], None], ssl_request: bool = False
    ) -> None:
        super().__init__(entry.deadlines)
        self._entry = entry
        self.link = link
        self._route = route
        self._release = release
        self._ssl_request = ssl_request
        """The client has asked a Postgres server for TLS and has had its answer: now the server must be asked."""
        self._termination_delay = 0.0
        self._snapshot = entry.current.snapshot
        self._dialling: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        keep_alive(transport, KEEP_ALIVE_SECONDS)
        self._snapshot.holders += 1
        self._entry.opened(self)
        self.wait()
        self._dialling = self._entry.loop.create_task(self._dial())

    async def _dial(self) -> None:
        far: PipeEnd | None = None
        try:
            servers = self._route.service.choose()
            if servers is None:
                raise NoServer
            far = await servers.connect(self.link, self._entry.deadlines)
            if self._ssl_request:
                await _ask_for_ssl(far)
            self._termination_delay = servers.termination_delay
            far.open(self)
            self.open(far)
        except GatewayError:
            self._entry.unserved += 1
        except Exception:
            log.exception(
                "router %s: a connection could not be passed on", self._route.name, extra={"routerName": self._route.name}
            )
        finally:
            self._dialling = None
            if self._other is None:
                self.close()
                if far is not None:
                    far.close()
        if self._ended or self._shut:
            self._one_side_is_over()

    def eof_received(self) -> bool:
        stays = super().eof_received()
        self._one_side_is_over()
        return stays

    def write_eof(self) -> None:
        super().write_eof()
        self._one_side_is_over()

    def _one_side_is_over(self) -> None:
        if self._other is not None and self._termination_delay >= 0 and self.deadline == NEVER:
            self.deadline = self._entry.loop.time() + self._termination_delay

    def expire(self) -> None:
        """The other side had its time to finish, or does not take what is left to send."""
        other = self._other
        if other is None:
            super().expire()
            return
        if self.is_being_told() or (isinstance(other, PipeEnd) and other.is_being_told()):
            self.deadline = self._entry.loop.time() + max(self._termination_delay, LOOK_SECONDS / 10)
            return
        self.close()
        other.close()

    def shut_when_idle(self) -> None:
        """A session is never idle: it may last until the grace time is over (operations.md §2.9)."""

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self._dialling is not None:
            self._dialling.cancel()
        self._entry.closed(self)
        self._release()
        snapshot = self._snapshot
        snapshot.holders -= 1
        if snapshot.retired and not snapshot.holders:
            snapshot.on_free()


async def _ask_for_ssl(far: PipeEnd) -> None:
    """GatewayError unless a Postgres server says that it speaks TLS, and nothing else (routing.md §8.5)."""
    far.write(SSL_REQUEST)
    try:
        async with asyncio.timeout(SSL_SECONDS):
            answer = await far.first_bytes()
    except TimeoutError:
        answer = b""
    if answer != SSL_WILLING:
        raise GatewayError(502, "the server does not speak TLS, or says more than that it does")
