"""Who asked, and what of the head goes on: forwarded, hop-by-hop and other headers (routing.md section 6.2, 6.3)."""

import pytest_asyncio

from .harness import ORACLE, arena_of, balancer, both_agree, case, get, marked, raw

pytestmark = ORACLE

STATIC = {
    "entryPoints": {
        "web": {},
        "trusted": {"forwardedHeaders": {"insecure": True}},
        "listed": {"forwardedHeaders": {"trustedIPs": ["127.0.0.0/8"]}},
        "strangers": {"forwardedHeaders": {"trustedIPs": "10.0.0.1, 10.0.0.2"}},
        "quiet": {"forwardedHeaders": {"insecure": True, "notAppendXForwardedFor": True}},
        "kept": {"forwardedHeaders": {"connection": ["X-Kept"]}},
        "no-alias": {"http": {"aliasHeadersStrategy": "reject"}},
        "drop-alias": {"http": {"aliasHeadersStrategy": "delete"}},
        "no-underscore": {"http": {"underscoreHeadersStrategy": "reject"}},
        "drop-underscore": {"http": {"underscoreHeadersStrategy": "delete"}},
    }
}
CLAIMS = (
    "X-Forwarded-For: 1.2.3.4",
    "X-Forwarded-For: 4.3.2.1, 5.5.5.5",
    "X-Forwarded-Host: claimed.test",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Port: 8443",
    "X-Forwarded-Server: claimed",
    "X-Forwarded-Uri: /claimed",
    "X-Forwarded-Method: PUT",
    "X-Forwarded-Prefix: /claimed",
    "X-Forwarded-Tls-Client-Cert: claimed",
    "X-Forwarded-Tls-Client-Cert-Info: claimed",
    "X-Real-Ip: 6.6.6.6",
)
SPELLINGS = ("X_Forwarded_For: 7.7.7.7", "X-Forwarded_Host: spelled.test", "x_real-ip: 8.8.8.8")
HOPS = (
    "Connection: X-Foo, close-ish",
    "X-Foo: named",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "Proxy-Authenticate: Basic",
    "Proxy-Authorization: Basic eA==",
    "TE: trailers, deflate",
    "Trailer: X-T",
    "X-Bar: stays",
)
WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: abc", "Sec-WebSocket-Version: 13")

