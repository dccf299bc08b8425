"""Refuse requests above a number in flight, rather than queue them."""

from typing import ClassVar

from attrs import field, frozen
from attrs.validators import ge

from pointsman import BuildContext, Handler, Middleware, Request, Response, hookimpl


@frozen
class BulkheadConfig:
    amount: int = field(validator=ge(1))
    status: int = field(default=503, validator=ge(400))


class Bulkhead:
    name: ClassVar[str] = "bulkhead"
    Config: ClassVar[type] = BulkheadConfig

    def __init__(self, config: BulkheadConfig, context: BuildContext) -> None:
        self._amount = config.amount
        self._refusal = config.status
        self._running = 0

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        if self._running >= self._amount:
            return Response.text(self._refusal, "too many requests in flight\n")
        self._running += 1
        request.on_done(self._leave)  # a response is only over when its body is
        return await call_next(request)

    def _leave(self) -> None:
        self._running -= 1


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [Bulkhead]  # mypy proves the contract here
