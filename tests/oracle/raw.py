"""Servers that speak no HTTP: they say their name, then send back what they get. PROXY headers are told without ports."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from attrs import frozen

from .certificates import issued

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


@frozen
class Manner:
    """How a server behaves. `late` seconds after the client's end of stream it says `late`, and nothing else if `silent`."""

    banner: bytes = b""
    late: float | None = None
    proxied: bool = False
    tls: bool = False
    deaf: bool = False
    silent: bool = False


async def _serve(name: bytes, manner: Manner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        if manner.deaf:
            return
        if manner.banner:
            writer.write(manner.banner)
        if manner.silent:
            await reader.read()
        elif manner.proxied:
            writer.write(name + b":" + await _header(reader))
        elif data := await reader.read(65536):
            writer.write(name + b":" + data)
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if manner.late is not None:
            await asyncio.sleep(manner.late)
            writer.write(b"late")


async def _header(reader: asyncio.StreamReader) -> bytes:
    """A PROXY header of either version, its ports made zero."""
    begin = await reader.readexactly(12)
    if begin == SIGNATURE:
        begin += await reader.readexactly(4)
        rest = await reader.readexactly(int.from_bytes(begin[14:16], "big"))
        return begin + rest[:8] + b"\0\0\0\0" + rest[12:]
    line = begin + await reader.readuntil(b"\r\n")
    return re.sub(rb" [0-9]+ [0-9]+\r\n$", b" 0 0\r\n", line)


@asynccontextmanager
async def servers(manners: Mapping[str, Manner]) -> AsyncIterator[dict[str, str]]:
    """The address of each, by name."""
    async with AsyncExitStack() as stack:
        addresses: dict[str, str] = {}
        for name, manner in manners.items():
            addresses[name] = await stack.enter_async_context(_one(name.encode(), manner))
        yield addresses


@asynccontextmanager
async def _one(name: bytes, manner: Manner) -> AsyncIterator[str]:
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _serve(name, manner, reader, writer)
        finally:
            writer.close()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    context = None
    if manner.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued(f"{name.decode()}.behind.test").configure_cert(context)
    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Naming(asyncio.DatagramProtocol):
    """Answers every datagram with its name and the datagram."""

    def __init__(self, name: bytes) -> None:
        self._name = name

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._transport.sendto(self._name + b":" + data, address)


@asynccontextmanager
async def datagram_servers(names: Sequence[str]) -> AsyncIterator[dict[str, str]]:
    """The address of each, by name."""
    loop = asyncio.get_running_loop()
    addresses, transports = {}, []
    for name in names:
        transport, _ = await loop.create_datagram_endpoint(
            lambda name=name: Naming(name.encode()),  # type: ignore[misc]
            local_addr=("127.0.0.1", 0),
        )
        transports.append(transport)
        addresses[name] = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    try:
        yield addresses
    finally:
        for transport in transports:
            transport.close()


def tcp_balancer(*addresses: str, **settings: Any) -> dict[str, Any]:
    """A TCP or UDP `loadBalancer` service over servers."""
    return {"loadBalancer": {"servers": [{"address": address} for address in addresses], **settings}}
