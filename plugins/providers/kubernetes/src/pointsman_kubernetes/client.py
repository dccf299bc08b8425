"""Questions to the API server: lists, watches, statuses; a limit to every size and every wait."""

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any, Final

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from pointsman.dialect.json_lines import JsonLines
from pointsman.dialect.lookups import at, blocks, text
from pointsman.dialect.reasons import one_line, reason
from pointsman_kubernetes.access import Place
from pointsman_kubernetes.kinds import Kind
from pointsman_kubernetes.objects import Object
from pointsman_kubernetes.reading import read

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 60.0
"""How long an answer that is no watch may take, with all its body."""
WATCH_SECONDS: Final = (300, 600)
"""How long the server is asked to keep up a watch: some time between."""
SILENT_SECONDS: Final = 630.0
"""How long a watch may say nothing at all: a little longer than it may last."""
PAGE: Final = 500
MAX_BYTES: Final = 64 * 1024 * 1024
"""Of one object, and of one piece of a list."""
MAX_PIECES: Final = 10_000
TOGETHER: Final = 8
"""How many answers that are no watches may be open at once."""
_BIG: Final = 1024 * 1024
_KEEPALIVE: Final = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 3))


class ApiError(OSError):
    """The server did not do what it was asked: it cannot be reached, or said something that is no answer."""


class TooMuch(ApiError):
    """It gave more than anybody wants to hold."""


class Unreachable(ApiError):
    """It cannot be asked anything, or not by us."""


class Refusal(ApiError):
    """It answered with a status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def a_session() -> ClientSession:
    """Connections without cookies and compression; proxies only as said."""
    return ClientSession(
        connector=TCPConnector(limit=0),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "pointsman-kubernetes"},
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS),
    )


class Pace:
    """`burst` requests at once, and then so many per second; any number if that is not above 0."""

    def __init__(self, per_second: float = 0, burst: int = 1) -> None:
        self._gap = 1 / per_second if per_second > 0 else 0.0
        self._ahead = self._gap * (max(burst, 1) - 1)
        self._next = 0.0

    async def turn(self) -> None:
        """When the next may go."""
        now = monotonic()
        due = max(self._next, now - self._ahead)
        self._next = due + self._gap
        if due > now:
            await asyncio.sleep(due - now)


class Api:
    """One server, as one who may see something of it."""

    def __init__(self, session: ClientSession, place: Place, pace: Pace | None = None) -> None:
        self._session = session
        self._place = place
        self._pace = pace or Pace()
        self._room = asyncio.Semaphore(TOGETHER)

    async def objects(self, kind: Kind, namespace: str, selector: str) -> tuple[list[Object], str]:
        """All objects, and the version of which they are. ApiError.

        In pieces, and of the newest version: what servers have in their cache they give in one piece, however large. Pieces
        are smaller where objects are large.
        """
        found: list[Object] = []
        asked = _selecting(selector)
        version, page = "", PAGE
        for _ in range(MAX_PIECES):
            try:
                answer = await self._ask("GET", kind.path(namespace), {"limit": str(page), **asked})
            except TooMuch:
                if page == 1:
                    raise
                page = max(page // 8, 1)
                continue
            found += [{"apiVersion": _api(kind), "kind": kind.name, **each} for each in blocks(answer, "items")]
            version = version or text(answer, "metadata", "resourceVersion")
            if not version or not (isinstance(answer, Mapping) and isinstance(answer.get("items", 0), list | None)):
                raise ApiError(f"{self._place.url}: gave a list of {kind.resource} that is none")
            more = text(answer, "metadata", "continue")
            if not more:
                return found, version
            asked = {"continue": more, **_selecting(selector)}
        raise ApiError(f"{self._place.url}: gives a list of {kind.resource} without end")

    @asynccontextmanager
    async def watch(self, kind: Kind, namespace: str, selector: str, version: str | None) -> AsyncIterator["Events"]:
        """What happens after a version; without one all that there is first (a watch-list). ApiError, also in the block."""
        seconds = random.randint(*WATCH_SECONDS)
        asked = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds), **_selecting(selector)}
        if version is None:
            asked |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        else:
            asked["resourceVersion"] = version
        async with self._got("GET", kind.path(namespace), asked) as response:
            _keep_alive(response)
            yield Events(response, self._place.url)

    async def write_status(self, kind: Kind, thing: Object) -> None:
        """Put an object's `status`. Refusal, with 409 if the object has changed since."""
        path = kind.path(text(thing, "metadata", "namespace"), text(thing, "metadata", "name"))
        await self._ask("PUT", f"{path}/status", {}, {**thing, "apiVersion": _api(kind), "kind": kind.name})

    async def _ask(self, method: str, path: str, asked: Mapping[str, str], body: Object | None = None) -> Any:
        url = self._place.url
        try:
            async with self._room, asyncio.timeout(ANSWER_SECONDS), self._got(method, path, asked, body) as response:
                content = await self._body(response, MAX_BYTES)
                return await asyncio.to_thread(read, content) if len(content) > _BIG else read(content)
        except TimeoutError:
            raise Unreachable(f"{url}: did not answer within {ANSWER_SECONDS:g} s") from None
        except (ValueError, RecursionError):
            raise ApiError(f"{url}: gave an answer that is no JSON") from None

    @asynccontextmanager
    async def _got(
        self, method: str, path: str, asked: Mapping[str, str], body: Object | None = None
    ) -> AsyncIterator[ClientResponse]:
        """The answer, once its head is here and good. What breaks until the block ends is an ApiError."""
        place = self._place
        identity = await place.credentials.identity()
        secured = place.url.startswith("https://")
        context = await asyncio.to_thread(place.trust.context, identity.pair) if secured else True
        await self._pace.turn()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                response = await self._session.request(
                    method,
                    f"{place.url}{path}",
                    params=asked,
                    json=body,
                    headers=identity.headers,
                    allow_redirects=False,
                    ssl=context,
                    server_hostname=place.trust.server_name or None,
                    proxy=place.proxy or None,
                )
            try:
                if response.status not in (200, 201):
                    refusal = await self._refusal(response)
                    if refusal.code == 401:
                        place.credentials.refused(identity)
                        raise Unreachable(f"{place.url}: does not take the token or certificate: {refusal}")
                    raise refusal
                yield response
            finally:
                _drop(response)
        except TimeoutError:
            raise Unreachable(f"{place.url}: says nothing") from None
        except (ClientError, ConnectionError) as error:
            raise Unreachable(f"{place.url}: {reason(error)}") from None

    async def _refusal(self, response: ClientResponse) -> Refusal:
        words = (await self._body(response, _BIG)).decode("utf-8", "replace")
        with suppress(ValueError, RecursionError):
            words = text(json.loads(words), "message") or words
        return Refusal(response.status, one_line(words) or f"answered {response.status}")

    async def _body(self, response: ClientResponse, limit: int) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > limit:
                raise TooMuch(f"{self._place.url}: gave an answer of more than {limit} bytes")
        return bytes(body)


