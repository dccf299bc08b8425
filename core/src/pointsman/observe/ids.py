"""Ids of traces and spans, from the system's random source: read a few thousand bytes at a time, for a call costs 1 µs."""

import os
from typing import Final

_BYTES: Final = 4096
_DIGITS: Final = 2 * _BYTES


class Ids:
    """Lower-case hex digits that nobody can guess. All zeros, which are no id, will not come."""

    __slots__ = ("_at", "_text")

    def __init__(self) -> None:
        self._text = ""
        self._at = _DIGITS

    def take(self, digits: int) -> str:
        """32 digits for a trace, 16 for a span."""
        at = self._at
        end = at + digits
        if end > _DIGITS:
            self._text = os.urandom(_BYTES).hex()
            at, end = 0, digits
        self._at = end
        return self._text[at:end]
