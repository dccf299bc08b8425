"""HTTP/2 in, over TLS and by prior knowledge: what the server sees of it and what comes back (routing.md 6)."""

import pytest_asyncio

from pointsman.testing import CLOSE, RESET, answer, chunked

from .certificates import pair
from .harness import OK, ORACLE, Hello, arena_of, balancer, both_agree
from .streams import Http2, ask

pytestmark = ORACLE

TLS = Hello("a.test", alpn=["h2"])
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"


def asked(name, *asks, script=OK, scripts=None, hello=TLS, **settings):
    return Http2(f"h2/{name}", asks, scripts or (script,), hello, **settings)


def over_plain(name, *asks, **settings):
    return asked(f"prior-knowledge/{name}", *asks, hello=None, **settings)


CASES = [
    asked("get", ask()),
    asked("query", ask("/a/b?x=1;y=2&z")),
    asked("path-normalised", ask("/a/./b/../%41%2f")),
    asked("head", ask(method="HEAD"), script=[b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"]),
    asked("post", ask(method="POST", body=b"hello")),
    asked("post-with-length", ask("/", ("content-length", "5"), method="POST", body=b"hello")),
    asked("post-empty", ask("/", ("content-length", "0"), method="POST")),
    asked("post-without-body-or-length", ask(method="POST")),
    asked("post-in-pieces", ask(method="POST", body=[b"a", b"", b"bc"])),
    asked("post-large", ask(method="POST", body=b"y" * 300_000)),
    asked("post-with-trailers", ask("/", ("trailer", "x-t"), method="POST", body=b"a", trailers=[("x-t", "1")])),
    asked("delete-with-body", ask(method="DELETE", body=b"x")),
    asked("own-method", ask(method="FOO")),
    asked("options-star", ask("*", method="OPTIONS")),
    asked("headers", ask("/", ("x-a", "1"), ("x-a", "2"), ("user-agent", "me"), ("x-empty", ""))),
    asked("cookies", ask("/", ("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3; d=4"))),
    asked("te-trailers", ask("/", ("te", "trailers"))),
    asked("te-gzip", ask("/", ("te", "gzip"))),
    asked(
        "forwarded-from-client",
        ask("/", ("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "http"), ("forwarded", "for=x")),
    ),
    asked("authority-with-port", ask(host="a.test:8443")),
    asked("authority-in-upper-case", ask(host="A.test")),
    asked("host-as-well", ask("/", ("host", "a.test"))),
    asked("host-instead", ask("/", ("host", "a.test"), replaced={":authority": None})),
    asked("host-that-differs", ask("/", ("host", "b.test"))),
    asked("no-route", ask(host="nobody.test")),
    asked("expect", ask("/", ("expect", "100-continue"), method="POST", body=b"abc")),
    asked("large-header", ask("/", ("x-large", "z" * 100_000))),
    asked("header-too-large", ask("/", *((f"x-large-{number}", "z" * 60_000) for number in range(20)))),
    # answers
    asked("answer-large", ask(), script=answer(200, {}, b"x" * 300_000)),
    asked("answer-chunked", ask(), script=chunked([b"hello", b" world"])),
    asked("answer-trailers", ask(), script=chunked([b"x"], {"Trailer": "X-T"}, {"X-T": "1"})),
    asked("answer-trailers-unannounced", ask("/", ("te", "trailers")), script=chunked([b"x"], {}, {"Grpc-Status": "0"})),
    asked(
        "answer-hop-by-hop", ask(), script=answer(200, {"Connection": "X-N", "X-N": "1", "Keep-Alive": "timeout=5"}, b"x")
    ),
    asked("answer-cookies", ask(), script=answer(200, {"Set-Cookie": ["a=1", "b=2"], "X-Upper": "A"}, b"x")),
    asked("answer-204", ask(), script=[b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n"]),
    asked("answer-304", ask(), script=[b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"]),
    asked("answer-404", ask(), script=answer(404, {}, b"no")),
    asked("answer-999", ask(), script=[b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"]),
    asked("answer-until-close", ask(), script=[b"HTTP/1.1 200 OK\r\n\r\nhello", CLOSE]),
    asked("answer-103", ask(), script=[EARLY, *OK]),
    asked("answer-cut", ask(), script=[b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel", CLOSE]),
    asked("answer-cut-chunked", ask(), script=[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", RESET]),
    asked("answer-none", ask(), script=[CLOSE]),
    asked("server-refuses", ask(host="closed.test")),
    asked("no-server", ask(host="none.test")),
    # several
    asked("two-in-turn", ask("/1"), ask("/2")),
    asked("three-at-once", *[ask("/same", body=b"x", method="POST")] * 3, at_once=True),
    asked("after-a-refusal", ask(host="nobody.test"), ask("/2")),
    asked(
        "after-a-broken-answer",
        ask("/1"),
        ask("/2"),
        scripts=([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", CLOSE], OK),
    ),
    # what is no request
    asked("bad/name-in-upper-case", ask("/", ("X-Upper", "1"))),
    asked("bad/connection", ask("/", ("connection", "keep-alive"))),
    asked("bad/transfer-encoding", ask("/", ("transfer-encoding", "chunked"), method="POST", body=b"x")),
    asked("bad/keep-alive", ask("/", ("keep-alive", "x"))),
    asked("bad/upgrade", ask("/", ("upgrade", "websocket"))),
    asked("bad/no-method", ask(replaced={":method": None})),
    asked("bad/no-scheme", ask(replaced={":scheme": None})),
    asked("bad/no-path", ask(replaced={":path": None})),
    asked("bad/empty-path", ask("")),
    asked("bad/relative-path", ask("abc")),
    asked("bad/path-with-space", ask("/a b")),
    asked("bad/path-with-fragment", ask("/a#b")),
    asked("bad/bad-escape", ask("/%zz")),
    asked("bad/unknown-pseudo-header", ask(replaced={":other": "x"})),
    asked("bad/no-authority", ask(replaced={":authority": None})),
    asked("bad/authority-with-path", ask(host="a.test/x")),
    asked("bad/authority-with-user", ask(host="u@a.test")),
    asked("bad/scheme-http", ask(replaced={":scheme": "http"})),
    asked("bad/newline-in-value", ask("/", ("x-a", "1\r\nx-b: 2"))),
    asked("bad/nul-in-value", ask("/", ("x-a", "1\x002"))),
    asked("bad/space-in-name", ask("/", ("x a", "1"))),
    asked("bad/space-around-value", ask("/", ("x-a", " 1 "))),
    asked("bad/length-too-small", ask("/", ("content-length", "3"), method="POST", body=b"hello")),
    asked("bad/length-too-big", ask("/", ("content-length", "9"), method="POST", body=b"hello")),
    asked("bad/length-no-number", ask("/", ("content-length", "x"), method="POST", body=b"hello")),
    asked("bad/two-lengths", ask("/", ("content-length", "5"), ("content-length", "6"), method="POST", body=b"hello")),
    asked("bad/connect", ask(method="CONNECT", replaced={":scheme": None, ":path": None})),
    # TLS
    asked("tls/chosen-before-http11", ask(), hello=Hello("a.test", alpn=["h2", "http/1.1"])),
    asked("tls/other-options", ask(host="v13.test")),
    asked("tls/router-without-tls", ask(host="plain.test")),
    # by prior knowledge
    over_plain("get", ask(host="plain.test", replaced={":scheme": "http"})),
    over_plain("post", ask(host="plain.test", method="POST", body=b"abc", replaced={":scheme": "http"})),
    over_plain("router-with-tls", ask(host="a.test", replaced={":scheme": "http"})),
    over_plain("no-route", ask(host="nobody.test", replaced={":scheme": "http"})),
    over_plain(
        "trailers",
        ask("/", ("te", "trailers"), host="plain.test", replaced={":scheme": "http"}),
        script=chunked([b"x"], {}, {"X-T": "1"}),
    ),
    over_plain("scheme-https", ask(host="plain.test")),
]


def dynamic(url, closed):
    services = {"echo": balancer(url), "closed": balancer(closed), "none": balancer()}
    routers = {
        "a": {"rule": "Host(`a.test`)", "tls": {}},
        "b": {"rule": "Host(`b.test`)", "tls": {}},
        "v13": {"rule": "Host(`v13.test`)", "tls": {"options": "v13"}},
        "closed": {"rule": "Host(`closed.test`)", "tls": {}, "service": "closed"},
        "none": {"rule": "Host(`none.test`)", "tls": {}, "service": "none"},
        "plain": {"rule": "Host(`plain.test`)"},
    }
    http = {"routers": {name: {"service": "echo", **router} for name, router in routers.items()}, "services": services}
    return {"http": http, "tls": {"certificates": [pair("a.test")], "options": {"v13": {"minVersion": "VersionTLS13"}}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic) as arena:
        yield arena


@both_agree(CASES)
async def test_both_agree_on_http2(arena, case):
    await arena.compare(case)
