"""What a provider says, taken down in the test's own process."""

import asyncio
from contextlib import asynccontextmanager, suppress

from pointsman.testing import eventually


class Told:
    """All messages of a provider so far."""

    def __init__(self):
        self.messages = []

    def __call__(self, document, problems=(), /):
        self.messages.append((document, [str(problem) for problem in problems]))

    @property
    def document(self):
        """What it said last."""
        return self.messages[-1][0] if self.messages else None

    @property
    def problems(self):
        return self.messages[-1][1] if self.messages else None

    def rule(self, router="r"):
        """That of a router, None without the router or any message."""
        routers = (self.document or {}).get("http", {}).get("routers", {})
        return routers.get(router, {}).get("rule")


@asynccontextmanager
async def following(provider):
    """The messages of a provider that runs as long as the block; if it fails by itself, so does the block."""
    told = Told()
    task = asyncio.create_task(provider.provide(told))
    try:
        await eventually(lambda: told.messages or task.done(), "the provider says something")
        yield told
        if task.done():
            task.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


async def failure(provider, after=None):
    """Why a provider ends: without a word, or after its first message, when `after` is called."""
    told = Told()
    task = asyncio.create_task(provider.provide(told))
    try:
        if after is not None:
            await eventually(lambda: told.messages, "the provider says something")
            after()
        await asyncio.wait([task], timeout=15)
        assert task.done(), "it did not fail"
        assert bool(told.messages) == (after is not None)
        return task.exception()
    finally:
        task.cancel()


@asynccontextmanager
async def serving(talk):
    """A server of a test's own: `await talk(reader, writer)` for each connection. Gives where it is, as host:port."""
    tasks = set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        try:
            with suppress(OSError, asyncio.CancelledError):
                await talk(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
