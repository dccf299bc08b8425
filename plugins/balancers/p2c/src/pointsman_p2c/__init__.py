"""p2c: the less busy of two servers taken at random (routing.md §5.1)."""

from collections.abc import Collection, Sequence
from random import Random
from typing import ClassVar

from attrs import frozen

from pointsman import Balancer, BuildContext, Peer, Pick, Request, hookimpl


@frozen
class PowerOfTwoConfig:
    pass


class PowerOfTwo:
    name: ClassVar[str] = "p2c"
    Config: ClassVar[type] = PowerOfTwoConfig
    weighs: ClassVar[bool] = False

    def __init__(self, config: PowerOfTwoConfig, context: BuildContext) -> None:
        self._random = Random()

    def over(self, peers: Sequence[Peer]) -> Pick:
        random = self._random.random

        def pick(request: Request, tried: Collection[Peer]) -> Peer | None:
            free = [peer for peer in peers if peer.ready and peer not in tried]
            count = len(free)
            if count < 2:
                return free[0] if free else None
            one = int(random() * count)
            other = int(random() * (count - 1))
            first, second = free[one], free[other + (other >= one)]
            return second if second.in_flight < first.in_flight else first

        return pick


@hookimpl
def pointsman_balancers() -> list[type[Balancer]]:
    return [PowerOfTwo]
