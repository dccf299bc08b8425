"""Names that nobody else has: random, and taken from the system a few hundred at a time, since each asking costs a call.

Nobody may guess the next one from those before it (they are seen in logs of others), so it is the system's randomness.
"""

import os
import time
from collections.abc import Callable
from typing import ClassVar, Final

BATCH: Final = 128
_VARIANT: Final = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
"""A random digit to one that says: laid out as RFC 9562 has it."""


class Hex:
    """128 random bits in 32 digits, as traces have them."""

    __slots__ = ("_digits", "_place")

    def __init__(self) -> None:
        self._digits = ""
        self._place = 0

    def _random(self) -> str:
        place = self._place
        if place >= len(self._digits):
            self._digits, place = os.urandom(16 * BATCH).hex(), 0
        self._place = place + 32
        return self._digits[place : place + 32]

    def __call__(self) -> bytes:
        return self._random().encode()


class Uuid4:
    """A random UUID (RFC 9562 section 5.4). They are made together: that takes a quarter of the time."""

    __slots__ = ("_made",)
    _LAID_OUT: ClassVar = "%s%s-%s-%s-%s-%s%s%s " * BATCH
    _KEPT: ClassVar = int("ffffffffffff0fff3fffffffffffffff" * BATCH, 16)
    _SAID: ClassVar = int("00000000000040008000000000000000" * BATCH, 16)
    """Version 4 and variant 10."""

    def __init__(self) -> None:
        self._made: list[bytes] = []

    def __call__(self) -> bytes:
        made = self._made
        if not made:
            number = int.from_bytes(os.urandom(16 * BATCH), "big") & self._KEPT | self._SAID
            groups = number.to_bytes(16 * BATCH, "big").hex(" ", -2).split()
            made += (self._LAID_OUT % tuple(groups)).encode().split()
        return made.pop()


class Uuid7(Hex):
    """A UUID that begins with the time in milliseconds, so that names sort as they came (RFC 9562 section 5.7)."""

    __slots__ = ()

    def __call__(self) -> bytes:
        d = self._random()
        now = f"{time.time_ns() // 1_000_000 & 0xFFFFFFFFFFFF:012x}"
        return f"{now[:8]}-{now[8:]}-7{d[13:16]}-{_VARIANT[d[16]]}{d[17:20]}-{d[20:]}".encode()


FORMATS: Final[dict[str, Callable[[], Callable[[], bytes]]]] = {"hex": Hex, "uuid4": Uuid4, "uuid7": Uuid7}
