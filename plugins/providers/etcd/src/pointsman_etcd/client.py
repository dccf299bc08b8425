"""etcd's JSON gateway: one prefix listed and watched at one endpoint (providers.md §4.3).

A watch begins at the revision after that of a listing and lasts until the first event, so nothing is missed between the
two, and a history that was compacted meanwhile is one more reason to list anew.
"""

import asyncio
import json
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from attrs import frozen

from pointsman.dialect.json_lines import JsonLines
from pointsman.dialect.reasons import reason

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
"""How long an answer may take, and a watch until it begins."""
SETTLE_SECONDS: Final = 0.1
"""How long nothing may happen before what happened is read: several keys are rarely written at once."""
LONGEST_SETTLE_SECONDS: Final = 2.0
SLOW_LOOK_SECONDS: Final = 60.0
"""How often to look without being told: a connection that is dead tells nothing."""
MAX_BYTES: Final = 64 * 1024 * 1024
_STALE: Final = ("invalid auth token", "revision of auth store is old", "user name is empty")
"""What a token that is no longer good, or none, is answered."""
_NOT_ENABLED: Final = "authentication is not enabled"

T = TypeVar("T")


class EtcdError(OSError):
    """An endpoint did not do what it was asked."""


class StaleToken(EtcdError):
    """It wants another token."""


@frozen
class Listing:
    revision: int
    pairs: Mapping[str, str]


def a_session(tls: ssl.SSLContext | bool) -> ClientSession:
    """Connections without proxies, cookies and compression."""
    return ClientSession(
        connector=TCPConnector(ssl=tls, limit=0),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "pointsman-etcd"},
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
    )


