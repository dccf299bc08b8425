"""retry, as the reference has it (middlewares.md §3.22)."""

import pytest_asyncio

from pointsman.testing import PIPE, RESET, answer

from .harness import ANSWER, ORACLE, arena_of, balancer, both_agree, case, get

pytestmark = ORACLE

MIDDLEWARES = {
    "again": {"attempts": 3},
    "status": {"attempts": 3, "status": ["500-504"]},
    "any": {"attempts": 3, "status": ["500-504"], "retryNonIdempotentMethod": True},
    "little": {"attempts": 3, "status": ["503"], "maxRequestBodyBytes": 5},
    "status-only": {"attempts": 3, "status": ["503"], "disableRetryOnNetworkError": True},
    "once": {"attempts": 1, "status": ["503"]},
    "nothing": {"attempts": 3, "disableRetryOnNetworkError": True},
    "zero": {"attempts": 0, "initialInterval": "1ms"},
    "no-status": {"attempts": 3, "status": ["abc"]},
}
NO = answer(503, {"X-No": "1", "Content-Type": "text/plain"}, b"no")
YES = answer(200, {"X-Yes": "1", "Content-Type": "text/plain"}, b"yes")
HINT = [b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n", *YES]
SWITCH = [b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", PIPE]
CHUNKED = get("/", "status.echo.test", "Transfer-Encoding: chunked", method="PUT") + b"5\r\nhello\r\n0\r\n\r\n"


def to(name, service="echo", method="GET", body=b""):
    return get("/p?q=1", f"{name}.{service}.test", method=method, body=body)


CASES = [
    case("again/dead-and-live", to("again", "half"), YES),
    case("again/dead-and-live-again", to("again", "half"), YES),
    case("again/dead-and-live-post", to("again", "half", "POST", b"hello"), YES),
    case("again/dead-and-live-post-again", to("again", "half", "POST", b"hello"), YES),
    case("again/dead-post-statuses", to("status", "half", "POST", b"hello"), YES),
    case("again/dead-put-statuses", to("status", "half", "PUT", b"hello"), YES),
    case("again/all-dead", to("again", "dead")),
    case("again/no-server", to("again", "none")),
    case("again/no-server-listed", to("status", "none")),
    case("again/reset-of-a-post", to("again", "echo", "POST", b"hello"), [RESET], YES),
    case("again/reset-listed", to("status", "echo", "PUT", b"hello"), [RESET], YES),
    case("again/status", to("status"), NO, NO, YES),
    case("again/status-all-bad", to("status"), NO),
    case("again/status-other", to("status"), answer(404), YES),
    case("again/status-head", to("status", method="HEAD"), answer(503), YES),
    case("again/status-post", to("status", "echo", "POST", b"hello"), NO, YES),
    case("again/status-patch", to("status", "echo", "PATCH", b"hello"), NO, YES),
    case("again/status-lock", to("status", "echo", "LOCK"), NO, YES),
    case("again/status-put", to("status", "echo", "PUT", b"hello"), NO, NO, YES),
    case("again/status-delete", to("status", "echo", "DELETE"), NO, NO, YES),
    case("again/status-chunked", CHUNKED, NO, NO, YES),
    case("again/status-post-allowed", to("any", "echo", "POST", b"hello"), NO, NO, YES),
    case("again/status-body-fits", to("little", "echo", "PUT", b"hello"), NO, YES),
    case("again/status-body-too-long", to("little", "echo", "PUT", b"hello!"), NO, YES),
    case("again/status-only", to("status-only"), NO, YES),
    case("again/status-only-dead", to("status-only", "dead")),
    case("again/once", to("once"), NO, YES),
    case("again/early-hints", to("again"), HINT),
    case("again/early-hints-statuses", to("status"), HINT),
    case("again/upgrade", [get("/", "status.echo.test", "Connection: Upgrade", "Upgrade: echo"), ANSWER, b"hi", 2],
         NO, SWITCH, probe=False),
    case("again/before-a-prefix", to("prefixed"), NO, NO, YES),
    case("again/before-authentication", to("guarded"), YES),
    case("again/disabled", to("nothing"), YES),
    case("again/zero-attempts", to("zero"), YES),
    case("again/no-status", to("no-status"), YES),
]  # fmt: skip


def dynamic(url, closed):
    chains = {name: [name] for name in MIDDLEWARES} | {"prefixed": ["status", "prefix"], "guarded": ["status", "guard"]}
    routers = {
        f"{name}-{service}": {"rule": f"Host(`{name}.{service}.test`)", "middlewares": chain, "service": service}
        for name, chain in chains.items()
        for service in ("echo", "half", "dead", "none")
    }
    return {
        "http": {
            "routers": routers,
            "middlewares": {
                **{name: {"retry": options} for name, options in MIDDLEWARES.items()},
                "prefix": {"addPrefix": {"prefix": "/base"}},
                "guard": {"ipAllowList": {"sourceRange": ["192.0.2.0/24"]}},
            },
            "services": {
                "echo": balancer(url),
                "half": balancer(closed, url),
                "dead": balancer(closed),
                "none": balancer(),
            },
        }
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic) as arena:
        yield arena


@both_agree(CASES)
async def test_both_ask_again_alike(arena, case):
    await arena.compare(case)
