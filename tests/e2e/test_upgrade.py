"""After an accepted upgrade the gateway is a pipe (routing.md section 6.4)."""

import os
import sys

import pytest
import pytest_asyncio

from pointsman.testing import CLOSE, answer, eventually, upgrade

from .stage import head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEBSOCKET = ("Connection: keep-alive, Upgrade", "Upgrade: websocket", "sec-websocket-key: dGhl", "Sec-Websocket-Version: 13")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-A: 1\r\n\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with staged(lambda urls: routed({"all": "PathPrefix(`/`)"}, urls), servers=["a"]) as stage:
        yield stage


@pytest.mark.spec("R-67")
async def test_a_websocket_echoes_both_ways(stage):
    stage["a"].answers(upgrade("websocket"))

    async with stage.connect() as client:
        switched = await client.ask(head("GET /chat HTTP/1.1", "Host: a.test", *WEBSOCKET))
        assert (switched.status, switched.get("upgrade"), switched.get("connection")) == (101, "websocket", "Upgrade")
        for sent in (b"ping", b"\x00\xff" * 5000, b"pong"):
            await client.send(sent)
            assert await client.exactly(len(sent)) == sent

    names = [name for name, _ in stage["a"].last.headers]
    assert b"Sec-WebSocket-Key" in names
    assert b"Sec-WebSocket-Version" in names
    assert stage["a"].last.get("x-forwarded-proto") == "ws"
    assert (stage["a"].last.get("connection"), stage["a"].last.get("upgrade")) == ("Upgrade", "websocket")


async def test_the_server_may_speak_first_and_the_client_early(stage):
    stage["a"].answers([SWITCH + b"welcome", *upgrade()[1:]])

    async with stage.connect() as client:
        await client.send(head("GET / HTTP/1.1", "Host: a.test", *WEBSOCKET) + b"early")
        assert (await client.head()).get("x-a") == "1"
        assert await client.exactly(12) == b"welcomeearly"


async def test_what_was_sent_arrives_after_one_side_has_ended(stage):
    stage["a"].answers(upgrade("websocket"))

    async with stage.connect() as client:
        await client.ask(head("GET / HTTP/1.1", "Host: a.test", *WEBSOCKET))
        await client.send(b"last words")
        client.send_eof()
        assert await client.rest() == b"last words"


@pytest.mark.skipif(sys.platform != "linux", reason="open files are counted in /proc")
async def test_a_pipe_that_both_sides_have_ended_leaves_nothing_open(stage):
    stage["a"].answers(upgrade("websocket"))

    def open_files():
        return len(os.listdir(f"/proc/{stage.gateway.process.pid}/fd"))

    before = open_files()
    for _ in range(5):
        async with stage.connect() as client:
            await client.ask(head("GET / HTTP/1.1", "Host: a.test", *WEBSOCKET))
            client.send_eof()
            assert await client.rest() == b""
    await eventually(lambda: open_files() <= before + 2, "the connections are closed")


async def test_an_upgrade_that_is_refused_is_an_answer_like_any_other(stage):
    stage["a"].answers(answer(403, {}, b"no"))

    async with stage.connect() as client:
        refused = await client.ask(head("GET / HTTP/1.1", "Host: a.test", *WEBSOCKET))
        assert (refused.status, refused.body) == (403, b"no")
        assert (await client.get("/")).status == 403


async def test_an_upgrade_to_something_else_is_a_bad_gateway(stage):
    stage["a"].answers([SWITCH.replace(b"websocket", b"other"), CLOSE])

    assert (await stage.ask(head("GET / HTTP/1.1", "Host: a.test", *WEBSOCKET))).status == 502


@pytest.mark.spec("R-68")
async def test_an_upgrade_to_h2c_is_not_passed_on(stage):
    stage.reset()
    lines = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")

    seen = await stage.seen(head("GET / HTTP/1.1", "Host: a.test", *lines))

    assert seen.get("upgrade") is seen.get("connection") is seen.get("http2-settings") is None
