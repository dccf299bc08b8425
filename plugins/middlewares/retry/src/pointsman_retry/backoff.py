"""How long to wait before each further try (middlewares.md §3.22). Pure."""

from typing import Final

AT_MOST_SECONDS: Final = 15 * 60.0
"""No try begins later than this after the first, whatever `timeout` says."""


class Backoff:
    """Pauses that grow evenly from `interval` to twice that over all tries, each made up to half shorter or longer."""

    __slots__ = ("_factor", "_interval", "_limit")

    def __init__(self, attempts: int, interval: float, timeout: float) -> None:
        """`attempts` is 2 or more; `timeout` 0 is none. In seconds."""
        self._interval = interval
        self._factor = 2.0 ** (1 / (attempts - 1))
        self._limit = min(timeout or AT_MOST_SECONDS, AT_MOST_SECONDS)

    def pause(self, tries: int, chance: float) -> float:
        """Seconds between that try, counted from 1, and the next; `chance` from 0 to 1 says by how much it is off."""
        if not self._interval:
            return 0.0
        unjittered: float = self._interval * self._factor ** (tries - 1)
        return unjittered * (0.5 + chance)

    def allows(self, elapsed: float, pause: float) -> bool:
        """Whether a try may begin that long after now, when so much time has passed since the first."""
        return elapsed + pause <= self._limit

    def __repr__(self) -> str:
        return f"<Backoff {self._interval:g} s, within {self._limit:g} s>"
