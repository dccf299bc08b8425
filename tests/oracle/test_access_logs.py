"""What the access log says of the same requests (operations.md §3.2 to §3.4). Times, ports and counts are left out."""

import asyncio
import base64
import json
import re

import pytest_asyncio

from pointsman.testing import answer, chunked, eventually

from .harness import ORACLE, Told, arena_of, balancer, both_agree, dialled, get, raw

pytestmark = ORACLE

PASSING = {
    "ClientAddr",
    "ClientPort",
    "Duration",
    "OriginDuration",
    "Overhead",
    "RequestCount",
    "StartLocal",
    "StartUTC",
    "time",
}
"""Fields that are never the same twice; that they are there, and what sort of thing they are, is compared."""
USER = "user:$2y$04$kMfb/0BiS6FIFy4SiAv/C.E2yWI7/rUlH2OA7HSDHfb9VCcwA11eO"
BASIC = "Authorization: Basic " + base64.b64encode(b"user:test").decode()
WRONG = "Authorization: Basic " + base64.b64encode(b"nobody:no").decode()
FORGED = "Authorization: Basic " + base64.b64encode(b'a"\nb:no').decode()
TRUSTED = {"web": {"forwardedHeaders": {"insecure": True}}}
FIELDS = {
    "headers": {
        "defaultMode": "keep",
        "names": {"authorization": "redact", "X-Dropped": "drop", "accept-encoding": "drop", "date": "drop"},
    }
}


def dynamic(url, closed):
    return {
        "http": {
            "routers": {
                "echo": {"rule": "Host(`a.test`)", "service": "echo"},
                "auth": {"rule": "Host(`auth.test`)", "service": "echo", "middlewares": ["auth"]},
                "edit": {"rule": "Host(`edit.test`)", "service": "echo", "middlewares": ["edit", "strip"]},
                "away": {"rule": "Host(`away.test`)", "service": "echo", "middlewares": ["away"]},
                "pack": {"rule": "Host(`pack.test`)", "service": "echo", "middlewares": ["pack"]},
                "shut": {"rule": "Host(`shut.test`)", "service": "shut"},
                "mix": {"rule": "Host(`mix.test`)", "service": "mix"},
                "none": {"rule": "Host(`none.test`)", "service": "none"},
                "silent": {"rule": "Host(`silent.test`)", "service": "echo", "observability": {"accessLogs": False}},
            },
            "middlewares": {
                "auth": {"basicAuth": {"users": [USER]}},
                "edit": {
                    "headers": {
                        "customRequestHeaders": {"Host": "other.test", "X-New": "1", "X-Gone": ""},
                        "customResponseHeaders": {"X-Answer": "edited", "X-Own": ""},
                    }
                },
                "strip": {"stripPrefix": {"prefixes": ["/p"]}},
                "away": {"redirectRegex": {"regex": ".*", "replacement": "http://b.test/"}},
                "pack": {"compress": {"minResponseBodyBytes": 10, "encodings": ["gzip"]}},
            },
            "services": {
                "echo": balancer(url),
                "shut": balancer(closed),
                "mix": {"weighted": {"services": [{"name": "echo", "weight": 1}]}},
                "none": balancer(),
            },
        }
    }


def lines_of(running, path):
    return [line for line in running.log().splitlines() if path in line]


def logged(name, request, *script):
    """A request whose path holds its case's name, and the line that tells of it."""
    path = f"/{name.replace('/', '-')}~"

    async def story(arena, running):
        arena.upstream.answers(script or answer(200, {"Content-Type": "text/plain", "X-Own": "1"}, b"ok"))
        seen = len(lines_of(running, path))
        async with dialled(running.port("web"), None) as client:
            client.writer.write(request.replace(b"PATH", path.encode()))
            await client.answer(request.split(b" ")[0].decode())
        await eventually(lambda: len(lines_of(running, path)) > seen, "the line is written")
        return told(lines_of(running, path)[-1])

    return Told(f"accesslog/{name}", story)


