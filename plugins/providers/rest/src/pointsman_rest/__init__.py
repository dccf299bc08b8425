"""Configuration by PUT requests (providers.md §2.3): the provider `rest`, and `rest@internal`, which takes them."""

import asyncio
import json
import re
from typing import Any, ClassVar, Final

from attrs import frozen

from pointsman import InternalRequest, InternalResponse, Provider, ProviderContext, Publish, hookimpl, option
from pointsman.errors import ConfigError

_PATH: Final = re.compile(r"/api/providers/([^/]+)")
_PLAINLY: Final = {"X-Content-Type-Options": "nosniff"}


@frozen
class RestConfig:
    insecure: bool = option(default=False, help="Take PUT /api/providers/rest on the entry point traefik from whoever comes")

    @property
    def entry_point(self) -> str:
        """Where the gateway makes a router for it."""
        return "traefik" if self.insecure else ""


class Rest:
    """What is PUT to the API, kept in memory only"""

    name: ClassVar[str] = "rest"
    Config: ClassVar[type] = RestConfig
    path: ClassVar[str] = "/api/providers/"
    takes_bodies: ClassVar[bool] = True

    def __init__(self, config: RestConfig, context: ProviderContext) -> None:
        self._context = context
        self._document: Any = {}
        self._told = asyncio.Event()
        self._order = asyncio.Lock()

    async def provide(self, publish: Publish) -> None:
        while True:
            self._told.clear()
            publish(self._document)
            await self._told.wait()

    async def answer(self, request: InternalRequest) -> InternalResponse:
        found = _PATH.fullmatch(request.path)
        if found is None:
            return InternalResponse(404, b"404 page not found\n", headers=_PLAINLY)
        if request.method != "PUT":
            return InternalResponse(405, headers={"Allow": "PUT"}, content_type="")
        if found[1] != self.name:
            return _refused("Only 'rest' provider can be updated through the REST API")
        try:
            async with self._order:  # who comes later says what counts
                document, _ = await asyncio.to_thread(self._context.from_json, request.body)
                if document:
                    self._document = document
                    self._told.set()
        except ConfigError as error:
            return _refused(str(error))
        body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
        return InternalResponse(body=body, content_type="application/json; charset=UTF-8")


def _refused(text: str) -> InternalResponse:
    return InternalResponse(400, text.encode("utf-8", "replace") + b"\n", headers=_PLAINLY)


@hookimpl
def pointsman_providers() -> list[type[Provider]]:
    return [Rest]
