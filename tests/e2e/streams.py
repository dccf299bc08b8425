"""Plain TCP servers and clients for stories about TCP routers."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

Talk = Callable[["Connection"], Awaitable[object]]


class Connection:
    """One connection, from whichever side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.seen = bytearray()

    async def some(self, size: int) -> bytes:
        """Exactly so many bytes; fewer if the other side ends before."""
        try:
            data = await asyncio.wait_for(self.reader.readexactly(size), 5)
        except asyncio.IncompleteReadError as error:
            data = error.partial
        self.seen += data
        return data

    async def rest(self) -> bytes:
        """Everything until the other side ends, b"" also for a reset."""
        try:
            data = await asyncio.wait_for(self.reader.read(), 5)
        except ConnectionError:
            return b""
        self.seen += data
        return data

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def ask(self, data: bytes, size: int) -> bytes:
        await self.say(data)
        return await self.some(size)

    def finish(self) -> None:
        self.writer.write_eof()

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError, ssl.SSLError):
            await asyncio.wait_for(self.writer.wait_closed(), 5)


class Server:
    """A server that talks as it is told with every connection, and keeps them."""

    def __init__(self, name: str, talk: Talk | None) -> None:
        self.name = name.encode()
        self.talk = talk or self.echo
        self.connections: list[Connection] = []
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def seen(self) -> bytearray:
        """What the last connection has said."""
        return self.connections[-1].seen

    async def echo(self, connection: Connection) -> None:
        """Everything back, behind the server's name."""
        while data := await connection.reader.read(65536):
            connection.seen += data
            await connection.say(self.name + data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        self.connections.append(connection)
        with suppress(OSError, ssl.SSLError):
            await self.talk(connection)
        writer.close()


@asynccontextmanager
async def serving(name: str, talk: Talk | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server of that name on a free port."""
    server = Server(name, talk)
    listening = await asyncio.start_server(server._serve, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for connection in server.connections:
            connection.writer.transport.abort()


@asynccontextmanager
async def dialled(port: int, **options: Any) -> AsyncIterator[Connection]:
    """A client's connection."""
    connection = Connection(*await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port, **options), 5))
    try:
        yield connection
    finally:
        await connection.close()


def balancer(*servers: Server | str, **settings: Any) -> dict[str, Any]:
    """A `loadBalancer` service over servers, or their addresses."""
    addresses = [server if isinstance(server, str) else server.address for server in servers]
    return {"loadBalancer": {"servers": [{"address": address} for address in addresses], **settings}}
