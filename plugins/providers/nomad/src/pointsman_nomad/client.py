"""Nomad's HTTP API: services, jobs and the stream of events, with a limit to every wait and size."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NoReturn
from urllib.parse import quote

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from pointsman.dialect.json_lines import JsonLines
from pointsman.dialect.reasons import reason
from pointsman_nomad.config import Place

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
SILENT_SECONDS: Final = 90.0
"""How long the stream of events may say nothing at all: Nomad sends an empty line every 30 s."""
MAX_BYTES: Final = 64 * 1024 * 1024
TOGETHER: Final = 8
"""How many questions may be open at once."""


class NomadError(OSError):
    """Nomad did not do what it was asked."""


class NotFound(NomadError):
    """What was asked for is not there."""


def a_session(tls: ssl.SSLContext | bool) -> ClientSession:
    """Connections without proxies, cookies and compression."""
    return ClientSession(
        connector=TCPConnector(ssl=tls, limit=0),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "pointsman-nomad"},
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS),
    )


class Nomad:
    """One agent, as one who may see one namespace."""

    def __init__(self, session: ClientSession, place: Place, **parameters: str) -> None:
        """`parameters` go with every question: `namespace`, `wait`, `stale`."""
        self._session = session
        self.url = place.url
        region = {"region": place.region} if place.region else {}
        self._parameters = {**parameters, **region}
        self._headers = {"X-Nomad-Token": place.token} if place.token else {}
        self._room = asyncio.Semaphore(TOGETHER)

    async def ask(self, path: str, **parameters: str) -> Any:
        """What it says to `GET /v1/<path>`, as JSON. NotFound for 404, NomadError for all else that is no answer."""
        try:
            async with self._room, asyncio.timeout(ANSWER_SECONDS), self._got(path, parameters) as response:
                return json.loads(await self._body(response, MAX_BYTES))
        except TimeoutError:
            raise NomadError(f"{self.url}: did not answer within {ANSWER_SECONDS:g} s") from None
        except (ValueError, RecursionError):
            raise NomadError(f"{self.url}: gave an answer to {path} that is no JSON") from None

    @asynccontextmanager
    async def events(self, topic: str) -> AsyncIterator["Events"]:
        """Listen to events, all that are still known and those to come, until the block ends."""
        happened = asyncio.Event()
        listening = asyncio.create_task(self._listen(topic, happened))
        try:
            yield Events(happened, listening)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, topic: str, happened: asyncio.Event) -> NoReturn:
        """Set that for every event. NomadError when the stream ends, however it does."""
        messages = JsonLines(MAX_BYTES)
        async with self._got("event/stream", {"topic": topic, "index": "0"}) as response:
            async for chunk in response.content.iter_any():
                try:
                    if any(message["Events"] for message in messages.feed(chunk) if message):
                        happened.set()
                except (KeyError, TypeError, ValueError):
                    raise NomadError(f"{self.url}: gave a stream of events that Nomad does not give") from None
        raise NomadError(f"{self.url}: ended the stream of events")

    @asynccontextmanager
    async def _got(self, path: str, parameters: Mapping[str, str]) -> AsyncIterator[ClientResponse]:
        """The answer, once its head is here and good. What breaks until the block ends is a NomadError."""
        try:
            response = await self._session.get(
                f"{self.url}/v1/{path}",
                params={**self._parameters, **parameters},
                headers=self._headers,
                allow_redirects=False,
            )
            try:
                if response.status != 200:
                    raise await self._refusal(response)
                yield response
            finally:
                _drop(response)
        except (ClientError, ConnectionError) as error:
            raise NomadError(f"{self.url}: {reason(error)}") from None

    async def _refusal(self, response: ClientResponse) -> NomadError:
        words = " ".join((await self._body(response, 4096)).decode("utf-8", "replace").split())[:200]
        kind = NotFound if response.status == 404 else NomadError
        return kind(f"{self.url}: answered {response.status}{f' ({words})' if words else ''}")

    async def _body(self, response: ClientResponse, limit: int) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > limit:
                raise NomadError(f"{self.url}: gave an answer of more than {limit} bytes")
        return bytes(body)


class Events:
    """What is listened to."""

    def __init__(self, happened: asyncio.Event, listening: "asyncio.Task[NoReturn]") -> None:
        self._happened = happened
        self._listening = listening

    async def happen(self, seconds: float) -> bool:
        """Whether anything happens within that time, or has since the last time. NomadError if the stream ends."""
        waiting = asyncio.ensure_future(self._happened.wait())
        try:
            await asyncio.wait({waiting, self._listening}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._listening.done():
            await self._listening
        happened = self._happened.is_set()
        self._happened.clear()
        return happened


def _drop(response: ClientResponse) -> None:
    """Close the connection of an answer that is not over, without the farewell of TLS, for which nobody waits."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
    response.close()


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")
