"""forwardAuth: what the authentication server is told, and what its answers do (middlewares.md section 3.11).

One server is both: the first request of a case is the question, the second one, if there is one, is the client's.
"""

import pytest_asyncio

from pointsman.testing import CLOSE, answer, chunked

from .harness import ANSWER, ORACLE, arena_of, balancer, both_agree, case, get

pytestmark = ORACLE

DOORS = {
    "legacy": {},
    "doubting": {"trustForwardHeader": False},
    "trusting": {"trustForwardHeader": True},
    "few": {"trustForwardHeader": False, "authRequestHeaders": ["X-A", "Cookie", "User-Agent", "Accept-Encoding"]},
    "few-legacy": {"authRequestHeaders": ["X-A", "User-Agent", "Accept-Encoding"]},
    "few-trusting": {"trustForwardHeader": True, "authRequestHeaders": ["X-A", "User-Agent", "Accept-Encoding"]},
    "anonymous": {"trustForwardHeader": False, "authRequestHeaders": ["X-A", "Accept-Encoding"]},
    "headers": {"authResponseHeaders": ["X-Auth-User", "x-auth-groups", "X-Missing", "Host"]},
    "regex": {"authResponseHeadersRegex": "^X-Auth-[A-Z]"},
    "location": {"preserveLocationHeader": True},
    "method": {"preserveRequestMethod": True},
    "body": {"forwardBody": True, "maxBodySize": 5},
    "body-method": {"forwardBody": True, "preserveRequestMethod": True, "maxBodySize": 1000},
    "no-body": {"forwardBody": True, "maxBodySize": 0},
    "small": {"maxResponseBodySize": 50},
    "signin": {"authSigninURL": "http://login.test/a?b=c"},
    "cookies": {"addAuthCookiesToResponse": ["sess", "other"]},
}
CLAIMS = (
    "X-Forwarded-For: 9.9.9.9",
    "X-Forwarded-Uri: /evil",
    "X-Forwarded-Method: PUT",
    "X-Forwarded-Host: evil.test",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Port: 99",
    "X-Forwarded-Prefix: /evil",
    "X-Forwarded-Server: evil",
    "X-Real-Ip: 9.9.9.9",
    "X-Forwarded-Tls-Client-Cert: evil",
)
OWN = ("User-Agent: tester", "X-A: 1", "Cookie: a=b", "Authorization: Basic eA==", "Accept: */*")
YES, SERVED = answer(200, {}, b"yes"), answer(200, {"Content-Type": "text/plain"}, b"served")


def to(name, path="/p%2Fq?r=s", *lines, **more):
    return get(path, f"{name}.test", *(lines or OWN), **more)


