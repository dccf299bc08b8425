"""A server that leaves the configuration: nothing new, idle connections closed, what runs has some time (`drainTimeout`)."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import grpc
import pytest

from pointsman.testing import PIPE, answer, chunked, eventually, upgrade

from .stage import balancer, head, routed, staged

ALL = {"all": "PathPrefix(`/`)"}
WEBSOCKET = head("GET / HTTP/1.1", "Host: a.test", "Connection: Upgrade", "Upgrade: websocket")


def before(timeout):
    return lambda urls: routed(ALL, urls, a=balancer(urls["a"], drainTimeout=timeout))


async def leave(stage, **others):
    """Server a leaves."""
    await stage.gateway.update(routed(ALL, stage.urls, a=balancer(stage.urls["c"], **others)))


@asynccontextmanager
async def on_a(stage, request):
    """A client whose request has come to server a."""
    async with stage.connect() as client:
        known = len(stage["a"].requests)
        await client.send(request)
        await stage["a"].received(known + 1)
        yield client


async def test_what_runs_is_finished_and_nothing_new_is_begun(kept):
    async with staged(before("60s"), kept=kept) as stage:
        await stage.get()
        gate = asyncio.Event()
        stage["a"].answers(chunked([b"one", gate, b"two"]))
        async with on_a(stage, head("GET / HTTP/1.1", "Host: a.test")) as client:
            await leave(stage)
            seen = len(stage["a"].requests)
            for _ in range(4):
                assert (await stage.get()).body == b"c"
            assert len(stage["a"].requests) == seen
            gate.set()
            assert (await client.message()).body == b"onetwo"
            await eventually(lambda: stage["a"].open == 0, "no connection to it is left")


async def test_idle_connections_are_closed_soon(kept):
    async with staged(before("60s"), kept=kept) as stage:
        await stage.get()
        assert stage["a"].open == 1
        await leave(stage)
        await eventually(lambda: stage["a"].open == 0, "its idle connection is closed")


@pytest.mark.parametrize("patience", ["0s", "300ms"])
async def test_what_takes_too_long_is_cut(kept, patience):
    async with staged(before(patience), kept=kept) as stage:
        stage["a"].answers([*chunked([b"one"])[:-1], PIPE])
        async with on_a(stage, head("GET / HTTP/1.1", "Host: a.test")) as client:
            await client.head()
            await leave(stage)
            assert await client.rest() in (b"", b"3\r\none\r\n")


async def test_a_websocket_goes_on_for_a_while_and_is_closed(kept):
    async with staged(before("1s"), kept=kept) as stage:
        stage["a"].answers(upgrade("websocket"))
        async with on_a(stage, WEBSOCKET) as client:
            assert (await client.head()).status == 101
            await leave(stage)
            await client.send(b"still there?")
            assert await client.exactly(12) == b"still there?"
            assert await client.rest() == b""
            await eventually(lambda: stage["a"].open == 0, "the server's side is closed, too")


async def test_a_server_that_comes_back_in_time_keeps_what_it_has(kept):
    async with staged(before("1s"), kept=kept) as stage:
        stage["a"].answers(upgrade("websocket"))
        async with on_a(stage, WEBSOCKET) as client:
            assert (await client.head()).status == 101
            await leave(stage)
            await stage.gateway.update(before("1s")(stage.urls))
            await asyncio.sleep(1.3)
            await client.send(b"still there?")
            assert await client.exactly(12) == b"still there?"


async def test_without_a_limit_it_may_take_as_long_as_it_takes(kept):
    async with staged(before("-1s"), kept=kept) as stage:
        gate = asyncio.Event()
        stage["a"].answers([gate, *answer(200, {}, b"late")])
        async with on_a(stage, head("GET / HTTP/1.1", "Host: a.test")) as client:
            await leave(stage)
            gate.set()
            assert (await client.message()).body == b"late"


async def test_a_grpc_stream_goes_on_for_a_while_and_is_cut(kept):
    over = threading.Event()

    def talk(requests, context):
        yield from requests
        over.wait(20)

    server = grpc.server(ThreadPoolExecutor(2))
    method = grpc.stream_stream_rpc_method_handler(talk)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", {"Talk": method}),))
    url = f"h2c://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        async with (
            staged(lambda urls: routed(ALL, urls, a=balancer(url, drainTimeout="1s")), kept=kept) as stage,
            grpc.aio.insecure_channel(f"127.0.0.1:{stage.gateway.port()}") as channel,
        ):
            call = channel.stream_stream("/shop.Shop/Talk")()
            await call.write(b"one")
            assert await call.read() == b"one"
            await leave(stage)
            await call.write(b"two")
            assert await call.read() == b"two"
            with pytest.raises(grpc.aio.AioRpcError):
                await call.read()
    finally:
        over.set()
        server.stop(None).wait()
