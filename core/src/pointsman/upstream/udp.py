"""UDP servers: who is next (routing.md §8.8)."""

from collections.abc import Sequence

from pointsman.api import Peer
from pointsman.upstream.shares import in_turn


class UdpServers:
    """A load balancer: its servers in turn."""

    def __init__(self, name: str, peers: Sequence[Peer]) -> None:
        self.name = name
        self.peers = tuple(peers)
        self._pick = in_turn(self.peers)

    def choose(self) -> "UdpServers":
        return self

    def next(self) -> Peer | None:
        peer: Peer | None = self._pick()
        return peer

    def __repr__(self) -> str:
        return f"<UdpServers {self.name}, {len(self.peers)} servers>"
