"""Fixtures for tests over real sockets. Use: `pytest_plugins = ["pointsman.testing.pytest_plugin"]`."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Protocol

import pytest

from pointsman.testing import gateways, upstreams


class StartGateway(Protocol):
    """`await start_gateway(dynamic, static, workers=1)`: a gateway that is stopped when the test is over."""

    async def __call__(
        self, dynamic: gateways.Document, static: Mapping[str, Any] | None = None, *, workers: int | None = 1
    ) -> gateways.Gateway: ...


@pytest.fixture
async def upstream() -> AsyncIterator[upstreams.Upstream]:
    """A scripted server that echoes until it is told otherwise."""
    async with upstreams.upstream() as server:
        yield server


@pytest.fixture
async def start_gateway() -> AsyncIterator[StartGateway]:
    """Starts gateways; prints their logs, which pytest shows if the test failed."""
    async with AsyncExitStack() as stack:

        async def start(
            dynamic: gateways.Document, static: Mapping[str, Any] | None = None, *, workers: int | None = 1
        ) -> gateways.Gateway:
            running = await stack.enter_async_context(gateways.gateway(dynamic, static, workers=workers))
            stack.callback(lambda: print(f"--- log of the gateway\n{running.log()}"))
            return running

        yield start


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Gives ports that are free."""
    return gateways.free_port
