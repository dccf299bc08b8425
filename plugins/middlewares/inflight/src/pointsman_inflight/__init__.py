"""No more than so many at a time: requests of one source (middlewares.md §3.14), connections of one address (§6.1)."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import ClassVar

from attrs import field, frozen
from attrs.validators import ge

from pointsman import BuildContext, Handler, Link, Middleware, Request, Response, TcpMiddleware, allow_empty, hookimpl
from pointsman.dialect.sources import SourceCriterionConfig, request_host, source

RETRY_AFTER = (b"retry-after", b"1")


@frozen
class InFlightReqConfig:
    amount: int = field(default=0, validator=ge(0))
    source_criterion: SourceCriterionConfig | None = allow_empty(default=None)


@frozen
class InFlightConnConfig:
    amount: int = field(default=0, validator=ge(0))


class InFlightReq:
    """Counts in all workers together, for the router it stands before."""

    name: ClassVar[str] = "inFlightReq"
    Config: ClassVar[type] = InFlightReqConfig

    def __init__(self, config: InFlightReqConfig, context: BuildContext) -> None:
        self._amount = config.amount
        self._source = source(config.source_criterion, request_host)
        self._shared = context.shared
        self._words = b"max connections reached: %d" % config.amount

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        key = self._source(request)
        if not self._shared.enter(key, self._amount):
            request.exchange.refuse("Too many requests in flight")
            return Response(429, [RETRY_AFTER], self._words)
        request.on_done(partial(self._shared.leave, key))
        return call_next(request)


class InFlightConn:
    """Counts in all workers together, for the router it stands before."""

    name: ClassVar[str] = "inFlightConn"
    Config: ClassVar[type] = InFlightConnConfig

    def __init__(self, config: InFlightConnConfig, context: BuildContext) -> None:
        self._amount = config.amount
        self._logger = context.logger
        self._shared = context.shared

    def admit(self, link: Link) -> Callable[[], None] | None:
        client = str(link.client.ip).encode()
        if not self._shared.enter(client, self._amount):
            self._logger.debug("max number of connections reached for %s", client.decode())
            return None
        return partial(self._shared.leave, client)


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [InFlightReq]


@hookimpl
def pointsman_tcp_middlewares() -> list[type[TcpMiddleware]]:
    return [InFlightConn]
