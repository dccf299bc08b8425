"""Long work on the loop, in pieces that others can run between (design.md §4, Reload)."""

import asyncio
import time
from typing import Final, TypeVar

from pointsman.control.merge import Slices

T = TypeVar("T")

HOLD_SECONDS: Final = 0.0015
"""How long the loop is held before others get their turn."""


async def in_slices(work: Slices[T], hold_seconds: float = HOLD_SECONDS) -> T:
    """The result of a generator that yields between its pieces."""
    clock = time.perf_counter
    end = clock() + hold_seconds
    while True:
        try:
            next(work)
        except StopIteration as stop:
            result: T = stop.value
            return result
        if clock() >= end:
            await asyncio.sleep(0)
            end = clock() + hold_seconds
