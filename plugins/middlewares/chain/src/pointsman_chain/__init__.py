"""chain: several middlewares under one name (middlewares.md §3.4)."""

from collections.abc import Awaitable
from typing import ClassVar

from attrs import frozen

from pointsman import BuildContext, Handler, Middleware, Request, Response, hookimpl


@frozen
class ChainConfig:
    middlewares: tuple[str, ...] = ()


class Chain:
    name: ClassVar[str] = "chain"
    span_name: ClassVar[str] = ""
    Config: ClassVar[type] = ChainConfig

    def __init__(self, config: ChainConfig, context: BuildContext) -> None:
        self._members = context.chain(config.middlewares)

    def bind(self, call_next: Handler) -> Handler:
        return self._members(call_next)

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        return self._members(call_next)(request)


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [Chain]
