"""Everything a worker serves by, at one moment: frozen, held by the requests that began under it, swapped whole."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pointsman.api import Handler
from pointsman.message import Link
from pointsman.routing.table import RouteTable


class Route:
    """A compiled router: its handler, and whether requests to it go by these names in logs and metrics."""

    __slots__ = ("handler", "name", "observers", "service", "tls_options")

    def __init__(
        self,
        name: str,
        service: str,
        handler: Handler,
        tls_options: str = "",
        observers: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.service = service
        self.handler = handler
        self.tls_options = tls_options
        """On a TLS table: the name of the options that a connection must have agreed to, else 421 (routing.md §4.3)."""
        self.observers = observers
        """Who follows its exchanges (`observe/observer.py`), by entry point; None if nobody does on any."""

    def __repr__(self) -> str:
        return f"<Route {self.name} -> {self.service}>"


class Snapshot:
    """Route tables and a door per entry point. `holders` counts exchanges that began under it and are not over.

    Retiring it means: no new holders. When the last one is gone `on_free` is called.
    """

    __slots__ = ("doors", "holders", "number", "on_free", "retired", "secure", "tables", "udp", "unrouted")

    def __init__(
        self,
        tables: Mapping[str, RouteTable],
        number: int = 0,
        *,
        secure: Mapping[str, RouteTable] | None = None,
        doors: Mapping[str, Any] | None = None,
        udp: Mapping[str, Any] | None = None,
        unrouted: Mapping[str, Any] | None = None,
    ) -> None:
        self.tables = tables
        """HTTP routers without `tls`, by entry point."""
        self.secure = secure or {}
        """HTTP routers with `tls`, by entry point."""
        self.doors = doors or {}
        """What becomes of a new connection (`server/door.py`), by entry point."""
        self.udp = udp or {}
        """What becomes of datagrams (`server/udp.py`), by entry point."""
        self.unrouted = unrouted or {}
        """Who follows exchanges that no router has, by entry point."""
        self.number = number
        self.holders = 0
        self.retired = False
        self.on_free: Callable[[], None] = _nothing

    def table(self, link: Link) -> RouteTable:
        """The HTTP routers for what comes over this connection."""
        tables = self.tables if link.tls is None else self.secure
        return tables.get(link.entry_point, _NO_ROUTERS)

    def __repr__(self) -> str:
        return f"<Snapshot {self.number}, {self.holders} holders{', retired' if self.retired else ''}>"


_NO_ROUTERS: Final = RouteTable.build(())


def _nothing() -> None:
    pass


class Current:
    """The cell a snapshot sits in: one assignment makes another one current."""

    __slots__ = ("challenges", "snapshot")

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.challenges: dict[bytes, Any] = {}
        """By server name, the contexts of handshakes for whoever issues certificates (RFC 8737)."""
