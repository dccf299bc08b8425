"""Both sides of the data plane without sockets: a client's wire, the servers' wires, and a clock that tests move."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import pytest

from pointsman import api
from pointsman.builtin.matchers import MATCHERS
from pointsman.builtin.roundrobin import RoundRobin, RoundRobinConfig
from pointsman.deadlines import Deadlines
from pointsman.message import Address, Link, Request, Response
from pointsman.routing import rules
from pointsman.routing.ranking import rank
from pointsman.routing.snapshot import Current, Route, Snapshot
from pointsman.routing.table import Entry as Row
from pointsman.routing.table import RouteTable
from pointsman.server.entry import Entry
from pointsman.server.http1 import Http1Protocol
from pointsman.server.settings import EntrySettings
from pointsman.upstream.forward import Forwarder
from pointsman.upstream.impatient import ImpatientForwarder, Limits
from pointsman.upstream.transport import Transport, TransportSettings, peer_from

Around = Callable[[Request, api.Handler], Awaitable[Response]]


class Clock:
    """The loop's clock, ahead of the real one by as much as a test says."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._real = loop.time
        self._ahead = 0.0
        loop.time = lambda: self._real() + self._ahead  # type: ignore[method-assign]

    async def settle(self) -> None:
        """Let everything that is ready run."""
        for _ in range(12):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        self._ahead += seconds
        await self.settle()


