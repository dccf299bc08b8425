"""Questions to an agent of Consul over HTTP, also those that it answers when something changes (blocking queries).

Whatever goes wrong is a ConsulError: who asks lets it end the provider, which is begun anew a little later.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
from attrs import frozen

from pointsman.dialect.reasons import one_line, reason
from pointsman_consul.access import Access

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
ANSWER_SECONDS: Final = 30.0
"""How long an answer may take to come whole, beside the time that a blocking query waits."""
CONNECT_SECONDS: Final = 5.0
_LARGE_BYTES: Final = 256 * 1024
"""Above it an answer is read in a thread."""
_GAP_SECONDS: Final = 0.05
"""At least between two questions about the same, however much changes."""
_PAUSE_SECONDS: Final = 1.0
_MAX_TOKEN_BYTES: Final = 4096

T = TypeVar("T")


class ConsulError(OSError):
    """Consul does not answer, or not like Consul."""


@frozen
class Answer:
    """What Consul says: `content` is its JSON, None for what does not exist."""

    content: Any
    index: int
    """Where it is in Consul's history; 0 if it does not say."""
    filtered: bool
    """The token may not see all of it."""


class Agent:
    """Asks one agent. Made by `opened`."""

    def __init__(self, access: Access, session: aiohttp.ClientSession) -> None:
        self._access = access
        self._session = session

    def __repr__(self) -> str:
        return f"<Agent {self._access.shown}>"

    async def get(
        self, path: str, query: Mapping[str, str] | None = None, *, index: int = 0, wait: float = 0.0, read: bool = True
    ) -> Answer:
        """Ask once. With an `index` it is answered when something has changed since, or after `wait` seconds.

        `path` is percent-encoded. Without `read` the content is thrown away.
        """
        asked = {**self._access.query, **(query or {})}
        if index:
            asked |= {"index": str(index), "wait": f"{wait * 1000:.0f}ms"}
        limit = ANSWER_SECONDS + (wait * 17 / 16 if index else 0)  # Consul adds up to a sixteenth
        url = f"{self._access.url}{path}"
        try:
            async with asyncio.timeout(limit), self._session.get(url, params=asked, allow_redirects=False) as response:
                if response.status not in (200, 404):
                    raise await self._refusal(path, response)
                body = await self._body(path, response, read)
                content = await _parsed(body) if response.status == 200 and read else None
                at = response.headers.get("X-Consul-Index", "")
                filtered = response.headers.get("X-Consul-Results-Filtered-By-ACLs", "").lower() == "true"
        except TimeoutError:
            raise self._error(path, f"has not answered within {limit:.0f} s") from None
        except aiohttp.ClientError as error:
            raise self._error(path, f"cannot be asked: {reason(error)}") from error
        except ValueError as error:
            raise self._error(path, "answers something that is not JSON") from error
        return Answer(content, int(at) if at.isascii() and at.isdigit() and len(at) < 20 else 0, filtered)

    async def follow(
        self, path: str, query: Mapping[str, str] | None = None, *, wait: float, read: bool = True
    ) -> AsyncIterator[Answer]:
        """What it says now, and again whenever that may have changed, for ever."""
        index = 0
        while True:
            begun = time.monotonic()
            answer = await self.get(path, query, index=index, wait=wait, read=read)
            if not answer.index:
                raise self._error(path, "does not answer like Consul: there is no X-Consul-Index")
            early = time.monotonic() - begun < _GAP_SECONDS
            if answer.index != index:
                yield answer
                await asyncio.sleep(_GAP_SECONDS)
            elif early:
                await asyncio.sleep(_PAUSE_SECONDS)  # something in between does not let it wait
            # When it goes back its history began anew, and what was seen of it says nothing.
            index = answer.index if answer.index >= index else 0

    async def _body(self, path: str, response: aiohttp.ClientResponse, read: bool) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                raise self._error(path, f"answers more than {MAX_ANSWER_BYTES >> 20} MiB")
            if read:
                parts.append(part)
        return b"".join(parts)

    async def _refusal(self, path: str, response: aiohttp.ClientResponse) -> ConsulError:
        said = one_line((await response.content.read(300)).decode("utf-8", "replace"))
        return self._error(path, f"answers {response.status}" + (f": {said}" if said else ""))

    def _error(self, path: str, what: str) -> ConsulError:
        return ConsulError(f"Consul at {self._access.shown} {what} ({path})")


@asynccontextmanager
async def opened(access: Access) -> AsyncIterator[Agent]:
    """An agent to ask, and connections to it as long as the block lasts."""
    headers = {"User-Agent": "pointsman-consul", **access.headers}
    if access.token_file:
        headers["X-Consul-Token"] = await asyncio.to_thread(_token_in, access.token_file)
    connector = aiohttp.UnixConnector(access.socket) if access.socket else aiohttp.TCPConnector(ssl=access.tls or True)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
    cookies = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout, cookie_jar=cookies) as session:
        yield Agent(access, session)


async def together(*parts: Coroutine[Any, Any, T]) -> list[T]:
    """What they give, run side by side. When one fails the others are cancelled, and its error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in parts]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


class News:
    """Changes, told when they have settled: `quiet` seconds after the last of them, `limit` after the first at most."""

    def __init__(self, quiet: float, limit: float) -> None:
        self._quiet = quiet
        self._limit = limit
        self._event = asyncio.Event()

    def note(self) -> None:
        """Something has changed."""
        self._event.set()

    async def settled(self, seconds: float | None = None) -> None:
        """Wait until something has changed and no more comes; at most so many seconds for the first change."""
        if not await self._noted(seconds):
            return
        end = time.monotonic() + self._limit
        while (left := end - time.monotonic()) > 0 and await self._noted(min(self._quiet, left)):
            pass

    async def _noted(self, seconds: float | None) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


async def _parsed(body: bytes) -> Any:
    try:
        return await asyncio.to_thread(json.loads, body) if len(body) > _LARGE_BYTES else json.loads(body)
    except RecursionError:
        raise ValueError from None


def _token_in(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            token = file.read(_MAX_TOKEN_BYTES).decode("ascii").strip()
    except OSError as error:
        raise ConsulError(f"CONSUL_HTTP_TOKEN_FILE cannot be read: {error.strerror}") from None
    except ValueError:
        token = ""
    if not token or not token.isprintable():
        raise ConsulError("CONSUL_HTTP_TOKEN_FILE holds no token")
    return token
