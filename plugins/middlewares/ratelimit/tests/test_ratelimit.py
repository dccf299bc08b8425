import asyncio
import sys
import time

import pytest

from pointsman import Deferred
from pointsman.errors import ConfigError
from pointsman.testing import FakeContext, a_chain, a_request, answering, build
from pointsman_ratelimit import RateLimit


async def statuses(gate, *requests, upstream=None):
    handler = a_chain([gate], upstream or answering(200))
    return [(await handler(request)).status for request in requests]


async def test_a_refusal_says_when_to_come_again():
    handler = a_chain([build(RateLimit, {"average": 6, "period": "1m", "burst": 2})], answering(200))
    assert [(await handler(a_request())).status for _ in range(2)] == [200, 200]
    refusal = await handler(a_request())

    assert (refusal.status, refusal.content) == (429, b"Too Many Requests")
    headers = dict(refusal.headers.raw)
    assert headers.keys() == {b"retry-after", b"x-retry-in"}
    assert headers[b"retry-after"] == b"10"
    assert headers[b"x-retry-in"].startswith(b"9.99")


async def test_bound_or_called_it_is_the_same():
    gate = build(RateLimit, {"average": 1, "period": "1m"})
    assert (await gate(a_request(), answering(200))).status == 200
    assert await statuses(gate, a_request()) == [429]


async def test_no_average_is_no_limit_and_costs_nothing():
    handler = answering(200)
    assert build(RateLimit, {"burst": 3}).bind(handler) is handler


async def test_who_is_early_waits_for_the_token():
    gate = build(RateLimit, {"average": 5})
    upstream = answering(200)
    handler, loop = a_chain([gate], upstream), asyncio.get_running_loop()
    await handler(a_request())
    await asyncio.sleep(0.13)
    begun = loop.time()
    waiting = asyncio.ensure_future(handler(a_request()))
    await asyncio.sleep(0)

    assert len(upstream.requests) == 1
    assert gate._bucket.waiting == 1
    assert (await waiting).status == 200
    assert loop.time() - begun == pytest.approx(0.07, abs=0.05)
    assert gate._bucket.waiting == 0


class Unaskable(Deferred):
    """What raises when it is asked, as a balancer's `pick` may."""

    def subscribe(self, receiver):
        raise ValueError("no")


async def test_what_cannot_be_asked_after_the_wait_fails_the_request():
    gate = build(RateLimit, {"average": 1})
    gate._shared.update(b"127.0.0.1", lambda pair: (time.monotonic(), 0.9), 60)
    async with asyncio.timeout(5):
        with pytest.raises(ValueError, match="no"):
            await gate(a_request(), lambda request: Unaskable())
    assert gate._bucket.waiting == 0


async def test_who_leaves_while_waiting_is_not_asked_for():
    gate = build(RateLimit, {"average": 1})
    upstream = answering(200)
    handler = a_chain([gate], upstream)
    await handler(a_request())
    gate._shared.update(b"127.0.0.1", lambda pair: (pair[0], 0.9), 60)
    waiting = asyncio.ensure_future(handler(a_request()))
    await asyncio.sleep(0)
    assert gate._bucket.waiting == 1
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert gate._bucket.waiting == 0
    await asyncio.sleep(0.15)
    assert len(upstream.requests) == 1


async def test_what_fails_after_a_wait_fails_as_it_would_without():
    gate = build(RateLimit, {"average": 1})

    def fail(request):
        raise ZeroDivisionError

    gate._shared.update(b"127.0.0.1", lambda pair: (gate._bucket._clock(), 0.97), 60)
    with pytest.raises(ZeroDivisionError):
        await a_chain([gate], fail)(a_request())
    assert gate._bucket.waiting == 0


async def test_each_source_has_its_own_bucket():
    gate = build(RateLimit, {"average": 1, "period": "1m", "sourceCriterion": {"requestHeaderName": "X-Who"}})
    requests = [a_request(headers={"X-Who": who}) for who in "aabb"]
    assert await statuses(gate, *requests, a_request(), a_request()) == [200, 429, 200, 429, 200, 429]

    gate = build(RateLimit, {"average": 1, "period": "1m"})
    assert await statuses(gate, *(a_request(client=f"192.0.2.{last}") for last in (1, 2, 1))) == [200, 200, 429]


async def test_workers_count_together():
    context = FakeContext()
    one, other = (build(RateLimit, {"average": 1, "period": "1m"}, context) for _ in range(2))
    assert await statuses(one, a_request()) == [200]
    assert await statuses(other, a_request()) == [429]


async def test_clients_are_told_what_is_left_if_that_is_wanted():
    gate = build(RateLimit, {"average": 1, "period": "10s", "burst": 2, "rateLimitHeaders": True})
    handler = a_chain([gate], answering(200, {"RateLimit-Remaining": "77"}))
    told = [dict((await handler(a_request())).headers.raw) for _ in range(3)]

    assert [each[b"ratelimit-limit"] for each in told] == [b"2"] * 3
    assert [each[b"ratelimit-remaining"] for each in told] == [b"1", b"0", b"0"]
    assert [each[b"ratelimit-reset"] for each in told] == [b"10", b"20", b"20"]
    assert told[2][b"retry-after"] == b"10"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"average": 1, "period": "-1s"}, "rateLimit.period: negative value not valid for period: -1s"),
        ({"average": -1}, "'average' must be >= 0"),
        (
            {"average": 1, "sourceCriterion": {"requestHost": True, "ipStrategy": {"depth": 1}}},
            "iPStrategy and RequestHost are mutually exclusive",
        ),
        ({"redis": {"endpoints": ["nohost"]}}, "redis.endpoints: 'nohost' is no server; write host:port"),
        ({"redis": {"endpoints": ["h:0"]}}, "'h:0' is no server"),
        ({"redis": {"endpoints": []}}, "redis.endpoints: is empty"),
        ({"redis": {"onFailure": "ignore"}}, "redis.onFailure: expected one of deny, allow, local"),
        ({"redis": {"tls": {"cert": "x"}}}, "redis.tls: both TLS cert and key must be defined"),
        ({"redis": {"db": -1}}, "'db' must be >= 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(config, message):
    with pytest.raises(ConfigError) as caught:
        build(RateLimit, config)
    assert message in str(caught.value)


def test_a_password_is_in_no_repr():
    gate = build(RateLimit, {"average": 1, "redis": {"password": "s3cret", "sentinel": {"password": "s4cret"}}})
    assert "cret" not in repr(gate._redis._settings)


def test_only_redis_is_opened_and_closed():
    assert not hasattr(build(RateLimit, {"average": 1}), "start")
    assert hasattr(build(RateLimit, {"average": 1, "redis": {}}), "start")


def test_without_its_library_redis_is_a_problem_with_a_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "pointsman_ratelimit.redis_server", None)
    with pytest.raises(ConfigError, match=r"redis: needs the library redis .*; pip install 'pointsman-ratelimit\[redis\]'"):
        build(RateLimit, {"average": 1, "redis": {}})
