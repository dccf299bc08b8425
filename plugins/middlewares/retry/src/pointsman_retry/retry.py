"""The middleware, and one request on its way through it.

Theory of operation. A `Trying` is a Pending in front of the next handler's. A try ends by `respond` or `fail`; then it is
either the outcome, or given up, and another begins after a pause. It is given up only if another one may be had: there are
tries and time left, the request's body can be had again, and the service's retry budget allows it. While a status could
still have its answer replaced, 1xx go to nobody.

Where it is the network's fault nothing has been sent, so any method goes again and the body is where it was. A status is
the server's answer, which may have done its work: methods that are not idempotent go again only if they are said to, and
the body is remembered while it streams by.
"""

import asyncio
from collections.abc import Awaitable, Collection
from random import random
from typing import ClassVar, Final

from pointsman import BuildContext, Deferred, Handler, Pending, Receiver, Request, Response, pending
from pointsman.dialect.statuses import statuses
from pointsman.errors import ConfigError, GatewayError, Problem
from pointsman_retry.backoff import Backoff
from pointsman_retry.config import RetryConfig
from pointsman_retry.memory import Memory

NOT_IDEMPOTENT: Final = frozenset((b"POST", b"PATCH", b"LOCK"))
MOST_BODY_BYTES: Final = 16 * 1024 * 1024
"""What is remembered of a body where the configuration says "without limit": nothing is kept without one."""
NONE: Final[frozenset[int]] = frozenset()


class Retry:
    """What the tries of all requests have in common."""

    name: ClassVar[str] = "retry"
    span_per_attempt: ClassVar[bool] = True
    Config: ClassVar[type] = RetryConfig

    def __init__(self, config: RetryConfig, context: BuildContext) -> None:
        self.attempts = config.attempts
        if self.attempts <= 0:
            reason = f"incorrect (or empty) value for attempt ({self.attempts}); it counts all tries, so write 2 or more"
            raise ConfigError(Problem("attempts", reason))
        try:
            self.statuses = statuses(config.status)
        except ValueError as error:
            raise ConfigError(Problem("status", str(error))) from None
        self.network = not config.disable_retry_on_network_error
        if not self.network and not self.statuses:
            reason = "retry middleware requires at least HTTP status codes or retry on TCP; leave it out, or give 'status'"
            raise ConfigError(Problem("disableRetryOnNetworkError", reason))
        self.backoff = Backoff(max(2, self.attempts), config.initial_interval, config.timeout)
        limit = config.max_request_body_bytes
        self.limit = limit if 0 <= limit < MOST_BODY_BYTES else MOST_BODY_BYTES
        self._once = NONE if config.retry_non_idempotent_method else NOT_IDEMPOTENT

    def bind(self, call_next: Handler) -> Handler:
        if self.attempts == 1:
            return call_next
        return lambda request: Trying(self, request, call_next)

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        return self.bind(call_next)(request)

    def statuses_for(self, request: Request) -> Collection[int]:
        """Those that have this request sent again: none if it must not be, or if its body is known to be too large."""
        length = request.body.length
        if request.method in self._once or (length is not None and length > self.limit):
            return NONE
        return self.statuses


