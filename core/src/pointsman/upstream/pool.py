"""Who gets which connection: decides, does no I/O. A connection is busy, idle here, or closed."""

import asyncio
from collections import deque
from typing import Any, Final, Generic, Protocol, TypeVar

from pointsman.errors import GatewayError

C = TypeVar("C")
MAX_SHARED: Final = 64
"""Connections to one server on which requests share."""


class Shared(Protocol):
    """A connection that carries several exchanges at once."""

    @property
    def room(self) -> int:
        """How many more it can carry now."""

    def carrier(self) -> Any:
        """A place on it; `room` must be above 0."""

    def shut(self) -> None:
        """Carry nothing new, and close when what is carried is over."""


class Pool(Generic[C]):
    """The connections to one server over one transport. The newest idle one is taken first, so that the others can age.

    Whatever is idle here can be used: a connection says `lost` the moment it closes.
    """

    __slots__ = ("_idle", "agreed", "busy", "closed", "max_idle", "members", "name")

    def __init__(self, name: str, max_idle: int) -> None:
        self.name = name
        self.max_idle = max_idle
        self.busy = 0
        self.closed = False
        self.agreed: Any = None
        """What TLS agreed on last, for the next connection to go on with its session; its connector's own business."""
        self.members: set[Any] = set()
        """Every connection that is open, busy or not; each writes itself in and out."""
        self._idle: list[C] = []

    def take(self) -> C | None:
        """An idle connection, busy from now on; None if a new one must be opened (then `opened` it)."""
        if self._idle:
            self.busy += 1
            return self._idle.pop()
        return None

    take_single = take
    """The same, for a request that needs a connection of its own."""

    def opened(self) -> None:
        """A new connection is busy."""
        self.busy += 1

    def give(self, connection: C) -> bool:
        """A busy connection is free again. False: it is not wanted, close it."""
        self.busy -= 1
        if len(self._idle) >= self.max_idle:
            return False
        self._idle.append(connection)
        return True

    def gone(self) -> None:
        """A busy connection has closed."""
        self.busy -= 1

    def lost(self, connection: C) -> None:
        """An idle connection has closed."""
        if connection in self._idle:
            self._idle.remove(connection)

    def apart(self, name: str, max_idle: int) -> "Pool[C]":
        """A pool of its own, whose connections are members here, too."""
        pool: Pool[C] = Pool(f"{self.name} {name}", max_idle)
        pool.members = self.members
        return pool

    def close(self) -> list[C]:
        """Keep nothing any more; the idle connections, to be closed by the caller."""
        self.closed = True
        self.max_idle = 0
        idle, self._idle = self._idle, []
        return idle

    @property
    def idle(self) -> int:
        return len(self._idle)

    def __repr__(self) -> str:
        return f"<Pool {self.name} {self.busy} busy, {self.idle} idle{', closed' if self.closed else ''}>"


class SharedPool(Pool[Any]):
    """The connections to a server that may speak HTTP/2: then requests share them, and `busy` counts the requests.

    A connection is filled before the next one is used, so that those which are not needed fall idle.
    """

    __slots__ = ("_shared", "_waiters", "dialling", "shares")

    def __init__(self, name: str, max_idle: int) -> None:
        super().__init__(name, max_idle)
        self.shares: bool | None = None
        """Whether the server speaks HTTP/2; None if nobody has asked it yet."""
        self.dialling = False
        """Whether somebody opens a connection for all who wait."""
        self._shared: list[Shared] = []
        self._waiters: deque[asyncio.Future[None]] = deque()

    def take(self) -> Any:
        for connection in self._shared:
            if connection.room > 0:
                self.busy += 1
                return connection.carrier()
        return super().take()

    @property
    def full(self) -> bool:
        """Whether no further connection may be opened to be shared."""
        return len(self._shared) >= MAX_SHARED

    def join(self, connection: Shared) -> None:
        """This connection can be shared from now on."""
        self._shared.append(connection)

    def leave(self, connection: Shared) -> None:
        """It takes no new requests."""
        if connection in self._shared:
            self._shared.remove(connection)

    async def wait(self) -> None:
        """Until there may be something to take. GatewayError if whoever was dialling failed."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def wake(self) -> None:
        """There is room for one more."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def dialled(self, error: GatewayError | None = None) -> None:
        """Whoever was dialling is done: all who wait look again, or fail like it."""
        self.dialling = False
        waiters, self._waiters = self._waiters, deque()
        for waiter in waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(GatewayError(error.status, str(error), side=error.side, retry=error.retry))

    def close(self) -> list[Any]:
        return super().close() + self._shared

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, {len(self._shared)} shared>"
