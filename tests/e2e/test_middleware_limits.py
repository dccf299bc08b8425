"""Who is let in, how often, how many at a time: ipAllowList, rateLimit, inFlightReq (middlewares.md §3.14, 3.15, 3.17)."""

import asyncio
import os
import signal
import time

import pytest
import pytest_asyncio

from pointsman.testing import answer, eventually, upgrade

from .stage import head, routed, staged
from .test_processes import children_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhl", "Sec-WebSocket-Version: 13")
ALLOW = {
    "ten": {"sourceRange": ["10.0.0.0/8"]},
    "ten-404": {"sourceRange": ["10.0.0.0/8"], "rejectStatusCode": 404},
    "here": {"sourceRange": ["127.0.0.1"]},
    "depth": {"sourceRange": ["1.1.1.1"], "ipStrategy": {"depth": 1}},
    "excluded": {"sourceRange": ["1.1.1.1"], "ipStrategy": {"excludedIPs": ["10.0.0.0/8"]}},
    "subnet": {"sourceRange": ["2001:db8::"], "ipStrategy": {"depth": 1, "ipv6Subnet": 64}},
    "status-599": {"sourceRange": ["127.0.0.1"], "rejectStatusCode": 599},
}
RATE = {
    "one": {"average": 1},
    "late": {"average": 1},
    "ten-five": {"average": 10, "burst": 5},
    "six": {"average": 6, "period": "1m", "burst": 2},
    "who": {"average": 1, "period": "1m", "sourceCriterion": {"requestHeaderName": "X-Who"}},
    "both": {"average": 1, "sourceCriterion": {"requestHost": True, "ipStrategy": {"depth": 1}}},
    "none": {"average": 0},
    "minute": {"average": 1, "period": "1m"},
}
MIDDLEWARES = {
    **{f"allow-{name}": {"ipAllowList": config} for name, config in ALLOW.items()},
    **{f"rate-{name}": {"rateLimit": config} for name, config in RATE.items()},
    "two-at-a-time": {"inFlightReq": {"amount": 2}},
    "two-sockets": {"inFlightReq": {"amount": 2}},
}


def dynamic(urls):
    rules = {name: {"rule": f"Host(`{name}.test`)", "middlewares": [name]} for name in MIDDLEWARES}
    rules["rate-minute-again"] = {"rule": "Host(`rate-minute-again.test`)", "middlewares": ["rate-minute"]}
    document = routed(rules, urls)
    document["http"]["middlewares"] = MIDDLEWARES
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    points = {"web": {}, "trusting": {"forwardedHeaders": {"insecure": True}}}
    async with staged(dynamic, {"entryPoints": points}, ["a"], workers=2) as stage:
        yield stage


async def statuses(stage, host, count, **headers):
    return [(await stage.get("/", host, **headers)).status for _ in range(count)]


async def trusted(stage, host, forwarded_for=None):
    headers = {} if forwarded_for is None else {"x_forwarded_for": forwarded_for}
    return (await stage.get("/", host, "trusting", **headers)).status


# who


@pytest.mark.spec("M-26")
async def test_clients_from_elsewhere_are_refused(stage):
    refusal = await stage.get("/", "allow-ten.test")
    assert (refusal.status, refusal.body, refusal.get("content-type")) == (403, b"Forbidden", None)
    refusal = await stage.get("/", "allow-ten-404.test")
    assert (refusal.status, refusal.body) == (404, b"Not Found")
    assert (await stage.get("/", "allow-here.test")).status == 200


@pytest.mark.spec("M-65")
async def test_the_address_so_far_from_the_right(stage):
    found = [await trusted(stage, "allow-depth.test", each) for each in ("9.9.9.9, 1.1.1.1", "1.1.1.1, 9.9.9.9", None)]
    assert found == [200, 403, 403]
    assert (await stage.get("/", "allow-depth.test", x_forwarded_for="1.1.1.1")).status == 403, "nobody believes this client"


@pytest.mark.spec("M-66")
async def test_the_first_address_that_is_not_excluded(stage):
    assert [await trusted(stage, "allow-excluded.test", each) for each in ("1.1.1.1, 10.2.3.4", "10.1.1.1")] == [200, 403]


@pytest.mark.spec("M-67")
async def test_addresses_of_a_subnet(stage):
    assert [await trusted(stage, "allow-subnet.test", each) for each in ("2001:db8::5", "2001:db8:1::5")] == [200, 403]


@pytest.mark.spec("M-68", "M-72")
async def test_a_middleware_that_cannot_be_meant_closes_its_router(stage):
    assert (await stage.get("/", "allow-status-599.test")).status == 404
    assert (await stage.get("/", "rate-both.test")).status == 404
    assert "invalid HTTP status code 599" in stage.gateway.log()
    assert "mutually exclusive" in stage.gateway.log()


# how often


@pytest.mark.spec("M-1")
async def test_one_a_second(stage):
    assert (await stage.get("/", "rate-one.test")).status == 200
    refusal = await stage.get("/", "rate-one.test")

    assert (refusal.status, refusal.body, refusal.get("content-type")) == (429, b"Too Many Requests", None)
    assert refusal.get("retry-after") == "1"
    assert 0.9 < float(refusal.get("x-retry-in").removesuffix("ms")) / 1000 < 1


