"""Sticky cookies and failover (routing.md sections 5.3, 5.8): what client and server see of them."""

from hashlib import sha256

import pytest_asyncio

from pointsman.testing import answer

from .harness import ANSWER, ORACLE, arena_of, balancer, both_agree, case, get

pytestmark = ORACLE

CURRENT = sha256(b"echo").hexdigest()[:16]
COOKIES = {
    "bare": {},
    "full": {
        "name": "a b=c",
        "secure": True,
        "httpOnly": True,
        "sameSite": "Strict",
        "maxAge": 42,
        "path": "/x",
        "domain": "ex.test",
    },
    "least": {"name": "n", "maxAge": -1, "path": "", "sameSite": "bogus"},
    "odd": {"name": 'é"(x)', "path": "/a;b", "domain": ".ex.test", "sameSite": "NONE"},
    "no-domain": {"name": "n", "domain": "b ad", "path": "x"},
}
ERRORS = {"status": ["500-503", "404"]}
OWN = answer(200, {"Set-Cookie": "own=1", "Content-Type": "text/plain"}, b"ok")
CASES = [
    *(case(f"sticky/{name}", get("/", f"{name}.test"), OWN) for name in COOKIES),
    case("sticky/bogus", get("/", "bare.test", "Cookie: _da847=bogus")),
    case("sticky/without-a-server", get("/", "empty.test")),
    case("sticky/child-first", get("/", "child.test"), OWN),
    case("sticky/child-current", get("/", "child.test", f"Cookie: x=1; out={CURRENT}; y=2"), OWN),
    case("sticky/child-second-line", get("/", "child.test", "Cookie: x=1", f"Cookie: out={CURRENT}")),
    case("sticky/child-quoted", get("/", "child.test", f'Cookie: out="{CURRENT}"')),
    case("sticky/child-no-space", get("/", "child.test", f"Cookie: x=1;out={CURRENT}")),
    case("sticky/child-twice", get("/", "child.test", f"Cookie: out=bogus; out={CURRENT}")),
    case("sticky/child-other-name", get("/", "child.test", f"Cookie: xout={CURRENT}; OUT={CURRENT}")),
    case("sticky/child-by-name", get("/", "child.test", "Cookie: out=echo")),
    case("sticky/child-by-fnv", get("/", "child.test", "Cookie: out=de9b17ee958d502")),
    case("sticky/two-levels", get("/", "levels.test"), OWN),
    case(
        "failover/passes", get("/", "fo.test", method="POST", body=b"abc"), answer(200, {}, b"one"), answer(200, {}, b"two")
    ),
    case("failover/listed", get("/", "fo.test", method="POST", body=b"abc"), answer(404, {"X-A": "1"}, b"one"), OWN),
    case("failover/in-range", get("/", "fo.test"), answer(502, {}, b"one"), answer(503, {}, b"two")),
    case("failover/not-listed", get("/", "fo.test", method="POST", body=b"abc"), answer(504, {}, b"one")),
    case("failover/gateways-own", get("/", "dead.test", method="POST", body=b"abc"), OWN),
    case("failover/no-server", get("/", "none.test"), OWN),
    case("failover/gateways-own-not-listed", get("/", "other.test")),
    case("failover/at-the-limit", get("/", "small.test", method="POST", body=b"abcd"), answer(404), OWN),
    case("failover/above-the-limit", get("/", "small.test", method="POST", body=b"abcde"), probe=False),
    case(
        "failover/chunked",
        [
            get("/", "fo.test", "Transfer-Encoding: chunked", method="POST") + b"3\r\nabc\r\n0\r\n\r\n",
            ANSWER,
        ],
        answer(404),
        OWN,
    ),
    case(
        "failover/interim",
        get("/", "fo.test"),
        [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", *answer(200, {}, b"one")],
    ),
    case("weighted/child-middlewares", get("/", "fronted.test")),
    case("weighted/nothing-left", get("/", "weightless.test")),
    case("weighted/needs-health", get("/", "unhealthy.test")),
    case("failover/needs-health", get("/", "blind.test")),
    case("failover/bad-range", get("/", "range.test")),
    case("mirroring/bad-percent", get("/", "percent.test")),
]


def dynamic(url, closed):
    services = {
        **{name: balancer(url, sticky={"cookie": cookie}) for name, cookie in COOKIES.items()},
        "echo": balancer(url),
        "closed": balancer(closed),
        "empty": balancer(sticky={"cookie": {}}),
        "marked": {**balancer(url), "middlewares": ["mark"]},
        "child": {"weighted": {"services": [{"name": "echo"}], "sticky": {"cookie": {"name": "out"}}}},
        "levels": {"weighted": {"services": [{"name": "bare"}], "sticky": {"cookie": {"name": "out"}}}},
        "fo": {"failover": {"service": "marked", "fallback": "echo", "errors": ERRORS}},
        "small": {"failover": {"service": "echo", "fallback": "echo", "errors": {**ERRORS, "maxRequestBodyBytes": 4}}},
        "dead": {"failover": {"service": "closed", "fallback": "echo", "errors": ERRORS}},
        "none": {"failover": {"service": "empty", "fallback": "echo", "errors": ERRORS}},
        "other": {"failover": {"service": "closed", "fallback": "echo", "errors": {"status": ["404"]}}},
        "fronted": {"weighted": {"services": [{"name": "marked"}]}},
        "weightless": {"weighted": {"services": [{"name": "echo", "weight": 0}]}},
        "unhealthy": {"weighted": {"services": [{"name": "echo"}], "healthCheck": {}}},
        "blind": {"failover": {"service": "echo", "fallback": "echo"}},
        "range": {"failover": {"service": "echo", "fallback": "echo", "errors": {"status": ["5xx"]}}},
        "percent": {"mirroring": {"service": "echo", "mirrors": [{"name": "echo", "percent": 101}]}},
    }
    services["st"] = services.pop("bare")
    services["levels"]["weighted"]["services"][0]["name"] = "st"
    routers = {name: {"rule": f"Host(`{name}.test`)", "service": name} for name in services}
    routers["st"]["rule"] = "Host(`bare.test`)"
    mark = {"mark": {"headers": {"customRequestHeaders": {"X-Svc": "one"}}}}
    return {"http": {"routers": routers, "services": services, "middlewares": mark}}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def arena():
    async with arena_of(dynamic) as both:
        yield both


@both_agree(CASES)
async def test_services_are_served_alike(arena, case):
    await arena.compare(case)
