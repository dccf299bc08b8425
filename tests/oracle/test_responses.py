"""The way back: heads, bodies, trailers, interim answers and upgrades (routing.md section 6.4, 6.5)."""

import pytest_asyncio

from pointsman.testing import BODY, CLOSE, PIPE, answer, chunked

from .harness import ANSWER, EOF, HEAD, OK, ORACLE, REST, arena_of, both_agree, case, get, marked, raw

pytestmark = ORACLE

EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nLink: </a.js>\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %b\r\nSec-WebSocket-Accept: xyz=\r\nX-A: 1\r\n\r\n"
)
WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: abc", "sec-websocket-version: 13")
EXPECTING = raw("POST / HTTP/1.1", "Host: a.test", "Accept-Encoding: x", "Expect: 100-continue", "Content-Length: 5")
HTTP10 = raw("GET / HTTP/1.0", "Host: a.test", "Accept-Encoding: x")
HTTP10_KEPT = raw("GET / HTTP/1.0", "Host: a.test", "Accept-Encoding: x", "Connection: keep-alive")
HEADERS = b"".join(
    line + b"\r\n"
    for line in (
        b"Set-Cookie: a=1",
        b"Set-Cookie: b=2",
        b"set-cookie: c=3",
        b"server: mine/1.0",
        b"ETag: x",
        b"x-lower: 1",
        b"WWW-Authenticate: Basic",
        b"X-Empty:",
        b"X-Latin: \xe9",
    )
)
HOPS = b"".join(
    line + b"\r\n"
    for line in (
        b"Connection: X-Named, keep-alive",
        b"X-Named: 1",
        b"Keep-Alive: timeout=5",
        b"Proxy-Connection: keep-alive",
        b"Proxy-Authenticate: Basic",
        b"Proxy-Authorization: x",
        b"TE: trailers",
        b"Upgrade: h2c",
        b"X-Stays: 1",
    )
)


def said(status, *lines, body=b"", length=True):
    head = b"HTTP/1.1 " + status + b"\r\n" + b"".join(line + b"\r\n" for line in lines)
    return [head + (b"Content-Length: %d\r\n" % len(body) if length else b"") + b"\r\n" + body]


