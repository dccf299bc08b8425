"""HTTP/1.1 as raw bytes: one message at a time, kept as it came, and a client that sends whatever it is given."""

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from attrs import Factory, define

T = TypeVar("T")
PATIENCE_SECONDS = 20.0
LINE_LIMIT = 1024 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: (.*))?")


@define
class Message:
    """A request or a response: header names as received, `raw` with every byte of it."""

    start: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = Factory(list)
    raw: bytes = b""
    interim: list["Message"] = Factory(list)
    """The 1xx responses that came before this one."""

    @property
    def status(self) -> int:
        match = _STATUS_LINE.fullmatch(self.start)
        if match is None:
            raise ValueError(f"not a status line: {self.start!r}")
        return int(match[1])

    @property
    def reason(self) -> bytes:
        match = _STATUS_LINE.fullmatch(self.start)
        return match[2] or b"" if match else b""

    @property
    def method(self) -> bytes:
        return self.start.split(b" ")[0]

    @property
    def target(self) -> bytes:
        return self.start.split(b" ")[1]

    def get(self, name: str) -> str | None:
        """The first value of a header, in any case of its name."""
        return next(iter(self.get_all(name)), None)

    def get_all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        wanted = name.lower().encode()
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == wanted]


class Recorder:
    """A stream reader that keeps what it read since the last `take`."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._kept = bytearray()

    async def line(self) -> bytes:
        line = await self._reader.readuntil(b"\n")
        self._kept += line
        return line.removesuffix(b"\n").removesuffix(b"\r")

    async def exactly(self, size: int) -> bytes:
        data = await self._reader.readexactly(size)
        self._kept += data
        return data

    async def some(self) -> bytes:
        data = await self._reader.read(65536)
        self._kept += data
        return data

    async def rest(self) -> bytes:
        data = await self._reader.read()
        self._kept += data
        return data

    def take(self) -> bytes:
        kept = bytes(self._kept)
        self._kept.clear()
        return kept


async def read_head(reader: Recorder) -> Message:
    """The start line and the headers. IncompleteReadError at the end of the stream."""
    start = await reader.line()
    return Message(start, await _fields(reader))


async def _fields(reader: Recorder) -> list[tuple[bytes, bytes]]:
    fields = []
    while line := await reader.line():
        name, colon, value = line.partition(b":")
        if not colon:
            raise ValueError(f"not a header line: {line!r}")
        fields.append((name, value.strip(b" \t")))
    return fields


async def read_body(reader: Recorder, message: Message, *, until_close: bool) -> None:
    """Fill in body and trailers, by the message's own framing (RFC 9112 section 6.3)."""
    if "chunked" in (message.get("transfer-encoding") or "").lower():
        parts = []
        while size := int((await reader.line()).split(b";")[0], 16):
            parts.append(await reader.exactly(size))
            await reader.line()
        message.body = b"".join(parts)
        message.trailers = await _fields(reader)
    elif (length := message.get("content-length")) is not None:
        message.body = await reader.exactly(int(length))
    elif until_close:
        message.body = await reader.rest()


async def read_response(reader: Recorder, method: str = "GET") -> Message:
    """One response with the interim ones before it, answering a request with `method`."""
    interim: list[Message] = []
    while True:
        message = await read_head(reader)
        if 100 <= message.status < 200 and message.status != 101:
            message.raw = reader.take()
            interim.append(message)
            continue
        if message.status not in (101, 204, 304) and method not in ("HEAD", "CONNECT"):
            await read_body(reader, message, until_close=True)
        message.raw = reader.take()
        message.interim = interim
        return message


class RawClient:
    """One connection. Every read gives up after PATIENCE_SECONDS and says what had come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = Recorder(reader)
        self.writer = writer

    async def send(self, *parts: bytes) -> None:
        """Send bytes as they are, each part on its own."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    def send_eof(self) -> None:
        """Close the sending side only."""
        self.writer.write_eof()

    async def message(self, method: str = "GET") -> Message:
        """The next response; `method` is that of its request."""
        return await self._patiently(read_response(self._reader, method))

    async def head(self) -> Message:
        """The next head, interim or not, and no body."""
        return await self._patiently(read_head(self._reader))

    async def exactly(self, size: int) -> bytes:
        return await self._patiently(self._reader.exactly(size))

    async def until(self, marker: bytes) -> bytes:
        """Everything up to and including `marker`."""
        return await self._patiently(self._until(marker))

    async def _until(self, marker: bytes) -> bytes:
        data = b""
        while not data.endswith(marker):
            data += await self._reader.exactly(1)
        return data

    async def rest(self) -> bytes:
        """Everything until the other side closes; a reset counts as closing."""
        return await self._patiently(self._rest())

    async def _rest(self) -> bytes:
        data = b""
        with suppress(ConnectionError):
            while more := await self._reader.some():
                data += more
        return data

    async def ask(self, request: bytes) -> Message:
        """Send one request and give its response."""
        await self.send(request)
        return await self.message(request.split(b" ", 1)[0].decode("latin-1"))

    async def get(self, path: str = "/", host: str = "a.example", **headers: str) -> Message:
        """GET on this connection; `x_name="1"` sends `x-name: 1`."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        return await self.ask(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode())

    async def _patiently(self, reading: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await reading
        except TimeoutError:
            raise TimeoutError(f"waited {PATIENCE_SECONDS:g} s; so far came {self._reader.take()!r}") from None

    def reset(self) -> None:
        """Drop the connection without a word."""
        self.writer.transport.abort()

    async def aclose(self) -> None:
        self.writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


@asynccontextmanager
async def connect(
    port: int, host: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None, server_name: str | None = None
) -> AsyncIterator[RawClient]:
    """A connection to send raw bytes on and read messages from."""
    reader, writer = await asyncio.open_connection(
        host, port, ssl=tls, server_hostname=server_name if tls else None, limit=LINE_LIMIT
    )
    client = RawClient(reader, writer)
    try:
        yield client
    finally:
        await client.aclose()


async def eventually(condition: Callable[[], Awaitable[object] | object], what: str = "") -> None:
    """Ask until `condition` (plain or a coroutine function) gives something true; TimeoutError after PATIENCE_SECONDS.

    AssertionError and OSError count as not yet; the last of them is shown.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    last: BaseException | None = None
    while time.monotonic() < end:
        try:
            answer = condition()
            if isinstance(answer, Awaitable):
                answer = await answer
            if answer:
                return
        except (AssertionError, OSError, asyncio.IncompleteReadError) as error:
            last = error
        await asyncio.sleep(0.02)
    raise TimeoutError(f"not within {PATIENCE_SECONDS:g} s: {what or condition!r}") from last
