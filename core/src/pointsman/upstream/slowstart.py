"""Slow start (new): a server that has come back, or is new in a running service, gets a share that grows to its own. No I/O.

Theory of operation. While nobody is warming up, the strategy picks, and nothing here is called. While somebody is, a pick of
it counts only as often as its share allows: every request adds to the credit of each such server what its weight, times the
part of the time that has passed, is of all weights; a pick costs 1, and who has no credit is passed over for the strategy's
next choice. So no strategy need know of it, and also one that would send everything to an idle server sends it no more than
its share. Among servers that have been warming up equally long the strategy decides alone, as where all of them are new.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from pointsman.api import Peer
from pointsman.message import Request
from pointsman.upstream.forward import Forwarder

LEAST: Final = 0.1
"""The part of its weight that a server begins with: without requests it would never be warm."""
RENEW_SECONDS: Final = 0.1
"""How long the shares stand once computed."""
MAX_CREDIT: Final = 2.0
"""Who is not picked for a while does not save up for a burst."""


class SlowStart:
    """The way in of servers of one service; `peers` are those that the strategy of `forwarder` chooses among."""

    def __init__(self, forwarder: Forwarder, peers: Iterable[Peer], seconds: float, *, weighs: bool = True) -> None:
        self._forwarder = forwarder
        self._plain = forwarder.pick
        self._weights = {peer: peer.weight if weighs else 1 for peer in peers}
        self._seconds = seconds
        self._renew_at = 0.0
        self.warming: dict[Peer, Warming] = {}
        for peer in self._weights:
            peer.watchers += (self._turned,)

    def _turned(self, peer: Peer) -> None:
        if peer.ready:
            self._begin(peer, asyncio.get_running_loop().time())
        else:
            self.warming.pop(peer, None)

    def _begin(self, peer: Peer, since: float) -> None:
        self.warming[peer] = Warming(since)
        self._renew_at = 0.0
        self._forwarder.pick = self._pick

    def take_over(self, before: Sequence[Peer], old: "SlowStart | None") -> None:
        """Serve in place of a service of these peers: who was not among them is new, who was warming up goes on."""
        now = asyncio.get_running_loop().time()
        since: Mapping[str, float] = {}
        if old is not None:
            since = {peer.url: warming.since for peer, warming in old.warming.items()}
        known = {peer.url for peer in before if peer.ready}
        for peer in self._weights:
            if peer.ready and peer.url in since:
                self._begin(peer, since[peer.url])
            elif peer.ready and peer.url not in known:
                self._begin(peer, now)

    def _pick(self, request: Request, tried: Collection[Peer]) -> Peer | None:
        now = asyncio.get_running_loop().time()
        if now >= self._renew_at:
            self._renew(now)
        for warming in self.warming.values():
            warming.credit = min(MAX_CREDIT, warming.credit + warming.share)
        first = peer = self._plain(request, tried)
        while peer is not None:
            picked = self.warming.get(peer)
            if picked is None:
                return peer
            if picked.credit >= 1:
                picked.credit -= 1
                return peer
            tried = (*tried, peer)
            peer = self._plain(request, tried)
        return first

    def _renew(self, now: float) -> None:
        """Who is still warming up, and how much of all requests is theirs."""
        self._renew_at = now + min(RENEW_SECONDS, self._seconds / 20)
        self.warming = {peer: each for peer, each in self.warming.items() if now - each.since < self._seconds}
        if not self.warming:
            self._forwarder.pick = self._plain
            return
        parts = {peer: self._part(peer, now) for peer in self._weights if peer.ready}
        whole = sum(part * self._weights[peer] for peer, part in parts.items())
        most = max(parts.values(), default=1.0)
        for peer, warming in self.warming.items():
            part = parts.get(peer, LEAST)
            warming.share = part * self._weights[peer] / whole if part < most and whole > 0 else 1.0

    def _part(self, peer: Peer, now: float) -> float:
        warming = self.warming.get(peer)
        return 1.0 if warming is None else max(LEAST, (now - warming.since) / self._seconds)

    def __repr__(self) -> str:
        return f"<SlowStart {self._forwarder.name}: {', '.join(peer.url for peer in self.warming) or 'nobody'} warming up>"


class Warming:
    """One server on its way in."""

    __slots__ = ("credit", "share", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.share = 0.0
        """Of all requests, from 0 to 1."""
        self.credit = 0.0
        """How many requests it may have now."""
