"""Middlewares that the usual set brings, in the way of real requests (middlewares.md)."""

import pytest_asyncio

from .harness import ORACLE, arena_of, balancer, both_agree, case, get

pytestmark = ORACLE

HEADERS = {
    "customRequestHeaders": {"X-Add": "1", "X-Drop": "", "host": "rewritten.test", "X-Forwarded-Proto": "https"},
    "customResponseHeaders": {"X-Answer": "1", "Server": "", "content-type": "text/css"},
}
CORS = {
    "accessControlAllowMethods": ["GET", "PUT"],
    "accessControlAllowHeaders": ["X-Own", "Content-Type"],
    "accessControlAllowOriginList": ["https://foo.test", "https://bar.test"],
    "accessControlExposeHeaders": ["X-Seen"],
    "accessControlMaxAge": 100,
    "addVaryHeader": True,
}
SECURITY = {
    "frameDeny": True,
    "contentTypeNosniff": True,
    "browserXssFilter": True,
    "contentSecurityPolicy": "default-src 'self'",
    "referrerPolicy": "same-origin",
    "permissionsPolicy": "camera=()",
    "stsSeconds": 100,
    "stsIncludeSubdomains": True,
    "forceSTSHeader": True,
    "customFrameOptionsValue": "SAMEORIGIN",
}
MIDDLEWARES = {
    "strip": {"stripPrefix": {"prefixes": ["/api", "/api/v2/", "/other"]}},
    "add": {"addPrefix": {"prefix": "/base"}},
    "add-escaped": {"addPrefix": {"prefix": "/b c"}},
    "edit": {"headers": HEADERS},
    "cors": {"headers": CORS},
    "cors-any": {"headers": {"accessControlAllowOriginList": ["*"], "accessControlAllowCredentials": True}},
    "cors-regex": {"headers": {"accessControlAllowOriginListRegex": ["^https://[a-z]+\\.foo\\.test$"]}},
    "security": {"headers": SECURITY},
    "hosts": {"headers": {"allowedHosts": ["hosts.test", "other.test"]}},
    "mark-a": {"headers": {"customRequestHeaders": {"X-Order": "a"}}},
    "mark-b": {"headers": {"customRequestHeaders": {"X-Order": "b"}}},
    "both": {"chain": {"middlewares": ["strip", "add"]}},
    "deep": {"chain": {"middlewares": ["both", "mark-a"]}},
}
PREFLIGHT = ("Origin: https://foo.test", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: X-Own")


def to(name, path="/", *lines, **more):
    return get(path, f"{name}.test", *lines, **more)


CASES = [
    case("middlewares/strip", to("strip", "/api/foo?q=1")),
    case("middlewares/strip-all", to("strip", "/api")),
    case("middlewares/strip-with-slash", to("strip", "/api/")),
    case("middlewares/strip-first-of-two", to("strip", "/api/v2/x")),
    case("middlewares/strip-no-boundary", to("strip", "/apifoo")),
    case("middlewares/strip-not-there", to("strip", "/foo/api")),
    case("middlewares/strip-escaped", to("strip", "/api/a%2fb%20c")),
    case("middlewares/strip-second", to("strip", "/other/x")),
    case("middlewares/strip-keeps-claimed-prefix-out", to("strip", "/api/x", "X-Forwarded-Prefix: /claimed")),
    case("middlewares/add", to("add", "/x?q=1")),
    case("middlewares/add-to-root", to("add", "/")),
    case("middlewares/add-to-escaped", to("add", "/a%2fb")),
    case("middlewares/add-escaped", to("add-escaped", "/x%20y")),
    case("middlewares/headers", to("edit", "/", "X-Add: 0", "X-Drop: z", "x-drop: y")),
    case("middlewares/headers-on-head", to("edit", method="HEAD")),
    case("middlewares/headers-on-an-error", to("edit-refused")),
    case("middlewares/cors-simple", to("cors", "/", "Origin: https://foo.test")),
    case("middlewares/cors-other-origin", to("cors", "/", "Origin: https://evil.test")),
    case("middlewares/cors-no-origin", to("cors")),
    case("middlewares/cors-preflight", to("cors", "/", *PREFLIGHT, method="OPTIONS")),
    case(
        "middlewares/cors-preflight-other-origin",
        to("cors", "/", "Origin: https://x.test", *PREFLIGHT[1:], method="OPTIONS"),
    ),
    case("middlewares/cors-preflight-without-origin", to("cors", "/", *PREFLIGHT[1:], method="OPTIONS")),
    case("middlewares/cors-preflight-without-method", to("cors", "/", PREFLIGHT[0], method="OPTIONS")),
    case("middlewares/cors-preflight-method-only", to("cors", "/", *PREFLIGHT[:2], method="OPTIONS")),
    case("middlewares/cors-any", to("cors-any", "/", "Origin: https://x.test")),
    case("middlewares/cors-any-preflight", to("cors-any", "/", *PREFLIGHT, method="OPTIONS")),
    case("middlewares/cors-regex", to("cors-regex", "/", "Origin: https://abc.foo.test")),
    case("middlewares/cors-regex-no", to("cors-regex", "/", "Origin: https://abc.foo.test.evil")),
    case(
        "middlewares/cors-regex-preflight",
        to("cors-regex", "/", "Origin: https://a.foo.test", *PREFLIGHT[1:], method="OPTIONS"),
    ),
    case("middlewares/security", to("security")),
    case("middlewares/security-on-an-error", to("security-refused")),
    case("middlewares/allowed-host", to("hosts")),
    case("middlewares/allowed-host-no", get("/", "nohosts.test")),
    case("middlewares/chain", to("both", "/api/x")),
    case("middlewares/chain-in-a-chain", to("deep", "/api/x")),
    case("middlewares/order", to("order")),
    case("middlewares/twice", to("twice", "/x")),
    case("middlewares/service-level", to("service-level", "/q")),
    case("middlewares/service-level-after-the-router", to("service-order", "/q")),
    case("middlewares/entry-point", get("/api/x", "entry.test"), entry_point="model"),
    case("middlewares/entry-point-first", get("/x", "entry-order.test"), entry_point="model"),
    case("middlewares/entry-point-missing", get("/api/x", "entry.test"), entry_point="broken"),
    case("middlewares/entry-point-not-elsewhere", get("/api/x", "entry.test")),
    case(
        "middlewares/on-an-upgrade",
        to("edit", "/", "Connection: Upgrade", "Upgrade: x"),
        [b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\nServer: y\r\n\r\n"],
        probe=False,
    ),
]


def dynamic(url, closed):
    own = {
        "order": ["mark-a", "mark-b"],
        "twice": ["add", "add"],
        "edit-refused": ["edit"],
        "security-refused": ["security"],
        "nohosts": ["hosts"],
        "service-level": ["add"],
        "service-order": ["mark-a"],
        "entry": [],
        "entry-order": ["mark-b"],
    }
    names = {name: [name] for name in MIDDLEWARES} | own
    services = {"service-level": "based", "service-order": "marked"}
    routers = {
        name: {
            "rule": f"Host(`{name}.test`)",
            "middlewares": middlewares,
            "service": "refused" if name.endswith("-refused") else services.get(name, "echo"),
        }
        for name, middlewares in names.items()
    }
    return {
        "http": {
            "routers": routers,
            "middlewares": MIDDLEWARES,
            "services": {
                "echo": balancer(url),
                "refused": balancer(closed),
                "based": {**balancer(url), "middlewares": ["add-escaped", "add"]},
                "marked": {**balancer(url), "middlewares": ["mark-b"]},
            },
        }
    }


STATIC = {
    "entryPoints": {
        "web": {},
        "broken": {"http": {"middlewares": ["nope@file"]}},
        "model": {"http": {"middlewares": ["strip@file", "mark-a@file"]}},
    }
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic, STATIC) as arena:
        yield arena


@both_agree(CASES)
async def test_both_change_the_same(arena, case):
    await arena.compare(case)
