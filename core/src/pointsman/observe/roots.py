"""Roots of traces that begin here, drawn many at a time.

Of the requests of a busy gateway few are sampled, and all that the others get is a header with new ids that says so. What
that takes is paid by every request, so a header is put together of two parts that were made before. The first ones are used
in turn, each with the first half of an id and half of the rest; after each turn comes another second part, with what is
missing of the ids, and after `_TURNS` turns others begin. So no id comes twice, and each is as likely to meet itself
elsewhere as if it had been drawn alone.

As with OpenTelemetry's TraceIdRatioBased the ids of sampled traces end in 16 digits below a bound, and those of others do
not: whoever comes to a decision of his own by that rule comes to the same.
"""

import os
from binascii import hexlify
from collections.abc import Iterator
from itertools import chain
from math import inf, log, log1p
from random import getrandbits, random, randrange
from typing import Final

from pointsman.spans import TRACEPARENT

_NUMBER: Final = 128
"""How many are drawn at a time."""
_TURNS: Final = 128
_WORDS: Final = 1 << 32


class Roots:
    """Those of traces of which `rate`, less than 1, is sampled."""

    __slots__ = ("_bound", "_each", "_firsts", "_gap", "_step", "_turns", "_word", "told")

    def __init__(self, rate: float) -> None:
        self._bound = int(rate * 2**64)
        self._each = log1p(-rate) if rate > 0 else 0.0
        self._gap = self._next_gap()
        """How many come before the next one that is sampled."""
        self._turns = 0
        self._word = self._step = 0
        self._firsts: list[bytes] = []
        self.told: Iterator[bytes | None] = chain.from_iterable(iter(self._turn, None))
        """What servers are told of each root (`Request.told`) in W3C Trace Context, without end; None for one that is
        sampled, which gets ids of its own."""

    def sampled(self) -> str:
        """The id of a trace that is sampled."""
        return f"{getrandbits(64):016x}{randrange(self._bound):016x}"

    def _next_gap(self) -> float:
        return int(log(1.0 - random()) / self._each) if self._each and self._bound else inf

    def _turn(self) -> list[bytes | None]:
        if not self._turns:
            self._turns = _TURNS
            least = min(-(-self._bound >> 32), _WORDS - 1)
            self._firsts = [
                TRACEPARENT + hexlify(os.urandom(8)) + b"%08x" % randrange(least, _WORDS) for _ in range(_NUMBER)
            ]
            self._word, self._step = getrandbits(32), getrandbits(31) * 2 + 1
        self._turns -= 1
        self._word = (self._word + self._step) % _WORDS  # the step is odd: none comes twice
        second = b"%08x-%b-00" % (self._word, hexlify(os.urandom(8)))
        lines: list[bytes | None] = [first + second for first in self._firsts]
        gap = self._gap
        while gap < _NUMBER:
            lines[int(gap)] = None
            gap += 1 + self._next_gap()
        self._gap = gap - _NUMBER
        return lines
