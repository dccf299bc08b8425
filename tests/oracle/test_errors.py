"""Servers that fail, each in its way (routing.md section 6.7, 6.8). No connection is kept, so that nothing is retried."""

import asyncio

import pytest_asyncio

from pointsman.testing import CLOSE, RESET

from .harness import ANSWER, OK, ORACLE, arena_of, balancer, both_agree, case, get, marked

pytestmark = ORACLE

SILENT = [asyncio.Event()]
CUTS = {
    "no-answer": [CLOSE],
    "reset": [RESET],
    "cut-in-the-status-line": [b"HTTP/1.", CLOSE],
    "cut-in-the-head": [b"HTTP/1.1 200 OK\r\nX-A:", CLOSE],
    "cut-in-the-body": [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", 0.3, CLOSE],
    "cut-before-the-body": [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", CLOSE],
    "cut-in-a-chunk": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello", CLOSE],
    "cut-between-chunks": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", CLOSE],
    "bad-chunk": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 0.3, b"xyz\r\nhello", CLOSE],
    "cut-after-an-interim": [b"HTTP/1.1 103 Early Hints\r\n\r\n", CLOSE],
    "not-http": [b"SSH-2.0-OpenSSH_9.2\r\n", CLOSE],
    "not-http-at-length": [b"220 mail.test ESMTP ready for you\r\n\r\n", CLOSE],
    "bad-status": [b"HTTP/1.1 20x OK\r\nContent-Length: 0\r\n\r\n", CLOSE],
    "bad-length": [b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", CLOSE],
    "negative-length": [b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", CLOSE],
    "two-lengths": [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", CLOSE],
    "chunked-and-length": [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        CLOSE,
    ],
    "unknown-coding": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", CLOSE],
    "header-without-colon": [b"HTTP/1.1 200 OK\r\nX-A\r\nContent-Length: 0\r\n\r\n", CLOSE],
    "header-name-with-space": [b"HTTP/1.1 200 OK\r\nX A: 1\r\nContent-Length: 0\r\n\r\n", CLOSE],
    "folded-header": [b"HTTP/1.1 200 OK\r\nX-A: 1\r\n b\r\nContent-Length: 0\r\n\r\n", CLOSE],
    "bare-lf": [b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", CLOSE],
    "version-2": [b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", CLOSE],
}
AGAIN = {
    "get": get("/again", "kept.test"),
    "head": get("/again", "kept.test", method="HEAD"),
    "options": get("/again", "kept.test", method="OPTIONS"),
    "trace": get("/again", "kept.test", method="TRACE"),
    "post": get("/again", "kept.test", "Content-Length: 0", method="POST"),
    "delete": get("/again", "kept.test", method="DELETE"),
    "own-method": get("/again", "kept.test", method="FOO"),
    "get-with-body": get("/again", "kept.test", body=b"abc"),
    "post-with-body": get("/again", "kept.test", method="POST", body=b"abc"),
    "post-with-key": get("/again", "kept.test", "Idempotency-Key: 1", "Content-Length: 0", method="POST"),
    "post-with-other-key": get("/again", "kept.test", "X-Idempotency-Key: 1", "Content-Length: 0", method="POST"),
    "post-with-key-and-body": get("/again", "kept.test", "Idempotency-Key: 1", method="POST", body=b"abc"),
}
CASES = [
    *(
        case(f"retry/{name}", [get("/first", "kept.test"), ANSWER, request, ANSWER], OK, [CLOSE], OK)
        for name, request in AGAIN.items()
    ),
    *(
        case(f"retry/{name}-after-a-reset", [get("/first", "kept.test"), ANSWER, request, ANSWER], OK, [RESET], OK)
        for name, request in list(AGAIN.items())[:5]
    ),
    case(
        "retry/not-after-part-of-an-answer",
        [get("/first", "kept.test"), ANSWER, AGAIN["get"], ANSWER],
        OK,
        [b"HTTP/1.1 2", CLOSE],
        OK,
    ),
    case("errors/refused", get("/", "refused.test")),
    case("errors/refused-post", get("/", "refused.test", method="POST", body=b"abc")),
    case("errors/refused-head", get("/", "refused.test", method="HEAD")),
    case("errors/no-server", get("/", "empty.test")),
    case("errors/no-server-head", get("/", "empty.test", method="HEAD")),
    case("errors/all-weights-zero", get("/", "weightless.test")),
    case("errors/no-route", get("/", "nobody.test")),
    case("errors/no-route-post", get("/", "nobody.test", method="POST", body=b"abc")),
    case("errors/no-route-options", get("/", "nobody.test", method="OPTIONS")),
    case("errors/unknown-name", get("/", "dns.test")),
    case("errors/header-timeout", get("/", "slow.test"), SILENT),
    case("errors/header-timeout-after-a-body", get("/", "slow.test", method="POST", body=b"abc"), SILENT),
    case("errors/noop", get("/", "noop.test")),
    case("errors/ping", get("/", "ping.test")),
    case("errors/ping-post", get("/", "ping.test", method="POST", body=b"abc")),
    case("errors/ping-entry-point", get("/ping", "any.test"), entry_point="traefik"),
    case("errors/ping-is-a-prefix", get("/pingzz", "any.test"), entry_point="traefik"),
    *(case(f"errors/{name}", get("/", "once.test"), script) for name, script in CUTS.items()),
    case("errors/no-answer-to-post", get("/", "once.test", method="POST", body=b"abc"), [CLOSE]),
    case(
        "errors/cut-to-http10", b"GET / HTTP/1.0\r\nHost: once.test\r\nAccept-Encoding: x\r\n\r\n", CUTS["cut-in-the-body"]
    ),
]


def dynamic(url, closed):
    hosts = ("kept", "refused", "empty", "weightless", "dns", "slow", "once")
    document = marked({host: {"rule": f"Host(`{host}.test`)", "service": host} for host in hosts}, url)
    document["http"]["routers"] |= {
        "noop": {"rule": "Host(`noop.test`)", "service": "noop@internal"},
        "ping": {"rule": "Host(`ping.test`)", "service": "ping@internal"},
    }
    document["http"]["services"] |= {
        "kept": balancer(url),
        "refused": balancer(closed),
        "empty": balancer(),
        "weightless": {"loadBalancer": {"servers": [{"url": url, "weight": 0}]}},
        "dns": balancer("http://nowhere.invalid"),
        "slow": balancer(url, serversTransport="impatient"),
        "once": balancer(url, serversTransport="once"),
    }
    document["http"]["serversTransports"] = {
        "once": {"maxIdleConnsPerHost": -1},
        "impatient": {"maxIdleConnsPerHost": -1, "forwardingTimeouts": {"responseHeaderTimeout": "150ms"}},
    }
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic, {"ping": {}}) as arena:
        yield arena


@both_agree(CASES)
async def test_both_answer_alike_for_a_server_that_does_not(arena, case):
    await arena.compare(case)
