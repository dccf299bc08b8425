"""What stands behind the gateways for everything that is not HTTP: sends back what it gets.

python echo.py TCP UDP     serves on a listening socket and a bound datagram socket, both given as descriptors

A connection that begins with GET becomes a WebSocket, one that begins with SOURCE gets bytes without end.
"""

import asyncio
import base64
import hashlib
import re
import socket
import sys
from typing import Any, cast

import uvloop

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BLOCK = bytes(256 * 1024)


class Echo(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._kind = self._first
        self._paused = False

    def data_received(self, data: bytes) -> None:
        self._kind(data)

    def _first(self, data: bytes) -> None:
        if data.startswith(b"GET "):
            found = re.search(rb"\r\nsec-websocket-key: *(\S+)", data, re.IGNORECASE)
            key = found[1] if found else b""
            accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
            lines = (
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            )
            self._transport.write(lines + accept + b"\r\n\r\n")
            self._kind = self._frame
        elif data.startswith(b"SOURCE"):
            self._kind = lambda data: None
            self._pour()
        else:
            self._kind = self._transport.write
            self._transport.write(data)

    def _frame(self, data: bytes) -> None:
        """A client's small frame, masked with zeros, back without its mask (RFC 6455 section 5.2)."""
        size = data[1] & 0x7F
        if len(data) != size + 6:
            raise ValueError("more or less than one small frame")
        self._transport.write(bytes((data[0], size)) + data[6:])

    def _pour(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._transport.write(BLOCK)
            asyncio.get_running_loop().call_soon(self._pour)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._pour()


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._transport.sendto(data, address)


async def main(listening: socket.socket, bound: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Datagrams, sock=bound)
    server = await loop.create_server(Echo, sock=listening, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(*(socket.socket(fileno=int(number)) for number in sys.argv[1:3])))
