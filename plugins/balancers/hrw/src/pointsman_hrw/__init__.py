"""hrw: each client keeps its server, by rendezvous hashing (routing.md §5.1)."""

from collections.abc import Sequence
from typing import ClassVar

from attrs import frozen

from pointsman import Balancer, BuildContext, Peer, Pick, hookimpl, rendezvous


@frozen
class HighestRandomWeightConfig:
    pass


class HighestRandomWeight:
    name: ClassVar[str] = "hrw"
    Config: ClassVar[type] = HighestRandomWeightConfig
    sticky: ClassVar[bool] = False  # a client keeps its server without a cookie

    def __init__(self, config: HighestRandomWeightConfig, context: BuildContext) -> None:
        pass

    def over(self, peers: Sequence[Peer]) -> Pick:
        return rendezvous(peers)


@hookimpl
def pointsman_balancers() -> list[type[Balancer]]:
    return [HighestRandomWeight]
