"""A server that fails costs its request, and nothing else (routing.md section 6.7)."""

import asyncio
import json
import socket
import time

import pytest
import pytest_asyncio

from pointsman.testing import CLOSE, RESET, eventually

from .stage import balancer, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def full():
    """A server that accepts nobody, and whose queue is full: what it is sent is not answered."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for client in (first, second):
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(full):
    def dynamic(urls):
        services = {
            "refused": balancer(urls["closed"]),
            "unknown": balancer("http://nowhere.invalid"),
            "impatient": balancer(urls["a"], serversTransport="impatient"),
            "full": balancer(full, serversTransport="impatient"),
            "once": balancer(urls["a"], serversTransport="once"),
        }
        document = routed({name: {"rule": f"Host(`{name}.test`)", "service": name} for name in services}, urls, **services)
        document["http"]["serversTransports"] = {
            "impatient": {"forwardingTimeouts": {"responseHeaderTimeout": "300ms", "dialTimeout": "300ms"}},
            "once": {"maxIdleConnsPerHost": -1},
        }
        return document

    async with staged(dynamic, {"log": {"levels": {"server": "DEBUG"}, "format": "json"}}, servers=["a"]) as stage:
        yield stage


async def test_why_the_gateway_answers_for_a_server_is_in_the_log_at_debug_in_one_line(stage):
    before = len(stage.gateway.log())
    assert (await stage.get("/", "refused.test")).status == 502
    await eventually(lambda: "refused@file" in stage.gateway.log()[before:], "it is said")
    (said,) = map(json.loads, stage.gateway.log()[before:].splitlines())
    assert (said["level"], said["area"], said["routerName"]) == ("debug", "server", "refused@file")
    assert said["message"].startswith("router refused@file: 502: cannot connect to http://127.0.0.1:")


@pytest.mark.spec("R-4")
@pytest.mark.parametrize("host", ["refused.test", "unknown.test"])
async def test_a_server_that_cannot_be_reached_is_a_bad_gateway(stage, host):
    answer = await stage.get("/", host)

    assert (answer.status, answer.body, answer.get("content-type")) == (502, b"Bad Gateway", None)


@pytest.mark.spec("R-5", "R-6")
@pytest.mark.parametrize("host", ["impatient.test", "full.test"])
async def test_a_server_that_does_not_answer_in_time_is_a_gateway_timeout(stage, host):
    stage["a"].answers([asyncio.Event()])
    begun = time.monotonic()

    answer = await stage.get("/", host)

    assert (answer.status, answer.body, answer.get("content-type")) == (504, b"Gateway Timeout", None)
    assert 0.25 < time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "script",
    [
        [CLOSE],
        [RESET],
        [b"HTTP/1.1 200", CLOSE],
        [b"SSH-2.0-x\r\n\r\n", CLOSE],
        [b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"],
    ],
    ids=["no answer", "reset", "cut in the head", "not HTTP", "bad length"],
)
async def test_a_server_that_answers_nothing_that_is_http_is_a_bad_gateway(stage, script):
    stage["a"].answers(script)

    async with stage.connect() as client:
        answer = await client.get("/", "once.test")
        assert (answer.status, answer.body, answer.get("content-type")) == (502, b"Bad Gateway", None)

        stage.reset()
        assert (await client.get("/", "once.test")).body == b"a"
