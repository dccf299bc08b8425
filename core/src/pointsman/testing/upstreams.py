"""A real HTTP/1.1 server that answers by script and keeps every byte it received.

A script is what the server does after a request: a sequence of steps, read like the wire. `bytes` are sent, an
`asyncio.Event` is waited for, a number of seconds is waited; `BODY` reads the request's body (without it the body is read
before the first step), `CLOSE` closes, `RESET` resets, `PIPE` sends every further byte back until the other side closes.
A script may also be a function from the request to such a sequence.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from enum import Enum

from pointsman.message import reason
from pointsman.testing.builders import HeaderLines, header_lines
from pointsman.testing.wire import LINE_LIMIT, Message, Recorder, eventually, read_body, read_head


class Mark(Enum):
    """A step that is neither bytes nor a wait."""

    BODY = "read the request's body"
    CLOSE = "close the connection"
    RESET = "reset the connection"
    PIPE = "send back every further byte"


BODY, CLOSE, RESET, PIPE = Mark.BODY, Mark.CLOSE, Mark.RESET, Mark.PIPE
Step = bytes | asyncio.Event | float | Mark
Script = Sequence[Step] | Callable[[Message], Sequence[Step]]


def answer(status: int = 200, headers: HeaderLines = (), body: bytes = b"") -> list[Step]:
    """A whole response with Content-Length."""
    lines = header_lines(headers)
    if status >= 200 and status not in (204, 304):
        lines.append((b"content-length", b"%d" % len(body)))
    return [_head(status, lines) + body]


def chunked(
    chunks: Iterable[bytes | asyncio.Event], headers: HeaderLines = (), trailers: HeaderLines = (), *, status: int = 200
) -> list[Step]:
    """A chunked response, a write for each chunk; an event between chunks is waited for."""
    steps: list[Step] = [_head(status, [*header_lines(headers), (b"transfer-encoding", b"chunked")])]
    for chunk in chunks:
        steps.append(b"%x\r\n%s\r\n" % (len(chunk), chunk) if isinstance(chunk, bytes) else chunk)
    steps.append(b"0\r\n" + _fields(header_lines(trailers)) + b"\r\n")
    return steps


def upgrade(protocol: str = "echo") -> list[Step]:
    """Accept an upgrade, then send back every byte."""
    return [_head(101, [(b"connection", b"upgrade"), (b"upgrade", protocol.encode())]), PIPE]


def echo(status: int = 200, headers: HeaderLines = ()) -> Callable[[Message], list[Step]]:
    """A response whose body is the request, every byte as it came."""
    return lambda request: answer(status, headers, request.raw)


def _head(status: int, lines: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"HTTP/1.1 %d %s\r\n%s\r\n" % (status, reason(status), _fields(lines))


def _fields(lines: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%s: %s\r\n" % line for line in lines)


class Upstream:
    """The scripted server. `requests` are all it received; `connections` counts those it accepted."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = 0
        self.scheme = "http"
        self.requests: list[Message] = []
        self.connections = 0
        self._scripts: list[Script] = [echo()]
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def last(self) -> Message:
        """The request that came last."""
        return self.requests[-1]

    @property
    def open(self) -> int:
        """Connections that are open now."""
        return len(self._talks)

    def answers(self, *scripts: Script) -> None:
        """Play these in turn, one for each request; the last one goes on for ever."""
        self._scripts = list(scripts)

    async def received(self, count: int) -> None:
        """Wait until `count` requests have come."""
        await eventually(lambda: len(self.requests) >= count, f"{count} requests at {self!r}")

    async def start(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._talk, self.host, port, ssl=tls, limit=LINE_LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]
        self.scheme = "https" if tls else "http"

    async def aclose(self) -> None:
        """Stop listening and drop every connection. The port is free again."""
        if self._server is None:
            return
        self._server.close()
        talks = list(self._talks)
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        self.connections += 1
        try:
            recorder = Recorder(reader)
            while await self._exchange(recorder, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self._talks.discard(talk)
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    async def _exchange(self, recorder: Recorder, writer: asyncio.StreamWriter) -> bool:
        """Receive one request and play its script; True if the connection goes on."""
        request = await read_head(recorder)
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        early = not callable(script) and BODY in script
        if not early:
            await read_body(recorder, request, until_close=False)
        request.raw = recorder.take()
        self.requests.append(request)
        for step in script(request) if callable(script) else script:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, asyncio.Event):
                await step.wait()
            elif step is BODY:
                await read_body(recorder, request, until_close=False)
                request.raw += recorder.take()
            elif step is PIPE:
                await _pipe(recorder, writer)
            elif step is CLOSE:
                return False
            elif step is RESET:
                _reset(writer)
                return False
            elif isinstance(step, int | float):
                await asyncio.sleep(step)
        return (request.get("connection") or "").lower() != "close"

    def __repr__(self) -> str:
        return f"<Upstream {self.url}, {self.open} open, {len(self.requests)} requests>"


async def _pipe(recorder: Recorder, writer: asyncio.StreamWriter) -> None:
    while data := await recorder.some():
        writer.write(data)
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def upstream(
    *scripts: Script, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Upstream]:
    """A scripted server for as long as the block lasts; without scripts it echoes."""
    server = Upstream(host)
    if scripts:
        server.answers(*scripts)
    await server.start(port=port, tls=tls)
    try:
        yield server
    finally:
        await server.aclose()


@contextmanager
def refusing(host: str = "127.0.0.1") -> Iterator[int]:
    """A port that refuses connections: taken, so that nobody else gets it, and never listening."""
    with socket.socket() as taken:
        taken.bind((host, 0))
        yield taken.getsockname()[1]
