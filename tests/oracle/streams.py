"""HTTP/2 requests as cases: one connection, requests one after another or at once, what came back on each stream."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

from attrs import Factory, define, frozen
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

from pointsman.testing import Gateway

from .harness import OK, PATIENCE_SECONDS, Arena, Aspects, Client, Hello, Script, dialled, fate_of, seen_by_server

Lines = Sequence[tuple[str, str]]


@frozen
class Ask:
    """One request: pseudo-headers and headers as they go out, without any check."""

    headers: Lines
    body: Sequence[bytes] = ()
    trailers: Lines = ()


def ask(
    path: str = "/",
    *headers: tuple[str, str],
    host: str = "a.test",
    method: str = "GET",
    body: bytes | Sequence[bytes] = (),
    trailers: Lines = (),
    replaced: Mapping[str, str | None] | None = None,
) -> Ask:
    """A request like any other; `replaced` changes pseudo-headers, or leaves them out with None."""
    pseudo = {":method": method, ":scheme": "https", ":authority": host, ":path": path, **(replaced or {})}
    lines = [(name, value) for name, value in pseudo.items() if value is not None]
    pieces = [body] if isinstance(body, bytes) else body
    return Ask([*lines, ("accept-encoding", "identity"), *headers], pieces, trailers)


@define
class Stream:
    """What came back on one."""

    interim: list[tuple[bytes, ...]] = Factory(list)
    headers: list[tuple[bytes, bytes]] = Factory(list)
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = Factory(list)
    reset: int | None = None
    over: bool = False

    def aspects(self, prefix: str) -> Aspects:
        found: Aspects = {}
        for name, value in self.headers:
            if name == b":status":
                found[f"{prefix}status"] = value
            elif name != b"date":
                found.setdefault(f"{prefix}header:{name.decode('latin-1')}", []).append((name, value))
        found.setdefault(f"{prefix}status", b"none" if self.reset is None else b"reset %d" % self.reset)
        found[f"{prefix}body"] = self.body
        if self.interim:
            found[f"{prefix}interim"] = self.interim
        if self.trailers:
            found[f"{prefix}trailers"] = sorted(self.trailers)
        if self.reset is not None:
            found[f"{prefix}reset"] = self.reset
        return found


@frozen
class Http2:
    """`at_once`: all requests before the first answer. Without a `hello`, by prior knowledge."""

    name: str
    asks: Sequence[Ask]
    scripts: Sequence[Script] = (OK,)
    hello: Hello | None = None
    entry_point: str = "web"
    at_once: bool = False

    async def play(self, arena: Arena, running: Gateway) -> Aspects:
        arena.upstream.answers(*self.scripts)
        arena.upstream.requests.clear()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), dialled(running.port(self.entry_point), self.hello) as client:
                return await self._talk(client) | seen_by_server(arena.upstream.requests)
        except (OSError, TimeoutError) as error:
            return {"connection": fate_of(error)}

    async def _talk(self, client: Client) -> Aspects:
        talk = Talk(client)
        for request in self.asks:
            await talk.send(request)
            if not self.at_once:
                await talk.read()
        await talk.read()
        aspects = dict(client.aspects)
        for number, stream in enumerate(talk.streams.values(), 1):
            aspects |= stream.aspects("" if number == 1 else f"{number}.")
        aspects["fate"] = talk.end or "kept"
        return aspects


class Talk:
    """A connection in use."""

    def __init__(self, client: Client) -> None:
        self.streams: dict[int, Stream] = {}
        self.end = ""
        self._unread = b""
        self._client = client
        config = H2Configuration(
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
        )
        self._h2 = H2Connection(config)
        self._h2.encoder.encode = partial(self._h2.encoder.encode, huffman=False)  # large headers take it for ever
        self._h2.initiate_connection()

    async def send(self, request: Ask) -> None:
        if self.end:
            return
        number = self._h2.get_next_available_stream_id()
        self.streams[number] = Stream()
        more = bool(request.body or request.trailers)
        self._h2.send_headers(number, request.headers, end_stream=not more)
        for index, piece in enumerate(request.body, 1):
            await self._piece(number, piece, last=index == len(request.body) and not request.trailers)
        if request.trailers and not self.end and not self.streams[number].over:
            self._h2.send_headers(number, request.trailers, end_stream=True)
        await self._flush()

    async def _piece(self, number: int, piece: bytes, *, last: bool) -> None:
        """As much at a time as the windows allow."""
        while not self.end and not self.streams[number].over:
            room = min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size)
            if not room and piece:
                await self._flush()
                await self._receive()
                continue
            now, piece = piece[:room], piece[room:]
            self._h2.send_data(number, now, end_stream=last and not piece)
            if not piece:
                return

    async def read(self) -> None:
        """Until every stream is over, or the connection is."""
        await self._flush()
        while not self.end and not all(stream.over for stream in self.streams.values()):
            await self._receive()

    async def _flush(self) -> None:
        with suppress(ConnectionError):
            self._client.writer.write(self._h2.data_to_send())
            await self._client.writer.drain()

    async def _receive(self) -> None:
        try:
            data = await self._client.reader.some()
        except OSError as error:
            self.end = fate_of(error)
            return
        if not data:
            self.end = "closed"
            return
        self._unread += data
        while not self.end and (frame := self._frame()):  # what comes after a GOAWAY is for nobody, and h2 refuses it
            for event in self._h2.receive_data(frame):
                self._take(event)
        await self._flush()

    def _frame(self) -> bytes:
        """The next whole frame (RFC 9113 §4.1); empty while there is none."""
        size = 9 + int.from_bytes(self._unread[:3], "big")
        if len(self._unread) < size:
            return b""
        frame, self._unread = self._unread[:size], self._unread[size:]
        return frame

    def _take(self, event: object) -> None:
        if isinstance(event, ConnectionTerminated):
            self.end = f"GOAWAY {int(event.error_code or 0)}"
            return
        stream = self.streams.get(getattr(event, "stream_id", 0) or 0, Stream())
        if isinstance(event, InformationalResponseReceived):
            stream.interim.append(tuple(name + b": " + value for name, value in sorted(event.headers)))  # type: ignore[operator]
        elif isinstance(event, ResponseReceived):
            stream.headers = [(bytes(name), bytes(value)) for name, value in event.headers]  # type: ignore[arg-type]
        elif isinstance(event, TrailersReceived):
            stream.trailers = [(bytes(name), bytes(value)) for name, value in event.headers]  # type: ignore[arg-type]
        elif isinstance(event, DataReceived):
            stream.body += event.data
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            stream.over = True
        elif isinstance(event, StreamReset):
            stream.reset, stream.over = int(event.error_code), True
