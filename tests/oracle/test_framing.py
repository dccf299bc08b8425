"""Bodies and their borders, and requests that are none (routing.md section 6.1)."""

import pytest_asyncio

from .harness import ANSWER, EOF, OK, ORACLE, REST, arena_of, both_agree, case, get, marked, raw

pytestmark = ORACLE

LINE, HOST, QUIET = "POST / HTTP/1.1", "Host: a.test", "Accept-Encoding: x"
STATIC = {
    "entryPoints": {
        "web": {},
        "small": {"http": {"maxHeaderBytes": 2000}},
        "hasty": {"transport": {"respondingTimeouts": {"readTimeout": "300ms", "idleTimeout": "300ms"}}},
        "brief": {"transport": {"keepAliveMaxRequests": 2}},
    }
}


def post(*lines: str, body: bytes = b"") -> bytes:
    return raw(LINE, HOST, QUIET, *lines, body=body)


CHUNKED = "Transfer-Encoding: chunked"
CASES = [
    case("framing/length", post("Content-Length: 5", body=b"hello")),
    case("framing/length-zero", post("Content-Length: 0")),
    case("framing/post-without-length", post()),
    case("framing/put-without-length", get(method="PUT")),
    case("framing/delete-without-length", get(method="DELETE")),
    case("framing/own-method-without-length", get(method="FOO")),
    case("framing/delete-with-body", get(method="DELETE", body=b"abc")),
    case("framing/get-with-body", get(body=b"abc")),
    case("framing/get-with-length-zero", get("/", "a.test", "Content-Length: 0")),
    case("framing/trace", get(method="TRACE")),
    case("framing/options", get(method="OPTIONS")),
    case("framing/connect", raw("CONNECT a.test:80 HTTP/1.1", "Host: a.test:80"), probe=False),
    case("framing/chunked", post(CHUNKED, body=b"5\r\nhello\r\n3\r\n wo\r\n0\r\n\r\n")),
    case("framing/chunked-empty", post(CHUNKED, body=b"0\r\n\r\n")),
    case("framing/chunked-upper-case-size", post(CHUNKED, body=b"A\r\n0123456789\r\n0\r\n\r\n")),
    case("framing/chunked-extension", post(CHUNKED, body=b"5;a=b\r\nhello\r\n0;x\r\n\r\n")),
    case("framing/chunked-leading-zeros", post(CHUNKED, body=b"0005\r\nhello\r\n000\r\n\r\n")),
    case("framing/chunked-trailers", post(CHUNKED, "Trailer: X-T", body=b"5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n")),
    case("framing/chunked-unannounced-trailers", post(CHUNKED, body=b"5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n")),
    case("framing/chunked-get", get("/", "a.test", CHUNKED) + b"2\r\nhi\r\n0\r\n\r\n"),
    case("framing/chunked-in-capitals", post("Transfer-Encoding: CHUNKED", body=b"2\r\nhi\r\n0\r\n\r\n")),
    case("framing/chunked-bad-size", post(CHUNKED, body=b"x\r\nhello\r\n0\r\n\r\n")),
    case("framing/chunked-negative-size", post(CHUNKED, body=b"-1\r\nhello\r\n0\r\n\r\n")),
    case("framing/chunked-too-long-chunk", post(CHUNKED, body=b"3\r\nhello\r\n0\r\n\r\n")),
    case("framing/chunked-huge-size", post(CHUNKED, body=b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n")),
    case("framing/chunked-and-length", post(CHUNKED, "Content-Length: 5", body=b"2\r\nhi\r\n0\r\n\r\n")),
    case("framing/gzip-chunked", post("Transfer-Encoding: gzip, chunked", body=b"2\r\nhi\r\n0\r\n\r\n")),
    case("framing/identity", post("Transfer-Encoding: identity")),
    case("framing/two-transfer-encodings", post(CHUNKED, CHUNKED, body=b"2\r\nhi\r\n0\r\n\r\n")),
    case("framing/chunked-on-http10", raw("POST / HTTP/1.0", HOST, QUIET, CHUNKED, body=b"2\r\nhi\r\n0\r\n\r\n")),
    case("framing/two-equal-lengths", post("Content-Length: 5", "Content-Length: 5", body=b"hello")),
    case("framing/two-lengths", post("Content-Length: 5", "Content-Length: 4", body=b"hello")),
    case("framing/length-list", post("Content-Length: 5, 5", body=b"hello")),
    case("framing/length-signed", post("Content-Length: +5", body=b"hello")),
    case("framing/length-negative", post("Content-Length: -1")),
    case("framing/length-hexadecimal", post("Content-Length: 0x5", body=b"hello")),
    case("framing/length-underscore", post("Content-Length: 1_0", body=b"helloworld")),
    case("framing/length-empty", post("Content-Length:")),
    case("framing/length-too-big", post("Content-Length: 99999999999999999999")),
    case("framing/length-zero-padded", post("Content-Length: 0005", body=b"hello")),
    case("framing/pipelined", [get("/1") + get("/2"), ANSWER, ANSWER]),
    case("framing/pipelined-after-a-body", [get("/1", method="POST", body=b"abc") + get("/2"), ANSWER, ANSWER]),
    case("framing/pipelined-after-chunks", [post(CHUNKED, body=b"2\r\nhi\r\n0\r\n\r\n") + get("/2"), ANSWER, ANSWER]),
    case("framing/pipelined-after-close", [get("/1", "a.test", "Connection: close") + get("/2"), ANSWER, ANSWER]),
    case("framing/empty-lines-first", b"\r\n\r\n" + get()),
    case("framing/byte-by-byte-head", [*(bytes([byte]) for byte in get(method="P")[:40]), get(method="P")[40:], ANSWER]),
    case("framing/half-close-after-the-request", [get("/", "a.test"), EOF, ANSWER], [0.3, *OK], probe=False),
    case("framing/half-close-in-the-head", [b"GET / HTTP/1.1\r\nHost:", EOF, ANSWER], probe=False),
    case("framing/half-close-in-the-body", [post("Content-Length: 5", body=b"he"), EOF, ANSWER], probe=False),
    case("limits/nothing-in-time", [REST], entry_point="hasty", probe=False),
    case("limits/half-a-head-in-time", [b"GET / HTTP/1.1\r\nHost: a.te", REST], entry_point="hasty", probe=False),
    case("limits/half-a-body-in-time", post("Content-Length: 5", body=b"he"), entry_point="hasty", probe=False),
    case("limits/idle-after-an-answer", [get(), ANSWER, REST], entry_point="hasty", probe=False),
    case("limits/last-request", [get("/1"), ANSWER, get("/2"), ANSWER], entry_point="brief"),
    case("limits/last-request-pipelined", [get("/1") + get("/2") + get("/3"), ANSWER, ANSWER, ANSWER], entry_point="brief"),
    case("bad/no-host", raw("GET / HTTP/1.1")),
    case("bad/two-hosts", raw("GET / HTTP/1.1", HOST, "Host: b.test")),
    case("bad/two-equal-hosts", raw("GET / HTTP/1.1", HOST, HOST)),
    case("bad/host-with-space", get("/", "a b")),
    case("bad/host-with-slash", get("/", "a/b")),
    case("bad/host-with-at", get("/", "u@a.test")),
    case("bad/host-with-non-ascii", get("/", "é.test")),
    case("bad/host-with-percent", get("/", "a%2f.test")),
    case("bad/host-with-bad-port", get("/", "a.test:x")),
    case("bad/host-list", get("/", "a.test, b.test")),
    case("bad/host-with-underscore", get("/", "a_b.test")),
    case("bad/name-with-space", get("/", "a.test", "X Foo: 1")),
    case("bad/space-before-colon", get("/", "a.test", "X-Foo : 1")),
    case("bad/name-missing", get("/", "a.test", ": 1")),
    case("bad/colon-missing", get("/", "a.test", "X-Foo")),
    case("bad/name-non-ascii", get("/", "a.test", "X-é: 1")),
    case("bad/folded", get("/", "a.test", "X-Foo: 1", " folded")),
    case("bad/folded-first", raw("GET / HTTP/1.1", " Host: a.test", HOST)),
    case("bad/nul-in-value", get("/", "a.test", "X-Foo: a\0b")),
    case("bad/control-in-value", get("/", "a.test", "X-Foo: a\x01b")),
    case("bad/bare-cr-in-value", get("/", "a.test", "X-Foo: a\rb")),
    case("bad/bare-lf-line-in-the-middle", b"GET / HTTP/1.1\r\nHost: a.test\nAccept-Encoding: x\r\n\r\n"),
    case("bad/version-2", raw("GET / HTTP/2.0", HOST)),
    case("bad/version-3", raw("GET / HTTP/3.0", HOST)),
    case("bad/version-1-2", raw("GET / HTTP/1.2", HOST, QUIET)),
    case("bad/version-0-9", raw("GET / HTTP/0.9", HOST)),
    case("bad/version-missing", raw("GET /", HOST)),
    case("bad/version-lower-case", raw("GET / http/1.1", HOST)),
    case("bad/version-other", raw("GET / FTP/1.1", HOST)),
    case("bad/version-long", raw("GET / HTTP/1.11", HOST)),
    case("bad/two-spaces", raw("GET  / HTTP/1.1", HOST)),
    case("bad/space-at-the-end", raw("GET / HTTP/1.1 ", HOST)),
    case("bad/space-in-target", raw("GET /a b HTTP/1.1", HOST)),
    case("bad/control-in-target", raw("GET /a\x01b HTTP/1.1", HOST)),
    case("bad/method-with-at", raw("G@T / HTTP/1.1", HOST)),
    case("bad/method-empty", raw(" / HTTP/1.1", HOST)),
    case("bad/garbage", b"\x00\x01\x02 nothing\r\n\r\n"),
    case("bad/head-too-large", get("/", "a.test", "X-Big: " + "x" * 6500), entry_point="small"),
    case("bad/head-just-small-enough", get("/", "a.test", "X-Big: " + "x" * 5000), entry_point="small"),
    case("bad/many-small-headers", get("/", "a.test", *(f"X-{n}: 1" for n in range(900)))),
    case("bad/expect-other", post("Expect: foo", "Content-Length: 2", body=b"hi")),
    case("bad/expect-two", post("Expect: 100-continue, foo", "Content-Length: 2", body=b"hi")),
]


def dynamic(url, closed):
    return marked({"any": "HostRegexp(`(?s).*`) || PathPrefix(`/`)"}, url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic, STATIC) as arena:
        yield arena


@both_agree(CASES)
async def test_both_see_the_same_borders(arena, case):
    await arena.compare(case)