CASES = [
    case("headers/forwarded-untrusted", get("/", "a.test", *CLAIMS)),
    case("headers/forwarded-untrusted-spellings", get("/", "a.test", *SPELLINGS)),
    case("headers/forwarded-trusted", get("/", "a.test", *CLAIMS), entry_point="trusted"),
    case("headers/forwarded-listed", get("/", "a.test", *CLAIMS), entry_point="listed"),
    case("headers/forwarded-not-listed", get("/", "a.test", *CLAIMS), entry_point="strangers"),
    case("headers/forwarded-trusted-spellings", get("/", "a.test", *SPELLINGS), entry_point="trusted"),
    case("headers/forwarded-trusted-says-nothing", get("/", "a.test:8123"), entry_point="trusted"),
    case("headers/forwarded-port-of-a-claimed-proto", get("/", "a.test", "X-Forwarded-Proto: https"), entry_point="trusted"),
    case("headers/forwarded-port-of-wss", get("/", "a.test", "X-Forwarded-Proto: wss"), entry_point="trusted"),
    case("headers/forwarded-empty-claims", get("/", "a.test", "X-Forwarded-For:", "X-Real-Ip:"), entry_point="trusted"),
    case("headers/forwarded-for-not-appended", get("/", "a.test", "X-Forwarded-For: 1.1.1.1"), entry_point="quiet"),
    case("headers/forwarded-for-not-created", get("/"), entry_point="quiet"),
    case("headers/forwarded-other-names", get("/", "a.test", "X-Forwarded-Ssl: on", "X-Forwarded-Other: 1", "Via: 1.0 x")),
    case("headers/forwarded-rfc7239-untrusted", get("/", "a.test", "Forwarded: for=1.2.3.4")),
    case("headers/forwarded-rfc7239-trusted", get("/", "a.test", "Forwarded: for=1.2.3.4"), entry_point="trusted"),
    case("headers/forwarded-scheme-untrusted", get("/", "a.test", "X-Forwarded-Scheme: https", "X-Scheme: https")),
    case("headers/forwarded-port-of-ipv6", get("/", "[::1]:9")),
    case("headers/forwarded-port-empty", get("/", "a.test:")),
    case("headers/forwarded-host-case", get("/", "A.Test:8123")),
    case("headers/forwarded-websocket", get("/", "a.test", *WEBSOCKET)),
    case("headers/hop-by-hop", get("/", "a.test", *HOPS)),
    case("headers/hop-by-hop-te-in-connection", get("/", "a.test", "Connection: TE", "TE: trailers")),
    case("headers/hop-by-hop-te-alone", get("/", "a.test", "TE: gzip;q=0.5")),
    case("headers/hop-by-hop-te-trailers", get("/", "a.test", "Te: Trailers")),
    case(
        "headers/hop-by-hop-two-lines",
        get("/", "a.test", "Connection: X-A", "Connection: x-b", "X-A: 1", "X-B: 1", "X-C: 1"),
    ),
    case(
        "headers/hop-by-hop-may-not-name-ours",
        get("/", "a.test", "Connection: foo, X-Forwarded-For, X-Real-Ip, X-Forwarded-Host", "Foo: 1"),
    ),
    case("headers/hop-by-hop-names-host", get("/", "a.test", "Connection: Host, Accept")),
    case("headers/hop-by-hop-names-cookie", get("/", "a.test", "Connection: Cookie", "Cookie: a=b")),
    case(
        "headers/hop-by-hop-names-content-length",
        get("/", "a.test", "Connection: Content-Length", method="POST", body=b"abc"),
    ),
    case(
        "headers/hop-by-hop-kept-for-middlewares", get("/", "a.test", "Connection: X-Kept", "X-Kept: 1"), entry_point="kept"
    ),
    case("headers/hop-by-hop-close", get("/", "a.test", "Connection: close")),
    case("headers/hop-by-hop-keep-alive", get("/", "a.test", "Connection: keep-alive")),
    case("headers/hop-by-hop-close-in-a-list", get("/", "a.test", "Connection: X-Foo , Close")),
    case("headers/hop-by-hop-upgrade-alone", get("/", "a.test", "Upgrade: websocket")),
    case(
        "headers/hop-by-hop-h2c",
        get("/", "a.test", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA"),
    ),
    case(
        "headers/canonical-case",
        get("/", "a.test", "x-lower-CASE: 1", "ETAG: 2", "dnt: 3", "x-3d-a: 4", "www-authenticate: 5"),
    ),
    case("headers/many-lines-of-one", get("/", "a.test", "X-M: 1", "x-m: 2", "X-M: 3", "Accept: a", "Accept: b")),
    case("headers/cookies", get("/", "a.test", "Cookie: a=1; b=2", "Cookie: c=3")),
    case("headers/empty-value", get("/", "a.test", "X-Empty:", "X-Blank:  ")),
    case("headers/latin1-value", get("/", "a.test", "X-L: é\xff")),
    case("headers/tab-in-the-value", get("/", "a.test", "X-T: a\tb")),
    case("headers/user-agent-is-not-added", get("/")),
    case("headers/user-agent-is-kept", get("/", "a.test", "User-Agent: me/1.0", "Referer: http://x")),
    case("headers/range-and-conditions", get("/", "a.test", "Range: bytes=0-1", "If-None-Match: *", "If-Range: x")),
    case("headers/no-accept-encoding", raw("GET / HTTP/1.1", "Host: a.test")),
    case("headers/head-without-accept-encoding", raw("HEAD / HTTP/1.1", "Host: a.test")),
    case("headers/underscore", get("/", "a.test", "X_Auth: 1", "X.Auth.User: 2")),
    case("headers/alias-rejected", get("/", "a.test", "X.Auth.User: 1"), entry_point="no-alias"),
    case("headers/alias-rejected-underscore", get("/", "a.test", "X_Auth: 1"), entry_point="no-alias"),
    case("headers/alias-not-there", get("/", "a.test", "X-Auth-User: 1"), entry_point="no-alias"),
    case("headers/alias-deleted", get("/", "a.test", "X.Auth: 1", "X_A: 2", "X-A: 3"), entry_point="drop-alias"),
    case("headers/underscore-rejected", get("/", "a.test", "X_Auth: 1"), entry_point="no-underscore"),
    case("headers/underscore-rejected-dot-is-none", get("/", "a.test", "X.Auth: 1"), entry_point="no-underscore"),
    case("headers/underscore-deleted", get("/", "a.test", "X_Auth: 1", "X.Auth: 2"), entry_point="drop-underscore"),
    case("headers/host-of-the-server", get("/", "backend-host.test:81")),
    case("headers/http10", raw("GET / HTTP/1.0", "Host: a.test", "Accept-Encoding: x")),
    case("headers/http10-keep-alive", raw("GET / HTTP/1.0", "Host: a.test", "Accept-Encoding: x", "Connection: keep-alive")),
    case("headers/http10-without-host", raw("GET /nohost HTTP/1.0", "Accept-Encoding: x")),
]


def dynamic(url, closed):
    document = marked(
        {
            "any": "HostRegexp(`(?s).*`) || PathPrefix(`/`)",
            "backend-host": {"rule": "Host(`backend-host.test`) && PathPrefix(`/`)", "service": "own", "priority": 1000},
        },
        url,
    )
    document["http"]["services"]["own"] = balancer(url, passHostHeader=False)
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic, STATIC) as arena:
        yield arena


@both_agree(CASES)
async def test_both_send_the_same_headers(arena, case):
    await arena.compare(case)
