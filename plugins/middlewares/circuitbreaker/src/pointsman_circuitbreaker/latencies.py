"""Durations as small whole numbers, two significant digits of them, and quantiles over counts of those.

Up to 256 µs each microsecond has a place of its own; above, each power of two is divided into 128 places of equal width, so
a place is never wider than 1/128 of what stands in it. An hour is the longest: 3328 places for everything there is.
"""

from collections.abc import Mapping
from typing import Final

LONGEST_US: Final = 3_600_000_000
_DIGITS: Final = 7
"""Bits of a number that are kept below its first one."""


def place(seconds: float) -> int:
    """Where a duration is counted. Below 1 µs counts as that, above an hour as an hour."""
    us = int(seconds * 1_000_000)
    if us < 2 << _DIGITS:
        return us if us > 0 else 1
    if us > LONGEST_US:
        us = LONGEST_US
    dropped = us.bit_length() - _DIGITS - 1
    return (dropped << _DIGITS) + (us >> dropped)


def longest(place: int) -> int:
    """The longest duration that is counted there, in microseconds."""
    if place < 2 << _DIGITS:
        return place
    dropped = (place >> _DIGITS) - 1
    return ((place - (dropped << _DIGITS) + 1) << dropped) - 1


def quantile_us(counts: Mapping[int, int], percent: float) -> int:
    """The duration that `percent` of those counted did not exceed, in microseconds; 0 of none."""
    wanted = max(1, int(percent / 100 * sum(counts.values()) + 0.5))
    seen = 0
    for each in sorted(counts):
        seen += counts[each]
        if seen >= wanted:
            return longest(each)
    return 0
