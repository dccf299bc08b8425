"""A service and its stand-in (routing.md §5.8): by health, and by the status of the answer.

By health costs nothing. By status, the request's body is kept, and the first service gets a copy of the request: what was
done to it there does not show in the one that the fallback gets, and its 1xx answers reach nobody.
"""

from collections.abc import Awaitable, Collection

from pointsman.api import Handler
from pointsman.errors import GatewayError
from pointsman.message import NOTHING, Body, Exchange, Request, Response
from pointsman.upstream.replay import AT_MOST, Kept, copied, keep
from pointsman.upstream.status import Health


class Failover:
    """The handler of a `failover` service that looks at health alone. A service without health is taken to be up."""

    def __init__(
        self, name: str, main: Handler, fallback: Handler, main_health: Health | None, fallback_health: Health | None
    ) -> None:
        self.name = name
        self.main = main
        self.fallback = fallback
        self.main_health = main_health
        self.fallback_health = fallback_health

    def __call__(self, request: Request) -> Awaitable[Response]:
        return self._first(request) if self.main_health is None or self.main_health.up else self._second(request)

    def _first(self, request: Request) -> Awaitable[Response]:
        return self.main(request)

    def _second(self, request: Request) -> Awaitable[Response]:
        if self.fallback_health is not None and not self.fallback_health.up:
            raise GatewayError(503, f"both services of {self.name} are down", body=b"Service Unavailable\n")
        return self.fallback(request)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class FailoverByStatus(Failover):
    """One that also looks at what the first service answers, the gateway's own errors for it included.

    A body larger than `limit` is refused with 413; without a limit (-1), one larger than AT_MOST reaches the first service
    only.
    """

    def __init__(
        self,
        name: str,
        main: Handler,
        fallback: Handler,
        main_health: Health | None,
        fallback_health: Health | None,
        *,
        statuses: Collection[int],
        limit: int = -1,
    ) -> None:
        super().__init__(name, main, fallback, main_health, fallback_health)
        self.statuses = statuses
        self.limit = limit

    async def _first(self, request: Request) -> Response:
        kept: Kept | Body = Kept(b"", 0, [])
        with_body = request.body is not NOTHING
        if with_body:
            kept = await keep(request.body, AT_MOST if self.limit < 0 else self.limit)
        if isinstance(kept, Body):
            if self.limit >= 0:
                message = f"a body larger than the {self.limit} bytes that {self.name} keeps"
                raise GatewayError(413, message, side="client", body=b"Request body too large\n")
            request.body = kept
            return await self.main(request)
        response = await self._tried(request, kept.body() if with_body else NOTHING)
        if response is not None:
            return response
        if with_body:
            request.body = kept.body()
        return await self._second(request)

    async def _tried(self, request: Request, body: Body) -> Response | None:
        """The first service's answer; None if it is one that the fallback shall replace."""
        attempt = copied(request, body)
        exchange, own = request.exchange, attempt.exchange

        def over() -> None:
            _enter(own, exchange)
            attempt.finish()

        request.on_done(over)
        try:
            response = await self.main(attempt)
        except GatewayError as error:
            if error.side == "client" or error.status not in self.statuses:
                raise
            return None
        finally:
            _enter(own, exchange)
        if response.status in self.statuses:
            response.abandon()
            attempt.finish()
            return None
        exchange.upstream = own.upstream
        return response


def _enter(own: Exchange, exchange: Exchange) -> None:
    """What a copy has come to is its client's affair: the server that was asked, and the bytes. Once; again does no harm."""
    exchange.attempts += own.attempts
    own.attempts = 0
    if own.server is not None:
        exchange.server, own.server = own.server, None
    if own.attempt is not None:
        exchange.attempt, own.attempt = own.attempt, None
        if not exchange.attempt.finished:
            exchange.attempt.exchange = exchange
