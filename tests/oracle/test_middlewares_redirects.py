"""Middlewares that redirect, and that rewrite paths by expressions or as a whole (middlewares.md §3.9, §3.18-§3.24)."""

import pytest_asyncio

from .certificates import pair
from .harness import ANSWER, ORACLE, Hello, arena_of, balancer, both_agree, case, get

pytestmark = ORACLE


def regex(pattern, replacement, **more):
    return {"redirectRegex": {"regex": pattern, "replacement": replacement, **more}}


def scheme(name, **more):
    return {"redirectScheme": {"scheme": name, **more}}


def rewrite(pattern, replacement):
    return {"replacePathRegex": {"regex": pattern, "replacement": replacement}}


def template(text):
    return rewrite("^/(?P<first>[^/]+)/(?P<rest>.*)$", text)


REDIRECTS = {
    "moved": regex("^http://moved\\.test/foo/(.*)", "http://other.test/bar/$1"),
    "lasting": regex("^http://lasting\\.test/(.*)", "https://lasting.test/${1}", permanent=True),
    "multi": regex("a", "b"),
    "everywhere": regex("", "x"),
    "same": regex("^(.*)$", "$1"),
    "nothing": regex("nowhere", "x"),
    "bad-host": regex(".*", "http://[bad"),
    "bad-port": regex(".*", "http://a.test:x/"),
    "bad-escape": regex("^.*$", "http://a.test/%zz"),
    "bad-colons": regex("^.*$", "http://a:b:c/"),
    "bad-name": regex("^.*$", "http://a b/"),
    "spaces": regex("^.*$", "http://a.test/b c"),
    "spaces-in-query": regex("^.*$", "http://a.test/?b c"),
    "spaces-and-escapes": regex("^.*$", "http://a.test/b c%2Fd!"),
    "unicode": regex("^.*$", "http://a.test/é?é"),
    "fragment": regex("^http://[^/]+/(.*)$", "/#$1"),
    "relative": regex("^http://[^/]+(/.*)$", "/login$1"),
    "query-only": regex("^.*$", "?x"),
    "empty": regex("^.*$", ""),
    "opaque": regex("^.*$", "mailto:x@y.test"),
    "upper": regex("^.*$", "HTTPS://Upper.test/X"),
    "port": regex("^http://port\\.test(:\\d+)?/(.*)$", "https://port.test:8443/$2"),
    "secure": regex("^https://secure\\.test/(.*)$", "http://plain.test/$1"),
    "insecure": regex("^http://insecure\\.test/(.*)$", "https://secure.test/$1"),
    "query": regex("^http://query\\.test/\\?q=(.*)$", "http://other.test/$1"),
    "user": regex("^http://[^/]+/(.*)$", "http://user:pw@other.test/$1"),
    "ip6": regex("^http://[^/]+/(.*)$", "http://[::1]:80/$1"),
    "to-https": scheme("https"),
    "to-https-lasting": scheme("https", permanent=True),
    "to-port": scheme("https", port="8443"),
    "to-443": scheme("https", port="443"),
    "to-http": scheme("http"),
    "to-http-port": scheme("http", port="8080"),
    "to-other": scheme("app"),
}
PATHS = {
    "prefix": {"stripPrefix": {"prefixes": [" /api ", "/api/v2", "/a b", "/é", "/t/"]}},
    "prefix-forced": {"stripPrefix": {"prefixes": ["/api"], "forceSlash": True}},
    "add-bare": {"addPrefix": {"prefix": "foo"}},
    "add-slash": {"addPrefix": {"prefix": "/foo/"}},
    "add-escape": {"addPrefix": {"prefix": "/a%20b"}},
    "add-odd": {"addPrefix": {"prefix": "/a?b#c é"}},
    "add-dots": {"addPrefix": {"prefix": "/a/../b"}},
    "strip": {"stripPrefixRegex": {"regex": ["/api/[0-9]+", "/b.", " /c ", "x*", "/é+", "/f[^/]*"]}},
    "strip-none": {"stripPrefixRegex": {"regex": ["", "x*"]}},
    "new": {"replacePath": {"path": "/new"}},
    "new-question": {"replacePath": {"path": "/n?x=1"}},
    "new-hash": {"replacePath": {"path": "/n#x"}},
    "new-mixed": {"replacePath": {"path": "/a%2Fb c"}},
    "new-escaped": {"replacePath": {"path": "/a%2Fb"}},
    "new-dots": {"replacePath": {"path": "/a/../b"}},
    "new-bad": {"replacePath": {"path": "/%zz"}},
    "foo": rewrite("^/foo/(.*)", "/bar/$1"),
    "pitfall": rewrite("^/foo(.*)", "/bar/$1"),
    "stars": rewrite("x*", "-"),
    "rooted": rewrite("/?x*", "/-"),
    "trimmed": rewrite(" ^/foo ", " /bar "),
    "emptied": rewrite("^.*$", ""),
    "question": rewrite("^/(.*)$", "/$1?x=1"),
    "unescaping": rewrite("%2F", "/"),
    "bad": rewrite("^/(.*)$", "/%$1"),
    "dots": rewrite("^/(.*)$", "/a/../$1"),
    "insensitive": rewrite("(?i)^/FOO", "/bar"),
    "alternatives": rewrite("(a)|(b)|(c)", "[$1$2$3]"),
    "words": rewrite("\\b", "-"),
    "t-number": template("/$1-$2-$3"),
    "t-name": template("/$first-$rest"),
    "t-braces": template("/${first}x-${rest}y"),
    "t-longest": template("/bar/$1x-${1}x"),
    "t-zero": template("/bar/$01-${01}$0"),
    "t-dollars": template("/$$1-$$$1-$"),
    "t-odd": template("/$-${-${1-$ {1}"),
    "t-letter": template("/$1é-"),
    "t-roman": template("/$1Ⅷ-$1²-"),
    "t-backslash": template("/\\1-\\g<1>-\\$1"),
    "deny-all": {"encodedCharacters": {"allowEncodedHash": True}},
    "allow-slash": {"encodedCharacters": {"allowEncodedSlash": True}},
}
MIDDLEWARES = (
    REDIRECTS
    | PATHS
    | {
        "lookahead": rewrite("^(?!x)", "/y"),
        "add": {"addPrefix": {"prefix": "/new"}},
    }
)
CHAINS = {
    "lookahead-chain": ["lookahead"],
    "rewritten-then-moved": ["add", "relative"],
    "twice": ["new", "new-question"],
    "new-then-foo": ["new", "foo"],
}


