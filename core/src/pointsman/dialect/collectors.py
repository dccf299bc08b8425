"""Collectors of telemetry: what is pushed to one by HTTP, and how often it is tried (OTLP 1.x, "Failures" and "Throttling").

A collector that is away, slow or busy is asked again, ever more rarely and only for as long as one delivery may take; when
it says how long it wants to be left alone, it is. Everything else that it says is final.
"""

import asyncio
import os
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit

from attrs import frozen

from pointsman.api import Handler
from pointsman.errors import ConfigError, GatewayError, Problem
from pointsman.message import HeaderList, Headers, Request, Response

AGAIN: Final = frozenset((429, 502, 503, 504))
"""Statuses that may be another one next time."""
DELIVERY_SECONDS: Final = 10.0
"""How long one delivery may take, with all its tries."""
MAX_ANSWER_BYTES: Final = 65_536
_MAX_PATIENCE: Final = 60.0
_FIRST_PAUSE: Final = 0.5
_AS_IT_IS: Final = "/%:?#[]@!$&'()*+,;=~-._"
_DIGITS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)

T = TypeVar("T")


class Undelivered(Exception):
    """What was to be delivered was not. `again`: it may be tried once more, `after` so many seconds if they are known."""

    def __init__(self, message: str, *, again: bool = False, after: float = 0.0) -> None:
        super().__init__(message)
        self.again = again
        self.after = after


@frozen
class Endpoint:
    """Where a collector is."""

    server: str
    """scheme://host:port"""
    target: bytes
    """Path and query."""

    @classmethod
    def of(cls, text: str, default_path: str, place: str = "endpoint") -> "Endpoint":
        """From a URL; the default path is for one without any. ConfigError, at `place`, for a text that is none."""
        try:
            parts = urlsplit(text.strip())
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or parts.fragment:
                raise ValueError("write it as http://host:port or https://host:port/path")
            if "@" in parts.netloc:
                raise ValueError("it holds a user or a password; put them into headers")  # never repeat it
        except ValueError as error:
            raise ConfigError(Problem(place, f"this is no URL of a collector: {error}")) from None
        target = quote(parts.path or default_path, safe=_AS_IT_IS)
        query = f"?{quote(parts.query, safe=_AS_IT_IS)}" if parts.query else ""
        return cls(f"{parts.scheme}://{parts.netloc}", f"{target}{query}".encode())


def sent_headers(headers: Mapping[str, str], place: str = "headers") -> HeaderList:
    """Headers as users write them, ready to be sent. ConfigError, without their values, for what are none."""
    checked = Headers()
    for name, value in headers.items():
        try:
            checked.add(name.lower().encode("latin-1"), value.strip().encode("latin-1"))
        except ValueError:
            message = "this is no header; write a name of letters, digits and -, and one line"
            raise ConfigError(Problem(f"{place}.{name}", message)) from None
    return checked.raw


class Patience:
    """The tries of one collector: how long to wait before the next one, and when to give up."""

    @classmethod
    def of(cls, variable: str) -> "Patience":
        """As the environment says it, in milliseconds (`OTEL_EXPORTER_OTLP_TIMEOUT`); 10 s without that, 60 s at most."""
        written = os.environ.get(variable, "")
        usable = _DIGITS.fullmatch(written) and int(written) > 0
        return cls(min(int(written) / 1000, _MAX_PATIENCE) if usable else DELIVERY_SECONDS)

    def __init__(self, seconds: float = DELIVERY_SECONDS, first_pause: float = _FIRST_PAUSE) -> None:
        self._seconds = seconds
        self._first_pause = first_pause
        self._opens = 0.0
        """When it wants to be asked again, by the loop's clock."""

    async def deliver(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """What `attempt` gives in the end. Undelivered if it says so for good, or time is up."""
        last: Undelivered | None = None
        try:
            async with asyncio.timeout(self._seconds) as limit:
                pause = self._first_pause
                while True:
                    await self._opened(limit.when() or 0.0, last)
                    try:
                        return await attempt()
                    except Undelivered as error:
                        if not error.again:
                            raise
                        last = error
                    wait = min(last.after, _MAX_PATIENCE) or pause * random.uniform(0.5, 1.0)
                    self._opens = asyncio.get_running_loop().time() + wait
                    pause *= 2
        except TimeoutError:
            raise last or Undelivered(f"it did not answer within {self._seconds:g} s") from None

    async def _opened(self, limit: float, last: Undelivered | None) -> None:
        wait = self._opens - asyncio.get_running_loop().time()
        if wait <= 0:
            return
        if self._opens >= limit:
            raise last or Undelivered(f"it asked to be left alone, for another {wait:.0f} s")
        await asyncio.sleep(wait)


class Collector:
    """One URL that batches are posted to."""

    def __init__(self, server: Handler, target: bytes, headers: HeaderList, patience: Patience | None = None) -> None:
        """`server` comes from the exporter's context, `target` and it from an Endpoint."""
        self._server = server
        self._target = target
        self._headers = headers
        self._patience = patience or Patience()

    async def post(self, body: bytes) -> bytes:
        """What it says to that, if it takes it. Undelivered else."""
        return await self._patience.deliver(lambda: self._once(body))

    async def _once(self, body: bytes) -> bytes:
        request = Request.own(b"POST", self._target, Headers(list(self._headers)), body)
        try:
            response = await answered(self._server, request)
            content = await content_of(response)
        finally:
            request.finish()
        status = response.status
        if status // 100 == 2:
            return content
        again = status in AGAIN
        raise Undelivered(f"it answered {status}", again=again, after=_wanted_pause(response) if again else 0.0)


async def answered(server: Handler, request: Request) -> Response:
    """The server's answer. Undelivered, to be tried again, if there is none."""
    try:
        return await server(request)
    except GatewayError as error:
        raise Undelivered(str(error), again=True) from None


async def content_of(response: Response) -> bytes:
    """The body of an answer; b"" for one that is broken, or longer than anybody needs."""
    try:
        return await response.body.read(MAX_ANSWER_BYTES)
    except GatewayError:
        return b""


def _wanted_pause(response: Response) -> float:
    """Seconds from Retry-After (RFC 9110 §10.2.3), 0 without one that can be read."""
    value = (response.headers.get(b"retry-after") or b"").decode("latin-1").strip()
    if _DIGITS.fullmatch(value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, OverflowError):
        return 0.0
