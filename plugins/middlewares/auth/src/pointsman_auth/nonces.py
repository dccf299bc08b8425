"""Nonces that need no memory: they say when they were made, signed with what all workers know (RFC 7616 §5.4)."""

import binascii
import os
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hmac import compare_digest, digest
from typing import Final

from pointsman import SharedState

GOOD_FOR_SECONDS: Final = 300.0
SKEW_SECONDS: Final = 5.0
"""How far the clock may have been set back since."""
_TIME, _RANDOM, _MAC = 4, 8, 12

Pair = tuple[float, float]


class Nonces:
    """Each is good for five minutes, for one host, and for rising counts."""

    def __init__(self, shared: SharedState, clock: Callable[[], float] = time.time) -> None:
        self._shared = shared
        self._clock = clock

    def fresh(self, authority: bytes) -> bytes:
        """32 characters."""
        made = int(self._clock()).to_bytes(_TIME, "big") + os.urandom(_RANDOM)
        return self._signed(made, authority)

    def is_good(self, nonce: bytes, authority: bytes) -> bool:
        """Whether it was made here, for this host, and not long ago."""
        made = _made(nonce)
        if made is None or not compare_digest(self._signed(made, authority), nonce):
            return False
        age = self._clock() - int.from_bytes(made[:_TIME], "big")
        return -SKEW_SECONDS <= age < GOOD_FOR_SECONDS + 1

    def highest_before(self, nonce: bytes, count: int) -> int:
        """The highest count seen with a good nonce so far, 0 for none; from now on this one is among them."""
        highest = 0

        def raised(seen: Pair | None) -> Pair:
            nonlocal highest
            highest = int(seen[0]) if seen is not None else 0
            return (float(max(highest, count)), 0.0)

        self._shared.update(nonce, raised, GOOD_FOR_SECONDS + 2 * SKEW_SECONDS)
        return highest

    def _signed(self, made: bytes, authority: bytes) -> bytes:
        signature = digest(self._shared.secret, b"digest nonce " + made + authority.lower(), "sha256")
        return urlsafe_b64encode(made + signature[:_MAC])


def _made(nonce: bytes) -> bytes | None:
    try:
        decoded = urlsafe_b64decode(nonce)
    except (binascii.Error, ValueError):
        return None
    return decoded[: _TIME + _RANDOM] if len(decoded) == _TIME + _RANDOM + _MAC else None
