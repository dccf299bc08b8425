"""kazoo's threads, kept quiet and within limits."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from kazoo.handlers.threading import SequentialThreadingHandler  # type: ignore[import-untyped]

MOST_BYTES: Final = 64 * 1024 * 1024
"""What one answer may hold, and all names and values together."""

SILENT: Final = logging.Logger("kazoo", logging.CRITICAL + 1)
"""kazoo's own words: they hold the password, and tell each attempt to connect."""


class _Socket(socket.socket):
    """kazoo asks for as much at a time as the server says that there is."""

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        if size > MOST_BYTES:
            raise OSError(f"an answer of more than {MOST_BYTES >> 20} MiB")
        return super().recv(size, flags)


class Handler(SequentialThreadingHandler):  # type: ignore[misc]
    """Threads that end silently: that they have ended is seen in the state of the session."""

    def create_connection(self, *arguments: Any, **options: Any) -> socket.socket:
        plain: socket.socket = super().create_connection(*arguments, **options)
        return _Socket(plain.family, plain.type, plain.proto, plain.detach())

    def spawn(self, function: Callable[..., object], *arguments: Any, **options: Any) -> threading.Thread:
        def run() -> None:
            with suppress(Exception):
                function(*arguments, **options)

        thread = threading.Thread(target=run, daemon=True, name="pointsman-zookeeper")
        thread.start()
        return thread


async def in_background(function: Callable[[], object], seconds: float) -> None:
    """Call it in a thread, and wait for it so long at most; nobody waits for the thread itself, not even at the end."""
    done, loop = asyncio.Event(), asyncio.get_running_loop()

    def run() -> None:
        with suppress(Exception):
            function()
        with suppress(RuntimeError):  # the loop may be gone by now
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, daemon=True, name="pointsman-zookeeper-end").start()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await done.wait()
