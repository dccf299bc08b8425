"""leasttime: the server that answers soonest, as far as is known (routing.md §5.1)."""

from collections import deque
from collections.abc import Collection, Sequence
from typing import ClassVar

from attrs import frozen

from pointsman import Balancer, BuildContext, Peer, Pick, Request, hookimpl

SAMPLES = 100


@frozen
class LeastTimeConfig:
    pass


class LeastTime:
    name: ClassVar[str] = "leasttime"
    Config: ClassVar[type] = LeastTimeConfig

    def __init__(self, config: LeastTimeConfig, context: BuildContext) -> None:
        self._times: dict[Peer, Times] = {}

    def over(self, peers: Sequence[Peer]) -> Pick:
        self._times = times = {peer: Times(peer.weight) for peer in peers if peer.weight > 0}

        def pick(request: Request, tried: Collection[Peer]) -> Peer | None:
            best: list[Peer] = []
            least = 0.0
            for peer, seen in times.items():
                if not peer.ready or peer in tried:
                    continue
                score = seen.average * (1 + peer.in_flight) / peer.weight
                if not best or score < least:
                    best, least = [peer], score
                elif score == least:
                    best.append(peer)
            if len(best) < 2:
                return best[0] if best else None
            return in_turn(best)

        def in_turn(best: Sequence[Peer]) -> Peer:
            """Among equals, weighted round robin by earliest deadline. Who was no equal does not save up turns."""
            chosen = min(best, key=lambda peer: times[peer].deadline)
            now = times[chosen].deadline
            for peer in best:
                seen = times[peer]
                seen.deadline = min(seen.deadline, now + 1 / peer.weight)
            times[chosen].deadline = now + 1 / chosen.weight
            return chosen

        return pick

    def answered(self, peer: Peer, seconds: float) -> None:
        seen = self._times.get(peer)
        if seen is not None:
            seen.add(int(seconds * 1000))


class Times:
    """How long one server took to begin its latest answers, in whole milliseconds."""

    __slots__ = ("_samples", "_total", "average", "deadline")

    def __init__(self, weight: int) -> None:
        self._samples: deque[int] = deque()
        self._total = 0
        self.average = 0.0
        """0 as long as nothing is known: who is new is tried soon."""
        self.deadline = 1 / weight

    def add(self, milliseconds: int) -> None:
        self._samples.append(milliseconds)
        self._total += milliseconds
        if len(self._samples) > SAMPLES:
            self._total -= self._samples.popleft()
        self.average = self._total / len(self._samples)


@hookimpl
def pointsman_balancers() -> list[type[Balancer]]:
    return [LeastTime]
