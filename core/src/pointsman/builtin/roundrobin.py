"""Weighted round robin by earliest deadline first (routing.md §5.1): the balancer that ships inside.

Each peer has a deadline; the smallest is served and moves on by 1/weight. Deadlines are whole numbers (multiples of one over
the least common multiple of the weights), so every cycle is exact: weights 3 and 1 share 24 requests 18 to 6. It begins
with the first of the heaviest peers, always.
"""

from collections.abc import Collection, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from itertools import cycle
from math import lcm
from typing import Any, ClassVar

from attrs import frozen

from pointsman.api import Peer, Pick
from pointsman.message import Request


@frozen
class RoundRobinConfig:
    pass


class RoundRobin:
    name: ClassVar[str] = "wrr"
    Config: ClassVar[type] = RoundRobinConfig

    def __init__(self, config: RoundRobinConfig, context: Any) -> None:
        pass

    def over(self, peers: Sequence[Peer]) -> Pick:
        peers = [peer for peer in peers if peer.weight > 0]
        if not peers:
            return _nobody
        if len(peers) == 1:
            return _only(peers[0])
        if len({peer.weight for peer in peers}) == 1:
            return _in_turn(peers)
        return _by_deadline(peers)


def _nobody(request: Request, tried: Collection[Peer]) -> Peer | None:
    return None


def _only(peer: Peer) -> Pick:
    return lambda request, tried: peer if peer.ready and peer not in tried else None


def _in_turn(peers: Sequence[Peer]) -> Pick:
    """Equal weights: nothing to compute."""
    turns = cycle(peers).__next__
    others = range(len(peers) - 1)

    def pick(request: Request, tried: Collection[Peer]) -> Peer | None:
        peer = turns()
        if peer.ready and not (tried and peer in tried):
            return peer
        for _ in others:
            peer = turns()
            if peer.ready and peer not in tried:
                return peer
        return None

    return pick


def _by_deadline(peers: Sequence[Peer]) -> Pick:
    whole = lcm(*(peer.weight for peer in peers))
    queue = [(whole // peer.weight, place, whole // peer.weight, peer) for place, peer in enumerate(peers)]
    heapify(queue)

    def pick(request: Request, tried: Collection[Peer]) -> Peer | None:
        deadline, place, step, peer = queue[0]
        if peer.ready and not (tried and peer in tried):
            heapreplace(queue, (deadline + step, place, step, peer))
            return peer
        return pick_another(tried)

    def pick_another(tried: Collection[Peer]) -> Peer | None:
        """Pass over who cannot be taken. Who is down does not save up turns for later; who was tried keeps its turn."""
        passed = []
        chosen = None
        while queue and chosen is None:
            deadline, place, step, peer = heappop(queue)
            if peer.ready and peer not in tried:
                chosen = peer
                heappush(queue, (deadline + step, place, step, peer))
            else:
                passed.append((deadline, place, step, peer))
        now = deadline if chosen else 0
        for deadline, place, step, peer in passed:
            heappush(queue, (deadline if peer.ready else max(deadline, now + step), place, step, peer))
        return chosen

    return pick
