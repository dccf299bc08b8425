"""Configuration that is put, and configuration that is polled (providers.md §2.2, §2.3)."""

import json
from contextlib import AsyncExitStack, asynccontextmanager

import pytest_asyncio

from pointsman.testing import answer, connect, eventually, upstream

from .harness import ORACLE, Told, arena_of, balancer, both_agree, case, get

pytestmark = ORACLE

R = {"rule": "Host(`r.test`)", "service": "s@file", "entryPoints": ["web"]}


def put(name, document, path="/api/providers/rest", method="PUT"):
    body = document if isinstance(document, bytes) else json.dumps(document, separators=(",", ":")).encode()
    return case(name, get(path, "a.test", method=method, body=body), entry_point="traefik")


def asked(name, path, method="GET"):
    return case(name, get(path, "a.test", method=method), entry_point="traefik")


def routers(**routers):
    return {"http": {"routers": routers}}


REQUESTS = [
    put("rest/router", routers(r={"service": "s@file", "rule": "Host(`r.test`)"})),
    put("rest/service", {"http": {"services": {"s": balancer("http://127.0.0.1:1")}}}),
    put("rest/nothing", {}),
    put("rest/null", b"null"),
    put("rest/unknown-keys", {"x": 1, "http": {"y": 2, "routers": {"r": {"rule": "Host(`r.test`)", "z": 3}}}}),
    put("rest/clear", routers()),
    put("rest/other-provider", {}, "/api/providers/file"),
    put("rest/no-json", b"{"),
    put("rest/no-body", b""),
    put("rest/list", []),
    put("rest/wrong-type", routers(r={"priority": "high"})),
    put("rest/number-as-text", routers(r={"rule": "Host(`r.test`)", "priority": "5"})),
    put("rest/two-documents", b"{} {}"),
    put("rest/key-twice", b'{"http":{},"http":{}}'),
    put("rest/empty-block", {"http": {"middlewares": {"m": {"stripPrefix": {}}}}}),
    put("rest/below", {}, "/api/providers/rest/x"),
    put("rest/post", {}, method="POST"),
    asked("rest/get", "/api/providers/rest"),
    asked("rest/head", "/api/providers/rest", "HEAD"),
    asked("rest/get-other", "/api/providers/file"),
    asked("rest/get-all", "/api/providers"),
]


async def status(running, host, path="/"):
    async with connect(running.port("web")) as client:
        return (await client.get(path, host)).status


async def until(running, host, expected):
    async def it_is():
        return await status(running, host) == expected

    await eventually(it_is, f"{host} is {expected}")
    return expected


async def say(running, document):
    body = json.dumps(document).encode()
    async with connect(running.port("traefik")) as client:
        return (await client.ask(get("/api/providers/rest", method="PUT", body=body))).status


async def _put_and_cleared(arena, running):
    told = {"put": await say(running, routers(r=R)), "live": await until(running, "r.test", 200)}
    told |= {
        "empty": await say(running, {}),
        "later": await say(running, routers(r=R, two={**R, "rule": "Host(`two.test`)"})),
    }
    told |= {"both": (await until(running, "two.test", 200), await status(running, "r.test"))}
    told |= {
        "less": await say(running, routers(r=R)),
        "one": (await until(running, "two.test", 404), await status(running, "r.test")),
    }
    return told | {"clear": await say(running, routers()), "gone": await until(running, "r.test", 404)}


async def _defaults(arena, running):
    """What is left out of a block."""
    document = routers(
        r={**R, "service": "s", "middlewares": ["limit"]},
        packed={**R, "rule": "Host(`packed.test`)", "middlewares": ["pack"]},
    )
    document["http"]["services"] = {"s": balancer(arena.upstream.url)}
    document["http"]["middlewares"] = {"limit": {"rateLimit": {"average": 1000}}, "pack": {"compress": {}}}
    await say(running, document)
    told = {"limited": await until(running, "r.test", 200), "packed": await status(running, "packed.test")}
    await say(running, routers())
    await until(running, "r.test", 404)
    return told


def _polled(body):
    """Said after something else: it takes away what was there."""

    async def story(arena, running):
        arena.endpoint.answers(answer(200, {}, json.dumps(routers(r=R)).encode()))
        await until(running, "r.test", 200)
        arena.endpoint.answers(body)
        await until(running, "r.test", 404)
        return {"host": arena.endpoint.last.get("host")}

    return story


STORIES = [
    Told("rest-live/put-and-cleared", _put_and_cleared),
    Told("rest-live/defaults", _defaults),
    Told("http-live/empty", _polled(answer(200))),
    Told("http-live/comment", _polled(answer(200, {}, b"# nothing"))),
    Told("http-live/unknown-root", _polled(answer(200, {}, b"foo: {}"))),
]


@asynccontextmanager
async def opened():
    async with AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(upstream())
        endpoint.answers(answer(200))
        http = {"endpoint": f"{endpoint.url}/cfg", "pollInterval": "20ms", "headers": {"Host": "cfg.local"}}
        providers = {"rest": {"insecure": True}, "http": http}
        static = {"entryPoints": {"web": {}, "traefik": {}}, "providers": providers}
        arena = await stack.enter_async_context(
            arena_of(lambda url, _: {"http": {"services": {"s": balancer(url)}}}, static)
        )
        yield With(arena, endpoint)


class With:
    """An arena, and the endpoint that both gateways ask."""

    def __init__(self, arena, endpoint):
        self._arena, self.endpoint = arena, endpoint

    def __getattr__(self, name):
        return getattr(self._arena, name)

    async def compare(self, told):
        await type(self._arena).compare(self, told)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def arena():
    async with opened() as found:
        yield found


@both_agree([*REQUESTS, *STORIES])
async def test_both_take_the_same_configurations(arena, case):
    await arena.compare(case)
