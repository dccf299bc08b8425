"""Which traces are wanted: by each type, and by what a sampling server says."""

import asyncio
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Resource, Response
from pointsman.errors import GatewayError
from pointsman.testing import FakeContext, build, eventually
from pointsman_jaeger import Jaeger
from pointsman_jaeger.sampling import Constant, Probabilistic, RateLimiting, said

LOW, HIGH = "f" * 16 + "8" + "0" * 15, "0" * 16 + "7" + "f" * 15


def test_const_is_all_or_none():
    assert (Constant(1.0)(LOW), Constant(0.0)(LOW)) == (True, False)


def test_probabilistic_looks_at_the_low_bits_alone():
    assert (Probabilistic(0.01)(LOW), Probabilistic(0.99)(HIGH)) == (True, False)
    assert (Probabilistic(1.0)(HIGH), Probabilistic(0.0)(LOW)) == (True, False)


@given(st.floats(0, 1), st.integers(0, 2**128 - 1))
def test_who_is_in_a_small_share_is_in_a_larger_one(share, number):
    trace = f"{number:032x}"
    assert Probabilistic(share)(trace) <= Probabilistic(1.0)(trace)


def test_rate_limiting_is_so_many_per_second_and_saves_no_more_than_a_second():
    now = [0.0]
    sampler = RateLimiting(2, lambda: now[0])

    assert [sampler("") for _ in range(3)] == [True, True, False]
    now[0] = 0.5
    assert [sampler("") for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert [sampler("") for _ in range(3)] == [True, True, False]


def test_rates_below_one_per_second_are_kept_too():
    now = [0.0]
    sampler = RateLimiting(0.1, lambda: now[0])

    assert [sampler(""), sampler("")] == [True, False]
    now[0] = 5.0
    assert not sampler("")
    now[0] = 10.0
    assert sampler("")
    assert not RateLimiting(0, lambda: now[0])("")


@pytest.mark.parametrize(
    ("answer", "strategy"),
    [
        ({"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": 0.5}}, ("probabilistic", 0.5)),
        ({"strategyType": 0, "probabilisticSampling": {"samplingRate": 1}}, ("probabilistic", 1.0)),
        ({"strategyType": "RATE_LIMITING", "rateLimitingSampling": {"maxTracesPerSecond": 3}}, ("rateLimiting", 3.0)),
        (
            {
                "probabilisticSampling": {"samplingRate": 0.5},
                "operationSampling": {"defaultSamplingProbability": 0.2, "perOperationStrategies": []},
            },
            ("probabilistic", 0.2),
        ),
    ],
)
def test_every_strategy_is_understood(answer, strategy):
    assert said(json.dumps(answer).encode()) == strategy


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"no",
        b"[]",
        b"{}",
        b'{"strategyType": "MOON"}',
        b'{"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": 7}}',
        b'{"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": NaN}}',
        b'{"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": true}}',
        b'{"strategyType": "RATE_LIMITING", "rateLimitingSampling": []}',
        b"\xff",
    ],
)
def test_nonsense_is_refused(answer):
    with pytest.raises(ValueError):
        said(answer)


class Told:
    """A sampling server that says what it is told to say."""

    def __init__(self, rate):
        self.rate = rate
        self.fails = None

    async def __call__(self, request):
        self.request = request
        if self.fails is not None:
            if isinstance(self.fails, Exception):
                raise self.fails
            return self.fails
        answer = {"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": self.rate}}
        return Response(200, body=json.dumps(answer).encode())


async def test_a_remote_strategy_is_followed_and_the_last_good_one_stays(caplog):
    server = Told(0.0)
    context = FakeContext(servers={"http://localhost:5778": server}, resource=Resource({"service.name": "a shop"}))
    exporter = build(Jaeger, {"samplingType": "remote"}, context)
    assert exporter.sample(HIGH)

    await exporter.start()
    await eventually(lambda: not exporter.sample(HIGH))
    assert (server.request.method, server.request.path, server.request.query) == (b"GET", b"/sampling", b"service=a%20shop")

    server.rate = 1.0
    await exporter._remote.ask()
    assert exporter.sample(HIGH)
    with caplog.at_level(logging.WARNING):
        for server.fails in (GatewayError(502, "refused"), Response(500), Response(200, body=b"{"), GatewayError(502, "x")):
            await exporter._remote.ask()
    assert exporter.sample(HIGH)
    assert [record.getMessage() for record in caplog.records] == [
        "the sampling server cannot be asked, and sampling goes on as before: refused"
    ]

    await exporter.aclose()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