class Wire(asyncio.Transport):
    """One end of a connection: what the gateway writes is kept, and may be held up. As strict as uvloop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, peer: tuple[str, int] = ("192.0.2.7", 40000)) -> None:
        super().__init__()
        self._loop = loop
        self._peer = peer
        self.protocol: Any = None
        self.sent = b""
        self.writes: list[bytes] = []
        self.reading = True
        self.eof = False
        self.closing = False
        self.aborted = False
        self.lost = False
        self.half_closes = True
        self.ended = False
        self.stuck = False
        """True: the far end does not read, and what is written stays in the buffer."""
        self.buffered = 0
        self._paused = False

    # the far end

    def receive(self, data: bytes) -> None:
        """Bytes from the far end."""
        assert self.reading, "bytes came while reading was paused"
        assert not self.closing
        if data:
            self.protocol.data_received(data)

    def offer(self, data: bytes) -> bool:
        """The same, if the gateway is reading."""
        if self.reading and not self.closing and not self.ended:
            self.receive(data)
            return True
        return False

    def receive_eof(self) -> None:
        if self.closing or self.ended:
            return
        self.ended = True
        if not self.protocol.eof_received():
            self.close()

    def break_off(self, error: Exception | None = None) -> None:
        """The connection is gone."""
        self.closing = True
        self._lose(error)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def stick(self) -> None:
        """The far end stops reading."""
        self.stuck = True

    def flow(self) -> None:
        """The far end has read everything."""
        self.stuck = False
        self.buffered = 0
        if self._paused:
            self._paused = False
            self.protocol.resume_writing()
        if self.closing and not self.lost:
            self._loop.call_soon(self._lose, None)

    # asyncio.Transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": self._peer, "sockname": ("192.0.2.1", 8000)}.get(name, default)

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes) -> None:  # type: ignore[override]
        if self.lost or self.eof:
            raise RuntimeError("the handler is closed, or write() after write_eof()")
        assert isinstance(data, bytes)
        if self.closing:
            return
        self.sent += data
        self.writes.append(data)
        if self.stuck:
            self.buffered += len(data)
            if self.buffered > 65536 and not self._paused:
                self._paused = True
                self.protocol.pause_writing()

    def writelines(self, lines: Any) -> None:
        self.write(b"".join(lines))

    def take(self) -> bytes:
        """What was written since the last time."""
        sent, self.sent = self.sent, b""
        self.writes.clear()
        return sent

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def can_write_eof(self) -> bool:
        return self.half_closes

    def write_eof(self) -> None:
        if self.lost or not self.half_closes:
            raise RuntimeError("the handler is closed, or cannot half-close")
        self.eof = True

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            if not self.buffered:
                self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        if not self.lost:
            self.closing = self.aborted = True
            self._loop.call_soon(self._lose, None)

    def _lose(self, error: Exception | None) -> None:
        if not self.lost:
            self.lost = True
            self.protocol.connection_lost(error)


class House:
    """A gateway with one entry point, one route and one service; its connections are Wires."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self.loop = loop
        self.clock = clock
        self.deadlines = Deadlines()
        self.servers: list[Wire] = []
        self.refuse: Exception | None = None
        self.hang: asyncio.Event | None = None
        self.greeting: Callable[[Wire], None] | None = None
        self.answer: Callable[[Wire], None] | None = None
        self.requests: list[Request] = []
        loop.create_connection = self._connect  # type: ignore[assignment, method-assign]
        self.settle = clock.settle
        self.advance = clock.advance
        self.set_up()

    def set_up(
        self,
        *,
        around: Around | None = None,
        handler: api.Handler | None = None,
        rule: str = "PathPrefix(`/`)",
        url: str = "http://10.0.0.1:9000",
        preserve_path: bool = False,
        pass_host: bool = True,
        flush_seconds: float = 0.1,
        transport: dict[str, Any] | None = None,
        limits: dict[str, float] | None = None,
        peers: int = 1,
        observer: Any = None,
        **settings: Any,
    ) -> None:
        self.transport = Transport(TransportSettings(**(transport or {})), self.deadlines)
        self.peer = peer_from(url, preserve_path=preserve_path)
        self.pool = self.peer.pool = self.transport.pool_for(self.peer)
        pick = RoundRobin(RoundRobinConfig(), None).over([self.peer] * peers)  # type: ignore[arg-type]
        made = partial(ImpatientForwarder, limits=Limits(**limits)) if limits is not None else Forwarder
        self.forwarder = made("s@file", pick, self.transport, pass_host=pass_host, flush_seconds=flush_seconds)
        chosen = handler or self.forwarder
        if around is not None:
            inner, outer = chosen, around

            def chosen(request: Request) -> Awaitable[Response]:
                return outer(request, inner)

        def kept(request: Request) -> Awaitable[Response]:
            self.requests.append(request)
            return chosen(request)

        parsed = rules.parse(rule, {matcher.name: matcher for matcher in MATCHERS})
        observers = {"web": observer} if observer is not None else None
        route = Route("r@file", "s@file", kept, observers=observers)
        row = Row("r@file", parsed, rank(0, parsed, 0, "r@file"), route)
        self.snapshot = Snapshot({"web": RouteTable.build([row])}, unrouted=observers)
        settings.setdefault("server_name", b"gate.example")
        self.entry = Entry(EntrySettings("web", **settings), Current(self.snapshot), self.deadlines, self.loop)

    async def _connect(self, factory: Callable[[], Any], host: str, port: int, **_: Any) -> tuple[Wire, Any]:
        if self.hang is not None:
            await self.hang.wait()
        await asyncio.sleep(0)
        if self.refuse is not None:
            raise self.refuse
        wire = Wire(self.loop)
        wire.protocol = factory()
        wire.protocol.connection_made(wire)
        self.servers.append(wire)
        if self.greeting is not None:
            self.greeting(wire)
        return wire, wire.protocol

    def client(self, peer: tuple[str, int] = ("192.0.2.7", 40000)) -> Wire:
        """A client has connected."""
        wire = Wire(self.loop, peer)
        link = Link(Address(*peer), Address("192.0.2.1", 8000), b"http", "web")
        wire.protocol = Http1Protocol(self.entry, link)
        wire.protocol.connection_made(wire)
        return wire

    @property
    def server(self) -> Wire:
        """The server's end of the connection opened last."""
        return self.servers[-1]

    async def ask(self, data: bytes, client: Wire | None = None) -> Wire:
        """Send `data` and wait until the gateway has done what it can."""
        client = client or self.client()
        client.receive(data)
        await self.settle()
        return client

    async def forwarded(self, data: bytes, client: Wire | None = None) -> bytes:
        """What the server gets of a request sent by a client."""
        await self.ask(data, client)
        return self.server.take()

    async def idle_connection(self) -> Wire:
        """A connection to the server that has answered one request."""
        await self.ask(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
        self.server.take()
        self.server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        assert self.pool.idle == 1
        return self.server

    def check_books(self) -> None:
        """Nothing is in use, nothing is owed."""
        assert repr(self.pool).split(" ", 2)[2].startswith("0 busy"), self.pool
        assert self.peer.in_flight == 0, self.peer
        assert self.snapshot.holders == 0, self.snapshot


@pytest.fixture
async def clock() -> Clock:
    return Clock(asyncio.get_running_loop())


@pytest.fixture
async def house(clock: Clock) -> House:
    return House(asyncio.get_running_loop(), clock)


@pytest.fixture(scope="session")
def wire_type() -> type[Wire]:
    return Wire


@pytest.fixture
def splits() -> Callable[[bytes], Sequence[Sequence[bytes]]]:
    """Ways of cutting bytes: whole, one at a time, by sevens, in two at every place."""

    def ways(data: bytes) -> Sequence[Sequence[bytes]]:
        return [
            [data],
            [data[at : at + 1] for at in range(len(data))],
            [data[at : at + 7] for at in range(0, len(data), 7)],
            *([data[:at], data[at:]] for at in range(1, len(data))),
        ]

    return ways


@pytest.fixture(scope="session")
def house_on() -> Callable[[asyncio.AbstractEventLoop], House]:
    """For tests that bring their own loop."""
    return lambda loop: House(loop, Clock(loop))
