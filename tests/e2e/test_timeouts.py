"""Time limits of a service (`loadBalancer.timeouts`), over HTTP/1, HTTP/2 and as gRPC sees them."""

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import pytest_asyncio

from pointsman.testing import PIPE, chunked, eventually, gateway, upgrade

from .stage import balancer, head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMITS = {
    "first": {"firstByte": "300ms"},
    "whole": {"request": "600ms"},
    "idle": {"idle": "500ms"},
    "all": {"connect": "5s", "firstByte": "5s", "request": "5s", "idle": "5s"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    def dynamic(urls):
        services = {name: balancer(urls["a"], timeouts=limits) for name, limits in LIMITS.items()}
        rules = {name: {"rule": f"Host(`{name}.test`)", "service": name} for name in LIMITS}
        return routed(rules, urls, **services)

    async with staged(dynamic, servers=["a"]) as stage:
        yield stage


def asked(host, *lines):
    return head("GET / HTTP/1.1", f"Host: {host}.test", *lines)


async def test_within_its_limits_a_request_is_as_any_other(stage):
    stage["a"].answers(chunked([b"one", b"two"]))
    for _ in range(2):
        found = await stage.ask(asked("all"))
        assert (found.status, found.body) == (200, b"onetwo")


@pytest.mark.parametrize("name", ["first", "whole"])
async def test_a_server_that_does_not_answer_in_time_is_a_504(stage, name):
    stage["a"].answers([PIPE])
    found = await stage.ask(asked(name))
    assert (found.status, found.body) == (504, b"Gateway Timeout")
    await eventually(lambda: stage["a"].open == 0, "its connection is closed")


@pytest.mark.parametrize("name", ["whole", "idle"])
async def test_an_answer_that_stops_is_cut(stage, name):
    stage["a"].answers([*chunked([b"one"])[:-1], PIPE])
    async with stage.connect() as client:
        await client.send(asked(name))
        assert (await client.head()).status == 200
        assert await client.rest() == b"3\r\none\r\n"
    await eventually(lambda: stage["a"].open == 0, "its connection is closed")


async def test_a_websocket_without_a_word_is_closed_and_one_that_talks_is_not(stage):
    stage["a"].answers(upgrade("websocket"))
    async with stage.connect() as client:
        await client.ask(asked("idle", "Connection: Upgrade", "Upgrade: websocket"))
        for _ in range(4):
            await client.send(b"ping")
            assert await client.exactly(4) == b"ping"
            await asyncio.sleep(0.2)
        assert await client.rest() == b""
    await eventually(lambda: stage["a"].open == 0, "the server's side is closed")


@pytest_asyncio.fixture(loop_scope="module")
async def shop():
    """A call to a method that says nothing, and to one that says one thing, through a gateway that is in a hurry."""
    over = threading.Event()

    def silent(request, context):
        over.wait(20)
        return b""

    def one_word(request, context):
        yield b"one"
        over.wait(20)

    methods = {
        "Silent": grpc.unary_unary_rpc_method_handler(silent),
        "OneWord": grpc.unary_stream_rpc_method_handler(one_word),
    }
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    service = balancer(f"h2c://127.0.0.1:{port}", timeouts={"firstByte": "300ms", "idle": "300ms"})
    dynamic = {
        "http": {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "s"}}, "services": {"s": service}},
    }
    try:
        async with gateway(dynamic) as front, grpc.aio.insecure_channel(f"127.0.0.1:{front.port()}") as channel:
            yield channel
    finally:
        over.set()
        server.stop(None).wait()


async def test_a_grpc_call_without_an_answer_exceeds_its_deadline(shop):
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await shop.unary_unary("/shop.Shop/Silent")(b"")
    assert failure.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_grpc_stream_that_falls_silent_is_cut(shop):
    call = shop.unary_stream("/shop.Shop/OneWord")(b"")
    assert await call.read() == b"one"
    with pytest.raises(grpc.aio.AioRpcError):
        await call.read()


async def test_a_connection_that_cannot_be_made_in_time_is_a_504():
    """The server never says a word of the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        service = balancer(f"https://127.0.0.1:{port}", timeouts={"connect": "300ms"})
        async with staged(lambda urls: routed({"all": "PathPrefix(`/`)"}, urls, a=service), servers=[]) as stage:
            assert (await stage.get()).status == 504
