"""PROXY headers of clients and balancers in front (operations.md 2.4)."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest_asyncio

from pointsman.testing.wire import Recorder

from .certificates import pair
from .harness import (
    ANSWER,
    OK,
    ORACLE,
    Client,
    Hello,
    Told,
    arena_of,
    both_agree,
    case,
    fate_of,
    get,
    marked,
    seen_by_server,
)

pytestmark = ORACLE

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(source="1.2.3.4", target="5.6.7.8", *, command=1, family=0x11, more=b"", length=None):
    """A version 2 header over TCP; `more` are TLVs."""
    kind = socket.AF_INET6 if family >> 4 == 2 else socket.AF_INET
    addresses = socket.inet_pton(kind, source) + socket.inet_pton(kind, target) + b"\x11\x11\x22\x22" + more
    size = len(addresses) if length is None else length
    return SIGNATURE + bytes((0x20 | command, family)) + size.to_bytes(2, "big") + addresses


def proxied(name, header, entry_point="trusting"):
    """A header and a request after it."""
    return case(f"proxy/{name}", header + get(), entry_point=entry_point)


V1 = b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n"
PROXY = [
    proxied("v1", V1),
    proxied("v1-ipv6", b"PROXY TCP6 2001:db8::1 2001:db8::2 1000 2000\r\n"),
    proxied("v1-unknown", b"PROXY UNKNOWN\r\n"),
    proxied("v1-unknown-with-addresses", b"PROXY UNKNOWN 1.2.3.4 5.6.7.8 1000 2000\r\n"),
    proxied("v1-from-the-trusted", V1, "trusted"),
    proxied("v1-from-the-untrusted", V1, "untrusted"),
    proxied("v2", v2()),
    proxied("v2-ipv6", v2("2001:db8::1", "2001:db8::2", family=0x21)),
    proxied("v2-local", SIGNATURE + b"\x20\0\0\0"),
    proxied("v2-local-with-addresses", v2(command=0)),
    proxied("v2-with-more", v2(more=b"\x04\0\x03abc")),
    proxied("v2-from-the-untrusted", v2(), "untrusted"),
    proxied("v2-unspecified", SIGNATURE + b"\x21\0\0\0"),
    proxied("none", b""),
    proxied("none-where-untrusted", b"", "untrusted"),
    proxied("not-asked", V1, "web"),
    proxied("v1-without-ports", b"PROXY TCP4 1.2.3.4 5.6.7.8\r\n"),
    proxied("v1-bad-address", b"PROXY TCP4 1.2.3.999 5.6.7.8 1000 2000\r\n"),
    proxied("v1-bad-port", b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 70000\r\n"),
    proxied("v1-other-family", b"PROXY TCP6 1.2.3.4 5.6.7.8 1000 2000\r\n"),
    proxied("v1-lower-case", b"proxy TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n"),
    proxied("v1-two-spaces", b"PROXY  TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n"),
    proxied("v1-line-feed-only", b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\n"),
    proxied("v1-too-long", b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000" + b" " * 100 + b"\r\n"),
    proxied("v2-bad-version", v2().replace(b"\x21", b"\x31", 1)),
    proxied("v2-too-short", v2(length=4)),
    proxied("v1-malformed-from-the-untrusted", b"PROXY TCP4 nonsense\r\n", "untrusted"),
    proxied("two-headers", V1 + V1),
]


def before_tls(name, header, entry_point="trusting"):
    """A header, then TLS, then a request."""

    async def story(arena, running):
        arena.upstream.answers(OK)
        arena.upstream.requests.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port(entry_point))
        try:
            writer.write(header)
            await writer.start_tls(Hello().context(), server_hostname="secure.test")
            client = Client(Recorder(reader), writer)
            await client.play([get("/", "secure.test"), ANSWER])
            return client.aspects | seen_by_server(arena.upstream.requests)
        except OSError as error:
            return {"connection": fate_of(error)}
        finally:
            writer.transport.abort()  # after a start_tls that failed, asyncio may never say that it is closed

    return Told(f"proxy/before-tls/{name}", story)


SECURED = [
    before_tls("v1", V1),
    before_tls("v2", v2()),
    before_tls("v2-with-more", v2(more=b"\x04\0\x03abc")),
    before_tls("none", b""),
    before_tls("untrusted", V1, "untrusted"),
    before_tls("malformed", b"PROXY TCP4 nonsense\r\n"),
]

STATIC = {
    "entryPoints": {
        "web": {},
        "trusting": {"proxyProtocol": {"insecure": True}},
        "trusted": {"proxyProtocol": {"trustedIPs": ["127.0.0.0/8"]}},
        "untrusted": {"proxyProtocol": {"trustedIPs": ["10.0.0.0/8"]}},
    }
}


def dynamic(url, closed):
    points = ["web", "trusting", "trusted", "untrusted"]
    secure = {"rule": "Host(`secure.test`)", "entryPoints": points, "tls": {}}
    document = marked({"any": {"rule": "Host(`a.test`)", "entryPoints": points}, "secure": secure}, url)
    return {**document, "tls": {"certificates": [pair("a.test")]}}


@asynccontextmanager
async def opened():
    async with arena_of(dynamic, STATIC) as arena:
        yield arena


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with opened() as arena:
        yield arena


@both_agree([*PROXY, *SECURED])
async def test_both_read_proxy_headers_alike(arena, case):
    await arena.compare(case)
