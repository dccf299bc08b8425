"""Spans of the steps between a client and a server, at detailed verbosity (operations.md §5.4): put around handlers while
they are compiled, and only where a route may be traced so."""

from collections.abc import Awaitable

from pointsman.api import Binder, Handler
from pointsman.message import Request, Response
from pointsman.spans import Attributes


def step(handler: Handler, name: str, attributes: Attributes) -> Handler:
    """The same handler, a step of its own in traces that are detailed."""

    def handle(request: Request) -> Awaitable[Response]:
        span = request.exchange.span
        if span is not None:
            trace = span.trace
            if trace.detail is not None and trace.recording:
                trace.detail.step(request, name, attributes)
        return handler(request)

    return handle


def attempts(binder: Binder, name: str, attributes: Attributes) -> Binder:
    """A middleware that may ask more than once: each time is a step, counted from the second on."""

    def before(call_next: Handler) -> Handler:
        def handle(request: Request) -> Awaitable[Response]:
            span = request.exchange.span
            if span is not None:
                trace = span.trace
                if trace.detail is not None and trace.recording:
                    again = request.exchange.retries
                    more = (("http.request.resend_count", again),) if again else ()
                    trace.detail.step(request, name, (*attributes, *more))
            return call_next(request)

        return binder(handle)

    return before


def router_attributes(router: str, service: str, rule: str) -> Attributes:
    """Those of a router's step; one with routers below it has no service."""
    named = (("traefik.service.name", service),) if service else ()
    return (*named, ("traefik.router.name", router), ("http.route", rule))
