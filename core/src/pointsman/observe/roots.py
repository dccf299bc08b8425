"""Roots of traces that begin here, drawn many at a time.

Of the requests of a busy gateway few are sampled, and all that the others get is a header with new ids that says so. What
that takes is paid by every request, so all but taking the next one is done for many at once, in calls that do so natively.
"""

import os
from binascii import hexlify
from collections import deque
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Final

from pointsman.spans import TRACEPARENT

_NUMBER: Final = 128
"""How many are drawn at a time."""
_FLAGS: Final = b"-00"


class Roots:
    """Those of traces with ids of 128 bits, whose first half they share with others of their time.

    `least` is what the other half of an id is compared with, as 16 digits: those below are sampled.
    """

    __slots__ = ("_least", "_sampled", "told")

    def __init__(self, least: bytes) -> None:
        self._least = least
        self._sampled: deque[str] = deque()
        self.told: Iterator[bytes | None] = chain.from_iterable(map(self._draw, repeat(_NUMBER)))
        """What servers are told of each root (`Request.told`) in W3C Trace Context, without end; None for one that is
        sampled: `sampled` has its ids."""

    def sampled(self) -> str:
        """The id of the trace that was drawn and is sampled."""
        return self._sampled.popleft()

    def _draw(self, number: int) -> list[bytes | None]:
        head = TRACEPARENT + hexlify(os.urandom(8))
        ids = bytearray(hexlify(os.urandom(16 * number), b"-", 8))  # the rest of a trace's, a span's, and so on
        ids[33::34] = b"|" * (number - 1)
        lines = (head + ids.replace(b"|", _FLAGS + b"|" + head) + _FLAGS).split(b"|")
        bound = head + self._least
        if min(lines) >= bound:
            return lines  # type: ignore[return-value]
        at = len(TRACEPARENT)
        self._sampled.extend([line[at : at + 32].decode() for line in lines if line < bound])
        return [line if line >= bound else None for line in lines]
