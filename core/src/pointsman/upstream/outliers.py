"""Outlier detection (new): a server that fails where the others do not is ejected, for longer each time. No I/O.

Theory of operation. What requests to a server end in adds up in its record: errors in a row (of two kinds), and, over an
interval, their part of all. At the first limit reached the server is ejected, unless that were more servers than may be out
at once, or the last that is ready. It is out for `baseEjectionTime`, twice that the second time, and so on up to
`maxEjectionTime`; each interval that it stays in takes one time off. Where nobody else is left, whoever is ejected is used
again at once: a server that fails at times is better than none. Equal URLs share one record. Each worker judges for itself.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from pointsman.api import Peer
from pointsman.config.http_model import OutlierDetection
from pointsman.upstream.health import settle

log: Final = logging.getLogger("pointsman.health")

GATEWAY_ERRORS: Final = frozenset((502, 503, 504))


class Outliers:
    """Judges the servers of one service by their answers, in one worker; its strategy chooses among the `picked`."""

    def __init__(self, service: str, peers: Sequence[Peer], picked: Iterable[Peer], config: OutlierDetection) -> None:
        self._service = service
        self._config = config
        self._picked = tuple(picked)
        self._by_url: dict[str, _Record] = {}
        self._records: dict[Peer, _Record] = {}
        for peer in peers:
            record = self._by_url.setdefault(peer.url, _Record())
            record.peers.append(peer)
            self._records[peer] = record
            peer.watchers += (self._turned,)
        self.limit = _most(len({peer.url for peer in self._picked}), config.max_ejection_percent)
        """How many servers may be out at once."""
        self.out = 0
        self.ejections = 0
        """Since the service is there."""
        self.on_eject: Callable[[], None] | None = None
        """Who counts them, too."""
        self.refused = 0
        """Errors that would have ejected a server if the limit had let them."""

    def judge(self, peer: Peer, status: int) -> None:
        """A request to this peer is over."""
        record, config = self._records[peer], self._config
        record.requests += 1
        if status < 500:
            record.errors = record.gateway_errors = 0
            return
        if not peer.ready:
            return  # begun before it was out
        now = asyncio.get_running_loop().time()
        record.failed(status, now, config.interval)
        why = self._verdict(record)
        if why and self.out < self.limit and self._others_than(record):
            self._eject(record, why, now)
        elif why:
            self.refused += 1

    def _verdict(self, record: "_Record") -> str:
        """Why this server is to be ejected; empty if it is not."""
        config, part = self._config, record.failure_percentage(self._config.request_volume)
        if 0 < config.consecutive_5xx_errors <= record.errors:
            return f"{record.errors} failed in a row"
        if 0 < config.consecutive_gateway_errors <= record.gateway_errors:
            return f"{record.gateway_errors} failed in a row with 502, 503 or 504"
        if 0 < config.failure_percentage <= part:
            return f"{part}% of {record.requests} requests failed"
        return ""

    def _others_than(self, record: "_Record") -> bool:
        return any(peer.ready and self._records[peer] is not record for peer in self._picked)

    def _eject(self, record: "_Record", why: str, now: float) -> None:
        config = self._config
        record.times = max(0, record.times - int((now - record.returned) / config.interval)) + 1
        seconds = min(config.base_ejection_time * record.times, max(config.base_ejection_time, config.max_ejection_time))
        self.ejections += 1
        if self.on_eject is not None:
            self.on_eject()
        log.warning(
            "service %s: server %s is ejected for %g s: %s",
            self._service,
            record.peers[0].url,
            seconds,
            why,
            extra={"serviceName": self._service, "serverURL": record.peers[0].url},
        )
        self._put_out(record, now + seconds)

    def _put_out(self, record: "_Record", until: float) -> None:
        record.forget()
        self.out += 1
        record.timer = asyncio.get_running_loop().call_at(until, self._take_back, record)
        record.until = until
        for peer in record.peers:
            peer.ejected = True
            settle(peer)

    def _take_back(self, record: "_Record") -> None:
        if record.timer is None:
            return
        record.timer.cancel()
        record.timer = None
        record.returned = asyncio.get_running_loop().time()
        self.out -= 1
        log.info(
            "service %s: server %s is not ejected any more",
            self._service,
            record.peers[0].url,
            extra={"serviceName": self._service, "serverURL": record.peers[0].url},
        )
        for peer in record.peers:
            peer.ejected = False
            settle(peer)

    def _turned(self, peer: Peer) -> None:
        """Somebody came or went: an ejection must not be why nobody is left."""
        if self.out and not any(each.ready for each in self._picked):
            for record in self._by_url.values():
                if any(each.up and not each.failing for each in record.peers):
                    self._take_back(record)

    def take_over(self, old: "Outliers") -> None:
        """Serve in place of `old`: servers that stay are known, and out for as long as they would have been."""
        self.ejections += old.ejections
        self.refused += old.refused
        for url, record in old._by_url.items():
            mine = self._by_url.get(url)
            if mine is not None:
                mine.times, mine.returned = record.times, record.returned
                if record.timer is not None and self.out < self.limit and self._others_than(mine):
                    self._put_out(mine, record.until)
        old.close()

    def close(self) -> None:
        """Nobody is ejected any more, and nobody who is out comes back."""
        self.limit = 0
        for record in self._by_url.values():
            if record.timer is not None:
                record.timer.cancel()

    def __repr__(self) -> str:
        out = ", ".join(url for url, record in self._by_url.items() if record.timer is not None)
        return f"<Outliers {self._service}: {out or 'none'} out, {self.ejections} ejections, {self.refused} refused>"


class _Record:
    """What is known of one server, and the peers that stand for it."""

    __slots__ = ("begun", "errors", "failures", "gateway_errors", "peers", "requests", "returned", "timer", "times", "until")

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.errors = 0
        self.gateway_errors = 0
        """Both in a row."""
        self.requests = 0
        self.failures = 0
        self.begun = float("-inf")
        """Both since this moment, if that is no longer than an interval ago."""
        self.times = 0
        """How often it was ejected, less one for each interval it was in since."""
        self.returned = 0.0
        self.timer: asyncio.TimerHandle | None = None
        """While it is out."""
        self.until = 0.0

    def failed(self, status: int, now: float, interval: float) -> None:
        if now - self.begun > interval:  # looked at only here: no clock is read for what goes well
            self.begun, self.requests, self.failures = now, 1, 0
        self.failures += 1
        self.errors += 1
        self.gateway_errors = self.gateway_errors + 1 if status in GATEWAY_ERRORS else 0

    def failure_percentage(self, volume: int) -> int:
        """Of a hundred requests in this interval, how many failed; 0 if there were fewer than `volume`."""
        return self.failures * 100 // self.requests if self.requests >= volume else 0

    def forget(self) -> None:
        """Who comes back begins anew."""
        self.errors = self.gateway_errors = self.requests = self.failures = 0
        self.begun = float("-inf")


def _most(servers: int, percent: int) -> int:
    """One may always be out if any may, and one always stays."""
    return min(servers - 1, max(1, servers * percent // 100)) if percent > 0 and servers else 0