class Trying(Deferred):
    """One request, for as many tries as it takes."""

    __slots__ = (
        "_answer",
        "_body",
        "_call_next",
        "_exchange",
        "_mark",
        "_memory",
        "_plan",
        "_receiver",
        "_request",
        "_started",
        "_statuses",
        "_tentative",
        "_tries",
        "_waiting",
    )

    def __init__(self, plan: Retry, request: Request, call_next: Handler) -> None:
        self._plan = plan
        self._request = request
        self._exchange = request.exchange
        self._body = request.body
        self._call_next = call_next
        self._receiver: Receiver | None = None
        self._answer: Pending | None = None
        self._memory: Memory | None = None
        self._waiting: asyncio.Handle | None = None
        self._statuses: Collection[int] = NONE
        self._tentative = False
        self._tries = 0

    # whoever asked

    def subscribe(self, receiver: Receiver) -> None:
        self._receiver = receiver
        request, plan = self._request, self._plan
        self._started = asyncio.get_running_loop().time()
        self._mark = request.mark()
        if plan.statuses:
            self._statuses = plan.statuses_for(request)
            if self._statuses and request.body.length != 0:
                self._memory = Memory(request.body, plan.limit)
                request.body = self._memory.body()
        self._try()

    def cancel(self) -> None:
        self._receiver = None
        answer, self._answer = self._answer, None
        self._settle()
        if answer is not None:
            answer.cancel()

    # a try

    def _try(self) -> None:
        self._tries += 1
        if self._statuses:
            self._hush(self._tries < self._plan.attempts)
        try:
            answer = self._answer = pending(self._call_next(self._request))
            answer.subscribe(self)
        except Exception as error:
            self.fail(error)

    def respond(self, response: Response) -> None:
        self._answer = None
        receiver = self._receiver
        if receiver is None:
            response.abandon()
            return
        if response.status in self._statuses and response.tunnel is None:
            pause = self._pause()
            if pause is not None:
                response.abandon()
                self._give_up(pause)
                return
        self._receiver = None
        if self._statuses:
            self._settle()
        receiver.respond(response)

    def fail(self, error: BaseException) -> None:
        self._answer = None
        if self._receiver is None:
            return
        pause = self._pause() if isinstance(error, GatewayError) and self._concerns(error) else None
        if pause is not None:
            self._give_up(pause)
        else:
            self._end(error)

    def _end(self, error: BaseException) -> None:
        receiver, self._receiver = self._receiver, None
        self._settle()
        if receiver is not None:
            receiver.fail(error)

    def _concerns(self, error: GatewayError) -> bool:
        """Whether it is one that another try may mend."""
        if error.side == "client":
            return False
        network = self._plan.network and error.side == "upstream" and error.retry == "always"
        return network or error.status in self._statuses

    # between tries

    def _pause(self) -> float | None:
        """How long to wait before another try, in seconds; None if there must be none. It is counted as one if not."""
        plan = self._plan
        if self._tries >= plan.attempts or not self._repeatable():
            return None
        pause = plan.backoff.pause(self._tries, random())
        elapsed = asyncio.get_running_loop().time() - self._started
        return pause if plan.backoff.allows(elapsed, pause) and self._exchange.retry() else None

    def _repeatable(self) -> bool:
        """Whether the next server can have the request's body from its first byte on."""
        if self._memory is not None:
            return self._memory.whole
        return self._body.length == 0 or not self._body.attached

    def _give_up(self, pause: float) -> None:
        """This try was in vain: what further middlewares hold for it ends now, and another begins after the pause."""
        try:
            self._request.rewind(self._mark)
        except Exception as error:  # an on_done callback is a plugin's
            self._end(error)
            return
        memory = self._memory
        if memory is not None:
            self._request.body = memory.again()
            if self._tries + 1 == self._plan.attempts:
                memory.forget()
        loop = asyncio.get_running_loop()
        self._waiting = loop.call_later(pause, self._again) if pause else loop.call_soon(self._again)

    def _again(self) -> None:
        self._waiting = None
        self._try()

    def _hush(self, tentative: bool) -> None:
        """While this is true the client gets no 1xx: who knows whose answer it will get."""
        if tentative != self._tentative:
            self._tentative = tentative
            self._exchange.tentative += 1 if tentative else -1

    def _settle(self) -> None:
        """There is no further try."""
        self._hush(False)
        if self._waiting is not None:
            self._waiting.cancel()
        if self._memory is not None:
            self._memory.forget()

    def __repr__(self) -> str:
        return f"<Trying {self._request!r}, {self._tries} of {self._plan.attempts}>"
