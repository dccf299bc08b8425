"""Timeouts, coarse and cheap: connections write down when their patience ends, and one sweep per tick looks at them all.

Setting a deadline is an attribute assignment; no timer is made, moved or cancelled per request. A timeout is late by at most
one tick.
"""

import asyncio
import logging
from typing import Final, Protocol

log = logging.getLogger("pointsman")
TICK_SECONDS: Final = 0.05
NEVER: Final = float("inf")


class Watched(Protocol):
    deadline: float
    """The loop's time at which `expire` is due, NEVER if it is not."""

    def expire(self) -> None: ...


class Deadlines:
    """All the connections of one event loop. The tick grows with their number, so that sweeping stays below one per cent."""

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.now = 0.0
        """The loop's time at the last tick: good enough for deadlines, and cheaper than asking."""

    def watch(self, watched: Watched) -> None:
        self._watched.add(watched)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self.now = loop.time()
            self._arm(loop)

    def forget(self, watched: Watched) -> None:
        self._watched.discard(watched)

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(TICK_SECONDS + len(self._watched) * 4e-6, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = self.now = loop.time()
        for watched in [watched for watched in self._watched if watched.deadline <= now]:
            if watched.deadline > now:
                continue  # one that expired before it has given it more time
            watched.deadline = NEVER
            try:
                watched.expire()
            except Exception as error:  # the others must not lose their timeouts
                log.error("%r could not be timed out: %r", watched, error, exc_info=error)
        if self._watched:
            self._arm(loop)
        else:
            self._timer = None
