"""What tests of stores of keys have in common: two servers to tell apart, a router as keys, and what a gateway says."""

import time
from contextlib import AsyncExitStack, asynccontextmanager

from pointsman.testing import answer, connect, eventually, upstream

URL = "http/services/{}/loadbalancer/servers/0/url"


@asynccontextmanager
async def shops():
    """Two servers that answer `one` and `two`."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(upstream(answer(200, {}, body))) for body in (b"one", b"two")]


def keys(name, url):
    """A service and the router of the host `<name>.test`, below the root key."""
    return {
        URL.format(name): url,
        f"http/routers/{name}/rule": f"Host(`{name}.test`)",
        f"http/routers/{name}/entrypoints/0": "web",
        f"http/routers/{name}/service": name,
    }


async def said(running, host):
    """The body of the answer, or its status if that is not 200."""
    async with connect(running.port()) as client:
        got = await client.get("/", host)
    return got.body if got.status == 200 else got.status


async def says(running, host, expected):
    """Wait until that is the answer; the seconds it took."""
    begun = time.monotonic()

    async def as_expected():
        return await said(running, host) == expected

    await eventually(as_expected, f"{host} says {expected}")
    return time.monotonic() - begun
