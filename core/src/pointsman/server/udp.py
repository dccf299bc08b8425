"""UDP: datagrams of a client go to one server, and what that says goes back (routing.md §8.8).

Theory of operation. A client is an address and port. Its first datagram picks a server and opens a socket to it, a session;
whatever arrives on that socket goes to the client from the entry point's own. A session ends when nothing has passed for the
entry point's `udp.timeout` (a sweep looks ten times as often), when the server's host says that nobody is there, or when the
configuration has no such server any more. What cannot be passed on is dropped and counted: that is what UDP promises.

Sessions are limited, for each takes a file descriptor and client addresses can be made up: above the limit new clients are
refused, who would otherwise push out those who are served; made-up ones are gone after the timeout.
"""

import asyncio
import logging
import resource
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from pointsman.api import Peer
from pointsman.net.names import Names, is_address
from pointsman.routing.snapshot import Current

log: Final = logging.getLogger("pointsman.server.udp")

MAX_SESSIONS: Final = 16_384
MAX_DATAGRAM: Final = 65_535
BATCH: Final = 64
"""Datagrams taken from one socket before others have their turn."""
TICKS: Final = 10
HELD_DATAGRAMS: Final = 16
"""For each session whose server's name is being looked up."""


class UdpServers(Protocol):
    """The servers that a service has chosen for a session."""

    def next(self) -> Peer | None: ...


class UdpService(Protocol):
    def choose(self) -> UdpServers | None:
        """The servers for the next session; None if there are none."""


class UdpRoute:
    """A compiled UDP router."""

    __slots__ = ("addresses", "name", "service")

    def __init__(self, name: str, service: UdpService, addresses: frozenset[str]) -> None:
        self.name = name
        self.service = service
        self.addresses = addresses
        """Of every server that the service may choose."""

    def __repr__(self) -> str:
        return f"<UdpRoute {self.name}>"


class Session:
    """One client and its server."""

    __slots__ = ("client", "held", "idle", "peer", "route", "socket")

    def __init__(self, client: Any, peer: Peer, route: UdpRoute) -> None:
        self.client = client
        self.peer = peer
        self.route = route
        self.idle = 0
        """Ticks since something passed."""
        self.socket: socket.socket | None = None
        """None while the server's name is being looked up."""
        self.held: list[bytes] = []

    def __repr__(self) -> str:
        return f"<Session {self.client[0]}:{self.client[1]} with {self.peer.url}>"


