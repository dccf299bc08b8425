"""timeout: no request of a router takes longer than this (new in Pointsman).

Theory of operation. A `Timed` is a Pending in front of the next handler's, watched by the sweep over all deadlines from the
moment it is subscribed to until the answer is over: at its head, if all of it came with that; when the exchange is done, if
it streams. Nothing is timed per request. Before the head whoever works on the answer is told to stop, which ends retries and
their pauses, too; after it the answer is cut.
"""

import asyncio
from collections.abc import Awaitable
from typing import ClassVar, Final

from attrs import field, frozen
from attrs.validators import and_, ge, le

from pointsman import (
    Body,
    BuildContext,
    Deferred,
    Duration,
    Handler,
    Middleware,
    Pending,
    Receiver,
    Request,
    Response,
    hookimpl,
    noticed,
    pending,
)
from pointsman.errors import ConfigError, GatewayError, TooLate

NEVER: Final = float("inf")
NO_TIME: Final = Duration(0)


@frozen
class TimeoutConfig:
    request: Duration = field(default=NO_TIME, validator=ge(NO_TIME))
    first_byte: Duration = field(default=NO_TIME, validator=ge(NO_TIME))
    idle: Duration = field(default=NO_TIME, validator=ge(NO_TIME))
    status: int = field(default=504, validator=and_(ge(400), le(599)))


class Timeout:
    """The limits of a router's requests, in seconds; 0 is none."""

    name: ClassVar[str] = "timeout"
    Config: ClassVar[type] = TimeoutConfig

    def __init__(self, config: TimeoutConfig, context: BuildContext) -> None:
        if not (config.request or config.first_byte or config.idle):
            raise ConfigError("no limit is set; give 'request', 'firstByte' or 'idle'")
        self.request = config.request
        self.first_byte = config.first_byte
        self.idle = config.idle
        self.status = config.status
        self.deadlines = context.deadlines

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        answer = call_next(request)
        if type(answer) is Response and answer.content is not None:
            return answer
        return Timed(self, request, pending(answer))

    def late(self, why: str) -> TooLate:
        return TooLate(why, status=self.status)


class Timed(Deferred):
    """One request that is given up if it takes too long."""

    __slots__ = (
        "_answer",
        "_body",
        "_head_due",
        "_limits",
        "_receiver",
        "_request",
        "_sent",
        "_touched",
        "_until",
        "deadline",
    )

    def __init__(self, limits: Timeout, request: Request, answer: Pending) -> None:
        self._limits = limits
        self._request = request
        self._sent = request.body
        """The request's body."""
        self._answer: Pending | None = answer
        self._receiver: Receiver | None = None
        self._body: Body | None = None
        """The answer's body, once it streams."""
        self._until = self._head_due = self.deadline = NEVER
        self._touched = 0.0
        """When a byte of it passed last."""

    # whoever asked

    def subscribe(self, receiver: Receiver) -> None:
        self._receiver = receiver
        limits, answer = self._limits, self._answer
        now = asyncio.get_running_loop().time()
        if limits.request:
            self._until = now + limits.request
        self._await_head(now)
        limits.deadlines.watch(self)
        try:
            if answer is not None:
                answer.subscribe(self)
        except Exception as error:
            self.fail(error)

    def cancel(self) -> None:
        self._receiver = None
        self._leave()
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.cancel()

    # the answer

    def respond(self, response: Response) -> None:
        receiver, self._receiver = self._receiver, None
        self._answer = None
        if receiver is None:
            self._leave()
            response.abandon()
            return
        if response.tunnel is not None or response.content is not None or response.body.ended:
            self._leave()
        else:
            self._accompany(response)
        receiver.respond(response)

    def fail(self, error: BaseException) -> None:
        receiver, self._receiver = self._receiver, None
        self._answer = None
        self._leave()
        if receiver is not None:
            receiver.fail(error)

    def _accompany(self, response: Response) -> None:
        """The head is here, and the rest streams."""
        limits = self._limits
        self.deadline = self._until
        if limits.idle:
            response.body = noticed(response.body, self._touch)
            self._touched = asyncio.get_running_loop().time()
            self.deadline = min(self._until, self._touched + limits.idle)
        if self.deadline == NEVER:
            self._leave()
            return
        self._body = response.body
        self._request.on_done(self._leave)

    def _touch(self) -> None:
        self._touched = self._limits.deadlines.now

    def _leave(self) -> None:
        self.deadline = NEVER
        self._body = None
        self._limits.deadlines.forget(self)

    # what is due

    def _await_head(self, now: float) -> None:
        """Look again when the head is due; while the request is still coming that is a moment after its end."""
        limits = self._limits
        due = NEVER
        if limits.first_byte:
            if self._head_due == NEVER and self._sent.ended:
                self._head_due = now + limits.first_byte
            due = self._head_due if self._head_due != NEVER else now
        self.deadline = min(self._until, due)

    def expire(self) -> None:
        limits = self._limits
        now = asyncio.get_running_loop().time()
        if self._until <= now:
            self._give_up(f"the request was not over within {limits.request:g} s")
        elif self._body is not None:
            self._look_at_body(self._body, now)
        elif self._head_due <= now:
            self._give_up(f"there was no answer within {limits.first_byte:g} s")
        else:
            self._await_head(now)

    def _look_at_body(self, body: Body, now: float) -> None:
        if body.paused:
            self._touched = now  # the client does not read: that is no silence of the server's
        due = self._touched + self._limits.idle
        if due <= now:
            self._give_up(f"not a byte of the answer has come for {self._limits.idle:g} s")
        else:
            self.deadline = min(self._until, due)

    def _give_up(self, why: str) -> None:
        body = self._body
        self._leave()
        if body is not None:
            body.cut(self._limits.late(why))
            return
        answer, self._answer = self._answer, None
        receiver, self._receiver = self._receiver, None
        if answer is not None:
            answer.cancel()
        if receiver is not None:
            receiver.fail(self._error(why))

    def _error(self, why: str) -> GatewayError:
        sent = self._sent
        if sent.attached and not sent.ended and not sent.paused:
            return GatewayError(408, f"{why}, and its body had not come", side="client")
        return self._limits.late(why)

    def __repr__(self) -> str:
        return f"<Timed {self._request!r}>"


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [Timeout]
