"""errors: which answers are replaced, what the service with the pages is asked, and what clients get (middlewares.md §3.10).

One server is both: the first request of a case is the client's, the second one, if there is one, is for the page.
"""

import pytest_asyncio

from pointsman.testing import CLOSE, RESET, answer, chunked

from .harness import ANSWER, HEAD, ORACLE, arena_of, balancer, both_agree, case, get

pytestmark = ORACLE

PAGES = {
    "plain": {"status": ["500-599", "404"], "query": "/pages/{status}.html"},
    "tea": {
        "status": ["500-599", "418"],
        "statusRewrites": {"418": 404, "502-504": 500},
        "query": "/{status}.html?o={originalStatus}&u={url}",
    },
    "scalar": {"status": "404,418", "query": "x"},
    "no-query": {"status": ["404"]},
    "no-status": {"query": "/x"},
    "few": {"status": ["404"], "query": "/x", "errorRequestHeaders": ["X-A", "Accept-Encoding", "User-Agent"]},
    "none": {"status": ["404"], "query": "/x", "errorRequestHeaders": []},
    "odd": {"status": ["404"], "query": "/a b/{other}?x={url}#part"},
    "bad": {"status": ["404,418"]},
    "unknown": {"status": ["404"], "service": "nope"},
    "dead": {"status": ["404"], "service": "closed"},
    "no-host": {"status": ["404"], "service": "own-host", "query": "/x"},
    "two": {"status": ["404"], "query": "/x"},
    "chained": {"status": ["404"], "query": "/x", "service": "echo"},
}
OWN = ("User-Agent: tester", "X-A: 1", "Cookie: a=b", "Accept: */*")
GONE = answer(404, {"Set-Cookie": "gone=1", "X-Gone": "1", "Content-Type": "text/css"}, b"gone")
PAGE = answer(200, {"Content-Type": "text/html", "Set-Cookie": "page=1"}, b"<p>page")


def to(name, path="/p?q=a%20b", *lines, **more):
    return get(path, f"{name}.test", *(lines or OWN), **more)


CASES = [
    *(case(f"pages/404-{name}", to(name), GONE, PAGE) for name in PAGES),
    *(case(f"pages/plain-{status}", to("plain"), answer(status, {}, b"x"), PAGE) for status in (200, 403, 500, 503, 599)),
    *(case(f"pages/tea-{status}", to("tea"), answer(status, {}, b"x"), PAGE) for status in (404, 418, 500, 502, 504)),
    case("pages/scalar-418", to("scalar"), answer(418), PAGE),
    case("pages/post", to("plain", "/", *OWN, method="POST", body=b"12345"), GONE, PAGE),
    case("pages/head", to("plain", method="HEAD"), answer(404), PAGE),
    case("pages/chunked", to("plain"), chunked([b"gone"] * 3, status=500), chunked([b"page"] * 3)),
    *(case(f"pages/page-{status}", to("plain"), GONE, answer(status, {}, b"page")) for status in (404, 500, 302)),
    case("pages/page-204", to("plain"), GONE, answer(204)),
    case("pages/server-resets", to("tea", method="POST"), [RESET], PAGE),
    case("pages/server-down", get("/", "down.test", *OWN), PAGE),
    case("pages/page-server-closes", to("plain"), GONE, [CLOSE]),
    case("pages/behind-it", get("/", "behind.test", *OWN), PAGE),
    case("pages/no-page-server", to("dead"), GONE),
    case("pages/connection-headers", to("plain", "/", *OWN, "Te: trailers", "Keep-Alive: x"), GONE, PAGE),
    case("pages/conditions", to("plain", "/", *OWN, 'If-None-Match: "x"', "Range: bytes=0-1"), GONE, PAGE),
    case("pages/forwarded-for", to("chained", "/", *OWN, "X-Forwarded-For: 9.9.9.9"), GONE, PAGE, entry_point="trusted"),
    case(
        "pages/early",
        [to("plain"), HEAD, ANSWER],
        [b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n", *GONE],
        PAGE,
    ),
    case(
        "pages/upgrade",
        to("plain", "/", *OWN, "Connection: Upgrade", "Upgrade: echo"),
        [b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"],
        probe=False,
    ),
    case("pages/upgrade-refused", to("plain", "/", *OWN, "Connection: Upgrade", "Upgrade: echo"), GONE, PAGE),
    case("pages/stripped", get("/api/x?y", "stripped.test", *OWN), answer(418), PAGE),
]


def dynamic(url, closed):
    middlewares = {name: {"errors": {"service": "pages", **options}} for name, options in PAGES.items()}
    middlewares["strip"] = {"stripPrefix": {"prefixes": ["/api"]}}
    middlewares["hide"] = {"headers": {"customRequestHeaders": {"X-Forwarded-For": ""}}}
    middlewares["hosts"] = {"headers": {"allowedHosts": ["only.test"]}}
    chains = {name: [name] for name in PAGES} | {"stripped": ["strip", "tea"], "behind": ["plain", "hosts"], "down": ["tea"]}
    chains["two"] = ["two", "plain"]
    services = {"down": "closed"}
    routers = {
        name: {"rule": f"Host(`{name}.test`)", "middlewares": chain, "service": services.get(name, "echo")}
        for name, chain in chains.items()
    }
    own_host = {**balancer(url, passHostHeader=False), "middlewares": ["hide"]}
    pages = {**balancer(url), "middlewares": ["hide"]}  # who tells it of the client is what the two differ in
    return {
        "http": {
            "routers": routers,
            "middlewares": middlewares,
            "services": {"echo": balancer(url), "closed": balancer(closed), "own-host": own_host, "pages": pages},
        }
    }


STATIC = {"entryPoints": {"web": {}, "trusted": {"forwardedHeaders": {"insecure": True}}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic, STATIC) as arena:
        yield arena


@both_agree(CASES)
async def test_both_replace_the_same(arena, case):
    await arena.compare(case)
