"""A server that can be told to stall, and dies noisily: a process of its own.

    python moody.py PORT     answers every GET after a few milliseconds

SIGUSR1: from now on it accepts and reads, and never answers; each request is told on standard output, with the time.
SIGUSR2: it answers again; who waits for an answer is reset.
SIGTERM: the listening socket is closed, every connection is reset, and it ends. SIGKILL leaves that to the kernel.
"""

import asyncio
import os
import signal
import socket
import struct
import sys
import time
from typing import cast

ANSWER_SECONDS = 0.004
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"


class State:
    """What all connections share."""

    stalls = False
    connections: set["Connection"] = set()  # noqa: RUF012  # one process, one state


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._held = b""
        self._unanswered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        State.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        State.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        *heads, self._held = (self._held + data).split(b"\r\n\r\n")
        for head in heads:
            self._unanswered += 1
            if State.stalls:
                print(f"{time.monotonic():.4f} {head.split(b' ')[1].decode()}", flush=True)
            else:
                asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._answer)

    def _answer(self) -> None:
        if not State.stalls and not self._transport.is_closing():
            self._unanswered -= 1
            self._transport.write(ANSWER)

    def reset(self) -> None:
        connection: socket.socket = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def recover(self) -> None:
        if self._unanswered:
            self.reset()


def stall() -> None:
    State.stalls = True


def recover() -> None:
    State.stalls = False
    for connection in tuple(State.connections):
        connection.recover()


async def main(port: int) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number, react in ((signal.SIGUSR1, stall), (signal.SIGUSR2, recover), (signal.SIGTERM, over.set)):
        loop.add_signal_handler(number, react)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # whoever started it keeps the port while it is dead
    listening.bind(("127.0.0.1", port))
    server = await loop.create_server(Connection, sock=listening, backlog=1024)
    await over.wait()
    server.close()
    for connection in tuple(State.connections):
        connection.reset()
    await asyncio.sleep(0)  # aborted connections are closed by the loop
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
