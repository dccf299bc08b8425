"""The service by itself: what it takes, what it answers, and what it publishes."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from pointsman import InternalRequest
from pointsman.errors import Problem
from pointsman.testing import FakeContext, build, eventually
from pointsman_rest import Rest

ROUTERS = {"http": {"routers": {"r": {"rule": "Host(`r.test`)", "service": "s@file"}}}}


@asynccontextmanager
async def running(context=None):
    rest, said = build(Rest, {}, context or FakeContext("rest")), []
    task = asyncio.create_task(rest.provide(lambda document, problems=(): said.append(document)))
    try:
        await eventually(lambda: said, "its first word")
        yield rest, said
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def put(rest, document, path="/api/providers/rest", method="PUT"):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return await rest.answer(InternalRequest(method, path, body=body))


async def test_what_is_put_is_echoed_and_published():
    async with running() as (rest, said):
        assert said == [{}], "so that nobody waits for it at the start"
        answer = await put(rest, ROUTERS)
        assert (answer.status, json.loads(answer.body)) == (200, ROUTERS)
        assert answer.content_type == "application/json; charset=UTF-8"
        await eventually(lambda: said[1:] == [ROUTERS], "it is published")


async def test_what_is_put_before_it_runs_is_published_when_it_does():
    rest, said = build(Rest, {}, FakeContext("rest")), []
    await put(rest, ROUTERS)
    task = asyncio.create_task(rest.provide(lambda document, problems=(): said.append(document)))
    await eventually(lambda: said == [ROUTERS], "it is published")
    task.cancel()


async def test_an_empty_configuration_changes_nothing():
    async with running() as (rest, said):
        for empty in (b"{}", b"null", b" {} "):
            answer = await put(rest, empty)
            assert (answer.status, answer.body) == (200, b"{}")
        await put(rest, ROUTERS)
        await eventually(lambda: said[1:] == [ROUTERS], "only that is published")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", b"line 1, column 1: is not JSON"),
        (b'{"http":\n{', b"line 2, column 2: is not JSON"),
        (b"http: {}", b"line 1, column 1: is not JSON"),
        (b"{} {}", b"line 1, column 4: is not JSON: Extra data"),
        (b'{"http": {}, "http": {}}', b"a key is given twice"),
        (b'{"http": NaN}', b"NaN is no number"),
        (b"\xff", b"is not UTF-8 text"),
        (b"[" * 200_000, b"is nested deeper than 100 levels"),
    ],
    ids=["nothing", "half", "yaml", "two", "twice", "nan", "bytes", "deep"],
)
async def test_what_is_no_json_is_a_400_that_says_where(body, said):
    async with running() as (rest, published):
        answer = await put(rest, body)
        assert (answer.status, published) == (400, [{}])
        assert said in answer.body
        assert dict(answer.headers) == {"X-Content-Type-Options": "nosniff"}


async def test_what_the_kernel_refuses_is_a_400():
    context = FakeContext("rest", problems=[Problem("http.routers.r.priority", "expected a whole number")])
    async with running(context) as (rest, said):
        answer = await put(rest, ROUTERS)
        assert (answer.status, answer.body) == (400, b"http.routers.r.priority: expected a whole number\n")
        assert said == [{}]


@pytest.mark.spec("P-24")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/api/providers/file", 400),
        ("PUT", "/api/providers/REST", 400),
        ("GET", "/api/providers/rest", 405),
        ("POST", "/api/providers/rest", 405),
        ("GET", "/api/providers/file", 405),
        ("PUT", "/api/providers/rest/", 404),
        ("PUT", "/api/providers/", 404),
        ("PUT", "/x/api/providers/rest", 404),
    ],
)
async def test_other_requests_are_refused(method, path, status):
    async with running() as (rest, said):
        assert (await put(rest, ROUTERS, path, method)).status == status
        assert said == [{}]


def test_a_router_of_its_own_is_for_those_who_ask_for_it():
    assert Rest.Config(insecure=True).entry_point == "traefik"
    assert Rest.Config().entry_point == ""
