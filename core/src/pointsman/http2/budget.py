"""What a peer may make us do for nothing: counted, earned by honest use, and by time."""

from collections.abc import Callable
from typing import Final

CONTROL_FRAMES: Final = 1000
CONTROL_FRAMES_PER_SECOND: Final = 100.0
RESETS: Final = 500
RESETS_PER_SECOND: Final = 33.0


class Budget:
    """So many in a burst, so many a second, and as many more as were earned.

    Time and earnings are looked at only when the burst is used up, so that spending costs a subtraction.
    """

    __slots__ = ("_clock", "_earned", "_left", "_most", "_per_second", "_seen")

    def __init__(self, most: int, per_second: float, clock: Callable[[], float]) -> None:
        self._most = most
        self._per_second = per_second
        self._clock = clock
        self._left = most
        self._seen = clock()
        self._earned = 0

    def spend(self, earned: int) -> bool:
        """Take one; False if none is left. `earned` is how much has been earned since the beginning, all in all."""
        self._left -= 1
        if self._left >= 0:
            return True
        now = self._clock()
        refill = int((now - self._seen) * self._per_second) + earned - self._earned
        if refill <= 0:
            self._left = 0
            return False
        self._seen = now
        self._earned = earned
        self._left = min(self._most, refill) - 1
        return True

    def __repr__(self) -> str:
        return f"<Budget {self._left} of {self._most}>"
