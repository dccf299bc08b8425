"""Everything a worker serves by, at one moment: frozen, held by the requests that began under it, swapped whole."""

from collections.abc import Callable, Mapping

from pointsman.api import Handler
from pointsman.routing.table import RouteTable


class Route:
    """A compiled router: its handler, and whether requests to it go by these names in logs and metrics."""

    __slots__ = ("handler", "name", "service")

    def __init__(self, name: str, service: str, handler: Handler) -> None:
        self.name = name
        self.service = service
        self.handler = handler

    def __repr__(self) -> str:
        return f"<Route {self.name} -> {self.service}>"


class Snapshot:
    """A route table per entry point. `holders` counts exchanges that began under it and are not over.

    Retiring it means: no new holders. When the last one is gone `on_free` is called.
    """

    __slots__ = ("holders", "number", "on_free", "retired", "tables")

    def __init__(self, tables: Mapping[str, RouteTable], number: int = 0) -> None:
        self.tables = tables
        self.number = number
        self.holders = 0
        self.retired = False
        self.on_free: Callable[[], None] = _nothing

    def __repr__(self) -> str:
        return f"<Snapshot {self.number}, {self.holders} holders{', retired' if self.retired else ''}>"


def _nothing() -> None:
    pass


class Current:
    """The cell a snapshot sits in: one assignment makes another one current."""

    __slots__ = ("snapshot",)

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