@pytest.mark.spec("M-2")
async def test_who_is_a_little_early_waits(stage):
    begun = time.monotonic()
    assert (await stage.get("/", "rate-late.test")).status == 200
    assert (await stage.get("/", "rate-late.test")).status == 429
    await asyncio.sleep(0.6 - (time.monotonic() - begun))
    assert (await stage.get("/", "rate-late.test")).status == 200
    assert time.monotonic() - begun == pytest.approx(1.0, abs=0.15)


@pytest.mark.spec("M-69")
async def test_a_burst(stage):
    async with stage.connect() as client:  # one connection: all of them in less than a token's time
        found = [(await client.get("/", "rate-ten-five.test")).status for _ in range(12)]
    assert found == [200] * 5 + [429] * 7


@pytest.mark.spec("M-70")
async def test_six_a_minute(stage):
    assert await statuses(stage, "rate-six.test", 2) == [200, 200]
    assert (await stage.get("/", "rate-six.test")).get("retry-after") == "10"


@pytest.mark.spec("M-71")
async def test_by_a_header(stage):
    found = [(await stage.get("/", "rate-who.test", x_who=who)).status for who in "aabb"]
    assert found == [200, 429, 200, 429]
    assert await statuses(stage, "rate-who.test", 2) == [200, 429]


@pytest.mark.spec("M-74")
async def test_no_limit(stage):
    assert await statuses(stage, "rate-none.test", 20) == [200] * 20


@pytest.mark.spec("M-32")
async def test_each_router_counts_for_itself_on_all_its_entry_points(stage):
    assert await statuses(stage, "rate-minute.test", 1) == [200]
    assert await statuses(stage, "rate-minute-again.test", 1) == [200]
    assert (await stage.get("/", "rate-minute.test", "trusting")).status == 429


# how many at a time


@pytest.mark.spec("M-27")
async def test_two_at_a_time(stage):
    stage.reset()
    gate = asyncio.Event()
    stage["a"].answers(*([gate, *answer(200, {}, b"slow")] for _ in range(2)), answer(200))
    async with asyncio.TaskGroup() as tasks:
        slow = [tasks.create_task(stage.get("/", "two-at-a-time.test")) for _ in range(2)]
        await stage["a"].received(2)
        refusal = await stage.get("/", "two-at-a-time.test")
        gate.set()
    stage.reset()

    assert (refusal.status, refusal.body) == (429, b"max connections reached: 2")
    assert refusal.get("retry-after") == "1"
    assert [task.result().status for task in slow] == [200, 200]
    await eventually_lets_in(stage, "two-at-a-time.test", 3)


async def test_a_client_that_leaves_is_not_counted_any_more(stage):
    stage.reset()
    gate = asyncio.Event()
    stage["a"].answers([gate, *answer(200, {}, b"slow")])
    async with stage.connect() as one, stage.connect() as other:
        for client in (one, other):
            await client.send(head("GET / HTTP/1.1", "Host: two-at-a-time.test"))
        await stage["a"].received(2)
        assert (await stage.get("/", "two-at-a-time.test")).status == 429
    gate.set()
    stage.reset()
    await eventually_lets_in(stage, "two-at-a-time.test", 2)


@pytest.mark.spec("M-98")
async def test_an_open_websocket_is_in_flight(stage):
    stage.reset()
    stage["a"].answers(upgrade("websocket"))
    async with stage.connect() as one, stage.connect() as other:
        for client in (one, other):
            switched = await client.ask(head("GET / HTTP/1.1", "Host: two-sockets.test", *WEBSOCKET))
            assert switched.status == 101
        assert (await stage.get("/", "two-sockets.test")).status == 429
        await one.send(b"still there")
        assert await one.exactly(11) == b"still there"
    stage.reset()
    await eventually_lets_in(stage, "two-sockets.test", 2)


async def test_what_a_worker_held_that_dies_is_free(stage):
    stage.reset()
    gate = asyncio.Event()
    stage["a"].answers([gate, *answer(200)])
    async with stage.connect() as one, stage.connect() as other:
        for client in (one, other):
            await client.send(head("GET / HTTP/1.1", "Host: two-sockets.test"))
        await stage["a"].received(2)
        assert (await stage.get("/", "two-sockets.test")).status == 429
        for worker in children_of(stage.gateway.process.pid):
            os.kill(worker, signal.SIGKILL)
        gate.set()
        stage.reset()
        await eventually_lets_in(stage, "two-sockets.test", 3)


async def eventually_lets_in(stage, host, count):
    """As many, one after the other: whoever was there has left."""
    found = []

    async def lets_in():
        found.append((await stage.get("/", host)).status)
        return found[-count:] == [200] * count

    await eventually(lets_in, f"{host} lets {count} in")


# reloads


@pytest.mark.spec("M-111")
async def test_a_reload_of_something_else_forgets_nothing(stage):
    document = dynamic(stage.urls)
    document["http"]["routers"]["unrelated"] = {"rule": "Host(`unrelated.test`)", "service": "a"}
    await statuses(stage, "rate-minute.test", 1)
    await stage.gateway.update(document)
    assert (await stage.get("/", "unrelated.test")).status == 200
    assert await statuses(stage, "rate-minute.test", 2) == [429, 429]

    document["http"]["middlewares"] = MIDDLEWARES | {"rate-minute": {"rateLimit": {"average": 1, "period": "2m"}}}

    async def lets_in():
        return (await stage.get("/", "rate-minute.test")).status == 200

    await stage.gateway.update(document, until=lets_in)
    assert await statuses(stage, "rate-minute.test", 1) == [429]
