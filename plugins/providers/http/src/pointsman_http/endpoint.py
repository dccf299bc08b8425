"""Fetching from one endpoint with aiohttp: bounded in time, size and redirections."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp
from attrs import frozen
from yarl import URL

from pointsman.dialect.reasons import reason

DEFAULT_MAX_BYTES: Final = 64 << 20
MAX_REDIRECTS: Final = 10
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_OWN: Final = {"Accept-Encoding": "identity", "User-Agent": "pointsman"}


class Unanswered(ConnectionError):
    """Why there is no body."""


def shown(url: URL) -> str:
    """A URL as messages may have it: without a password, and without a query, where tokens are."""
    return str(url.with_user(None).with_query(None).with_fragment(None))


@frozen
class Endpoint:
    """Where configuration is, and on which terms it is fetched."""

    url: URL
    headers: Mapping[str, str]
    """For the host of `url` alone: whoever it redirects to does not get them."""
    tls: ssl.SSLContext | None
    timeout_seconds: float
    max_bytes: int

    def session(self) -> aiohttp.ClientSession:
        """Keeps a connection between polls. Needs a running loop."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.tls or True, limit=1),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def fetch(self, session: aiohttp.ClientSession) -> bytes:
        """The body of a 200. Unanswered says why there is none."""
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await self._follow(session)
        except TimeoutError:
            raise Unanswered(f"{shown(self.url)}: no whole answer within {self.timeout_seconds:g} s") from None
        except aiohttp.ClientResponseError:  # its own words tell the whole URL
            raise Unanswered(f"{shown(self.url)}: answered what is no HTTP") from None
        except aiohttp.ClientError as error:
            raise Unanswered(f"{shown(self.url)}: {reason(error)}") from None

    async def _follow(self, session: aiohttp.ClientSession) -> bytes:
        url = self.url
        for _ in range(MAX_REDIRECTS + 1):
            headers = {**_OWN, **(self.headers if url.origin() == self.url.origin() else {})}
            async with session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status not in _REDIRECTS or "Location" not in response.headers:
                    return await self._body(response)
                target = _target(url, response.headers["Location"])
            if url.scheme == "https" and target.scheme == "http":
                raise Unanswered(f"{shown(url)}: redirects from https to http, which is not followed")
            url = target
        raise Unanswered(f"{shown(self.url)}: redirects more than {MAX_REDIRECTS} times")

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        if response.status != 200:
            raise Unanswered(f"{shown(response.url)}: answered {response.status}")
        if (coding := response.headers.get("Content-Encoding", "identity").lower()) != "identity":
            raise Unanswered(f"{shown(response.url)}: answered in the encoding {coding}, which was not asked for")
        pieces, size = [], 0
        async for piece in response.content.iter_any():
            pieces.append(piece)
            size += len(piece)
            if size > self.max_bytes:
                raise Unanswered(
                    f"{shown(response.url)}: the answer is longer than {self.max_bytes} bytes; "
                    "maxResponseBodySize says how long it may be"
                )
        return b"".join(pieces)


def _target(url: URL, location: str) -> URL:
    """Where a redirection leads. Unanswered if that is nowhere."""
    try:
        target = url.join(URL(location))
        if target.scheme in ("http", "https") and target.host:
            return target
    except ValueError:
        pass
    raise Unanswered(f"{shown(url)}: redirects to what is no URL")