CASES = [
    case("responses/headers", get(), said(b"200 OK", HEADERS.removesuffix(b"\r\n"), body=b"x")),
    case("responses/hop-by-hop", get(), said(b"200 OK", HOPS.removesuffix(b"\r\n"), body=b"x")),
    case("responses/reason-is-standard", get(), said(b"200 Fine", body=b"x")),
    case("responses/reason-missing", get(), said(b"404", body=b"x")),
    case("responses/status-unknown", get(), said(b"999 Odd", body=b"x")),
    case("responses/status-299", get(), said(b"299 Own", body=b"x")),
    case("responses/status-418", get(), said(b"418 Tea", body=b"x")),
    case("responses/status-500", get(), said(b"500 Oops", body=b"x")),
    case("responses/status-304", get(), said(b"304 Not Modified", b"ETag: x", length=False)),
    case("responses/status-304-with-length", get(), said(b"304 Not Modified", b"Content-Length: 10", length=False)),
    case("responses/status-204", get(), said(b"204 No Content", b"X-A: 1", length=False)),
    case("responses/status-204-with-length", get(), said(b"204 No Content", b"Content-Length: 0", length=False)),
    case("responses/status-205", get(), said(b"205 Reset Content")),
    case("responses/redirect", get(), said(b"302 Found", b"Location: http://127.0.0.1/x")),
    case("responses/empty", get(), said(b"200 OK")),
    case("responses/date-is-kept", get(), said(b"200 OK", b"Date: Thu, 01 Jan 1970 00:00:00 GMT", body=b"x")),
    case("responses/no-content-type", get(), said(b"200 OK", body=b"<html>")),
    case("responses/content-encoding", get(), said(b"200 OK", b"Content-Encoding: gzip", body=b"\x1f\x8b")),
    case("responses/accept-ranges-and-age", get(), said(b"206 Partial Content", b"Content-Range: bytes 0-0/9", body=b"x")),
    case("responses/head", get(method="HEAD"), said(b"200 OK", b"Content-Length: 10", length=False)),
    case("responses/head-without-length", get(method="HEAD"), said(b"200 OK", b"X-A: 1", length=False)),
    case("responses/head-chunked", get(method="HEAD"), said(b"200 OK", b"Transfer-Encoding: chunked", length=False)),
    case("responses/head-404", get("/", "nobody.test", method="HEAD")),
    case("responses/chunked", get(), chunked([b"hello", b" world"])),
    case("responses/chunked-empty", get(), chunked([])),
    case("responses/chunked-announced-trailer", get(), chunked([b"x"], {"Trailer": "X-T"}, {"X-T": "1"})),
    case("responses/chunked-unannounced-trailer", get(), chunked([b"x"], {}, {"X-U": "1"})),
    case("responses/chunked-both-trailers", get(), chunked([b"x"], {"Trailer": "X-T"}, {"X-T": "1", "Grpc-Status": "0"})),
    case("responses/chunked-with-te", get("/", "a.test", "TE: trailers"), chunked([b"x"], {"Trailer": "X-T"}, {"X-T": "1"})),
    case("responses/chunked-to-http10", [HTTP10, ANSWER], chunked([b"hello", b" world"])),
    case("responses/chunked-to-http10-kept", [HTTP10_KEPT, ANSWER], chunked([b"hello"])),
    case("responses/length-to-http10-kept", [HTTP10_KEPT, ANSWER]),
    case("responses/until-close", get(), [b"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\nhello", CLOSE]),
    case("responses/until-close-of-http10", get(), [b"HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nhello", CLOSE]),
    case("responses/until-close-to-http10", [HTTP10, ANSWER], [b"HTTP/1.1 200 OK\r\n\r\nhello", CLOSE]),
    case("responses/of-http10-with-length", get(), [b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", CLOSE]),
    case("responses/server-closes", get(), [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", CLOSE]),
    case("responses/two-on-one-connection", [get("/1"), ANSWER, get("/2"), ANSWER]),
    case("responses/event-stream", get(), [b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n", CLOSE]),
    case("responses/grpc-trailers-only", get(), chunked([], {"Content-Type": "application/grpc", "Grpc-Status": "5"})),
    case("responses/large", get(), answer(200, {}, b"x" * 300_000)),
    case("responses/large-upload", get(method="POST", body=b"y" * 300_000)),
    case("interim/103", get(), [EARLY, *OK]),
    case("interim/103-twice-and-102", get(), [EARLY, PROCESSING, EARLY, *OK]),
    case("interim/103-to-http10", [HTTP10, ANSWER], [EARLY, *OK]),
    case("interim/103-before-no-content-type", get(), [EARLY, *said(b"200 OK", body=b"x")]),
    case("interim/103-before-404", get(), [EARLY, *answer(404, {}, b"no")]),
    case("interim/103-with-the-answer-in-one-write", get(), [EARLY + OK[0]]),
    case("interim/100-unasked", get(), [CONTINUE, *OK]),
    case("expect/continue", [EXPECTING, HEAD, b"hello", ANSWER], [CONTINUE, BODY, *OK]),
    case("expect/body-at-once", [EXPECTING + b"hello", ANSWER], [CONTINUE, BODY, *OK]),
    case("expect/other-case", [EXPECTING.replace(b"100-c", b"100-C"), HEAD, b"hello", ANSWER], [CONTINUE, BODY, *OK]),
    case("expect/get", get("/", "a.test", "Expect: 100-continue")),
    case("expect/http10", [EXPECTING.replace(b"HTTP/1.1", b"HTTP/1.0") + b"hello", ANSWER], OK),
    case("expect/on-no-route", [EXPECTING.replace(b"a.test", b"nobody.test"), ANSWER]),
    case(
        "upgrade/websocket",
        [get("/", "a.test", *WEBSOCKET), ANSWER, b"ping", 4, b"pong", 4],
        [SWITCH % b"websocket", PIPE],
        probe=False,
    ),
    case(
        "upgrade/own-protocol",
        [get("/", "a.test", "Connection: x, upgrade", "Upgrade: echo/1"), ANSWER, b"a", 1, EOF, REST],
        [SWITCH % b"echo/1", PIPE],
        probe=False,
    ),
    case("upgrade/case-of-the-token", get("/", "a.test", *WEBSOCKET), [SWITCH % b"WebSocket", CLOSE], probe=False),
    case(
        "upgrade/server-speaks-first",
        [get("/", "a.test", *WEBSOCKET), ANSWER, REST],
        [SWITCH % b"websocket" + b"hi", CLOSE],
        probe=False,
    ),
    case("upgrade/refused", get("/", "a.test", *WEBSOCKET), answer(400, {}, b"no")),
    case("upgrade/ignored", get("/", "a.test", *WEBSOCKET)),
    case("upgrade/other-protocol", get("/", "a.test", *WEBSOCKET), [SWITCH % b"other", CLOSE]),
    case("upgrade/unasked", get(), [SWITCH % b"websocket", CLOSE]),
    case("upgrade/no-route", get("/", "nobody.test", *WEBSOCKET)),
    case("upgrade/list-with-h2c", get("/", "a.test", "Connection: Upgrade", "Upgrade: websocket, h2c")),
    case("upgrade/post-with-body", get("/", "a.test", "Connection: Upgrade", "Upgrade: x", method="POST", body=b"abc")),
]


def dynamic(url, closed):
    return marked({"any": "Host(`a.test`)"}, url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic) as arena:
        yield arena


@both_agree(CASES)
async def test_both_hand_the_answer_back_alike(arena, case):
    await arena.compare(case)