def to(name, path="/", *lines, **more):
    return get(path, f"{name}.test", *lines, **more)


def redirect(name, *more, **options):
    return case(f"mw-redirect/{name}", *more, **options)


def path(name, *more, **options):
    return case(f"mw-path/{name}", *more, **options)


TARGETS = (
    "/api%2Fx", "/api../x", "/api./x", "/%61pi/x", "/api/.hidden", "/api/..%2fx", "/api/http:%2F%2Fb.test/c", "/API/x",
    "/a%20b/c", "/%c3%a9/%C3%A9", "/t/x/y", "/t/", "/api/v2", "/api?/x", "/api/%2e%2e/x", "/api%00/x", "/api//x",
)  # fmt: skip
TLS = Hello("secure.test")
CASES = [
    redirect("get", to("moved", "/foo/a?b=1")),
    redirect("head", to("moved", "/foo/a", method="HEAD")),
    redirect("post", to("moved", "/foo/a", method="POST", body=b"abc")),
    redirect("no-match", to("moved", "/other")),
    redirect("with-port", get("/foo/a", "moved.test:80")),
    redirect("escapes", to("moved", "/foo/a%2fb%20c?d=%2f;e")),
    redirect("line-break-in-path", to("moved", "/foo/%0d%0aX-Own:%201")),
    redirect("double-slash", to("moved", "//foo//a")),
    redirect("dots", to("moved", "/x/../foo/a")),
    redirect("question-mark-alone", to("moved", "/foo/a?")),
    redirect("absolute-form", get("http://moved.test/foo/a", "b.test")),
    redirect("lasting-get", to("lasting", "/a")),
    redirect("lasting-head", to("lasting", "/a", method="HEAD")),
    redirect("lasting-put", to("lasting", "/a", method="PUT")),
    redirect("every-match", to("multi", "/a?a")),
    redirect("empty-regex", to("everywhere", "/a")),
    redirect("the-same", to("same", "/a%2Fb?c=%2f;d")),
    redirect("nothing", to("nothing", "/a")),
    *(redirect(name, to(name, "/a")) for name in ("bad-host", "bad-port", "bad-escape", "bad-colons", "bad-name")),
    *(redirect(name, to(name, "/a")) for name in ("spaces", "spaces-in-query", "spaces-and-escapes", "unicode")),
    *(redirect(name, to(name, "/a?b")) for name in ("fragment", "relative", "query-only", "empty", "opaque", "upper")),
    redirect("port", get("/a", "port.test:8080")),
    redirect("secure-in-plain", to("secure", "/a")),
    redirect("secure-in-tls", to("secure", "/a"), hello=TLS),
    redirect("insecure-in-tls", to("insecure", "/a"), hello=Hello("insecure.test")),
    redirect("proto-is-not-asked", to("insecure", "/a", "X-Forwarded-Proto: https"), entry_point="trusting"),
    redirect("websocket", to("insecure", "/a", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: abc")),
    redirect("query-into-path", to("query", "/?q=a/b")),
    redirect("query-with-bad-escape", to("query", "/?q=%zz")),
    redirect("query-with-backslash", to("query", "/?q=\\evil.test")),
    redirect("query-with-quotes", to("query", '/?q="<x>"')),
    redirect("query-not-ascii", to("query", "/?q=é")),
    redirect("user", to("user", "/a")),
    redirect("user-from-the-client", to("user", "/@evil.test")),
    redirect("ip6", to("ip6", "/a")),
    redirect("after-a-rewrite", to("rewritten-then-moved", "/a?b")),
    redirect("two-on-one-connection", [to("moved", "/foo/1"), ANSWER, to("moved", "/2"), ANSWER]),
    redirect("scheme-get", to("to-https", "/a?b")),
    redirect("scheme-post", to("to-https", "/a", method="POST", body=b"abc")),
    redirect("scheme-port-of-the-client", get("/a", "to-https.test:8080")),
    redirect("scheme-lasting-get", to("to-https-lasting", "/a?b")),
    redirect("scheme-lasting-post", to("to-https-lasting", "/a?b", method="POST")),
    redirect("scheme-escapes", to("to-https", "/a%2fb%20c?d=%2f;e")),
    redirect("scheme-over-tls", to("to-https", "/a"), hello=Hello("to-https.test")),
    redirect("scheme-over-tls-other-port", get("/a", "to-https.test:8443"), hello=Hello("to-https.test")),
    redirect("scheme-believed", to("to-https", "/a", "X-Forwarded-Proto: https"), entry_point="trusting"),
    redirect("scheme-believed-wss", to("to-https", "/a", "X-Forwarded-Proto: WSS"), entry_point="trusting"),
    redirect("scheme-believed-other", to("to-https", "/a", "X-Forwarded-Proto: ftp"), entry_point="trusting"),
    redirect("scheme-not-believed", to("to-https", "/a", "X-Forwarded-Proto: https")),
    redirect("scheme-alias-not-believed", to("to-https", "/a", "X_Forwarded_Proto: https")),
    redirect("scheme-websocket", to("to-https", "/", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: abc")),
    redirect("scheme-to-port", to("to-port", "/a")),
    redirect("scheme-to-443", to("to-443", "/a")),
    redirect("scheme-to-http", to("to-http", "/a")),
    redirect("scheme-to-http-over-tls", to("to-http", "/a"), hello=Hello("to-http.test")),
    redirect("scheme-to-http-port-80", get("/a", "to-http.test:80")),
    redirect("scheme-to-http-port", get("/a", "to-http-port.test:8080")),
    redirect("scheme-to-http-other-port", to("to-http-port", "/a")),
    redirect("scheme-to-other", to("to-other", "/a")),
    redirect("scheme-ip6", get("/a", "[::1]")),
    redirect("scheme-ip6-with-port", get("/a", "[::1]:8080")),
    redirect("scheme-star", to("to-https", "*", method="OPTIONS")),
    *(path(f"prefix{target}", to("prefix", target)) for target in TARGETS),
    *(path(f"forced{target}", to("prefix-forced", target)) for target in ("/api", "/apix", "/api%2Fx")),
    *(path(name, to(name, "/x?y")) for name in PATHS if name.startswith("add-")),
    path("add-escape-to-escape", to("add-escape", "/x%2Fy")),
    path("add-star", to("add-bare", "*", method="OPTIONS")),
    path("strip", to("strip", "/api/12/x?q")),
    path("strip-elsewhere", to("strip", "/x/api/12/y")),
    path("strip-all", to("strip", "/api/12")),
    path("strip-no-boundary", to("strip", "/api/12x")),
    path("strip-trimmed", to("strip", "/c/d")),
    path("strip-unicode", to("strip", "/%C3%A9%c3%a9/x")),
    path("strip-slash-in-prefix", to("strip", "/b%2Fc/d")),
    path("strip-dots", to("strip", "/api/12../x")),
    path("strip-line-break", to("strip", "/f%0d%0aX-Own:%201/x")),
    path("strip-space", to("strip", "/f%20o/x%2Fy")),
    path("strip-empty-match", to("strip-none", "/x")),
    path("strip-claimed", to("strip", "/b1/x", "X-Forwarded-Prefix: /claimed")),
    path("replace", to("new", "/x%2Fy?a=1")),
    path("replace-root", to("new")),
    path("replace-star", to("new", "*", method="OPTIONS")),
    path("replace-claimed", to("new", "/x", "X-Replaced-Path: /claimed")),
    path("replace-claimed-alias", to("new", "/x", "X_Replaced_Path: /claimed")),
    *(path(name, to(name, "/x?y")) for name in PATHS if name.startswith("new-")),
    path("replace-twice", to("twice", "/x")),
    path("replace-then-regex", to("new-then-foo", "/x")),
    path("regex", to("foo", "/foo/a%2fb?q")),
    path("regex-no-match", to("foo", "/x", "X-Replaced-Path: /claimed")),
    path("regex-pitfall", to("pitfall", "/foo/x")),
    path("regex-pitfall-alone", to("pitfall", "/foo")),
    path("regex-empty-matches", to("stars", "/axb")),
    path("regex-empty-matches-rooted", to("rooted", "/axb")),
    path("regex-trimmed", to("trimmed", "/foo/x")),
    path("regex-emptied", to("emptied", "/foo/x?y")),
    path("regex-question", to("question", "/foo?y")),
    path("regex-unescaping", to("unescaping", "/a%2Fb")),
    path("regex-unescaping-two", to("unescaping", "/a%2F%2Fb")),
    path("regex-bad", to("bad", "/zz")),
    path("regex-made-escape", to("bad", "/41")),
    path("regex-made-line-break", to("bad", "/0d")),
    path("regex-dots", to("dots", "/x")),
    path("regex-insensitive", to("insensitive", "/Foo/x")),
    path("regex-alternatives", to("alternatives", "/abc/cab")),
    path("regex-words", to("words", "/a/b-c")),
    path("regex-unicode", to("foo", "/foo/%c3%a9")),
    *(path(name, to(name, "/one/two")) for name in PATHS if name.startswith("t-")),
    path("lookahead", to("lookahead", "/a")),
    path("denied-slash", to("deny-all", "/a%2fb")),
    path("denied-percent", to("deny-all", "/a%252Fb")),
    path("denied-null", to("deny-all", "/a%00")),
    path("allowed-hash", to("deny-all", "/a%23b")),
    path("allowed-space", to("deny-all", "/a%20b")),
    path("denied-not-in-query", to("deny-all", "/a?x=%2f")),
    path("allowed-slash", to("allow-slash", "/a%2Fb")),
    path("denied-other", to("allow-slash", "/a%5cb")),
    path("denied-head", to("deny-all", "/a%2fb", method="HEAD")),
]  # fmt: skip


def dynamic(url, closed):
    names = {name: [name] for name in MIDDLEWARES} | CHAINS
    routers = {
        name: {"rule": f"Host(`{name}.test`)", "middlewares": middlewares, "service": "echo"}
        for name, middlewares in names.items()
    }
    routers |= {f"{name}-tls": {**router, "tls": {}} for name, router in routers.items()}
    routers["in-brackets"] = {"rule": "HostRegexp(`^\\[?::1`)", "middlewares": ["to-https"], "service": "echo"}
    return {
        "http": {"routers": routers, "middlewares": MIDDLEWARES, "services": {"echo": balancer(url)}},
        "tls": {"certificates": [pair("a.test")]},
    }


STATIC = {"entryPoints": {"web": {}, "trusting": {"forwardedHeaders": {"insecure": True}}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic, STATIC) as arena:
        yield arena


@both_agree(CASES)
async def test_both_redirect_and_rewrite_alike(arena, case):
    await arena.compare(case)
