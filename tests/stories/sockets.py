"""The WebSocket server behind the gateway, a process of its own: every message comes back (RFC 6455; messages are small).

python sockets.py FD     serves on the listening socket FD
"""

import asyncio
import base64
import hashlib
import re
import socket
import sys
from typing import cast

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Echo(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._held = b""
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._held += data
        if not self._open:
            head, end, self._held = self._held.partition(b"\r\n\r\n")
            if not end:
                self._held = head
                return
            self._accept(head)
        while len(self._held) >= 6 and len(self._held) >= (size := self._held[1] & 0x7F) + 6:
            mask, payload = self._held[2:6], self._held[6 : 6 + size]
            self._transport.write(
                bytes((self._held[0], size)) + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
            )
            self._held = self._held[6 + size :]

    def _accept(self, head: bytes) -> None:
        found = re.search(rb"\r\nsec-websocket-key: *(\S+)", head, re.IGNORECASE)
        assert found is not None, head
        self._open = True
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            + base64.b64encode(hashlib.sha1(found[1] + GUID).digest())
            + b"\r\n\r\n"
        )


async def main(listening: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(Echo, sock=listening, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(socket.socket(fileno=int(sys.argv[1]))))