class UdpEntry:
    """One UDP entry point in one worker. `start` it, then `drain`, `cut`."""

    def __init__(
        self,
        name: str,
        listening: socket.socket,
        current: Current,
        timeout: float,
        names: Names,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.name = name
        self.sessions: dict[Any, Session] = {}
        self.empty = asyncio.Event()
        """Set when draining is done."""
        self.limit = min(MAX_SESSIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self.accepted = 0
        self.refused = 0
        """Sessions that could not begin: too many, or no file descriptor."""
        self.dropped = 0
        """Datagrams that nobody took."""
        self._listening = listening
        self._current = current
        self._names = names
        self._tick = timeout / TICKS
        self._loop = loop
        self._buffer = bytearray(MAX_DATAGRAM + 1)
        self._view = memoryview(self._buffer)
        self._timer: asyncio.TimerHandle | None = None
        self._draining = False
        self._full = False
        self._lookups: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._listening.setblocking(False)
        self._loop.add_reader(self._listening.fileno(), self._from_clients)

    def drain(self) -> None:
        """No new sessions."""
        self._draining = True
        if not self.sessions:
            self.empty.set()

    def cut(self) -> None:
        """The end: sessions and the listening socket are closed. Safe twice."""
        self._draining = True
        for session in list(self.sessions.values()):
            self._end(session)
        if self._timer is not None:
            self._timer.cancel()
        if self._listening.fileno() >= 0:
            self._loop.remove_reader(self._listening.fileno())
            self._listening.close()

    # from clients

    def _from_clients(self) -> None:
        route = self._current.snapshot.udp.get(self.name)
        receive, buffer, view, sessions = self._listening.recvfrom_into, self._buffer, self._view, self.sessions
        for _ in range(BATCH):
            try:
                size, client = receive(buffer)
            except BlockingIOError:
                return
            except OSError:  # of an answer that did not arrive
                continue
            session = sessions.get(client)
            if session is None or session.route is not route:
                session = self._session(session, client, route)
                if session is None:
                    self.dropped += 1
                    continue
            session.idle = 0
            if session.socket is None:
                self._hold(session, bytes(view[:size]))
                continue
            try:
                session.socket.send(view[:size])
            except BlockingIOError:
                self.dropped += 1
            except OSError:  # nobody is there: the next datagram begins anew
                self.dropped += 1
                self._end(session)

    def _session(self, session: Session | None, client: Any, route: UdpRoute | None) -> Session | None:
        """The session of a client under the configuration of now."""
        if session is not None:
            if route is not None and session.peer.url in route.addresses:
                session.route = route
                return session
            self._end(session)
        if route is None or self._draining:
            return None
        if len(self.sessions) >= self.limit:
            self._refuse(f"{self.limit} sessions")
            return None
        servers = route.service.choose()
        peer = servers.next() if servers is not None else None
        if peer is None:
            return None
        session = Session(client, peer, route)
        try:
            known = (peer.host,) if is_address(peer.host) else self._names.known(peer.host)
            if known:
                self._connect(session, known)
            else:
                task = self._loop.create_task(self._look_up(session))
                self._lookups.add(task)
                task.add_done_callback(self._lookups.discard)
        except OSError as error:
            self._refuse(str(error))
            return None
        self.sessions[client] = session
        self.accepted += 1
        if self._timer is None:
            self._timer = self._loop.call_later(self._tick, self._sweep)
        return session

    def _refuse(self, why: str) -> None:
        self.refused += 1
        if not self._full:
            self._full = True
            log.warning(
                "entry point %s: new UDP sessions are refused: %s", self.name, why, extra={"entryPointName": self.name}
            )

    async def _look_up(self, session: Session) -> None:
        peer = session.peer
        try:
            known = await self._names.addresses(peer.host)
            if self.sessions.get(session.client) is session:
                self._connect(session, known)
        except OSError as error:
            log.warning(
                "router %s: %s cannot be reached: %s",
                session.route.name,
                peer.url,
                error,
                extra={"routerName": session.route.name, "error": error},
            )
            self._end(session)
            return
        held, session.held = session.held, []
        for datagram in held:
            with suppress(OSError):
                if session.socket is not None:
                    session.socket.send(datagram)

    def _hold(self, session: Session, datagram: bytes) -> None:
        if len(session.held) < HELD_DATAGRAMS:
            session.held.append(datagram)
        else:
            self.dropped += 1

    def _connect(self, session: Session, addresses: Sequence[str]) -> None:
        """OSError if there is no socket to be had, or no way to any of these."""
        for address in addresses:
            try:
                self._connect_to(session, address)
                return
            except OSError as error:
                failure = error
        raise failure

    def _connect_to(self, session: Session, address: str) -> None:
        opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            opened.connect((address, session.peer.port))
            self._loop.add_reader(opened.fileno(), self._from_server, session)
        except BaseException:
            opened.close()
            raise
        session.socket = opened

    # from servers

    def _from_server(self, session: Session) -> None:
        opened, buffer, view = session.socket, self._buffer, self._view
        if opened is None:
            return
        for _ in range(BATCH):
            try:
                size = opened.recv_into(buffer)
            except BlockingIOError:
                return
            except OSError:  # nobody is there
                self._end(session)
                return
            session.idle = 0
            try:
                self._listening.sendto(view[:size], session.client)
            except OSError:
                self.dropped += 1

    # endings

    def _sweep(self) -> None:
        for session in list(self.sessions.values()):
            session.idle += 1
            if session.idle > TICKS:
                self._end(session)
        self._timer = self._loop.call_later(self._tick, self._sweep) if self.sessions else None

    def _end(self, session: Session) -> None:
        if self.sessions.get(session.client) is session:
            del self.sessions[session.client]
        opened, session.socket = session.socket, None
        if opened is not None:
            self._loop.remove_reader(opened.fileno())
            opened.close()
        if self._full and len(self.sessions) < self.limit // 2:
            self._full = False
        if self._draining and not self.sessions:
            self.empty.set()

    def __repr__(self) -> str:
        return f"<UdpEntry {self.name}, {len(self.sessions)} sessions>"
