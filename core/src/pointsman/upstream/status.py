"""Whether a service is up, as the services above it see it (routing.md §5.6). Computed when asked; no I/O.

Whoever turns a peer's `up` calls `changed()` of the service's health afterwards. Asking needs no watcher; watching is for
those who must act or tell at the moment it changes.
"""

from collections.abc import Callable, Sequence

from pointsman.api import Peer

Watcher = Callable[[bool], None]


class Health:
    """The state of one service: `up`, and who wants to hear of a change."""

    __slots__ = ("_told", "_watchers")

    def __init__(self) -> None:
        self._watchers: list[Watcher] = []
        self._told = True

    @property
    def up(self) -> bool:
        """True if the service can take requests."""
        raise NotImplementedError

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher(up)` at every change from now on; the result ends it."""
        if not self._watchers:
            self._told = self.up
        self._watchers.append(watcher)

        def stop() -> None:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

        return stop

    def changed(self) -> None:
        """Something `up` is computed from may have changed."""
        up = self.up
        if up is not self._told:
            self._told = up
            for watcher in tuple(self._watchers):
                watcher(up)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'up' if self.up else 'down'}>"


class PeersHealth(Health):
    """A load balancer's: up while any of its peers is, as active checks say; what passive ones say does not count."""

    __slots__ = ("peers",)

    def __init__(self, peers: Sequence[Peer]) -> None:
        super().__init__()
        self.peers = tuple(peers)

    @property
    def up(self) -> bool:
        return any(peer.up for peer in self.peers)


class AnyHealth(Health):
    """A composite's: up while any child is. It listens to its children only while somebody listens to it."""

    __slots__ = ("_stops", "children")

    def __init__(self, children: Sequence[Health]) -> None:
        super().__init__()
        self.children = tuple(children)
        self._stops: list[Callable[[], None]] = []

    @property
    def up(self) -> bool:
        return any(child.up for child in self.children)

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        first = not self._watchers
        stop = super().watch(watcher)
        if first:
            self._stops = [child.watch(self._child_changed) for child in self.children]

        def stop_here() -> None:
            stop()
            if not self._watchers:
                for stop_child in self._stops:
                    stop_child()
                self._stops = []

        return stop_here

    def _child_changed(self, up: bool) -> None:
        self.changed()
