"""One gateway for many tests of a module: each gives it its own configuration, and takes it away at the end.

For tests that neither stop nor hurt it. Whatever a configuration brought is gone when it is, so the next test begins anew.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from pointsman.testing import Gateway
from pointsman.testing.gateways import Document


class KeptGateway(Gateway):
    """Its log begins where the test did."""

    begun = 0

    def log(self) -> str:
        return super().log()[self.begun :]

    def forget(self) -> None:
        self.begun = len(super().log())


class Kept:
    """Starts a gateway when the first test wants it, and another when a test has failed in it."""

    def __init__(self, static: Mapping[str, Any] | None = None) -> None:
        self._static = static
        self._running: KeptGateway | None = None

    @asynccontextmanager
    async def gateway(self, dynamic: Document) -> AsyncIterator[Gateway]:
        try:
            if self._running is None:
                self._running = KeptGateway(dynamic, self._static)
                await self._running.start()
            else:
                self._running.forget()
                await self._running.update(dynamic)
            yield self._running
            await self._running.update({})
        except BaseException:
            self._tell()
            self.end()
            raise
        else:
            self._tell()

    def _tell(self) -> None:
        """What pytest shows if the test failed."""
        if self._running is not None:
            print(f"--- log of the gateway\n{self._running.log()}")

    def end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.process.terminate()
            try:
                running.process.wait(30)
            finally:
                running.process.kill()
                running.remove()
