"""Servers behind TLS and what a transport says of them (routing.md 6.3, 6.7 and 7.1)."""

import ssl
from contextlib import AsyncExitStack, asynccontextmanager

import pytest_asyncio

from pointsman.testing import PIPE, answer, upstream

from .certificates import authority, authority_pem, issued, pair
from .harness import ANSWER, ORACLE, arena_of, balancer, both_agree, case, get

pytestmark = ORACLE

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: abc", "Sec-WebSocket-Version: 13")
TRANSPORTS = {
    "skip": {"insecureSkipVerify": True},
    "roots": {"rootCAs": [authority_pem()]},
    "other-roots": {"rootCAs": [authority_pem("theirs")]},
    "both-roots": {"rootCAs": [authority_pem("theirs"), authority_pem()]},
    "named": {"rootCAs": [authority_pem()], "serverName": "server.test"},
    "misnamed": {"rootCAs": [authority_pem()], "serverName": "other.test"},
    "skip-and-misnamed": {"insecureSkipVerify": True, "serverName": "other.test"},
    "at-most-12": {"insecureSkipVerify": True, "maxVersion": "VersionTLS12"},
    "with-certificate": {"insecureSkipVerify": True, "certificates": [pair("client@example.test")]},
    "with-foreign-certificate": {"insecureSkipVerify": True, "certificates": [pair("client@example.test", by="theirs")]},
    "no-http2": {"insecureSkipVerify": True, "disableHTTP2": True},
    "spiffe": {"rootCAs": [authority_pem()], "peerCertURI": "spiffe://a.test/x"},
}
SERVERS = {  # names of the certificate, and what the server asks for
    "address": (("127.0.0.1",), {}),
    "server": (("server.test",), {}),
    "only12": (("127.0.0.1",), {"highest": V12}),
    "only13": (("127.0.0.1",), {"lowest": V13}),
    "mutual": (("127.0.0.1",), {"mutual": True}),
}
ROUTES = {  # host: server, transport
    "default": ("address", None),
    **{name: ("address", name) for name in TRANSPORTS},
    "named": ("server", "named"),
    "unnamed": ("server", "roots"),
    "misnamed": ("server", "misnamed"),
    "skip-unnamed": ("server", "skip"),
    "server-12": ("only12", "skip"),
    "server-13": ("only13", "skip"),
    "server-13-at-most-12": ("only13", "at-most-12"),
    "mutual-without": ("mutual", "skip"),
    "mutual": ("mutual", "with-certificate"),
    "mutual-foreign": ("mutual", "with-foreign-certificate"),
    "plain-server": ("plain", "skip"),
    "tls-server-over-http": ("bare", None),
    "no-http2-h2c": ("h2c", "no-http2"),
    "h2c-to-http1": ("h2c", None),
    "lost": ("address", "nowhere"),
}

CASES = [
    *(case(f"transport/{name}", get("/x", f"{name}.test", "X-A: 1")) for name in ROUTES),
    case("transport/post", get("/x", "skip.test", method="POST", body=b"z" * 200_000)),
    case("transport/two-on-one-connection", [get("/1", "skip.test"), ANSWER, get("/2", "skip.test"), ANSWER]),
    case("transport/websocket", [get("/socket", "skip.test", *WEBSOCKET), ANSWER, b"ping", 4], probe=False),
]


def shown(message):
    """What the server saw, but for the port in Host, as its answer."""
    if message.target == b"/socket":
        return [SWITCH, PIPE]
    lines = sorted(name + b": " + value for name, value in message.headers if name.lower() != b"x-forwarded-server")
    return answer(200, {}, b"\n".join([message.start, *lines, b"%d bytes" % len(message.body)]))


def context(names, lowest=V12, highest=V13, mutual=False):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued(*names).configure_cert(made)
    made.minimum_version, made.maximum_version = lowest, highest
    if mutual:
        authority().configure_trust(made)
        made.verify_mode = ssl.CERT_REQUIRED
    return made


def dynamic(urls):
    services, routers = {}, {}
    for name, (server, transport) in ROUTES.items():
        services[name] = balancer(urls[server], **({"serversTransport": transport} if transport else {}))
        routers[name] = {"rule": f"Host(`{name}.test`)", "service": name}
    return {"http": {"routers": routers, "services": services, "serversTransports": TRANSPORTS}}


@asynccontextmanager
async def opened():
    async with AsyncExitStack() as stack:
        urls = {}
        for name, (names, settings) in SERVERS.items():
            server = await stack.enter_async_context(upstream(shown, tls=context(names, **settings)))
            urls[name] = server.url.replace("http://", "https://")
        urls["bare"] = urls["address"].replace("https://", "http://")

        def with_plain(url, closed):
            return dynamic({**urls, "plain": url.replace("http://", "https://"), "h2c": url.replace("http://", "h2c://")})

        yield await stack.enter_async_context(arena_of(with_plain))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with opened() as arena:
        yield arena


@both_agree(CASES)
async def test_both_reach_servers_behind_tls_alike(arena, case):
    await arena.compare(case)
