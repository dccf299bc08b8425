"""Requests leave nothing that only the garbage collector finds: it would stop everything now and then to look for it."""

import asyncio
import json
import shutil
import subprocess

import pytest
import pytest_asyncio

from pointsman.testing import CLOSE, answer, chunked, free_port, upgrade, upstream

from . import paper
from .stage import balancer, head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMES = 25
"""As many objects of one type are left of what is done each time, fewer of something that is done once."""

MIDDLEWARES = {
    "litter": {"litter": {"kept": 0}},
    "team": {"headers": {"customRequestHeaders": {"X-Team": "blue"}, "customResponseHeaders": {"X-Team": "red"}}},
    "buffered": {"buffering": {"maxRequestBodyBytes": 1_000_000}},
    "smaller": {"compress": {"minResponseBodyBytes": 10}},
    "again": {"retry": {"attempts": 2}},
    "breaker": {"circuitBreaker": {"expression": "NetworkErrorRatio() > 2"}},
    "users": {"basicAuth": {"users": ["a:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="]}},
    "few": {"inFlightReq": {"amount": 10}},
    "slowly": {"rateLimit": {"average": 100_000, "burst": 1_000}},
    "stripped": {"stripPrefix": {"prefixes": ["/strip"]}},
    "replaced": {"replacePathRegex": {"regex": "^/(.*)", "replacement": "/x/$1"}},
    "named": {"requestId": {"header": "X-Id"}},
    "soon": {"timeout": {"request": "10s", "idle": "5s"}},
    "torn": {"tearing": {"why": "it is meant to"}},
}


def dynamic(urls):
    middlewares = {
        **MIDDLEWARES,
        "door": {"forwardAuth": {"address": f"{urls['door']}/who"}},
        "pages": {"errors": {"status": ["500-599"], "service": "b", "query": "/{status}"}},
    }
    services = {
        "two": {"loadBalancer": {"servers": [{"url": urls["closed"]}, {"url": urls["a"]}]}},
        "mirrored": {"mirroring": {"service": "a", "mirrors": [{"name": "b", "percent": 100}]}},
        "over": {"failover": {"service": "closed", "fallback": "a", "errors": {"status": ["500-504"]}}},
        "canary": {
            "weighted": {"services": [{"name": "a", "weight": 3}, {"name": "b", "weight": 1}], "sticky": {"cookie": {}}}
        },
        "choosy": balancer(urls["a"], urls["b"], strategy="p2c", passiveHealthCheck={"maxFailedAttempts": 3}),
        "checked": balancer(urls["a"], sticky={"cookie": {}}),
        "h2c": balancer(urls["nghttpd"]),
    }
    rules = {"plain": "Host(`a.example`)"}
    rules["litter"] = {"rule": "Host(`litter.example`)", "middlewares": ["litter"]}
    for name in [*middlewares, *services, "closed"]:
        what = {"service": name} if name not in middlewares else {"middlewares": [name]}
        rules[name] = {"rule": f"Host(`{name}.example`)", **what, "observability": {"traceVerbosity": "detailed"}}
    rules["again"]["service"] = rules["breaker"]["service"] = "two"
    rules["litter"]["observability"] = {"accessLogs": False, "metrics": False, "tracing": False}
    document = routed(rules, urls, **services)
    return {"http": {**document["http"], "middlewares": middlewares}}


