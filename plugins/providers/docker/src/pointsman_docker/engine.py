"""The Engine API: calls that answer JSON, and the stream of events. Every wait and every size has a limit."""

import asyncio
import base64
import errno
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from attrs import frozen

from pointsman.dialect.lookups import text
from pointsman.dialect.reasons import reason
from pointsman_docker.endpoint import Endpoint
from pointsman_docker.events import Objects
from pointsman_docker.tunnel import Tunnel

NEWEST: Final = (1, 52)
"""The version of the API whose answers are known."""
_OLDEST: Final = "1.24"
"""What an engine speaks that does not say."""
MAX_ANSWER: Final = 64 * 1024 * 1024
_MAX_COMPLAINT: Final = 64 * 1024
_LARGE: Final = 1024 * 1024
"""Above that, answers are decoded in a thread."""
CALL_SECONDS: Final = 60.0
_CONNECT_SECONDS: Final = 10.0
_CONNECTIONS: Final = 9
"""One of them is the stream of events. Through a program (ssh) each costs a login, so there are two."""


class EngineError(Exception):
    """What an engine did not do, in words. `status` is that of its answer, 0 if there was none."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@frozen
class Engine:
    """An engine that was reached, and the version of the API agreed on."""

    endpoint: Endpoint
    session: aiohttp.ClientSession
    tunnel: Tunnel | None
    seconds: float
    version: str = ""
    software: str = ""

    async def get(self, path: str, filters: Mapping[str, Mapping[str, bool]] | None = None, **query: str) -> Any:
        """What it answers. EngineError says what it did in place of that."""
        try:
            async with asyncio.timeout(self.seconds), self._asked(path, filters, query) as response:
                body = await _read(response, path, MAX_ANSWER)
        except (aiohttp.ClientError, OSError) as error:
            raise await self._failure(error, path) from None
        try:
            return await asyncio.to_thread(json.loads, body) if len(body) > _LARGE else json.loads(body)
        except (ValueError, RecursionError):
            raise EngineError(f"{self.endpoint.shown}: the answer to {path} is no JSON") from None

    async def events(self, opened: asyncio.Event) -> AsyncIterator[Mapping[str, Any]]:
        """What happens to containers from now on; `opened` is set once it listens. EngineError when that ends."""
        objects = Objects()
        try:
            async with self._asked("/events", {"type": {"container": True}}, {}) as response:
                opened.set()
                async for chunk in response.content.iter_any():
                    for each in objects.feed(chunk):
                        yield each
        except (aiohttp.ClientError, OSError) as error:
            raise await self._failure(error, "/events") from None
        except ValueError as error:
            raise EngineError(f"{self.endpoint.shown}: the stream of events {error}") from None
        raise EngineError(f"{self.endpoint.shown}: the stream of events ended")

    @asynccontextmanager
    async def _asked(
        self, path: str, filters: Mapping[str, Mapping[str, bool]] | None, query: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        parameters = {**query, **({"filters": json.dumps(filters)} if filters else {})}
        url = f"{self.endpoint.base}/v{self.version}{path}"
        async with self.session.get(url, params=parameters, allow_redirects=False) as response:
            if response.status != 200:
                body = await _read(response, path, _MAX_COMPLAINT)
                raise EngineError(f"{self.endpoint.shown}: {_refusal(path, response, body)}", response.status)
            yield response

    async def ping(self) -> aiohttp.ClientResponse:
        """The answer to a ping: by HEAD, or by GET where that is not known. EngineError if it is no good."""
        url = f"{self.endpoint.base}/_ping"
        try:
            async with asyncio.timeout(self.seconds), self.session.head(url) as response:
                pass
            if response.status in (404, 405, 501):
                async with asyncio.timeout(self.seconds), self.session.get(url, allow_redirects=False) as response:
                    pass
        except (aiohttp.ClientError, OSError) as error:
            raise await self._failure(error, "/_ping") from None
        if response.status != 200:
            raise EngineError(f"{self.endpoint.shown}: {_refusal('/_ping', response, b'')}", response.status)
        return response

    async def _failure(self, error: Exception, path: str) -> EngineError:
        if isinstance(error, TimeoutError):
            return EngineError(f"{self.endpoint.shown}: no answer to {path} in time")
        said = await self.tunnel.complaint() if self.tunnel is not None else ""
        if isinstance(error, OSError):
            hint = "; is this user in the group of the socket?" if error.errno == errno.EACCES else ""
            return EngineError(f"{self.endpoint.shown}: cannot be reached: {said or reason(error)}{hint}")
        return EngineError(f"{self.endpoint.shown}: {path}: {said or reason(error)}")


@asynccontextmanager
async def connected(endpoint: Endpoint, timeout_seconds: float, path: str) -> AsyncIterator[Engine]:
    """An engine, while the block lasts; `path` is where the options stand that say which.

    ConfigError for TLS that cannot be used, EngineError if the engine cannot be reached or says no.
    """
    tunnel = Tunnel(endpoint.command) if endpoint.command else None
    seconds = timeout_seconds or CALL_SECONDS
    try:
        if tunnel is not None:
            await tunnel.open()
        connector = _connector(endpoint, tunnel, path)
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_headers(endpoint),
            timeout=aiohttp.ClientTimeout(None, sock_connect=min(seconds, _CONNECT_SECONDS)),
        ) as session:
            engine = Engine(endpoint, session, tunnel, seconds)
            answer = await engine.ping()
            version = endpoint.version or agreed(answer.headers.get("Api-Version", ""))
            software = answer.headers.get("Server", "")[:100]
            yield Engine(endpoint, session, tunnel, seconds, version, software)
    finally:
        if tunnel is not None:
            await tunnel.aclose()


def agreed(theirs: str) -> str:
    """The version to speak with an engine whose newest is this."""
    try:
        major, minor = (int(part) for part in theirs.split("."))
    except ValueError:
        return _OLDEST
    return ".".join(map(str, min((major, minor), NEWEST)))


def _headers(endpoint: Endpoint) -> dict[str, str]:
    headers = {"User-Agent": "pointsman-docker"}
    if endpoint.user:
        credentials = base64.b64encode(f"{endpoint.user}:{endpoint.password}".encode())
        headers["Authorization"] = f"Basic {credentials.decode()}"
    return headers


def _connector(endpoint: Endpoint, tunnel: Tunnel | None, path: str) -> aiohttp.BaseConnector:
    if tunnel is not None:
        return aiohttp.UnixConnector(tunnel.path, limit=2, keepalive_timeout=60)
    if endpoint.socket:
        return aiohttp.UnixConnector(endpoint.socket, limit=_CONNECTIONS)
    context = endpoint.tls.settings(f"{path}.tls").context() if endpoint.tls is not None else True
    return aiohttp.TCPConnector(ssl=context, limit=_CONNECTIONS)


async def _read(response: aiohttp.ClientResponse, path: str, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise EngineError(f"the answer to {path} is larger than {limit // 1024} KiB")
    return bytes(body)


def _refusal(path: str, response: aiohttp.ClientResponse, body: bytes) -> str:
    try:
        said = text(json.loads(body), "message")
    except (ValueError, RecursionError):
        said = body.decode(errors="replace")
    said = " ".join(said.split())[:300]
    hint = "; are username and password right?" if response.status == 401 else ""
    return f"{path} was answered {response.status}{f': {said}' if said else ''}{hint}"
