"""When which server is probed, and what is known of each (routing.md §5.4). Decides; no I/O, no clock of its own.

Theory of operation. Every server of a check has one place in the queue, or a probe under way. `due` hands out those whose
time has come, as many as may run at once; `done` takes the outcome, and the server queues again. A server begins UP, its
first probe is due one interval later; as many probes in a row as the check's threshold decide, one if it has none. A check
that comes again with the same options keeps what is known and the appointments of its servers, whatever else changed about
its service (routing.md §9, row 4).
"""

from heapq import heappop, heappush
from typing import Final

from pointsman.control.checks import AnyCheck

LIMIT: Final = 100


class Server:
    """One server of one check."""

    __slots__ = ("begun", "changes", "check", "gone", "in_a_row", "said", "up", "url")

    def __init__(self, check: AnyCheck, url: str) -> None:
        self.check = check
        self.url = url
        self.up = True
        self.changes = 0
        """How often it has gone up or down; one that flaps shows here."""
        self.said = True
        """What the latest probes said, and ..."""
        self.in_a_row = 0
        """... how many."""
        self.gone = False
        self.begun = 0.0

    @property
    def proven(self) -> bool:
        """Whether the latest probes are good, and as many as bring a server back."""
        return self.said and self.in_a_row >= self.check.needed(True)

    def hear(self, up: bool) -> bool:
        """What one more probe said. True if that has changed its state."""
        self.in_a_row = self.in_a_row + 1 if self.said is up else 1
        self.said = up
        if self.up is up or self.in_a_row < self.check.needed(up):
            return False
        self.up = up
        self.changes += 1
        return True

    def __repr__(self) -> str:
        state = f"{'UP' if self.up else 'DOWN'}, {self.changes} changes{', gone' if self.gone else ''}"
        return f"<Server {self.url} of {self.check.service} {state}>"


class Rounds:
    """All servers that are checked."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._under_way = 0
        self._services: dict[str, dict[str, Server]] = {}
        self._count = 0
        self._queue: list[tuple[float, int, Server]] = []
        self._number = 0

    # configuration

    def put(self, check: AnyCheck, now: float) -> list[str]:
        """Check the servers of this service so from now on. The URLs that are not known to be down any more."""
        old = self._services.pop(check.service, {})
        self._count += len(check.urls) - len(old)
        down = [url for url, server in old.items() if not server.up]
        servers: dict[str, Server] = {}
        for url in check.urls:
            server = old.get(url)
            if server is not None and server.check.config == check.config:
                server = old.pop(url)
                server.check = check
            else:
                server = Server(check, url)
                self._enqueue(server, now + check.interval(True))
            servers[url] = server
        for server in old.values():
            server.gone = True
        self._services[check.service] = servers
        self._tidy()
        return [url for url in down if url not in servers or servers[url].up]

    def drop(self, service: str) -> list[str]:
        """Check it no more. The URLs that are not known to be down any more."""
        servers = self._services.pop(service, {})
        self._count -= len(servers)
        for server in servers.values():
            server.gone = True
        self._tidy()
        return [url for url, server in servers.items() if not server.up]

    # probes

    @property
    def next_at(self) -> float | None:
        """When `due` will have something; None if only a probe under way or a new check can change that."""
        while self._queue and self._queue[0][2].gone:
            heappop(self._queue)
        return self._queue[0][0] if self._queue and self._under_way < self._limit else None

    def due(self, now: float) -> list[Server]:
        """Servers to be probed now; each will be `done`."""
        found = []
        while (at := self.next_at) is not None and at <= now:
            server = heappop(self._queue)[2]
            server.begun = now
            self._under_way += 1
            found.append(server)
        return found

    def done(self, server: Server, up: bool, now: float) -> bool:
        """A probe is over. True if the server has changed its state."""
        self._under_way -= 1
        if server.gone:
            return False
        changed = server.hear(up)
        self._enqueue(server, max(now, server.begun + server.check.interval(server.up)))
        return changed

    def _enqueue(self, server: Server, at: float) -> None:
        self._number += 1
        heappush(self._queue, (at, self._number, server))

    def _tidy(self) -> None:
        """Who is gone and far down in the queue is not kept for ever."""
        if len(self._queue) > 2 * self._count + 1000:
            self._queue = sorted(entry for entry in self._queue if not entry[2].gone)

    # knowledge

    @property
    def states(self) -> dict[str, dict[str, bool]]:
        """Service -> server URL -> up, of all that are checked."""
        return {service: {url: server.up for url, server in servers.items()} for service, servers in self._services.items()}

    def __repr__(self) -> str:
        down = [server.url for servers in self._services.values() for server in servers.values() if not server.up]
        return f"<Rounds {len(self._services)} services, {self._under_way} under way, down: {', '.join(down) or 'none'}>"
