"""Fixtures of the stories that share a gateway."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from pointsman.testing import Gateway
from pointsman.testing.gateways import Document

from .kept import Kept


@pytest.fixture(scope="module")
def kept(request: pytest.FixtureRequest) -> Iterator[Kept]:
    """What keeps the module's gateway, with the static configuration `KEPT` of the module if it has one."""
    gateways = Kept(getattr(request.module, "KEPT", None))
    yield gateways
    gateways.end()


@pytest.fixture
async def reuse_gateway(kept: Kept) -> AsyncIterator[Callable[[Document], Awaitable[Gateway]]]:
    """`await reuse_gateway(dynamic)`: the module's gateway, which has this configuration until the test is over."""
    async with AsyncExitStack() as stack:
        yield lambda dynamic: stack.enter_async_context(kept.gateway(dynamic))
