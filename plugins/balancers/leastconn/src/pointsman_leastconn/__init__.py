"""leastconn: the server that answers the fewest requests now, for its weight."""

from collections.abc import Collection, Sequence
from math import lcm
from typing import ClassVar

from attrs import frozen

from pointsman import Balancer, BuildContext, Peer, Pick, Request, hookimpl


@frozen
class LeastConnectionsConfig:
    pass


class LeastConnections:
    name: ClassVar[str] = "leastconn"
    Config: ClassVar[type] = LeastConnectionsConfig

    def __init__(self, config: LeastConnectionsConfig, context: BuildContext) -> None:
        pass

    def over(self, peers: Sequence[Peer]) -> Pick:
        peers = [peer for peer in peers if peer.weight > 0]
        whole = lcm(*(peer.weight for peer in peers))
        deadlines = {peer: whole // peer.weight for peer in peers}
        now = 0

        def pick(request: Request, tried: Collection[Peer]) -> Peer | None:
            """Among equals, weighted round robin by earliest deadline. Who was no equal does not save up turns."""
            nonlocal now
            chosen: Peer | None = None
            least, soonest = 0.0, 0
            for peer, deadline in deadlines.items():
                if not peer.ready or (tried and peer in tried):
                    continue
                load = peer.in_flight / peer.weight
                if chosen is None or load < least or (load == least and max(now, deadline) < soonest):
                    chosen, least, soonest = peer, load, max(now, deadline)
            if chosen is not None:
                now = soonest
                deadlines[chosen] = now + whole // chosen.weight
            return chosen

        return pick


@hookimpl
def pointsman_balancers() -> list[type[Balancer]]:
    return [LeastConnections]
