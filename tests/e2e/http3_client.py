"""A client for HTTP/3, of aioquic: requests that wait for nothing but what they are told to wait for."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StopSendingReceived, StreamDataReceived, StreamReset
from attrs import Factory, define

from pointsman.testing import eventually

Fields = Iterable[tuple[str, str]]


@define
class Answer:
    """What has come on one stream."""

    interims: list[dict[str, str]] = Factory(list)
    headers: dict[str, str] = Factory(dict)
    body: bytes = b""
    trailers: dict[str, str] = Factory(dict)
    ended: bool = False
    reset: int | None = None
    stopped: int | None = None

    @property
    def status(self) -> int:
        return int(self.headers.get(":status", 0))

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None


class Http3Client(QuicConnectionProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.http = H3Connection(self._quic)
        self.answers: dict[int, Answer] = {}
        self.ended: ConnectionTerminated | None = None
        self.goaways: list[int] = []
        self._control = b""

    @property
    def quic(self) -> Any:
        return self._quic

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated):
            self.ended = event
        elif isinstance(event, StreamReset):
            self.answers.setdefault(event.stream_id, Answer()).reset = event.error_code
        elif isinstance(event, StopSendingReceived):
            self.answers.setdefault(event.stream_id, Answer()).stopped = event.error_code
        if isinstance(event, StreamDataReceived) and event.stream_id == self.http._peer_control_stream_id:
            self._control += event.data
            if event.data[:1] == b"\x07":
                self.goaways.append(int.from_bytes(event.data[2:], "big") & ((1 << (8 * len(event.data[2:]) - 2)) - 1))
        for found in self.http.handle_event(event):
            if isinstance(found, HeadersReceived):
                answer = self.answers.setdefault(found.stream_id, Answer())
                fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in found.headers}
                if fields.get(":status", "").startswith("1"):
                    answer.interims.append(fields)
                elif answer.headers:
                    answer.trailers = fields
                else:
                    answer.headers = fields
                answer.ended = found.stream_ended
            elif isinstance(found, DataReceived):
                answer = self.answers.setdefault(found.stream_id, Answer())
                answer.body += found.data
                answer.ended = found.stream_ended

    def ask(
        self, path: str = "/", host: str = "a.test", *, method: str = "GET", fields: Fields = (), end: bool = True
    ) -> int:
        """Send a head; the number of its stream."""
        head = [(":method", method), (":scheme", "https"), (":authority", host), (":path", path), *fields]
        return self.send(head, end=end)

    def send(self, fields: Fields, *, end: bool = True) -> int:
        stream: int = self.quic.get_next_available_stream_id()
        self.answers[stream] = Answer()
        self.http.send_headers(stream, [(name.encode(), value.encode()) for name, value in fields], end)
        self.transmit()
        return stream

    def more(self, stream: int, data: bytes, *, end: bool = False) -> None:
        self.http.send_data(stream, data, end)
        self.transmit()

    async def answered(self, stream: int) -> Answer:
        await eventually(lambda: self.answers[stream].over or self.ended, "an answer comes")
        return self.answers[stream]

    async def get(self, path: str = "/", host: str = "a.test", **settings: Any) -> Answer:
        return await self.answered(self.ask(path, host, **settings))


@asynccontextmanager
async def http3(port: int, name: str | None = "a.test", **settings: Any) -> AsyncIterator[Http3Client]:
    """A connection whose handshake is over. ConnectionError if there is none."""
    configuration = QuicConfiguration(alpn_protocols=["h3"], verify_mode=ssl.CERT_NONE, server_name=name, **settings)
    async with asyncio.timeout(20):
        connecting = connect("127.0.0.1", port, configuration=configuration, create_protocol=Http3Client)
        client: Any = await connecting.__aenter__()
    try:
        yield client
    finally:
        await connecting.__aexit__(None, None, None)
