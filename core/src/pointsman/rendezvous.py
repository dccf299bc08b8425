"""Rendezvous hashing: every client has its own order of preference among peers, the same in every worker and replica.

Bit-compatible with the dialect (routing.md §5.1): score = weight / -ln(h / 2^64), h = FNV-1a of 64 bits over the client's
address followed by the peer's URL. A peer that goes takes only its own clients with it. Public, because the strategy is a
plugin and the service kind `highestRandomWeight` is not.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from math import inf, log

from pointsman.api import Peer, Pick
from pointsman.message import Request

REMEMBERED = 4096
"""How many clients' orders are kept; another one's is computed again."""


def fnv1a(data: bytes) -> int:
    """FNV-1a of 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def score(client: str, peer: Peer) -> float:
    """How much this client wants this peer."""
    part = float(fnv1a((client + peer.url).encode())) / 2.0**64
    if part <= 0.0:
        return 0.0
    depth = -log(part)
    return 1.0 / depth * peer.weight if depth else inf


def rendezvous(peers: Sequence[Peer]) -> Pick:
    """Each client's favourite among those that are ready. Peers without weight are left out."""
    peers = [peer for peer in peers if peer.weight > 0]

    @lru_cache(REMEMBERED)
    def preferences(client: str) -> Sequence[Peer]:
        return sorted(peers, key=lambda peer: score(client, peer), reverse=True)

    def pick(request: Request, tried: Collection[Peer]) -> Peer | None:
        for peer in preferences(request.client.host.removeprefix("::ffff:")):
            if peer.ready and peer not in tried:
                return peer
        return None

    return pick
