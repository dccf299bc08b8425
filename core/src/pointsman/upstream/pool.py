"""Who gets which connection: decides, does no I/O. A connection is busy, idle here, or closed."""

from typing import Generic, TypeVar

C = TypeVar("C")


class Pool(Generic[C]):
    """The connections to one server over one transport. The newest idle one is taken first, so that the others can age.

    Whatever is idle here can be used: a connection says `lost` the moment it closes.
    """

    __slots__ = ("_idle", "busy", "closed", "max_idle", "name")

    def __init__(self, name: str, max_idle: int) -> None:
        self.name = name
        self.max_idle = max_idle
        self.busy = 0
        self.closed = False
        self._idle: list[C] = []

    def take(self) -> C | None:
        """An idle connection, busy from now on; None if a new one must be opened (then `opened` it)."""
        if self._idle:
            self.busy += 1
            return self._idle.pop()
        return None

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
