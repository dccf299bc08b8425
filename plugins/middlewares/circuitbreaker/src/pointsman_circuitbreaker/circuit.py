"""The states of a breaker (middlewares.md §3.5). Pure: the time is an argument.

Theory of operation. CLOSED: everybody passes. `trip` makes it OPEN: nobody passes, until the first one who comes after
`fallback_seconds` makes it RECOVERING. Then a share of them passes that grows evenly from none to a half, over
`recovery_seconds`; whoever comes after that closes it. `trip` opens it again meanwhile.
"""

from typing import Final, Literal

Word = Literal["closed", "open", "recovering"]
CLOSED: Final = "closed"
OPEN: Final = "open"
RECOVERING: Final = "recovering"


class Circuit:
    """`since` is when it came into its state."""

    __slots__ = ("_allowed", "_denied", "_fallback_seconds", "_recovery_seconds", "since", "state")

    def __init__(self, fallback_seconds: float, recovery_seconds: float, now: float) -> None:
        self.state: Word = CLOSED
        self.since = now
        self._fallback_seconds = fallback_seconds
        self._recovery_seconds = recovery_seconds
        self._allowed = 0
        self._denied = 0

    def admits(self, now: float) -> bool:
        """Whether who comes now may pass."""
        if self.state == OPEN:
            if now < self.since + self._fallback_seconds:
                return False
            self._allowed = self._denied = 0
            self._become(RECOVERING, now)
        if self.state == RECOVERING:
            elapsed = now - self.since
            if elapsed <= self._recovery_seconds:
                return self._is_let_through(0.5 * elapsed / self._recovery_seconds)
            self._become(CLOSED, now)
        return True

    def _is_let_through(self, share: float) -> bool:
        """Whether this one can pass without more than `share` of all having passed."""
        if (self._allowed + 1) / (self._allowed + self._denied + 1) < share:
            self._allowed += 1
            return True
        self._denied += 1
        return False

    def trip(self, now: float) -> None:
        """What was feared has happened."""
        self._become(OPEN, now)

    def _become(self, state: Word, now: float) -> None:
        self.state = state
        self.since = now

    def __repr__(self) -> str:
        return f"<Circuit {self.state} since {self.since:g}>"
