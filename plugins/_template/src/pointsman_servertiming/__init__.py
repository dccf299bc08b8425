"""Tell browsers how long the gateway waited for an answer, by the Server-Timing header."""

import re
from collections.abc import Callable
from time import perf_counter
from typing import ClassVar

from attrs import field, frozen
from attrs.validators import matches_re

from pointsman import BuildContext, Handler, Middleware, Request, Response, hookimpl

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@frozen
class ServerTimingConfig:
    metric: str = field(default="gateway", validator=matches_re(TOKEN))


class ServerTiming:
    name: ClassVar[str] = "serverTiming"
    Config: ClassVar[type] = ServerTimingConfig

    def __init__(self, config: ServerTimingConfig, context: BuildContext) -> None:
        self._metric = config.metric.encode()
        self.clock: Callable[[], float] = perf_counter

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        begun = self.clock()
        response = await call_next(request)
        waited_ms = (self.clock() - begun) * 1000
        response.headers.add(b"server-timing", b"%s;dur=%.1f" % (self._metric, waited_ms))
        return response


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [ServerTiming]