class Events:
    """What a watch says, one after the other: the type, and the object. Ends when the server ends it."""

    def __init__(self, response: ClientResponse, url: str) -> None:
        self._response = response
        self._url = url

    async def __aiter__(self) -> AsyncIterator[tuple[str, Object]]:
        lines = JsonLines(MAX_BYTES, read)
        async for chunk in self._response.content.iter_any():
            try:
                events = lines.feed(chunk)
            except ValueError as error:
                raise ApiError(f"{self._url}: gave a watch that is none ({error})") from None
            for event in events:
                thing = at(event, "object")
                if not isinstance(thing, Mapping):
                    raise ApiError(f"{self._url}: gave a watch that is none")
                if text(event, "type") == "ERROR":
                    code = at(thing, "code")
                    raise Refusal(code if isinstance(code, int) else 500, one_line(text(thing, "message")))
                yield text(event, "type"), thing


def _selecting(selector: str) -> dict[str, str]:
    return {"labelSelector": selector} if selector else {}


def _api(kind: Kind) -> str:
    return f"{kind.group}/{kind.version}" if kind.group else kind.version


def _keep_alive(response: ClientResponse) -> None:
    """Have the system find out when the other side is gone without a word."""
    connection = response.connection
    transport = connection.transport if connection is not None else None
    if transport is not None and (carrier := transport.get_extra_info("socket")) is not None:
        carrier.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):
                carrier.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _drop(response: ClientResponse) -> None:
    """Keep the connection of an answer that is over; close that of one that is not, without the farewell of TLS."""
    if response.connection is not None and not response.content.at_eof() and response.connection.transport is not None:
        response.connection.transport.abort()
        response.close()
    else:
        response.release()
