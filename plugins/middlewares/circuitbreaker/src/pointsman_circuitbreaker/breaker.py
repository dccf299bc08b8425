"""The middleware: what passes is recorded when it is over, and what was recorded decides who passes."""

import time
from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from functools import partial
from typing import ClassVar

from attrs import field, frozen
from attrs.validators import ge, le

from pointsman import BuildContext, Deferred, Duration, Exchange, Handler, Receiver, Request, Response, pending
from pointsman.dialect.expressions import ExpressionError, compile_expression
from pointsman.errors import ConfigError, GatewayError, Problem
from pointsman_circuitbreaker.circuit import CLOSED, OPEN, Circuit, Word
from pointsman_circuitbreaker.metrics import FUNCTIONS, LATENCY, Metrics

CLIENT_GONE = 499
GIVEN_UP = 504


@frozen
class CircuitBreakerConfig:
    """A duration of 0 means its default, as in the dialect."""

    expression: str = ""
    check_period: Duration = field(default=Duration(0.1), validator=ge(Duration(0)))
    fallback_duration: Duration = field(default=Duration(10.0), validator=ge(Duration(0)))
    recovery_duration: Duration = field(default=Duration(10.0), validator=ge(Duration(0)))
    response_code: int = field(default=503, validator=[ge(200), le(599)])


@frozen
class BreakerState:
    """What a breaker does now, and since when, in seconds since 1970."""

    word: Word
    since: float


class CircuitBreaker:
    """One in each place where it is named; it counts what this worker sees."""

    name: ClassVar[str] = "circuitBreaker"
    Config: ClassVar[type] = CircuitBreakerConfig

    def __init__(self, config: CircuitBreakerConfig, context: BuildContext) -> None:
        try:
            self._expression = compile_expression(config.expression, FUNCTIONS)
        except ExpressionError as error:
            raise ConfigError(Problem("expression", str(error))) from None
        self._check_seconds = config.check_period or 0.1
        self._fallback_seconds = config.fallback_duration or 10.0
        self._response_code = config.response_code
        self._logger = context.logger
        self.clock: Callable[[], float] = time.monotonic
        """What time it is, in seconds; for tests."""
        self._circuit = Circuit(self._fallback_seconds, config.recovery_duration or 10.0, self.clock())
        self._metrics = Metrics(timed=LATENCY in self._expression.functions)
        self._check_at = 0.0
        self._open = context.gauge("pointsman_circuitbreaker_open", "Workers whose circuit is not closed")
        self._trips = context.counter("pointsman_circuitbreaker_trips_total", "How often the circuit has opened")

    @property
    def state(self) -> BreakerState:
        """For whoever shows it: closed, open or recovering. It changes only when a request comes or is over."""
        return BreakerState(self._circuit.state, time.time() - (self.clock() - self._circuit.since))

    def bind(self, call_next: Handler) -> Handler:
        circuit = self._circuit

        def guarded(request: Request) -> Awaitable[Response]:
            now = self.clock()
            if circuit.state != CLOSED and not self._admits(request.exchange, now):
                request.exchange.refuse("Blocked by the circuit breaker")
                return Response.plain(self._response_code)
            return Passage(self, request, now).through(call_next)

        return guarded

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        return self.bind(call_next)(request)

    def _admits(self, exchange: Exchange, now: float) -> bool:
        circuit = self._circuit
        before = circuit.state
        admitted = circuit.admits(now)
        if circuit.state != before:
            what = "closed again" if circuit.state == CLOSED else "recovering: requests are let through little by little"
            self._open.set(circuit.state != CLOSED)
            self._logger.info("router %s: the circuit is %s", exchange.router or "(none)", what)
        return admitted

    def record(self, status: int, started: float, exchange: Exchange) -> None:
        """Something that passed is over."""
        now = self.clock()
        self._metrics.record(status, now - started, now)
        if now >= self._check_at:
            self._check_at = now + self._check_seconds
            self._check(exchange, now)

    def _check(self, exchange: Exchange, now: float) -> None:
        if self._circuit.state == OPEN:
            return
        metrics = self._metrics
        metrics.turn(now)
        if not self._expression.holds(metrics):
            return
        self._logger.warning(
            "router %s: the circuit is open for %g s, requests are answered with %d: %s holds (%s, %d requests)",
            exchange.router or "(none)",
            self._fallback_seconds,
            self._response_code,
            self._expression.text,
            self._expression.explain(metrics),
            metrics.requests,
        )
        self._circuit.trip(now)
        self._open.set(1)
        self._trips.add()
        metrics.clear()


class Passage(Deferred):
    """One request on its way through a breaker, until it is over: a Pending in front of another."""

    __slots__ = ("_answer", "_breaker", "_exchange", "_receiver", "_request", "_started")

    def __init__(self, breaker: CircuitBreaker, request: Request, started: float) -> None:
        self._breaker = breaker
        self._request = request
        self._exchange = request.exchange
        self._started = started
        self._receiver: Receiver | None = None

    def through(self, call_next: Handler) -> Awaitable[Response]:
        try:
            answer = call_next(self._request)
        except Exception as error:
            self._failed(error)
            raise
        if type(answer) is Response:
            self._answered(answer)
            return answer
        self._answer = pending(answer)
        return self

    def subscribe(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._answer.subscribe(self)

    def cancel(self) -> None:
        receiver, self._receiver = self._receiver, None
        self._answer.cancel()
        if receiver is not None:
            self._failed(CancelledError())

    # as the receiver of the other

    def respond(self, response: Response) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is None:  # cancelled, and whoever answers now knows it too
            response.abandon()
            return
        self._answered(response)
        receiver.respond(response)

    def fail(self, error: BaseException) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            self._failed(error)
            receiver.fail(error)

    # what is recorded

    def _answered(self, response: Response) -> None:
        """It is over with the last byte of its answer; an upgrade and a stream of events, with their head."""
        record = partial(self._breaker.record, response.status, self._started, self._exchange)
        if response.tunnel is not None or response.content is not None or response.body.ended or _is_endless(response):
            record()
        else:
            self._request.on_done(record)

    def _failed(self, error: BaseException) -> None:
        status = 500
        if isinstance(error, GatewayError):
            status = error.status
        elif isinstance(error, CancelledError):
            status = CLIENT_GONE if self._exchange.status == CLIENT_GONE else GIVEN_UP
        self._breaker.record(status, self._started, self._exchange)


def _is_endless(response: Response) -> bool:
    return (response.headers.get(b"content-type") or b"").lower().startswith(b"text/event-stream")
