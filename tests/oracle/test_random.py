"""Requests that nobody thought of: both gateways choose the same router and send the same target.

The seeds are fixed, so that a failure comes again. Characters that may not stand raw in a path are left out: beside them
Traefik loses the meaning of escapes (`differences.py`, paths/raw-characters-beside-escapes).
"""

import random

import pytest
import pytest_asyncio

from . import test_paths, test_rules, test_tls
from .certificates import client_file
from .harness import ORACLE, Hello, arena_of, case, get
from .streams import Http2, ask

pytestmark = ORACLE

COUNT = 300
PARTS = [  # of paths
    "a",
    "b",
    "/",
    "/",
    "//",
    ".",
    "..",
    "/./",
    "/../",
    "%2f",
    "%2F",
    "%2e",
    "%2E",
    "%5c",
    "%25",
    "%2",
    "%zz",
    "%41",
    "%7e",
    "~",
    "%c3%a9",
    "%00",
    "%0a",
    "%3f",
    "%23",
    "#",
    ";",
    "%3b",
    "?",
    "&",
    "=",
    "+",
    "%20",
    "@",
    ":",
    "!",
    "$",
    "'",
    "(",
    "*",
    ",",
    "[",
    "]",
    "-",
    "_",
    "%5f",
]
HOSTS = [
    "echo.test",
    "dotted.test",
    "upper.test",
    "a.wild.test",
    "exact.wild.test",
    "p.test",
    "q.test",
    "pp.test",
    "pr.test",
    "h.test",
    "hr.test",
    "quoted.test",
    "spelled.test",
    "prio.test",
    "minus.test",
    "v2a.test",
    "v2b.test",
    "yes.not.test",
    "nn.test",
    "re1.test",
    "ip.test",
]
PATHS = [
    "/p",
    "/pp",
    "/pp/x",
    "/slash/",
    "/a%2fb",
    "/foo%20bar",
    "/v1/x",
    "/x.png",
    "/one",
    "/two",
    "/q",
    "/x",
    "/ab",
    "/42/x",
    "/a",
    "/",
    "/%c3%a9",
    "/range",
]
QUERIES = [
    "a",
    "a=",
    "a=1",
    "b=1",
    "b",
    "c=4",
    "c=",
    "x;a",
    "b=%31",
    "%61",
    "a=&a=1",
    "b=1;b=2",
    "c=x&c=1",
    "=",
    "&",
    "&&",
    "a=b=c",
    "+a",
    "%zz",
    "c=%341",
]
LINES = ["X-Foo: bar", "X-Foo: b", "x-foo: a", "X-Empty:", "X-No: 1", "X-A: 1", "Foo: bar"]
COMPARED = ("status", "header:x-router", "server:start", "server-header:host", "server-header:x-forwarded-port")
NAMES = [  # that clients of test_tls ask for
    "exact.test",
    "other.exact.test",
    "a.wild.test",
    "sub.wild.test",
    "a.b.wild.test",
    "nobody.test",
    "plain.test",
    "both.test",
    "bare.test",
    "re.test",
    "twice.test",
    "lost.test",
    "v13.test",
    "v13too.test",
    "v12.test",
    "strict.test",
    "strictbare.test",
    "only11.test",
    "verified.test",
    "given.test",
    "implied.test",
    "broken.test",
]
SECURED = ("connection", "tls:version", "tls:alpn", "tls:certificate", "status")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def paths():
    async with arena_of(test_paths.dynamic, test_paths.STATIC) as arena:
        yield arena


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rules():
    async with arena_of(test_rules.dynamic) as arena:
        yield arena


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def names():
    async with arena_of(test_tls.dynamic) as arena:
        yield arena


async def agree(arena, request, entry_point="web"):
    asked = case("random", request, entry_point=entry_point, probe=False)
    theirs = await asked.play(arena, arena.traefik)
    ours = await asked.play(arena, arena.pointsman)
    # what is no request is refused with another reason phrase, see differences.py
    theirs["status"], ours["status"] = theirs["status"][:3], ours["status"][:3]
    assert [theirs.get(name) for name in COMPARED] == [ours.get(name) for name in COMPARED], request


@pytest.mark.parametrize("seed", [1, 2])
async def test_any_path_reaches_the_server_in_the_same_form(paths, seed):
    dice = random.Random(seed)
    for _ in range(COUNT):
        path = "/" + "".join(dice.choices(PARTS, k=dice.randint(1, 8)))
        await agree(paths, get(path), dice.choice(["web", "web", "asis", "semicolons", "strict"]))


@pytest.mark.parametrize("seed", [1, 2])
async def test_any_request_reaches_the_same_router(rules, seed):
    dice = random.Random(seed)
    for _ in range(COUNT):
        host = dice.choice(HOSTS)
        host = dice.choice([host, host.upper(), f"{host}.", f"{host}:81", f"{host.title()}.:1"])
        query = dice.choice(["", "?" + dice.choice(QUERIES), "?" + "&".join(dice.sample(QUERIES, 2))])
        lines = dice.sample(LINES, dice.randint(0, 2))
        method = dice.choice(["GET", "GET", "POST", "FOO", "post"])
        await agree(rules, get(dice.choice(PATHS) + query, host, *lines, method=method))


@pytest.mark.parametrize("seed", [1, 2])
async def test_any_path_of_http2_reaches_the_server_in_the_same_form(paths, seed):
    dice = random.Random(seed)
    for _ in range(COUNT):
        path = "/" + "".join(dice.choices(PARTS, k=dice.randint(1, 8)))
        entry_point = dice.choice(["web", "web", "asis", "semicolons", "strict"])
        asked = Http2("random", [ask(path, replaced={":scheme": "http"})], entry_point=entry_point)
        theirs, ours = await asked.play(paths, paths.traefik), await asked.play(paths, paths.pointsman)
        for aspects in (theirs, ours):  # a refusal is a status or a stream error, see differences.py
            aspects["status"] = aspects["status"] if aspects["status"] not in (b"400", b"reset 1") else "refused"
        assert [theirs.get(name) for name in COMPARED] == [ours.get(name) for name in COMPARED], path


@pytest.mark.parametrize("seed", [1, 2])
async def test_any_name_and_host_get_the_same_certificate_options_and_router(names, seed):
    dice = random.Random(seed)
    for _ in range(COUNT // 2):
        name = dice.choice([None, *NAMES])
        versions = dice.choice([{}, {}, {"highest": test_tls.V12}, {"lowest": test_tls.V13}])
        alpn = dice.choice([(), (), ("http/1.1",), ("foo", "http/1.1"), ("foo",)])
        hello = Hello(name, alpn=alpn, certificate=dice.choice([None, client_file(), client_file("theirs")]), **versions)
        host = dice.choice([name or "exact.test", dice.choice(NAMES)])
        asked = case("random", get(dice.choice(["/", "/", "/anywhere", "/deep"]), host), hello=hello, probe=False)
        theirs, ours = await asked.play(names, names.traefik), await asked.play(names, names.pointsman)
        for aspects in (theirs, ours):  # of two things that are wrong either may be said first
            aspects["connection"] = aspects["connection"].partition(" ")[0]
        assert [theirs.get(name) for name in SECURED] == [ours.get(name) for name in SECURED], asked
