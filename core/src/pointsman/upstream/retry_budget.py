"""How many retries a service bears: a share of its traffic, so that they cannot bring down what is only slow.

What the kernel itself sends again, because a kept-alive connection turned out dead before any work was done, costs servers
nothing and is not counted.
"""

import asyncio
from typing import Final

WINDOW_SECONDS: Final = 10


class RetryBudget:
    """Counts the requests and the retries of the last ten seconds, in one worker.

    At most `percent` of those requests, and `per_second` besides, may be retries.
    """

    __slots__ = ("_allowance", "_requests", "_retries", "_second", "_share", "requests", "retries")

    def __init__(self, percent: float, per_second: float) -> None:
        self.requests = 0
        self.retries = 0
        self._share = percent / 100
        self._allowance = per_second * WINDOW_SECONDS
        self._requests = [0] * WINDOW_SECONDS
        self._retries = [0] * WINDOW_SECONDS
        self._second = 0

    def deposit(self) -> None:
        """A request that is no retry has come."""
        place = self._turn()
        self._requests[place] += 1
        self.requests += 1

    def withdraw(self) -> bool:
        """Whether one more retry is allowed; it is counted if so."""
        place = self._turn()
        if self.retries + 1 > self.requests * self._share + self._allowance:
            return False
        self._retries[place] += 1
        self.retries += 1
        return True

    def _turn(self) -> int:
        """Forget what is too old. The place of this second."""
        second = int(asyncio.get_running_loop().time())
        for each in range(max(self._second + 1, second - WINDOW_SECONDS + 1), second + 1):
            place = each % WINDOW_SECONDS
            self.requests -= self._requests[place]
            self.retries -= self._retries[place]
            self._requests[place] = self._retries[place] = 0
        self._second = second
        return second % WINDOW_SECONDS

    def __repr__(self) -> str:
        return f"<RetryBudget {self.retries} of {self.requests * self._share + self._allowance:g}>"
