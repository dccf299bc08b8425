"""Rendezvous hashing: every client has its own order of preference among peers, the same in every worker and replica.

Bit-compatible with the dialect (routing.md §5.1): score = weight / -ln(h / 2^64), h = FNV-1a of 64 bits over the client's
address, or another key, followed by the peer's URL. A peer that goes takes only its own clients with it. Public, because the
strategy is a plugin and the service kind `highestRandomWeight` is not.
"""

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from hashlib import blake2b
from math import inf, log

from pointsman.api import Peer, Pick
from pointsman.message import Request

REMEMBERED = 4096
"""How many clients' orders are kept; another one's is computed again."""
LONGEST = 256
"""Bytes of a key; in place of a longer one is its digest, for clients choose how much is kept and computed of it."""
Key = Callable[[Request], bytes]
"""Whose request it is: requests with the same key go to the same peer."""
_EMPTY = 0xCBF29CE484222325


def fnv1a(data: bytes, value: int = _EMPTY) -> int:
    """FNV-1a of 64 bits; `value` is that of what stands before."""
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def score(key: int, peer: Peer) -> float:
    """How much whoever has a key with this hash wants this peer."""
    part = float(fnv1a(peer.url.encode(), key)) / 2.0**64
    if part <= 0.0:
        return 0.0
    depth = -log(part)
    return 1.0 / depth * peer.weight if depth else inf


def address(request: Request) -> bytes:
    """The other end of the connection."""
    return request.client.host.removeprefix("::ffff:").encode()


def rendezvous(peers: Sequence[Peer], key: Key = address) -> Pick:
    """Each client's favourite among those that are ready. Peers without weight are left out.

    A request whose `key` is empty goes where its client's address says, for otherwise all of them would go to one peer.
    """
    peers = [peer for peer in peers if peer.weight > 0]

    @lru_cache(REMEMBERED)
    def preferences(key: bytes) -> Sequence[Peer]:
        begun = fnv1a(key)
        return sorted(peers, key=lambda peer: score(begun, peer), reverse=True)

    def pick(request: Request, tried: Collection[Peer]) -> Peer | None:
        value = key(request) or address(request)
        for peer in preferences(value if len(value) <= LONGEST else blake2b(value).digest()):
            if peer.ready and peer not in tried:
                return peer
        return None

    return pick
