"""A server that reads a request body to its end and then answers: nginx answers an upload before it has read it. Also a
collector of traces, which takes everything and looks at nothing.

python benches/sink.py FD     serves on the listening socket FD
"""

import asyncio
import socket
import sys
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TAKEN = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"
"""What a collector says that has taken all of it: an empty message."""


class Sink(asyncio.BufferedProtocol):
    """One connection. Bodies are sized by Content-Length, which is what the benches send."""

    def __init__(self) -> None:
        self._buffer = bytearray(256 * 1024)
        self._head = bytearray()
        self._left = 0
        self._answer = ANSWER

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if not self._left:
            self._head += memoryview(self._buffer)[:nbytes]
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._head.clear()
            self._answer = TAKEN if head.startswith(b"POST /v1/") else ANSWER
            _, _, value = head.lower().partition(b"\r\ncontent-length:")
            self._left = int(value.partition(b"\r\n")[0] or 0)
            nbytes = len(rest)
        self._left -= nbytes
        if self._left <= 0:
            self._transport.write(self._answer)


async def main(listening: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, sock=listening)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(socket.socket(fileno=int(sys.argv[1]))))