def told(line):
    if line.startswith("{"):
        found = json.loads(line)
        assert list(found) == sorted(found), "keys are sorted"
        return {name: type(value).__name__ if name in PASSING else value for name, value in found.items()}
    line = re.sub(r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\]", "[time]", line)
    line = re.sub(r" \d+(?= \"[^\"]*\" \"[^\"]*\" \d+ms$)", " count", line)
    return {"line": re.sub(r"\d+ms$", "ms", line)}


REQUESTS = {
    "plain": get("PATH"),
    "query": get("PATHb%20ar?x=1&t=<secret>"),
    "port": get("PATH", "a.test:8080"),
    "agent": get("PATH", "a.test", 'User-Agent: a "quoted" one', "Referer: http://r/"),
    "two-of-one-name": get("PATH", "a.test", "X-Two: 1", "X-Two: 2", "X-Dropped: 1"),
    "body": get("PATH", "a.test", method="POST", body=b"0123456789"),
    "head": get("PATH", method="HEAD"),
    "method": get("PATH", method="FOO"),
    "no-router": get("PATH", "nobody.test"),
    "http10": raw("GET PATH HTTP/1.0", "Host: a.test", "Accept-Encoding: identity"),
    "absolute": raw(
        "GET http://a.test/PATH?x=1 HTTP/1.1".replace("/PATH", "PATH"), "Host: a.test", "Accept-Encoding: identity"
    ),
    "auth": get("PATH", "auth.test", BASIC),
    "auth-wrong": get("PATH", "auth.test", WRONG),
    "auth-none": get("PATH", "auth.test"),
    "auth-two-lines": get("PATH", "auth.test", FORGED),
    "dots": get("/x/..PATH", "a.test"),
    "edited": get("/pPATH", "edit.test", "X-Gone: 1"),
    "redirected": get("PATH", "away.test"),
    "refused": get("PATH", "shut.test"),
    "no-server": get("PATH", "none.test"),
    "weighted": get("PATH", "mix.test"),
    "forwarded": get("PATH", "a.test", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2, 192.0.2.3"),
    "compressed": raw("GET PATH HTTP/1.1", "Host: pack.test", "Accept-Encoding: gzip"),
}
SCRIPTS = {
    "compressed": answer(200, {"Content-Type": "text/plain"}, b"x" * 5000),
    "agent": [*chunked([b"one", b"two"])],
}
JSON = [logged(f"json/{name}", request, *SCRIPTS.get(name, ())) for name, request in REQUESTS.items()]
COMMON = [logged(f"common/{name}", request, *SCRIPTS.get(name, ())) for name, request in REQUESTS.items()]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def of_json():
    static = {"entryPoints": TRUSTED, "accessLog": {"format": "json", "fields": FIELDS}}
    async with arena_of(dynamic, static) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def of_common():
    names = {"User-Agent": "keep", "Referer": "redact"}
    static = {"entryPoints": TRUSTED, "accessLog": {"fields": {"headers": {"names": names}}}}
    async with arena_of(dynamic, static) as found:
        yield found


@both_agree(JSON)
async def test_json_lines_say_the_same(of_json, case):
    await of_json.compare(case)


@both_agree(COMMON)
async def test_common_lines_say_the_same(of_common, case):
    await of_common.compare(case)


async def test_a_router_that_is_not_logged_is_not_logged_by_either(of_json):
    async def quiet(arena, running):
        async with dialled(running.port("web"), None) as client:
            client.writer.write(get("/silent-one~", "silent.test"))
            await client.answer("GET")
            client.writer.write(get("/heard-one~", "a.test"))
            await client.answer("GET")
        await eventually(lambda: lines_of(running, "/heard-one~"), "the line is written")
        await asyncio.sleep(0)
        return {"lines": len(lines_of(running, "/silent-one~"))}

    await of_json.compare(Told("accesslog/silent", quiet))