@pytest.fixture(scope="module")
def nghttpd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nghttpd")
    (folder / "index.html").write_bytes(b"x" * 100_000)
    port = free_port()
    command = [shutil.which("nghttpd"), "-a", "127.0.0.1", "-d", str(folder), "--echo-upload", "--no-tls", str(port)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        yield f"h2c://127.0.0.1:{port}"
        process.terminate()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(nghttpd, tmp_path_factory):
    folder = tmp_path_factory.mktemp("paper")
    with paper.installed(folder):
        async with upstream() as collector:
            collector.answers(answer(200))
            static = {
                "tracing": {"paper": {"url": collector.url}},
                "accessLog": {"format": "json", "filePath": str(folder / "access.log")},
                "metrics": {"prometheus": {}},
            }
            async with staged(lambda urls: dynamic({**urls, "nghttpd": nghttpd}), static, ["a", "b", "door"]) as stage:
                yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def left(stage):
    """What there is much of that only the garbage collector finds, of what has happened since the test began."""
    stage.reset()

    async def look(times=TIMES):
        await asyncio.sleep(0.05)  # what was done last is over, and exported
        found = json.loads((await stage.get(host="litter.example")).body)
        return {name: number for name, number in found.items() if number >= times}

    await look()
    return look


def post(host, length):
    return head("POST / HTTP/1.1", f"Host: {host}.example", f"Content-Length: {length}", body=b"x" * length)


HOSTS = [*sorted(MIDDLEWARES.keys() - {"litter"}), "door", "pages"]
SERVICES = ["two", "mirrored", "over", "canary", "choosy", "checked", "h2c", "closed", "nobody"]
ASKED = {
    "get": (head("GET /strip/x?a=b HTTP/1.1", "Host: {}.example", "Accept-Encoding: gzip"), None),
    "refused": (head("GET / HTTP/1.1", "Host: {}.example", "Authorization: Basic x"), answer(500)),
    "chunks": (
        head("POST / HTTP/1.1", "Host: {}.example", "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"),
        chunked([b"x" * 30_000] * 10),
    ),
}


@pytest.mark.parametrize("host", ["a", *HOSTS, *SERVICES])
async def test_nothing_is_left_of_requests(stage, left, host):
    for request, script in ASKED.values():
        if script is not None:
            stage["a"].answers(script)
        async with stage.connect() as client:
            for _ in range(TIMES):
                await client.send(request.replace(b"{}", host.encode()))
                await client.message()
    for _ in range(TIMES):
        await stage.ask(post(host, 100_000))
    assert await left() == {}


BROKEN = {
    "half": [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 70_000, CLOSE],
    "nothing": [CLOSE],
    "nonsense": [b"SSH-2.0-x\r\n", CLOSE],
}


@pytest.mark.parametrize("host", ["a", "again", "over", "soon", "pages", "mirrored"])
@pytest.mark.parametrize("script", BROKEN)
async def test_nothing_is_left_of_answers_that_break_off(stage, left, script, host):
    stage["a"].answers(BROKEN[script])
    for _ in range(TIMES):
        async with stage.connect() as client:
            await client.send(head("GET / HTTP/1.1", f"Host: {host}.example"))
            await client.rest() if script == "half" else await client.message()
    assert await left() == {}


@pytest.mark.parametrize("host", ["a", "again", "over", "soon", "smaller", "buffered", "door"])
async def test_nothing_is_left_of_clients_that_leave(stage, left, host):
    stage["a"].answers([b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 70_000, 0.05])
    for _ in range(TIMES):
        async with stage.connect() as client:
            await client.send(head("GET / HTTP/1.1", f"Host: {host}.example"))
            if host not in ("smaller", "buffered"):
                await client.until(b"x")
        async with stage.connect() as client:
            await client.send(post(host, 100_000)[:50_000])
    assert await left() == {}


async def test_nothing_is_left_of_websockets(stage, left):
    stage["a"].answers(upgrade("websocket"))
    for _ in range(TIMES):
        async with stage.connect() as client:
            await client.ask(head("GET / HTTP/1.1", "Host: a.example", "Connection: Upgrade", "Upgrade: websocket"))
            await client.send(b"ping")
            assert await client.exactly(4) == b"ping"
    assert await left() == {}


@pytest.mark.real("h2load")
@pytest.mark.parametrize("host", ["a", "h2c", "smaller", "over", "nobody", "closed"])
async def test_nothing_is_left_of_http2(stage, left, host, tmp_path):
    (tmp_path / "body").write_bytes(b"x" * 50_000)
    url = f"http://127.0.0.1:{stage.gateway.port('web')}/"
    load = ["-n", "60", "-c", "1", "-H", f":authority: {host}.example", url]
    for more in ([], ["-d", str(tmp_path / "body")]):
        command = [shutil.which("h2load"), *more, *load]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30, check=False)
        assert "60 done" in done.stdout, done
    assert await left(60) == {}, "a connection may leave more than one request would"
