import asyncio
import logging
import time

import pytest

from pointsman import Body, Response
from pointsman.errors import ConfigError, GatewayError
from pointsman.testing import FakeContext, a_chain, a_request, answering, build
from pointsman_circuitbreaker import CircuitBreaker


class Time:
    """A clock that the test moves."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Stage:
    """A breaker before a service whose answers the test gives: a status, an error, or what a function returns."""

    def __init__(self, expression, context=None, **options):
        self.time = Time()
        self.breaker = build(CircuitBreaker, {"expression": expression, **options}, context)
        self.breaker.clock = self.time
        self.answer = 200
        self.reached = 0
        self.handler = a_chain([self.breaker], self._serve)

    def _serve(self, request):
        self.reached += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(request) if callable(self.answer) else Response(self.answer, [], b"ok")

    async def ask(self, answer=None, after=0.2, request=None):
        """The status of one more request."""
        self.answer = self.answer if answer is None else answer
        self.time.now += after
        try:
            return (await self.handler(request or a_request())).status
        except GatewayError as error:
            return error.status


@pytest.mark.spec("M-12")
async def test_it_opens_when_the_ratio_of_statuses_is_too_high():
    stage = Stage("ResponseCodeRatio(500, 600, 0, 600) > 0.25")

    assert [await stage.ask(status) for status in (200, 200, 200, 200, 500, 500)] == [200, 200, 200, 200, 500, 500]
    response = await stage.handler(a_request())
    assert (response.status, response.content, list(response.headers)) == (503, b"Service Unavailable", [])
    assert stage.reached == 6


@pytest.mark.parametrize("error", [GatewayError(502), GatewayError(504)])
async def test_network_errors_are_what_the_gateway_answers_with_502_or_504(error):
    stage = Stage("NetworkErrorRatio() >= 0.5", responseCode=429)

    assert await stage.ask(error) == error.status
    response = await stage.handler(a_request())
    assert (response.status, response.content) == (429, b"Too Many Requests")


async def test_other_errors_count_by_their_status():
    stage = Stage("ResponseCodeRatio(500, 501, 0, 600) > 0.5")

    with pytest.raises(ZeroDivisionError):
        await stage.ask(ZeroDivisionError())
    assert await stage.ask(200) == 503


async def test_an_expression_can_ask_for_a_number_of_requests():
    stage = Stage("RequestThreshold() >= 3 && NetworkErrorRatio() > 0")

    assert [await stage.ask(502) for _ in range(4)] == [502, 502, 502, 503]


async def test_what_is_ten_seconds_old_does_not_count():
    stage = Stage("RequestThreshold() >= 3 && NetworkErrorRatio() > 0")

    assert [await stage.ask(502, after=6) for _ in range(6)] == [502] * 6


async def test_it_is_looked_at_once_in_a_check_period():
    stage = Stage("RequestThreshold() >= 2 && NetworkErrorRatio() >= 0.5", checkPeriod="1s")

    assert [await stage.ask(502, after=0.3) for _ in range(5)] == [502] * 5
    assert await stage.ask() == 503


@pytest.mark.spec("M-75")
async def test_it_stays_open_recovers_slowly_and_closes():
    stage = Stage("NetworkErrorRatio() > 0.5", fallbackDuration="1s", recoveryDuration="2s")
    await stage.ask(502, after=0)
    opened = stage.time.now

    while stage.time.now < opened + 0.99:
        assert await stage.ask(200, after=0.01) == 503
    assert await stage.ask(after=opened + 1.0 - stage.time.now) == 503, "the first one after it is refused, too"
    mixed = [await stage.ask(after=0.01) for _ in range(199)]
    assert {200, 503} == set(mixed)
    assert mixed.count(200) > 40
    assert [await stage.ask(after=0.02) for _ in range(20)] == [200] * 20


async def test_it_opens_again_while_it_recovers():
    stage = Stage("NetworkErrorRatio() > 0.5", fallbackDuration="1s", recoveryDuration="2s")
    await stage.ask(502)
    await stage.ask(after=1)
    assert stage.breaker.state.word == "recovering"

    assert [await stage.ask(502, after=0.4) for _ in range(4)] == [503, 503, 502, 503]
    assert stage.breaker.state.word == "open"


async def test_what_was_counted_before_it_opened_is_forgotten():
    stage = Stage("NetworkErrorRatio() > 0.5", fallbackDuration="1s", recoveryDuration="1s")
    await stage.ask(502, after=0)
    assert await stage.ask(200, after=1.01) == 503

    assert [await stage.ask(200, after=1.01) for _ in range(4)] == [200] * 4


def streaming(content_type="text/plain"):
    return Response(200, [(b"content-type", content_type.encode())], Body())


async def test_latency_is_the_time_to_the_last_byte():
    stage = Stage("LatencyAtQuantileMS(50.0) > 100")
    request = a_request()
    await stage.ask(lambda _: streaming(), request=request)
    assert stage.breaker.state.word == "closed"

    stage.time.now += 0.15
    request.finish()
    assert stage.breaker.state.word == "open"


async def test_an_upgrade_and_a_stream_of_events_may_last():
    stage = Stage("LatencyAtQuantileMS(50.0) > 100 || RequestThreshold() == 0")

    def upgraded(_):
        response = Response(101)
        response.tunnel = object()
        return response

    for answer in (upgraded, lambda _: streaming("text/event-stream; charset=utf-8")):
        request = a_request()
        await stage.ask(answer, request=request)
        stage.time.now += 60
        request.finish()
    assert await stage.ask(200) == 200


async def test_a_quantile_is_compared_in_whole_milliseconds():
    stage = Stage("LatencyAtQuantileMS(50.0) >= 101")

    async def slowly(_):
        stage.time.now += 0.1
        return Response(200)

    assert [await stage.ask(slowly) for _ in range(3)] == [200] * 3


async def test_who_gave_up_before_the_answer_counts():
    """By whom it was cancelled decides as what: 499 for the client, 504 for a time limit in front of the breaker."""
    for status, expression in [(499, "ResponseCodeRatio(499, 500, 0, 600) > 0"), (0, "NetworkErrorRatio() > 0")]:
        stage = Stage(expression)

        async def never(_):
            await asyncio.Event().wait()

        request = a_request()
        asking = asyncio.ensure_future(stage.ask(never, request=request))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        request.exchange.status = status
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert stage.breaker.state.word == "open"


async def test_an_attempt_that_is_made_again_is_over_when_the_next_begins():
    stage = Stage("LatencyAtQuantileMS(50.0) > 100")
    request = a_request()
    mark = request.mark()
    await stage.ask(lambda _: streaming(), request=request)
    stage.time.now += 0.05
    request.rewind(mark)
    stage.time.now += 60
    request.finish()

    assert stage.breaker.state.word == "closed"


async def test_every_change_of_state_is_logged_once_with_its_reason(caplog):
    caplog.set_level(logging.INFO)
    stage = Stage("NetworkErrorRatio() > 0.5", FakeContext("spare@file"), fallbackDuration="1s", recoveryDuration="1s")
    request = a_request()
    request.exchange.router = "shop@file"
    await stage.ask(502, after=0, request=request)
    for _ in range(30):
        await stage.ask(200, after=0.1)

    first, second, third = (record.getMessage() for record in caplog.records)
    assert first == (
        "router shop@file: the circuit is open for 1 s, requests are answered with 503: "
        "NetworkErrorRatio() > 0.5 holds (NetworkErrorRatio() = 1, 1 requests)"
    )
    assert "recovering" in second
    assert "closed again" in third
    assert all("spare@file" in record.name for record in caplog.records)


async def test_its_state_can_be_asked_for():
    stage = Stage("NetworkErrorRatio() > 0.5")
    assert stage.breaker.state.word == "closed"
    await stage.ask(502)
    stage.time.now += 5

    assert stage.breaker.state.word == "open"
    assert time.time() - 6 < stage.breaker.state.since < time.time() - 4.9, "five seconds ago by the clock that was moved"


async def test_twins_do_not_know_of_each_other():
    first, second = Stage("NetworkErrorRatio() > 0.5"), Stage("NetworkErrorRatio() > 0.5")
    await first.ask(502)

    assert (await first.ask(200), await second.ask(200)) == (503, 200)


async def test_an_answer_that_is_here_costs_no_wrapping():
    breaker, upstream = build(CircuitBreaker, {"expression": "NetworkErrorRatio() > 0.5"}), answering(200, {}, b"ok")

    assert type(breaker(a_request(), upstream)) is Response


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checkPeriod": "1s"}, "expression: the expression is empty"),
        ({"expression": ""}, "expression: the expression is empty"),
        ({"expression": "LatencyAtQuantileMS(50) > 100"}, "expected a number with a point, like 50.0, got 50"),
        ({"expression": "!(NetworkErrorRatio() > 0.5)"}, "! is not supported"),
        ({"expression": "0.5 < NetworkErrorRatio()"}, "a function stands on the left"),
        (
            {"expression": "NetworkErorRatio() > 0.5"},
            r"'NetworkErorRatio' at column 1; did you mean NetworkErrorRatio\(\)\?",
        ),
        ({"expression": "LatencyAtQuantileMS(101.0) > 1"}, "there is no quantile 101"),
        ({"expression": "NetworkErrorRatio() > 0.5", "responseCode": 0}, "responseCode"),
        ({"expression": "NetworkErrorRatio() > 0.5", "responseCode": 600}, "responseCode"),
        ({"expression": "NetworkErrorRatio() > 0.5", "checkPeriod": "-1s"}, "checkPeriod"),
    ],
)
def test_what_cannot_work_is_a_configuration_error(options, message):
    with pytest.raises(ConfigError, match=message):
        build(CircuitBreaker, options)


@pytest.mark.parametrize(
    "expression", ["NetworkErrorRatio() > 0", "NetworkErrorRatio() > 1", "LatencyAtQuantileMS(50.0) > 100.0"]
)
def test_numbers_are_compared_however_they_are_written(expression):
    build(CircuitBreaker, {"expression": expression})


def test_a_duration_of_zero_is_the_default():
    durations = dict.fromkeys(("checkPeriod", "fallbackDuration", "recoveryDuration"), 0)
    breaker = build(CircuitBreaker, {"expression": "NetworkErrorRatio() > 0.5", **durations})

    assert (breaker._check_seconds, breaker._fallback_seconds) == (0.1, 10.0)


async def test_its_state_and_how_often_it_opened_are_counted():
    context = FakeContext()
    stage = Stage("NetworkErrorRatio() >= 0.5", context, fallbackDuration="1s", recoveryDuration="1s")
    is_open = context.numbers["pointsman_circuitbreaker_open",]
    trips = context.numbers["pointsman_circuitbreaker_trips_total",]
    assert (is_open.value, trips.value) == (0, 0)

    await stage.ask(GatewayError(502))
    assert (is_open.value, trips.value) == (1, 1)
    await stage.ask(200, after=1.5)
    assert (is_open.value, trips.value) == (1, 1)
    await stage.ask(200, after=3)
    assert (is_open.value, trips.value) == (0, 1)
