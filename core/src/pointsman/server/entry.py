"""An entry point at run time: its settings, the snapshot in force, and the connections it holds."""

import asyncio
from typing import Protocol

from pointsman.deadlines import Deadlines, Watched
from pointsman.routing.snapshot import Current
from pointsman.server.settings import HEAD_GRACE, EntrySettings


class Connection(Watched, Protocol):
    def shut_when_idle(self) -> None: ...

    @property
    def transport(self) -> asyncio.Transport: ...


class Entry:
    """One entry point in one worker."""

    def __init__(
        self,
        settings: EntrySettings,
        current: Current,
        deadlines: Deadlines,
        loop: asyncio.AbstractEventLoop,
        scheme: bytes = b"http",
    ) -> None:
        self.settings = settings
        self.name = settings.name
        self.scheme = scheme
        self.current = current
        self.deadlines = deadlines
        self.loop = loop
        self.head_limit = settings.max_header_bytes + HEAD_GRACE
        self.connections: set[Connection] = set()
        self.draining = False
        self.limited = settings.keep_alive_max_requests > 0 or settings.keep_alive_max_time > 0
        """Whether a connection may have to close although its client would keep it."""
        self.empty = asyncio.Event()
        """Set when draining is done."""
        self.accepted = 0
        self.refused = 0
        self.ambiguous = 0

    def opened(self, connection: Connection) -> None:
        self.accepted += 1
        self.connections.add(connection)
        self.deadlines.watch(connection)

    def closed(self, connection: Connection) -> None:
        self.connections.discard(connection)
        if self.draining and not self.connections:
            self.empty.set()
        self.deadlines.forget(connection)

    def denies(self, path: bytes) -> bool:
        """Whether an escape in the canonical path is not allowed here (routing.md §6.1)."""
        return any(escape in path for escape in self.settings.denied_escapes)

    def drain(self) -> None:
        """No further request on any connection: idle ones close now, busy ones after their answer."""
        self.draining = self.limited = True
        if not self.connections:
            self.empty.set()
        for connection in list(self.connections):
            connection.shut_when_idle()

    def cut(self) -> None:
        """The grace period is over."""
        for connection in list(self.connections):
            connection.transport.abort()

    def __repr__(self) -> str:
        return f"<Entry {self.name}, {len(self.connections)} connections>"
