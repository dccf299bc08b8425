"""An observer follows the exchanges of one route on one entry point, on behalf of every signal that wants them.

Theory of operation. A *signal* (access log, metrics, traces) lives as long as its worker and says, once per route, what is
to be called: its *watch*. An exchange is told to begin when its route is known, and is over when its last byte is out; what
came before the route was known counts as time, not as an event. In between each *attempt* at a server is recorded: it ends
with the exchange, or before that when it failed or another one takes its place. Requests beside the client's own (mirrors,
forwardAuth) have attempts, too, and end with their own exchanges.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import frozen

from pointsman.api import Peer
from pointsman.message import OVER, Exchange, Request, Response


@frozen
class Watched:
    """A route on an entry point, or with no router what matches none there."""

    entry_point: str
    router: str = ""
    """Its full name."""
    service: str = ""
    """The service it names, in full."""
    rule: str = ""
    verbose: bool = False
    """`observability.traceVerbosity: detailed`"""


class Attempt:
    """One try at a server, from the moment it was chosen. Times are of `time.monotonic`, in seconds."""

    __slots__ = (
        "_observer",
        "_status",
        "answered",
        "error",
        "exchange",
        "finished",
        "kind",
        "request",
        "response",
        "said",
        "server",
        "service",
        "span",
        "span_name",
        "started",
        "version",
    )

    def __init__(self, observer: "Observer", request: Request, service: str, server: Peer, span_name: str) -> None:
        self._observer = observer
        self.request = request
        self.exchange: Exchange = request.exchange
        """`OVER` when it is over itself: the two must not keep each other alive."""
        self.service = service
        """The load balancer that chose, in full; the URL of a server that is in no service."""
        self.server = server
        self.span_name = span_name
        """What traces call it; "" for an attempt at a service."""
        self.version = 0
        """What is spoken with the server, as `Request.version`; 0 while there is no connection to it."""
        self.started = observer.clock()
        self.answered = 0.0
        """When the head of the answer was here; 0 if there was none."""
        self.finished = 0.0
        """When it was over; 0 before."""
        self.response: Response | None = None
        """The answer. Middlewares may have edited it since."""
        self.said: Any = None
        """The access log's: the headers of the answer as the server sent them."""
        self.error: BaseException | None = None
        self.span: Any = None
        self.kind = ""
        """What metrics call the protocol of its request."""
        self._status = 0

    @property
    def status(self) -> int:
        """As the server said it, or that of the gateway's error; 0 if the client left before either."""
        if self._status:
            return self._status
        return 0 if self.error is None else getattr(self.error, "status", 500)

    def respond(self, response: Response) -> None:
        """The head is here."""
        self.answered = self._observer.clock()
        self.response = response
        self._status = response.status
        self._observer.answered(self)

    def fail(self, error: BaseException) -> None:
        """There will be no answer."""
        self.error = error
        self.close()

    def close(self) -> None:
        """It is over. Once; more often does no harm."""
        if not self.finished:
            self.finished = self._observer.clock()
            self._observer.attempted(self)
            self.exchange = OVER


class Watch(Protocol):
    """What one signal wants of the exchanges of a route. Called on the way of every request: quick, and never raising."""

    def begin(self, exchange: Exchange, /) -> bool | None:
        """The route is known; nothing has been done for the request yet. True: it is of no further interest."""

    def attempt(self, attempt: Attempt, /) -> None:
        """A server has been chosen and nothing has been sent: headers may still be added to `attempt.request`."""

    def answered(self, attempt: Attempt, /) -> None:
        """The head of its answer is here, as the server sent it."""

    def attempted(self, attempt: Attempt, /) -> None:
        """The attempt is over."""

    def refused(self, exchange: Exchange, why: str, /) -> None:
        """A middleware does not let it pass."""

    def finish(self, exchange: Exchange, /) -> None:
        """The exchange is over: its times, status and sizes stand."""


class Signal(Protocol):
    """Access log, metrics, or traces, in one worker."""

    @property
    def key(self) -> str:
        """What switches it for a router or an entry point: `access_logs`, `metrics` or `tracing` of `observability`."""

    @property
    def add_internals(self) -> bool:
        """Whether it wants routers to services of the gateway itself, too."""

    def watch(self, watched: Watched) -> Watch | None: ...


class Observer:
    """All watches of a route on an entry point, as the request path calls them."""

    __slots__ = ("_answered", "_attempt", "_attempted", "_begins", "_finish", "_refused", "begin", "clock")

    def __init__(self, watches: Sequence[Watch], clock: Callable[[], float]) -> None:
        self.clock = clock
        """`time.monotonic`, but in tests."""
        self._begins = _wanted(watches, "begin")
        self._attempt = _wanted(watches, "attempt")
        self._answered = _wanted(watches, "answered")
        self._attempted = _wanted(watches, "attempted")
        self._refused = _wanted(watches, "refused")
        self._finish = _wanted(watches, "finish")
        self.begin: Callable[[Exchange], bool | None] = watches[0].begin if len(watches) == 1 else self._begin_all
        """The route of an exchange is known. True: it is of no further interest; else this is to be its observer."""

    def _begin_all(self, exchange: Exchange) -> None:
        for each in self._begins:
            each(exchange)

    def attempt(self, request: Request, service: str, server: Peer, span_name: str = "") -> Attempt:
        """A server has been chosen for a request: what is to be told of how it goes. It ends with the exchange at last."""
        exchange = request.exchange
        before: Attempt | None = exchange.attempt
        if before is not None:
            before.close()
        attempt = exchange.attempt = Attempt(self, request, service, server, span_name)
        request.on_done(attempt.close)
        for each in self._attempt:
            each(attempt)
        return attempt

    def answered(self, attempt: Attempt) -> None:
        for each in self._answered:
            each(attempt)

    def attempted(self, attempt: Attempt) -> None:
        for each in self._attempted:
            each(attempt)

    def refused(self, exchange: Exchange, why: str) -> None:
        for each in self._refused:
            each(exchange, why)

    def finish(self, exchange: Exchange) -> None:
        for each in self._finish:
            each(exchange)


class Silent:
    """A watch that wants nothing: what others begin with."""

    def begin(self, exchange: Exchange, /) -> bool | None:
        pass

    def attempt(self, attempt: Attempt, /) -> None:
        pass

    def answered(self, attempt: Attempt, /) -> None:
        pass

    def attempted(self, attempt: Attempt, /) -> None:
        pass

    def refused(self, exchange: Exchange, why: str, /) -> None:
        pass

    def finish(self, exchange: Exchange, /) -> None:
        pass


def _wanted(watches: Sequence[Watch], method: str) -> tuple[Callable[..., object], ...]:
    silent = getattr(Silent, method)
    return tuple(getattr(watch, method) for watch in watches if getattr(type(watch), method, None) is not silent)
