"""timeout and requestId over real sockets: what holds for a request as a whole, whatever happens to it on the way."""

import asyncio

import grpc
import pytest
import pytest_asyncio

from pointsman.testing import PIPE, answer, chunked, eventually, upgrade

from .stage import balancer, head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIDDLEWARES = {
    "named": {"requestId": {}},
    "soon": {"timeout": {"request": "400ms"}},
    "head": {"timeout": {"firstByte": "300ms", "status": 503}},
    "silent": {"timeout": {"idle": "300ms"}},
    "again": {"retry": {"attempts": 1000, "initialInterval": "100ms", "status": ["504"]}},
    "twice": {"retry": {"attempts": 2, "status": ["503"]}},
}
ROUTERS = {
    "plain": (["named", "soon"], "a"),
    "head": (["head"], "a"),
    "silent": (["silent"], "a"),
    "tried": (["named", "soon", "again"], "dead"),
    "each": (["named", "twice", "head"], "pair"),
    "grpc": (["head"], "a"),
}
HANGS = [PIPE]


def dynamic(urls):
    rules = {
        name: {"rule": f"Host(`{name}.test`)", "middlewares": middlewares, "service": service}
        for name, (middlewares, service) in ROUTERS.items()
    }
    rules["grpc"]["rule"] = "PathPrefix(`/shop.Shop/`)"
    document = routed(rules, urls, dead=balancer(urls["closed"]), pair=balancer(urls["a"], urls["b"]))
    document["http"]["middlewares"] = MIDDLEWARES
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house():
    points = {"web": {}, "trusting": {"forwardedHeaders": {"insecure": True}}}
    async with staged(dynamic, {"entryPoints": points}, ["a", "b"]) as stage:
        yield stage


@pytest.fixture
def stage(house):
    house.reset()
    return house


@pytest.mark.parametrize(("host", "status"), [("plain.test", 504), ("head.test", 503)])
async def test_an_answer_that_does_not_come_is_the_gateways_own(stage, host, status):
    stage["a"].answers(HANGS)
    assert (await stage.get("/", host)).status == status
    await eventually(lambda: stage["a"].open == 0, "its connection is closed")


async def test_retries_and_their_pauses_are_within_the_limit(stage):
    found = await stage.get("/", "tried.test")
    assert found.status == 504
    assert found.get("x-request-id")


async def test_after_retry_it_is_a_limit_for_each_attempt(stage):
    stage["a"].answers(HANGS)
    for _ in range(2):
        found = await stage.get("/", "each.test")
        assert (found.status, found.body) == (200, b"b")
    assert stage["a"].last.get("x-request-id")


@pytest.mark.parametrize("host", ["plain.test", "silent.test"])
async def test_an_answer_that_has_begun_is_cut(stage, host):
    stage["a"].answers([*chunked([b"one"])[:-1], PIPE])
    async with stage.connect() as client:
        await client.send(head("GET / HTTP/1.1", f"Host: {host}"))
        assert (await client.head()).status == 200
        assert await client.rest() == b"3\r\none\r\n"
    await eventually(lambda: stage["a"].open == 0, "its connection is closed")


async def test_a_client_that_stops_sending_is_told_so(stage):
    async with stage.connect() as client:
        await client.send(head("POST / HTTP/1.1", "Host: plain.test", "Content-Length: 10", body=b"hello"))
        assert (await client.message()).status == 408


async def test_a_websocket_lasts(stage):
    stage["a"].answers(upgrade("echo"))
    async with stage.connect() as client:
        await client.send(head("GET / HTTP/1.1", "Host: plain.test", "Connection: Upgrade", "Upgrade: echo"))
        assert (await client.head()).status == 101
        for _ in range(3):
            await asyncio.sleep(0.2)
            await client.send(b"hello")
            assert await client.exactly(5) == b"hello"


async def test_a_grpc_client_learns_that_it_took_too_long(stage):
    stage["a"].answers(HANGS)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{stage.gateway.port()}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await channel.unary_unary("/shop.Shop/Silent")(b"")
    assert failure.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_server_and_client_learn_the_name_of_a_request(stage):
    found = await stage.get("/", "plain.test", x_request_id="mine")
    (name,) = found.get_all("x-request-id")
    assert name != "mine"
    assert stage["a"].last.get_all("x-request-id") == [name]


async def test_a_name_is_taken_over_where_its_client_is_believed(stage):
    found = await stage.get("/", "plain.test", "trusting", x_request_id="mine")
    assert found.get_all("x-request-id") == stage["a"].last.get_all("x-request-id") == ["mine"]


async def test_every_attempt_has_the_same_name(stage):
    for server in (stage["a"], stage["b"]):
        server.answers(answer(503), answer(503), answer(200))
    found = await stage.get("/", "each.test")
    names = {message.get("x-request-id") for server in (stage["a"], stage["b"]) for message in server.requests}
    assert names == {found.get("x-request-id")}
    assert len(stage["a"].requests) == len(stage["b"].requests) == 1
