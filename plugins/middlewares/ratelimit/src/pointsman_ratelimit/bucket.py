"""The arithmetic: a bucket of tokens for each source, filled at the rate up to `burst`; a request takes one.

A bucket is a pair of numbers, when it was last looked at and what was in it then. It may be overdrawn a little: whoever
takes what is not there yet waits until it is. When that would be too long nothing is taken.
"""

import time
from collections.abc import Callable
from typing import Final

from attrs import frozen

from pointsman_ratelimit.config import RateLimitConfig

WAITING: Final = 4096
"""How many requests of one instance may wait at a time."""
SHORTEST: Final = 1e-6
"""A wait of fewer seconds is none: that is how far the numbers are exact."""
_NANOSECONDS: Final = 10**9


@frozen
class Limit:
    """Numbers that follow from a configuration."""

    rate: float
    """Tokens in a second."""
    burst: int
    max_delay: float
    """The longest wait, in seconds."""
    seconds: float
    """After how long without a request a bucket is full again, whatever was in it."""

    @classmethod
    def of(cls, config: RateLimitConfig) -> "Limit | None":
        """None if there is no limit."""
        if not config.average:
            return None
        period, burst = config.period or 1.0, max(1, config.burst)
        rate = config.average / period
        max_delay = 0.5 if rate < 1 else _NANOSECONDS // (2 * int(rate)) / _NANOSECONDS
        return cls(rate, burst, max_delay, max(2.0, burst / rate + max_delay + 1.0))


class Bucket:
    """Takes tokens out of buckets: `take` is a change of shared numbers, and leaves here what came of it."""

    __slots__ = ("_clock", "left", "limit", "refused", "wait", "waiting")

    def __init__(self, limit: Limit, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self.waiting = 0
        """Requests that wait."""
        self.refused = False
        self.wait = 0.0
        """Seconds until the token is there, or would be."""
        self.left = 0.0
        """What is in the bucket now; below 0 while somebody waits."""

    def take(self, pair: tuple[float, float] | None) -> tuple[float, float]:
        """One token out of a bucket; a new one is full."""
        limit, now = self.limit, self._clock()
        tokens: float = limit.burst
        if pair is not None:
            last, tokens = pair
            if now > last:
                tokens += (now - last) * limit.rate
                if tokens > limit.burst:
                    tokens = limit.burst
        left = tokens - 1.0
        self.wait = 0.0
        self.refused = False
        if left < 0 and (wait := -left / limit.rate) >= SHORTEST:
            self.wait = wait
            if self.wait > limit.max_delay or self.waiting >= WAITING:
                self.refused = True
                left = tokens
        self.left = left
        return now, left
