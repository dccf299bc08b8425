"""Middlewares and a last handler to one handler, once, while a configuration is compiled.

Binding is by plain functions: a coroutine per middleware that is none itself would cost more than most middlewares do.
"""

from collections.abc import Awaitable, Sequence
from typing import Any

from pointsman.api import Binder, Handler
from pointsman.message import Request, Response


def bind(middleware: Any) -> Binder:
    """How a middleware stands before a handler: its own `bind` if it has one, else its `__call__`."""
    own: Binder | None = getattr(middleware, "bind", None)
    if own is not None:
        return own

    def before(call_next: Handler) -> Handler:
        def handle(request: Request) -> Awaitable[Response]:
            answer: Awaitable[Response] = middleware(request, call_next)
            return answer

        return handle

    return before


def chain(binders: Sequence[Binder]) -> Binder:
    """The first of `binders` is outermost: it sees the request first and the response last."""

    def before(handler: Handler) -> Handler:
        for binder in reversed(binders):
            handler = binder(handler)
        return handler

    return before