class Etcd:
    """One endpoint, `http://host:port`, and the token it gave."""

    def __init__(self, session: ClientSession, url: str, credentials: tuple[str, str] | None) -> None:
        self._session = session
        self._url = url
        self._credentials = credentials
        self._token = ""

    async def reach(self, prefix: str) -> None:
        """Make sure that it answers, and lets us read."""
        await self._renewing(lambda: self._ask("/v3/kv/range", {**_keys(prefix), "count_only": True}))

    async def listed(self, prefix: str) -> Listing:
        """All keys that begin so, with their values."""
        answer = await self._renewing(lambda: self._ask("/v3/kv/range", _keys(prefix)))
        try:
            pairs = {_text(pair["key"]): _text(pair.get("value", "")) for pair in answer.get("kvs", ())}
            return Listing(int(answer["header"]["revision"]), pairs)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise EtcdError(f"{self._url}: gave an answer that etcd does not give") from None

    async def changed(self, prefix: str, revision: int) -> None:
        """Wait until something has happened from that revision on, and then nothing for a moment; a minute at most."""
        await self._renewing(lambda: self._watched(prefix, revision))

    async def _watched(self, prefix: str, revision: int) -> None:
        question = {"create_request": {**_keys(prefix), "start_revision": str(revision)}}
        async with self._posted("/v3/watch", question) as response:
            messages = JsonLines(MAX_BYTES)
            if not await self._happens(response, messages, SLOW_LOOK_SECONDS):
                return
            end = asyncio.get_running_loop().time() + LONGEST_SETTLE_SECONDS
            while await self._happens(response, messages, SETTLE_SECONDS):
                if asyncio.get_running_loop().time() >= end:
                    return

    async def _happens(self, response: ClientResponse, messages: JsonLines, seconds: float) -> bool:
        """Whether the watch tells of anything within that time. EtcdError if it ends."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    chunk = await response.content.readany()
                    if not chunk:
                        raise EtcdError(f"{self._url}: ended the watch")
                    if any(self._tells(message) for message in messages.feed(chunk)):
                        return True
        except TimeoutError:
            return False
        except ValueError as error:
            raise EtcdError(f"{self._url}: gave a watch that etcd does not give: {error}") from None

    def _tells(self, message: Any) -> bool:
        """Whether that is about keys: events, or that their history is gone. EtcdError if it ends the watch."""
        result = message.get("result") if isinstance(message, dict) else None
        if not isinstance(result, dict):
            raise self._refusal(_reason(message))
        if result.get("canceled") and not result.get("compact_revision"):
            raise self._refusal(str(result.get("cancel_reason", "")))
        return bool(result.get("canceled") or result.get("events"))

    async def _renewing(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What it says to that; asked once more with another token if it does not like the one there is."""
        try:
            return await ask()
        except StaleToken:
            if self._credentials is None:
                raise EtcdError(f"{self._url}: lets in users only; give 'username' and 'password'") from None
        name, password = self._credentials
        self._token = ""
        try:
            answer = await self._ask("/v3/auth/authenticate", {"name": name, "password": password})
        except EtcdError as error:
            if _NOT_ENABLED not in str(error):
                raise
        else:
            self._token = str(answer.get("token", ""))
        return await ask()

    async def _ask(self, path: str, question: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._posted(path, question) as response:
                answer = json.loads(await self._body(response))
        except TimeoutError:
            raise EtcdError(f"{self._url}: did not answer within {ANSWER_SECONDS:g} s") from None
        except (ValueError, RecursionError):
            raise EtcdError(f"{self._url}: gave an answer that is no JSON") from None
        if not isinstance(answer, dict):
            raise EtcdError(f"{self._url}: gave an answer that etcd does not give")
        return answer

    @asynccontextmanager
    async def _posted(self, path: str, question: Mapping[str, Any]) -> AsyncIterator[ClientResponse]:
        """The answer, once its head is here and good. Whatever goes wrong until the block ends is an EtcdError."""
        headers = {"Authorization": self._token} if self._token else {}
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                response = await self._session.post(self._url + path, json=question, headers=headers, allow_redirects=False)
        except TimeoutError:
            raise EtcdError(f"{self._url}: did not answer in time") from None
        except (ClientError, OSError) as error:
            raise self._failure(error) from None
        try:
            if response.status != 200:
                raise self._refusal(await self._why(response))
            yield response
        except (ClientError, ConnectionError) as error:
            raise self._failure(error, "broke off: ") from None
        finally:
            _drop(response)

    async def _why(self, response: ClientResponse) -> str:
        """What an answer other than 200 says."""
        if response.status == 404:
            return "answered 404; its JSON gateway is off (--enable-grpc-gateway), or it is older than 3.4"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return _reason(json.loads(await self._body(response))) or f"answered {response.status}"
        except (ValueError, RecursionError, TimeoutError):
            return f"answered {response.status}"

    async def _body(self, response: ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_BYTES:
                raise EtcdError(f"{self._url}: gave an answer of more than {MAX_BYTES} bytes")
        return bytes(body)

    def _failure(self, error: Exception, what: str = "") -> EtcdError:
        """In one line."""
        return EtcdError(f"{self._url}: {what}{reason(error)}")

    def _refusal(self, words: str) -> EtcdError:
        kind = StaleToken if any(stale in words for stale in _STALE) else EtcdError
        return kind(f"{self._url}: {words[:300] or 'gave an answer that etcd does not give'}")


def _drop(response: ClientResponse) -> None:
    """Close the connection of an answer that is not over, without the farewell of TLS, for which nobody waits."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
    response.close()


def _keys(prefix: str) -> dict[str, str]:
    """The range of all keys that begin so."""
    first = prefix.encode()
    end = first[:-1] + bytes([first[-1] + 1])
    return {"key": b64encode(first).decode(), "range_end": b64encode(end).decode()}


def _text(encoded: str) -> str:
    return b64decode(encoded, validate=True).decode("utf-8", "backslashreplace")


def _reason(answer: Any) -> str:
    """The words of an error, plain or in a stream."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict):
        error = error.get("message")
    return str(error or "")
