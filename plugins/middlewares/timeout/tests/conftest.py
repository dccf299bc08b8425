"""A clock that tests move."""

import asyncio

import pytest


class Clock:
    """The loop's clock, ahead of the real one by as much as a test says."""

    def __init__(self, loop):
        self._real = loop.time
        self._ahead = 0.0
        loop.time = lambda: self._real() + self._ahead

    async def settle(self):
        """Let everything that is ready run."""
        for _ in range(6):
            await asyncio.sleep(0)

    async def advance(self, seconds):
        self._ahead += seconds
        await self.settle()


@pytest.fixture
async def clock():
    return Clock(asyncio.get_running_loop())
