"""What a worker knows of its servers: told by the active checks, or seen in the answers (routing.md §5.4, §5.5).

A peer's `up` is what active checks say, its `ready` whether it may be picked. Passive checks turn only `ready`: they do not
count for the services above (routing.md §5.6).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pointsman.api import Peer

log: Final = logging.getLogger("pointsman.health")

Known = Mapping[str, bool]
"""Server URL -> up, of one service; a server that is not in it is up."""


def mark(peers: Iterable[Peer], known: Known) -> None:
    """Let peers be what the active checks found. It also brings back who was put out by its answers."""
    for peer in peers:
        peer.up = peer.ready = known.get(peer.url, True)


class Passive:
    """Judges the servers of one service by their answers, in one worker.

    `attempts` failures in a row within the window put a server out; after as long again it is back, without a probe.
    Where active checks look after the service, too (`probed`), only they bring it back. Equal URLs share one record.
    """

    def __init__(
        self, service: str, peers: Sequence[Peer], *, window_seconds: float, attempts: int, probed: bool = False
    ) -> None:
        self._service = service
        self._window = window_seconds
        self._attempts = max(1, attempts)
        self._probed = probed
        same: dict[str, _Record] = {}
        self._records = {peer: same.setdefault(peer.url, _Record(self._attempts)) for peer in peers}
        for peer, record in self._records.items():
            record.peers.append(peer)

    def judge(self, peer: Peer, failed: bool) -> None:
        """A request to this peer is over: below 500 clears the count, all else adds to it."""
        failures = self._records[peer].failures
        if not failed:
            if failures:
                failures.clear()
            return
        if not peer.ready:
            return  # begun before it was out
        loop = asyncio.get_running_loop()
        now = loop.time()
        failures.append(now)
        if len(failures) == self._attempts and now - failures[0] <= self._window:
            self._put_out(self._records[peer], loop)

    def _put_out(self, record: "_Record", loop: asyncio.AbstractEventLoop) -> None:
        record.failures.clear()
        for peer in record.peers:
            peer.ready = False
        back = "a probe succeeds" if self._probed else f"{self._window:g} s have passed"
        log.warning(
            "service %s: server %s is not used until %s: %d failed in a row",
            self._service,
            record.peers[0].url,
            back,
            self._attempts,
        )
        if not self._probed:
            loop.call_later(self._window, self._take_back, record)

    def _take_back(self, record: "_Record") -> None:
        for peer in record.peers:
            peer.ready = peer.up
        log.info("service %s: server %s is used again", self._service, record.peers[0].url)

    def __repr__(self) -> str:
        out = sorted({peer.url for peer in self._records if not peer.ready})
        return f"<Passive {self._service}{': ' + ', '.join(out) + ' out' if out else ''}>"


class _Record:
    """The latest failures in a row of one server, and the peers that stand for it."""

    __slots__ = ("failures", "peers")

    def __init__(self, attempts: int) -> None:
        self.failures: deque[float] = deque(maxlen=attempts)
        self.peers: list[Peer] = []
