"""circuitBreaker in front of real servers: failing, slow, healthy again, and across a reload (middlewares.md §3.5)."""

import pytest
import pytest_asyncio

from pointsman.testing import answer

from .stage import balancer, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

BREAKERS = {
    "statuses": {"expression": "ResponseCodeRatio(500, 600, 0, 600) > 0.25", "checkPeriod": "1us"},
    "network": {"expression": "NetworkErrorRatio() >= 0.5", "responseCode": 429},
    "latency": {"expression": "LatencyAtQuantileMS(50.0) > 100"},
    "kept": {"expression": "ResponseCodeRatio(500, 600, 0, 600) > 0.5", "fallbackDuration": "1h"},
    "edited": {"expression": "ResponseCodeRatio(500, 600, 0, 600) > 0.5", "fallbackDuration": "1h"},
}
BROKEN = {
    "whole-quantile": "LatencyAtQuantileMS(50) > 100",
    "negated": "!(NetworkErrorRatio() > 0.5)",
    "turned-round": "0.5 < NetworkErrorRatio()",
    "empty": "",
}


def dynamic(urls):
    rules = {name: {"rule": f"Host(`{name}.test`)", "middlewares": [name]} for name in BREAKERS | BROKEN}
    rules["network"]["service"] = "dead"
    rules["edited"]["middlewares"] = ["mark", "edited"]
    document = routed(rules, urls, dead=balancer(urls["closed"]))
    breakers = BREAKERS | {name: {"expression": expression} for name, expression in BROKEN.items()}
    document["http"]["middlewares"] = {
        **{name: {"circuitBreaker": options} for name, options in breakers.items()},
        "mark": {"headers": {"customResponseHeaders": {"X-Mark": "1"}}},
    }
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with staged(dynamic, {"log": {"level": "INFO"}}, ["a"]) as stage:
        yield stage


@pytest.mark.spec("M-12")
async def test_a_quarter_of_errors_is_too_much(stage):
    stage["a"].answers(*[answer(200)] * 4, answer(500))
    statuses = [(await stage.get("/", "statuses.test")).status for _ in range(6)]
    refused = await stage.get("/", "statuses.test")

    assert statuses == [200] * 4 + [500] * 2
    assert (refused.status, refused.body, refused.get("content-type")) == (503, b"Service Unavailable", None)


@pytest.mark.spec("M-13")
async def test_a_server_that_cannot_be_reached_opens_it(stage):
    assert (await stage.get("/", "network.test")).status == 502
    refused = await stage.get("/", "network.test")
    assert (refused.status, refused.body) == (429, b"Too Many Requests")


@pytest.mark.spec("M-76")
async def test_a_slow_server_opens_it(stage):
    stage["a"].answers([0.15, *answer(200)])

    assert (await stage.get("/", "latency.test")).status == 200
    assert (await stage.get("/", "latency.test")).status == 503


@pytest.mark.spec("M-77")
@pytest.mark.parametrize("name", BROKEN)
async def test_an_expression_that_cannot_be_used_closes_its_router(stage, name):
    assert (await stage.get("/", f"{name}.test")).status == 404
    assert f"http.middlewares.{name}@file.circuitBreaker.expression: " in stage.gateway.log()


async def test_it_stays_open_when_something_else_in_the_configuration_changes(stage):
    stage["a"].answers(answer(500))
    assert [(await stage.get("/", "kept.test")).status for _ in range(2)] == [500, 503]
    stage.reset()

    document = dynamic(stage.urls)
    document["http"]["routers"]["new"] = {"rule": "Host(`new.test`)", "service": "a"}
    await stage.gateway.update(document)
    assert (await stage.get("/", "new.test")).status == 200
    assert (await stage.get("/", "kept.test")).status == 503

    document["http"]["middlewares"]["kept"]["circuitBreaker"]["fallbackDuration"] = "2h"
    await stage.gateway.update(document)
    assert (await stage.get("/", "kept.test")).status == 200, "another configuration is another breaker"


async def test_middlewares_outside_edit_its_answer(stage):
    stage["a"].answers(answer(500))
    await stage.get("/", "edited.test")

    refused = await stage.get("/", "edited.test")
    assert (refused.status, refused.get("x-mark")) == (503, "1")
    assert stage.gateway.log().count("router edited@file: the circuit is open") == 1
