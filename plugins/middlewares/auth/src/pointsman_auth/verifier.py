"""Checks of passwords, which are expensive on purpose: beside the loop, bounded, and not twice for the same thing.

Theory of operation. A check is a stored password and one that somebody sent; what comes out is the same wherever it is asked
for, so one verifier serves all instances of a process, and all threads that compute hashes are its own. What is asked for
while it is computed is not computed again. Checks that wait are limited, as is how long, and one that nobody waits for any
more is dropped when its turn comes. That a password was right is remembered for a while, by a hash of both whose key no one
else has and that dies with the process; that one was wrong never is, for whoever guesses does not repeat himself.
"""

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from hmac import digest
from typing import Any, Final

from pointsman_auth.hashes import Stored

THREADS: Final = 2
"""They compete with the loop's own for the processor."""
MAX_CHECKS: Final = 64
"""How many may be under way or wait."""
MAX_WAITING: Final = 1024
"""How many requests may wait for them."""
PATIENCE_SECONDS: Final = 10.0
MAX_REMEMBERED: Final = 4096
REMEMBERED_SECONDS: Final = 300.0


class Busy(Exception):
    """Too many checks wait, or this one has waited for too long."""


class _Check:
    __slots__ = ("outcome", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self.outcome: Future[bool | None] = Future()
        """None if it was dropped."""
        self.outcome.set_running_or_notify_cancel()  # from now on nobody who stops waiting can cancel it for the others


class Verifier:
    """Whether passwords are right. `at_once` first; `check` if that does not know."""

    def __init__(
        self,
        *,
        threads: int = THREADS,
        max_checks: int = MAX_CHECKS,
        max_waiting: int = MAX_WAITING,
        max_remembered: int = MAX_REMEMBERED,
        patience_seconds: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threads = threads
        self._max_checks = max_checks
        self._max_waiting = max_waiting
        self._max_remembered = max_remembered
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._key = os.urandom(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()
        """What was found right, and until when that is remembered; the first to end comes first."""
        self._under_way: dict[bytes, _Check] = {}
        self._waiting = 0
        self._pool: ThreadPoolExecutor | None = None

    def at_once(self, stored: Stored, password: bytes) -> bool | None:
        """What can be said without waiting: None if it must be computed first."""
        if stored.cheap:
            return stored.matches(password)
        until = self._right.get(self._name(stored, password))
        return True if until is not None and self._clock() < until else None

    async def check(self, stored: Stored, password: bytes) -> bool:
        """Whether it is the right one. Busy, at once or after 10 s, if nobody can say now."""
        name = self._name(stored, password)
        check = self._under_way.get(name)
        if self._waiting >= self._max_waiting or (check is None and len(self._under_way) >= self._max_checks):
            raise Busy
        begun = check is not None
        if check is None:
            check = self._under_way[name] = _Check()
        check.waiting += 1  # before its turn comes, or it would be dropped
        self._waiting += 1
        try:
            if not begun:
                self._submit(name, check, stored, password)
            async with asyncio.timeout(self._patience_seconds):
                right = await asyncio.wrap_future(check.outcome)
        except TimeoutError:
            raise Busy from None
        finally:
            check.waiting -= 1
            self._waiting -= 1
        if right is None:  # dropped in the moment in which somebody came back for it
            raise Busy
        if right:
            self._remember(name)
        return right

    def _submit(self, *check: Any) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, "pointsman-passwords")
        self._pool.submit(self._compute, *check)

    def _compute(self, name: bytes, check: _Check, stored: Stored, password: bytes) -> None:
        """In a thread."""
        outcome: bool | None = None
        try:
            if check.waiting:
                outcome = stored.matches(password)
        finally:
            self._under_way.pop(name, None)
            check.outcome.set_result(outcome)

    def _remember(self, name: bytes) -> None:
        self._right[name] = self._clock() + REMEMBERED_SECONDS
        self._right.move_to_end(name)
        if len(self._right) > self._max_remembered:
            self._right.popitem(last=False)

    def _name(self, stored: Stored, password: bytes) -> bytes:
        return digest(self._key, stored.identity + b"\0" + password, "sha256")

    def __repr__(self) -> str:
        return f"<Verifier {len(self._under_way)} checks, {self._waiting} waiting, {len(self._right)} remembered>"


VERIFIER: Final = Verifier()
