"""A WebSocket through the middlewares that do most to requests and answers, one by one and all together."""

import pytest
import pytest_asyncio

from pointsman.testing import answer, upgrade

from .stage import balancer, head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "Accept-Encoding: gzip",
)


def middlewares(door):
    return {
        "headers": {"headers": {"customRequestHeaders": {"X-In": "1"}, "customResponseHeaders": {"X-Out": "1"}}},
        "compress": {"compress": {}},
        "errors": {"errors": {"status": ["400-599"], "service": "pages", "query": "/{status}"}},
        "buffering": {"buffering": {"maxResponseBodyBytes": 1000, "maxRequestBodyBytes": 1000}},
        "retry": {"retry": {"attempts": 3, "status": ["500-599"]}},
        "forward-auth": {"forwardAuth": {"address": f"{door}/may-enter", "authResponseHeaders": ["X-User"]}},
        "timeout": {"timeout": {"request": "10s", "idle": "10s"}},
        "request-id": {"requestId": {}},
    }


NAMES = tuple(middlewares(""))
ROUTERS = {**{name: [name] for name in NAMES}, "all": list(NAMES), "reverse": list(reversed(NAMES))}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house():
    def dynamic(urls):
        rules = {name: {"rule": f"Host(`{name}.test`)", "middlewares": chain} for name, chain in ROUTERS.items()}
        document = routed(rules, urls, pages=balancer(urls["pages"]))
        document["http"]["middlewares"] = middlewares(urls["door"])
        return document

    async with staged(dynamic, None, ["a", "door", "pages"]) as stage:
        yield stage


@pytest.fixture
def stage(house):
    house.reset()
    house["door"].answers(answer(200, {"X-User": "bob"}))
    return house


@pytest.mark.spec("M-97")
@pytest.mark.parametrize("name", ROUTERS)
async def test_a_websocket_is_let_through_and_echoes_both_ways(stage, name):
    stage["a"].answers(upgrade("websocket"))
    async with stage.connect() as client:
        switched = await client.ask(head("GET /chat HTTP/1.1", f"Host: {name}.test", *HANDSHAKE))
        assert (switched.status, switched.get("upgrade")) == (101, "websocket")
        assert switched.get("content-encoding") is None
        for sent in (b"ping", b"\x00\xff" * 5000, b"pong"):
            await client.send(sent)
            assert await client.exactly(len(sent)) == sent
        client.send_eof()
        assert await client.rest() == b""

    assert stage["a"].last.get("upgrade") == "websocket"
    chain = ROUTERS[name]
    assert stage["a"].last.get("x-user") == ("bob" if "forward-auth" in chain else None)
    assert stage["a"].last.get("x-in") == ("1" if "headers" in chain else None)
    assert len(stage["door"].requests) == ("forward-auth" in chain)
    assert not stage["pages"].requests


@pytest.mark.parametrize("name", ["all", "reverse"])
async def test_a_handshake_that_fails_first_is_asked_again(stage, name):
    stage["a"].answers(answer(503), upgrade("websocket"))
    async with stage.connect() as client:
        switched = await client.ask(head("GET /chat HTTP/1.1", f"Host: {name}.test", *HANDSHAKE))
        assert switched.status == 101
        await client.send(b"ping")
        assert await client.exactly(4) == b"ping"
