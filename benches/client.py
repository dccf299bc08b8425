"""Messages through a gateway and back, each connection one at a time; prints what came of it as JSON.

python client.py tcp|websocket|udp|source PORT CONNECTIONS SECONDS SIZE NAME     over TLS to that name, unless it is -

A datagram that is not answered within a second counts as an error and is sent again.
"""

import asyncio
import base64
import json
import os
import ssl
import sys
import time
from typing import Any, cast

import uvloop

KEY = base64.b64encode(os.urandom(16))
UPGRADE = (
    b"GET /socket HTTP/1.1\r\nHost: h0.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: " + KEY + b"\r\n\r\n"
)


class Tally:
    """What all connections have done."""

    units = 0.0
    errors = 0
    what: set[str] = set()  # noqa: RUF012  # one process, one tally
    running = True


def _tls(transport: asyncio.BaseTransport) -> str:
    secured = transport.get_extra_info("ssl_object")
    return f"{secured.version()} {secured.cipher()[0]}, " if secured is not None else ""


class Pinging(asyncio.Protocol):
    """Sends a message when the last one is back."""

    def __init__(self, message: bytes, expected: bytes, ready: "asyncio.Future[None]", opening: bytes = b"") -> None:
        self.message = message
        self.expected = expected
        self._ready = ready
        self._opening = opening
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._opening:
            self.transport.write(self._opening)
        else:
            self._settle("echo")

    def _settle(self, what: str) -> None:
        Tally.what.add(_tls(self.transport) + what)
        self._ready.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._opening:
            self._held += data
            head, end, rest = self._held.partition(b"\r\n\r\n")
            if end:
                assert not rest
                self._opening = self._held = b""
                self._settle(f"{head.split(b' ')[1].decode()} and echo")
            return
        if data != self.expected:
            self._held += data
            if len(self._held) < len(self.expected):
                return
            data, self._held = self._held, b""
        if data != self.expected:
            Tally.errors += 1
        Tally.units += 1
        if Tally.running:
            self.transport.write(self.message)

    def connection_lost(self, error: Exception | None) -> None:
        if Tally.running:
            Tally.errors += 1
        if not self._ready.done():
            self._ready.set_exception(error or ConnectionError("closed before it was ready"))


class Draining(asyncio.BufferedProtocol):
    """Asks for bytes and counts them."""

    def __init__(self, ready: "asyncio.Future[None]") -> None:
        self._ready = ready
        self._buffer = bytearray(256 * 1024)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.what = f"{_tls(transport)}bytes"
        cast(asyncio.Transport, transport).write(b"SOURCE\n")

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if not self._ready.done():
            Tally.what.add(self.what)
            self._ready.set_result(None)
        Tally.units += nbytes / 2**20

    def connection_lost(self, error: Exception | None) -> None:
        Tally.errors += Tally.running
        if not self._ready.done():
            self._ready.set_exception(error or ConnectionError("closed before it was ready"))


class Datagrams(asyncio.DatagramProtocol):
    """Sends a datagram when the last one is back."""

    def __init__(self, message: bytes) -> None:
        self.message = message
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def send(self) -> None:
        self.sent = time.monotonic()
        self.transport.sendto(self.message)

    def datagram_received(self, data: bytes, address: Any) -> None:
        Tally.errors += data != self.message
        Tally.units += 1
        Tally.what.add("echo")
        if Tally.running:
            self.send()

    def error_received(self, error: Exception) -> None:
        Tally.errors += 1


async def over_connections(kind: str, port: int, count: int, seconds: float, size: int, name: str) -> float:
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {}
    if name != "-":
        options["ssl"] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        options["ssl"].check_hostname, options["ssl"].verify_mode = False, ssl.CERT_NONE
        options["server_hostname"] = name
    payload = b"m" * size
    message, expected, opening = payload, payload, b""
    if kind == "websocket":  # one frame, FIN and binary; a mask of zeros, which changes nothing and costs nothing
        message, expected, opening = bytes((0x82, 0x80 | size, 0, 0, 0, 0)) + payload, bytes((0x82, size)) + payload, UPGRADE
    protocols: list[Any] = []
    for _ in range(count):
        ready = loop.create_future()
        made = Draining(ready) if kind == "source" else Pinging(message, expected, ready, opening)
        await loop.create_connection(lambda made=made: made, "127.0.0.1", port, **options)  # type: ignore[misc]
        await asyncio.wait_for(ready, 10)
        protocols.append(made)
    begun = time.monotonic()
    if kind == "source":
        Tally.units = 0
    else:
        for protocol in protocols:
            protocol.transport.write(protocol.message)
    await asyncio.sleep(seconds)
    return time.monotonic() - begun


async def over_datagrams(port: int, count: int, seconds: float, size: int) -> float:
    loop = asyncio.get_running_loop()
    protocols = []
    for _ in range(count):
        _, protocol = await loop.create_datagram_endpoint(lambda: Datagrams(b"m" * size), remote_addr=("127.0.0.1", port))
        protocols.append(protocol)
        protocol.send()
    begun = now = time.monotonic()
    while now < begun + seconds:
        await asyncio.sleep(min(0.2, begun + seconds - now))
        now = time.monotonic()
        for protocol in protocols:
            if protocol.sent < now - 1:
                Tally.errors += 1
                protocol.send()
    return now - begun


async def main(kind: str, port: int, count: int, seconds: float, size: int, name: str) -> None:
    if kind == "udp":
        took = await over_datagrams(port, count, seconds, size)
    else:
        took = await over_connections(kind, port, count, seconds, size, name)
    Tally.running = False
    told = {"units": Tally.units, "seconds": took, "errors": Tally.errors, "what": ", ".join(sorted(Tally.what))}
    print(json.dumps(told), flush=True)
    os._exit(0)  # nobody waits for closing


if __name__ == "__main__":
    kind, port, count, seconds, size, name = sys.argv[1:]
    uvloop.run(main(kind, int(port), int(count), float(seconds), int(size), name))
