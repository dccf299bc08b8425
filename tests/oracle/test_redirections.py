"""Entry points that send their clients to others (operations.md 2.6)."""

from contextlib import asynccontextmanager

import pytest_asyncio

from .certificates import pair
from .harness import ANSWER, ORACLE, Hello, arena_of, both_agree, case, get, marked

pytestmark = ORACLE

REDIRECTIONS = [
    case("redirect/get", get("/a/b?x=1&y=2", "a.test"), entry_point="permanent"),
    case("redirect/head", get("/a", "a.test", method="HEAD"), entry_point="permanent"),
    case("redirect/post", get("/a", "a.test", method="POST", body=b"abc"), entry_point="permanent"),
    case("redirect/with-port", get("/", "a.test:8080"), entry_point="permanent"),
    case("redirect/ipv6", get("/", "[::1]:8080"), entry_point="permanent"),
    case("redirect/upper-case", get("/A", "A.test"), entry_point="permanent"),
    case("redirect/no-router", get("/", "nobody.test"), entry_point="permanent"),
    case("redirect/temporary", get("/", "a.test"), entry_point="temporary"),
    case("redirect/temporary-post", get("/", "a.test", method="POST", body=b"abc"), entry_point="temporary"),
    case("redirect/to-port", get("/x", "a.test"), entry_point="to-port"),
    case("redirect/to-443", get("/x", "a.test"), entry_point="to-443"),
    case("redirect/to-http-80", get("/x", "a.test"), entry_point="to-80"),
    case("redirect/priority", get("/x", "a.test"), entry_point="low"),
    case("redirect/encoded-path", get("/a%2Fb/%C3%A9?q=%20", "a.test"), entry_point="to-443"),
    case("redirect/double-slash", get("//evil.test/x", "a.test"), entry_point="to-443"),
    case("redirect/no-path-but-query", get("/?x", "a.test"), entry_point="to-443"),
    case(
        "redirect/websocket",
        get("/", "a.test", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: abc"),
        entry_point="to-443",
    ),
    case("redirect/over-tls", get("/x", "a.test"), entry_point="to-443", hello=Hello("a.test")),
    case("redirect/forwarded-host", get("/x", "a.test", "X-Forwarded-Host: b.test"), entry_point="to-443"),
    case("redirect/forwarded-proto", get("/x", "a.test", "X-Forwarded-Proto: https"), entry_point="to-443"),
    case("redirect/two-on-one-connection", [get("/1", "a.test"), ANSWER, get("/2", "a.test"), ANSWER], entry_point="to-443"),
]

STATIC = {
    "entryPoints": {
        "web": {},
        "permanent": {"http": {"redirections": {"entryPoint": {"to": ":8443"}}}},
        "temporary": {"http": {"redirections": {"entryPoint": {"to": ":8443", "permanent": False}}}},
        "to-port": {"http": {"redirections": {"entryPoint": {"to": ":9443", "scheme": "https"}}}},
        "to-443": {"http": {"redirections": {"entryPoint": {"to": ":443"}}}},
        "to-80": {"http": {"redirections": {"entryPoint": {"to": ":80", "scheme": "http"}}}},
        "low": {"http": {"redirections": {"entryPoint": {"to": ":443", "priority": 1}}}},
    }
}


def dynamic(url, closed):
    points = ["web", "permanent", "temporary", "to-port", "to-443", "low"]
    document = marked({"any": {"rule": "Host(`a.test`)", "entryPoints": points}}, url)
    return {**document, "tls": {"certificates": [pair("a.test")]}}


@asynccontextmanager
async def opened():
    async with arena_of(dynamic, STATIC) as arena:
        yield arena


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with opened() as arena:
        yield arena


@both_agree(REDIRECTIONS)
async def test_both_redirect_entry_points_alike(arena, case):
    await arena.compare(case)
