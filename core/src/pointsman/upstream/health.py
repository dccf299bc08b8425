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

News = Mapping[str, Mapping[str, bool]]
"""Service -> server URL -> up: what active checks found. Of servers that are not in it there is nothing new."""


class Down:
    """The servers that are known to be down, by service; all others are up."""

    def __init__(self) -> None:
        self._urls: dict[str, set[str]] = {}

    def learn(self, news: News) -> None:
        for service, states in news.items():
            urls = self._urls.setdefault(service, set())
            for url, up in states.items():
                (urls.discard if up else urls.add)(url)
            if not urls:
                del self._urls[service]

    @property
    def news(self) -> dict[str, dict[str, bool]]:
        """What brings somebody who knows nothing up to date."""
        return {service: dict.fromkeys(urls, False) for service, urls in self._urls.items()}

    def __repr__(self) -> str:
        return f"<Down {', '.join(sorted(url for urls in self._urls.values() for url in urls)) or 'none'}>"


def mark(peers: Iterable[Peer], states: Mapping[str, bool]) -> None:
    """Let peers be as active checks found them. It also brings back who was put out for its answers."""
    for peer in peers:
        up = states.get(peer.url)
        if up is not None:
            peer.up = peer.ready = up


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
