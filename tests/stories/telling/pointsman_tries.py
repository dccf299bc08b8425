"""tries: tells in X-Tries when each try of a request began, in seconds of the monotonic clock, and at which server.

It stands after `retry`, so that it sees every try; what it has seen goes on from one to the next in the request's state.
"""

import time
from collections.abc import Awaitable
from typing import ClassVar

from attrs import frozen

from pointsman import BuildContext, Deferred, Handler, Middleware, Receiver, Request, Response, hookimpl, pending
from pointsman.errors import GatewayError, NoServer


@frozen
class TriesConfig:
    pass


class Tries:
    name: ClassVar[str] = "tries"
    Config: ClassVar[type] = TriesConfig
    allow_empty: ClassVar[bool] = True

    def __init__(self, config: TriesConfig, context: BuildContext) -> None:
        pass

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        return Told(request, call_next)


class Told(Deferred):
    """One try. A Pending, so that requests go the way that they go without it."""

    def __init__(self, request: Request, call_next: Handler) -> None:
        self._request = request
        self._begun = time.monotonic()
        self._answer = pending(call_next(request))
        self._receiver: Receiver | None = None

    def subscribe(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._answer.subscribe(self)

    def cancel(self) -> None:
        self._receiver = None
        self._answer.cancel()

    def respond(self, response: Response) -> None:
        self._note(self._request.exchange.peer)
        self._tell(response)
        if self._receiver is None:
            response.abandon()
        else:
            self._receiver.respond(response)

    def fail(self, error: BaseException) -> None:
        self._note("nobody" if isinstance(error, NoServer) else self._request.exchange.peer)
        if isinstance(error, GatewayError):
            error.amend(self._tell)
        if self._receiver is not None:
            self._receiver.fail(error)

    def _note(self, server: str) -> None:
        self._request.state.setdefault("tries", []).append(f"{self._begun:.4f} {server}")

    def _tell(self, response: Response) -> None:
        response.headers.raw.append((b"x-tries", ", ".join(self._request.state["tries"]).encode()))


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [Tries]
