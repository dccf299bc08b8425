"""What a worker knows of its servers: told by the active checks, or seen in the answers (routing.md §5.4, §5.5).

Each judge has a word of its own about a peer: `up` is what active checks say, `failing` what the passive one says, `ejected`
what outlier detection says (outliers.py); `settle` makes `ready` of them. Only `up` counts for the services above
(routing.md §5.6).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

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


class Judge(Protocol):
    """Judges the servers of one service by their answers, in one worker."""

    def judge(self, peer: Peer, status: int, /) -> None:
        """A request to this peer is over: what it answered, or what the gateway does in its place."""


class Judges:
    """Several at once."""

    def __init__(self, *judges: Judge) -> None:
        self.judges = judges

    def judge(self, peer: Peer, status: int) -> None:
        for each in self.judges:
            each.judge(peer, status)

    def __repr__(self) -> str:
        return f"<Judges {', '.join(map(repr, self.judges))}>"


def settle(peer: Peer) -> None:
    """After one of its judges has changed its mind: whether the peer may be picked."""
    ready = peer.up and not peer.failing and not peer.ejected
    if ready is not peer.ready:
        peer.ready = ready
        for watcher in peer.watchers:
            watcher(peer)


def mark(peers: Iterable[Peer], states: Mapping[str, bool]) -> None:
    """Let peers be as active checks found them. It also ends what the passive check says, but no ejection."""
    for peer in peers:
        up = states.get(peer.url)
        if up is not None:
            peer.up = up
            peer.failing = False
            settle(peer)


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
        self._by_url: dict[str, _Record] = {}
        self._records = {peer: self._by_url.setdefault(peer.url, _Record(self._attempts)) for peer in peers}
        for peer, record in self._records.items():
            record.peers.append(peer)

    def judge(self, peer: Peer, status: int) -> None:
        """Below 500 clears the count, all else adds to it."""
        failures = self._records[peer].failures
        if status < 500:
            if failures:
                failures.clear()
            return
        if not peer.ready:
            return  # begun before it was out
        loop = asyncio.get_running_loop()
        now = loop.time()
        failures.append(now)
        if len(failures) == self._attempts and now - failures[0] <= self._window:
            self._tell(self._records[peer])
            self._put_out(self._records[peer], now + self._window)

    def _put_out(self, record: "_Record", until: float) -> None:
        record.failures.clear()
        record.until = until
        if not self._probed:
            record.timer = asyncio.get_running_loop().call_at(until, self._take_back, record)
        for peer in record.peers:
            peer.failing = True
            settle(peer)

    def _tell(self, record: "_Record") -> None:
        back = "a probe succeeds" if self._probed else f"{self._window:g} s have passed"
        log.warning(
            "service %s: server %s is not used until %s: %d failed in a row",
            self._service,
            record.peers[0].url,
            back,
            self._attempts,
            extra={"serviceName": self._service, "serverURL": record.peers[0].url},
        )

    def _take_back(self, record: "_Record") -> None:
        record.timer = None
        for peer in record.peers:
            peer.failing = False
            settle(peer)
        log.info(
            "service %s: server %s is used again",
            self._service,
            record.peers[0].url,
            extra={"serviceName": self._service, "serverURL": record.peers[0].url},
        )

    def take_over(self, old: "Passive") -> None:
        """Serve in place of `old`: servers that stay and are out are so for as long as they would have been."""
        for url, theirs in old._by_url.items():
            mine = self._by_url.get(url)
            if mine is None:
                continue
            mine.failures.extend(theirs.failures)
            if theirs.peers[0].failing and old._probed is self._probed:
                self._put_out(mine, theirs.until)
        old.close()

    def close(self) -> None:
        """Nobody who is out comes back."""
        for record in self._by_url.values():
            if record.timer is not None:
                record.timer.cancel()

    def __repr__(self) -> str:
        out = sorted({peer.url for peer in self._records if peer.failing})
        return f"<Passive {self._service}{': ' + ', '.join(out) + ' out' if out else ''}>"


class _Record:
    """The latest failures in a row of one server, and the peers that stand for it."""

    __slots__ = ("failures", "peers", "timer", "until")

    def __init__(self, attempts: int) -> None:
        self.failures: deque[float] = deque(maxlen=attempts)
        self.peers: list[Peer] = []
        self.until = 0.0
        self.timer: asyncio.TimerHandle | None = None
        """While it is out and no probe will bring it back."""
