"""The sampling server, asked once a minute (Jaeger, "Sampling": `GET /sampling?service=...`)."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from pointsman import ExporterContext, Headers, Request
from pointsman.dialect.collectors import Endpoint, Undelivered, answered, content_of
from pointsman_jaeger.sampling import MAKERS, Sampler, said

POLL_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 5.0


class SamplingServer:
    """Tells `use` about a new sampler whenever the server says another strategy than before."""

    def __init__(self, url: str, context: ExporterContext, use: Callable[[Sampler], None]) -> None:
        endpoint = Endpoint.of(url, "/sampling", "samplingServerURL")
        mark = b"&" if b"?" in endpoint.target else b"?"
        self._target = endpoint.target + mark + b"service=" + quote(context.resource.service_name, safe="").encode()
        self._server = context.server(endpoint.server)
        self._logger: logging.Logger = context.logger
        self._use = use
        self._last: tuple[str, float] | None = None
        self._told = False

    async def follow(self) -> None:
        """Until it is cancelled."""
        while True:
            await self.ask()
            await asyncio.sleep(POLL_SECONDS)

    async def ask(self) -> None:
        """Once. What cannot be used is said once per outage, and changes nothing."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                strategy = said(await self._fetch())
        except TimeoutError:
            self._complain(f"no answer within {ANSWER_SECONDS:g} s")
        except (Undelivered, ValueError, RecursionError) as error:
            self._complain(str(error))
        else:
            self._told = False
            if strategy != self._last:
                self._last = strategy
                kind, param = strategy
                self._use(MAKERS[kind](param))

    async def _fetch(self) -> bytes:
        request = Request.own(b"GET", self._target, Headers([(b"accept", b"application/json")]))
        try:
            response = await answered(self._server, request)
            content = await content_of(response)
        finally:
            request.finish()
        if response.status != 200:
            raise Undelivered(f"it answered {response.status}")
        return content

    def _complain(self, message: str) -> None:
        if not self._told:
            self._told = True
            self._logger.warning("the sampling server cannot be asked, and sampling goes on as before: %s", message)
