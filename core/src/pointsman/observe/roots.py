"""Roots of traces that begin here, drawn many at a time.

Of the requests of a busy gateway few are sampled, and all that the others get is a header with new ids that says so. What
that takes is paid by every request, so it is made of as few steps as there can be.
"""

import os
import struct
from binascii import hexlify
from collections.abc import Iterator
from typing import Final

from pointsman.spans import TRACEPARENT

Root = tuple[bytes, bytes, bytes]
"""Lower-case hex: the first 16 digits of the id of a trace, its last 16, by which it is sampled, and the id of a span."""

TOLD: Final = (TRACEPARENT % ("%b%b", "%b")).encode()
"""What servers are told of a root that is not sampled (`Request.told`), in the format that most of them read."""
_NUMBER: Final = 128
"""How many are drawn at a time."""
_IDS: Final = struct.Struct("16s16s16s")


class Roots:
    """Those of traces with ids of 128 bits."""

    __slots__ = ("drawn",)

    def __init__(self) -> None:
        self.drawn: Iterator[Root] = iter(())

    def draw(self) -> Root:
        """The next one when `drawn` has no more."""
        self.drawn = _IDS.iter_unpack(hexlify(os.urandom(24 * _NUMBER)))
        return next(self.drawn)
