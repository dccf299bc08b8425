"""A stand-in for a retry middleware: GETs without a body are sent again, to whomever the service picks next.

It tells what it did in X-Tries: when each try began, in seconds of the machine's monotonic clock, and at which server.
"""

import time
from typing import ClassVar

from attrs import frozen

from pointsman import BuildContext, Handler, Middleware, Request, Response, hookimpl
from pointsman.errors import GatewayError, NoServer


@frozen
class AgainConfig:
    attempts: int = 4


class Again:
    name: ClassVar[str] = "again"
    Config: ClassVar[type] = AgainConfig

    def __init__(self, config: AgainConfig, context: BuildContext) -> None:
        self._attempts = config.attempts

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        tries: list[str] = []

        def tell(response: Response) -> None:
            response.headers.add(b"x-tries", ", ".join(tries).encode())

        while True:
            begun = time.monotonic()
            try:
                response = await call_next(request)
            except GatewayError as error:
                server = "nobody" if isinstance(error, NoServer) else request.exchange.peer
                tries.append(f"{begun:.4f} {server}")
                again = error.side == "upstream" and request.method == b"GET" and request.body.ended
                if not again or len(tries) >= self._attempts or not request.exchange.retry():
                    error.amend(tell)
                    raise
            else:
                tries.append(f"{begun:.4f} {request.exchange.peer}")
                tell(response)
                return response


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [Again]
