"""A middleware that retries, in a worker over real sockets: other servers, and within the retry budget."""

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import ClassVar

import pytest
from attrs import frozen

from pointsman import Body, hookimpl
from pointsman.config.entrypoint_model import EntryPoint
from pointsman.config.static import Static
from pointsman.control.merge import merge
from pointsman.errors import GatewayError
from pointsman.plugins import load_registry
from pointsman.testing import RESET, answer, connect, eventually, refusing, upstream
from pointsman.worker import Worker

from .stage import balancer, head


@frozen
class AgainConfig:
    attempts: int = 3


class Again:
    """A stand-in for a retry middleware: whatever failed, or is a 503, is sent again."""

    name: ClassVar[str] = "again"
    Config: ClassVar[type] = AgainConfig

    def __init__(self, config, context):
        self._attempts = config.attempts

    async def __call__(self, request, call_next):
        content = await request.body.read(1 << 20)
        for attempt in range(1, self._attempts + 1):
            if content:
                request.body = Body.of(content)
            last = attempt == self._attempts
            try:
                response = await call_next(request)
            except GatewayError as error:
                if last or error.side != "upstream" or not request.exchange.retry():
                    raise
            else:
                if last or response.status != 503 or not request.exchange.retry():
                    response.headers.add(b"x-attempts", b"%d" % attempt)
                    return response


class Plugin:
    @hookimpl
    def pointsman_middlewares(self):
        return [Again]


@asynccontextmanager
async def serving(*urls, **settings):
    """The port of a worker that retries what these servers do not answer."""
    routers = {"all": {"rule": "PathPrefix(`/`)", "service": "s", "middlewares": ["again"]}}
    http = {
        "routers": routers,
        "services": {"s": balancer(*urls, **settings)},
        "middlewares": {"again": {"again": {"attempts": 3}}},
    }
    tree, problems = merge({"file": {"http": http}})
    assert not problems
    listening = socket.create_server(("127.0.0.1", 0))
    registry = load_registry(Plugin(), entry_point_plugins=False)
    worker = Worker(Static(entry_points={"web": EntryPoint(":80")}), registry, {"web": listening})
    found = await worker.apply(tree)
    assert not [problem for problem in found if not problem.warning], found
    await worker.serve()
    try:
        yield listening.getsockname()[1]
    finally:
        for entry in worker.entries.values():
            entry.cut()
        await worker.stop()


@pytest.mark.parametrize("how", [[RESET], answer(503)], ids=["it resets", "it says 503"])
async def test_what_one_server_does_not_answer_another_does(how):
    async with upstream() as bad, upstream() as good, serving(bad.url, good.url) as port, connect(port) as client:
        bad.answers(how)
        good.answers(answer(200, {}, b"good"))
        for _ in range(10):
            found = await client.ask(head("POST / HTTP/1.1", "Host: a.test", "Content-Length: 5", body=b"hello"))
            assert (found.status, found.body) == (200, b"good")
        assert bad.requests
        assert all(message.body == b"hello" for message in good.requests)


async def test_a_server_that_cannot_be_connected_to_is_passed_over():
    with refusing() as port:
        closed = f"http://127.0.0.1:{port}"
        async with (
            upstream(answer(200, {}, b"good")) as good,
            serving(closed, closed, good.url) as front,
            connect(front) as client,
        ):
            for _ in range(9):
                assert (await client.get()).status == 200


async def test_answers_that_were_given_up_leave_no_connection_behind():
    async with upstream() as bad, upstream() as good, serving(bad.url, good.url) as port, connect(port) as client:
        bad.answers([b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100000\r\n\r\nhalf", 0.05, b"x"])
        good.answers(answer(200, {}, b"good"))
        for _ in range(6):
            assert (await client.get()).body == b"good"
        await eventually(lambda: bad.open == 0, "its connections are closed")
        assert good.connections == 1


async def test_a_budget_keeps_retries_within_their_share():
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(upstream(answer(503))) for _ in range(2)]
        budget = {"percent": 20, "minRetriesPerSecond": 0}
        port = await stack.enter_async_context(serving(*(server.url for server in servers), retryBudget=budget))

        async def ask(count):
            async with connect(port) as client:
                for _ in range(count):
                    assert (await client.get()).status == 503

        await asyncio.gather(*(ask(25) for _ in range(4)))
        assert 110 <= sum(len(server.requests) for server in servers) <= 120
