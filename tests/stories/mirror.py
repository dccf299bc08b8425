"""A bad mirror, a process of its own: what it does with a request stands in the first part of its path.

    python mirror.py FD     serves on the listening socket FD

/stall/…   reads and never answers
/deaf/…    does not even read on
/reset/…   resets the connection
/huge/…    answers with 100 MB
/slow/…    answers a byte at a time, for ever
/told      what has come so far, by kind: requests, connections open now, and the most at once
"""

import asyncio
import json
import socket
import struct
import sys
from collections import Counter
from typing import ClassVar, cast

HUGE_BYTES = 100_000_000
PIECE = b"x" * 250_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


class State:
    """What all connections share."""

    requests: ClassVar[Counter[str]] = Counter()
    open: ClassVar[Counter[str]] = Counter()
    most: ClassVar[Counter[str]] = Counter()


class Connection(asyncio.Protocol):
    """One connection, which is of the kind that its first request asked for."""

    def __init__(self) -> None:
        self._held = b""
        self._kind = ""
        self._left = 0
        """Of the request's body."""
        self._writable = asyncio.Event()
        self._writable.set()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        State.open[self._kind] -= 1
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        if self._kind in ("stall", "deaf"):
            return
        passed = data[: self._left]
        self._left -= len(passed)
        self._held += data[len(passed) :]
        head, end, rest = self._held.partition(b"\r\n\r\n")
        if not end:
            return
        length = next((line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"0")
        self._left = max(0, int(length) - len(rest))
        self._held = rest[int(length) :]
        self._begin(head.split(b" ")[1].decode().split("/")[1])

    def _begin(self, kind: str) -> None:
        State.requests[kind] += 1
        if not self._kind:
            self._kind = kind
            State.open[kind] += 1
            State.most[kind] = max(State.most[kind], State.open[kind])
        if kind == "told":
            counters = {"requests": State.requests, "open": State.open, "most": State.most}
            body = json.dumps(counters).encode()
            self._transport.write(HEAD % len(body) + body)
        elif kind == "deaf":
            self._transport.pause_reading()
        elif kind == "reset":
            connection: socket.socket = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        elif kind in ("huge", "slow"):
            self._task = asyncio.get_running_loop().create_task(self._answer(kind == "huge"))

    async def _answer(self, huge: bool) -> None:
        self._transport.write(HEAD % HUGE_BYTES)
        for _ in range(HUGE_BYTES // len(PIECE)):
            await self._writable.wait()
            if self._transport.is_closing():
                return
            self._transport.write(PIECE if huge else b"x")
            await asyncio.sleep(0 if huge else 0.1)


async def main(listening: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, sock=listening, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(socket.socket(fileno=int(sys.argv[1]))))
