"""Rendezvous hashing: every client has its own order of preference among peers, the same in every worker and replica.

Bit-compatible with the dialect (routing.md §5.1): score = weight / -ln(h / 2^64), h = FNV-1a of 64 bits over the client's
address, or another key, followed by the peer's URL. A peer that goes takes only its own clients with it. Public, because the
strategy is a plugin and the service kind `highestRandomWeight` is not.
"""

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from hashlib import blake2b
from math import inf, log
from struct import Struct

from pointsman.api import Peer, Pick
from pointsman.message import Request

REMEMBERED = 4096
"""How many clients' favourites are kept; another one's are computed again."""
FAVOURITES = 8
"""How many of each client: the rest of its order is computed again when none of them can be had."""
LONGEST = 256
"""Bytes of a key; in place of a longer one is its digest, for clients choose how much is kept and computed of it."""
Key = Callable[[Request], bytes]
"""Whose request it is: requests with the same key go to the same peer."""
_EMPTY = 0xCBF29CE484222325
_PRIME = 0x100000001B3
_WORD = 0xFFFFFFFFFFFFFFFF


def fnv1a(data: bytes, value: int = _EMPTY) -> int:
    """FNV-1a of 64 bits; `value` is that of what stands before."""
    for byte in data:
        value = (value ^ byte) * _PRIME & _WORD
    return value


class Lanes:
    """FNV-1a of many texts of one length at once: each has 128 bits of an integer to itself, which the product of 64 bits
    and the prime does not leave."""

    __slots__ = ("_columns", "_mask", "_ones", "_size", "_words")

    def __init__(self, texts: Sequence[bytes]) -> None:
        places = [128 * at for at in range(len(texts))]
        self._ones = sum(1 << place for place in places)
        self._mask = self._ones * _WORD
        self._columns = [
            sum(byte << place for byte, place in zip(column, places, strict=True)) for column in zip(*texts, strict=True)
        ]
        self._size = 16 * len(texts)
        self._words = Struct("<" + "Q8x" * len(texts))

    def after(self, value: int) -> Sequence[int]:
        """Those of the texts, if `value` is that of what stands before them."""
        lanes, mask = value * self._ones, self._mask
        for column in self._columns:
            lanes = (lanes ^ column) * _PRIME & mask
        return self._words.unpack(lanes.to_bytes(self._size, "little"))


def score(value: int, weight: float) -> float:
    """How much a key wants a peer, by the hash of both."""
    part = float(value) / 2.0**64
    if part <= 0.0:
        return 0.0
    depth = -log(part)
    return 1.0 / depth * weight if depth else inf


def address(request: Request) -> bytes:
    """The other end of the connection."""
    return request.client.host.removeprefix("::ffff:").encode()


def rendezvous(peers: Sequence[Peer], key: Key = address) -> Pick:
    """Each client's favourite among those that are ready. Peers without weight are left out.

    A request whose `key` is empty goes where its client's address says, for otherwise all of them would go to one peer.
    """
    peers = [peer for peer in peers if peer.weight > 0]
    urls = [peer.url.encode() for peer in peers]
    alike = [[at for at, url in enumerate(urls) if len(url) == length] for length in set(map(len, urls))]
    hashes = [(places, Lanes([urls[at] for at in places])) for places in alike]

    def preferences(key: bytes) -> Sequence[Peer]:
        begun = fnv1a(key)
        scores = [0.0] * len(peers)
        for places, lanes in hashes:
            for at, value in zip(places, lanes.after(begun), strict=True):
                scores[at] = score(value, peers[at].weight)
        return [peers[at] for at in sorted(range(len(peers)), key=scores.__getitem__, reverse=True)]

    favourites = lru_cache(REMEMBERED)(lambda key: preferences(key)[:FAVOURITES])

    def pick(request: Request, tried: Collection[Peer]) -> Peer | None:
        value = key(request) or address(request)
        if len(value) > LONGEST:
            value = blake2b(value).digest()
        for peer in favourites(value):
            if peer.ready and peer not in tried:
                return peer
        rest = preferences(value)[FAVOURITES:] if len(peers) > FAVOURITES else ()
        return next((peer for peer in rest if peer.ready and peer not in tried), None)

    return pick