CASES = [
    *(case(f"forwardauth/told-{name}", to(name), YES, SERVED) for name in DOORS),
    *(
        case(f"forwardauth/claims-{name}", to(name, "/x", *OWN, *CLAIMS), YES, SERVED, entry_point="trusted")
        for name in ("legacy", "doubting", "trusting", "few", "few-legacy", "few-trusting")
    ),
    *(
        case(f"forwardauth/claims-untrusted-{name}", to(name, "/x", *OWN, *CLAIMS), YES, SERVED)
        for name in ("legacy", "doubting", "trusting", "few-trusting")
    ),
    case("forwardauth/port-in-host", get("/", "doubting.test:8443", *OWN), YES, SERVED),
    case("forwardauth/about-the-connection", to("doubting", "/", *OWN, "Te: trailers", "Keep-Alive: x"), YES, SERVED),
    case("forwardauth/named-in-connection", to("doubting", "/", *OWN, "Connection: X-A", "X-B: 1"), YES, SERVED),
    case("forwardauth/no-user-agent", to("doubting", "/", "X-A: 1"), YES, SERVED),
    case("forwardauth/no-user-agent-legacy", to("legacy", "/", "X-A: 1"), YES, SERVED),
    case("forwardauth/user-agent-filtered", to("few", "/", "X-A: 1"), YES, SERVED),
    case("forwardauth/head", to("doubting", method="HEAD"), YES, SERVED),
    case("forwardauth/head-method", to("method", method="HEAD"), answer(200), SERVED),
    case("forwardauth/delete-method", to("method", method="DELETE"), YES, SERVED),
    case("forwardauth/post", to("doubting", "/", *OWN, method="POST", body=b"12345"), YES, SERVED),
    case("forwardauth/post-method", to("method", "/", *OWN, method="POST", body=b"12345"), YES, SERVED),
    case("forwardauth/body", to("body", "/", *OWN, method="POST", body=b"12345"), YES, SERVED),
    case("forwardauth/body-and-method", to("body-method", "/", *OWN, method="PUT", body=b"12345"), YES, SERVED),
    case("forwardauth/body-too-large", to("body", "/", *OWN, method="POST", body=b"123456"), YES, SERVED, probe=False),
    case("forwardauth/body-none-allowed", to("no-body", "/", *OWN, method="POST", body=b"1"), YES, SERVED, probe=False),
    case("forwardauth/body-none", to("no-body"), YES, SERVED),
    case(
        "forwardauth/body-chunked",
        [to("body", "/", *OWN, "Transfer-Encoding: chunked", method="POST") + b"2\r\n12\r\n0\r\n\r\n", ANSWER],
        YES,
        SERVED,
    ),
    case(
        "forwardauth/headers",
        to("headers", "/", "X-Auth-User: eve", "X-Auth-Groups: all", "X-Missing: x", *OWN),
        answer(200, {"X-Auth-User": ["bob", "bob2"], "X-AUTH-GROUPS": "some", "X-Other": "1", "Host": "evil"}),
        SERVED,
    ),
    case("forwardauth/headers-spelled", to("headers", "/", "X_Auth_User: eve", *OWN), YES, SERVED),
    case(
        "forwardauth/regex",
        to("regex", "/", "X-Auth-User: eve", "X-Auth-Mail: all", "X-auth: x", *OWN),
        answer(200, {"X-Auth-User": "bob", "x-auth-groups": "some", "X-Other": "1"}),
        SERVED,
    ),
    *(case(f"forwardauth/yes-{status}", to("doubting"), answer(status), SERVED) for status in (201, 204, 299)),
    *(
        case(f"forwardauth/no-{status}", to("doubting"), answer(status, {"X-A": "1", "WWW-Authenticate": "x"}, b"no"))
        for status in (300, 400, 401, 403, 404, 429, 500, 503)
    ),
    case("forwardauth/no-304", to("doubting"), answer(304, {"ETag": '"x"'})),
    case("forwardauth/no-chunked", to("doubting"), chunked([b"no", b"body"], {"X-A": "1"}, status=403)),
    case("forwardauth/no-to-head", to("doubting", method="HEAD"), answer(403, {}, b"no")),
    case("forwardauth/location", to("doubting"), answer(302, {"Location": "/login?a=b", "Set-Cookie": "a=b"}, b"x")),
    case("forwardauth/location-relative", to("doubting"), answer(302, {"Location": "../login"})),
    case("forwardauth/location-query", to("doubting"), answer(302, {"Location": "?a"})),
    case("forwardauth/location-absolute", to("doubting"), answer(302, {"Location": "https://x.test/y"})),
    case("forwardauth/location-of-a-403", to("doubting"), answer(403, {"Location": "/login"})),
    case("forwardauth/location-kept", to("location"), answer(302, {"Location": "/login"})),
    case("forwardauth/location-bad", to("doubting"), answer(302, {"Location": "http://[::1"})),
    case("forwardauth/about-the-servers-connection", to("doubting"), answer(403, {"Connection": "X-B", "X-B": "1"})),
    case("forwardauth/small-enough", to("small"), answer(200, {}, b"x" * 50), SERVED),
    case("forwardauth/too-large", to("small"), answer(200, {}, b"x" * 51)),
    case("forwardauth/no-too-large", to("small"), answer(403, {}, b"x" * 51)),
    case("forwardauth/too-large-chunked", to("small"), chunked([b"x" * 40, b"x" * 11])),
    case("forwardauth/signin", to("signin"), answer(401, {"X-A": "1"}, b"no")),
    case("forwardauth/signin-403", to("signin"), answer(403, {}, b"no")),
    case("forwardauth/down", get("/", "closed.test")),
    case("forwardauth/hangs-up", to("doubting"), [CLOSE]),
    case("forwardauth/no-http", to("doubting"), [b"what?\r\n\r\n", CLOSE]),
    case("forwardauth/breaks-off", to("doubting"), [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", CLOSE]),
    case(
        "forwardauth/cookies",
        to("cookies"),
        answer(200, {"Set-Cookie": ["sess=1; Path=/; HttpOnly", "hidden=2"]}),
        answer(200, {"Set-Cookie": ["sess=b", "k=3; Path=/"]}, b"served"),
    ),
    case(
        "forwardauth/cookies-not-of-the-server",
        to("cookies"),
        YES,
        answer(200, {"Set-Cookie": ["sess=b", "k=3; Path=/"]}, b"served"),
    ),
    case(
        "forwardauth/cookies-with-news",
        to("cookies"),
        answer(200, {"Set-Cookie": "sess=1"}),
        answer(200, {"Set-Cookie": "k=3; Priority=High"}, b"served"),
    ),
    case(
        "forwardauth/upgrade",
        to("doubting", "/", *OWN, "Connection: Upgrade", "Upgrade: echo"),
        YES,
        [b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"],
        probe=False,
    ),
]


def dynamic(url, closed):
    middlewares = {name: {"forwardAuth": {"address": f"{url}/verify?a=b", **door}} for name, door in DOORS.items()}
    middlewares["closed"] = {"forwardAuth": {"address": closed}}
    routers = {name: {"rule": f"Host(`{name}.test`)", "middlewares": [name], "service": "echo"} for name in middlewares}
    return {"http": {"routers": routers, "middlewares": middlewares, "services": {"echo": balancer(url)}}}


STATIC = {"entryPoints": {"web": {}, "trusted": {"forwardedHeaders": {"insecure": True}}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic, STATIC) as arena:
        yield arena


@both_agree(CASES)
async def test_both_ask_and_heed_the_same(arena, case):
    await arena.compare(case)
