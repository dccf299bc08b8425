"""When to try again (providers.md §1.2). Pure."""

import random
from collections.abc import Callable
from typing import Final

FIRST_SECONDS: Final = 0.5
FACTOR: Final = 1.5
JITTER: Final = 0.5
MAX_SECONDS: Final = 60.0
HEALTHY_SECONDS: Final = 30.0
"""An attempt that lived so long starts the back-off anew."""


class Backoff:
    """500 ms, then half as much again each time, ±50 %, at most a minute, for ever."""

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._uniform = uniform
        self._interval = FIRST_SECONDS

    def next(self, lived_seconds: float) -> float:
        """Seconds until the next attempt, after one that lived so long."""
        if lived_seconds >= HEALTHY_SECONDS:
            self._interval = FIRST_SECONDS
        interval = self._interval
        self._interval = min(interval * FACTOR, MAX_SECONDS)
        return min(interval * self._uniform(1 - JITTER, 1 + JITTER), MAX_SECONDS)
