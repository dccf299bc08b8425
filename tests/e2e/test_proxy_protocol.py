"""Who connects is what a trusted balancer in front says (operations.md section 2.4)."""

import pytest
import pytest_asyncio

from pointsman.message import Address
from pointsman.net.proxyheader import V2_PREFIX, build

from .stage import head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATIC = {
    "entryPoints": {
        "web": {"proxyProtocol": {"trustedIPs": ["127.0.0.0/8"]}, "forwardedHeaders": {"trustedIPs": ["198.51.100.7"]}},
        "open": {"proxyProtocol": {"insecure": True}},
        "strange": {"proxyProtocol": {"trustedIPs": ["192.0.2.1"]}},
        "none": {},
    }
}
GET = head("GET / HTTP/1.1", "Host: a.test", "X-Forwarded-For: 1.1.1.1", "Connection: close")
CLIENT, V6, LOCAL = Address("198.51.100.9", 1234), Address("2001:db8::9", 1234), Address("203.0.113.1", 80)
TCP4 = b"PROXY TCP4 198.51.100.9 203.0.113.1 1234 80\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    rules = {"all": "PathPrefix(`/`)", "told": {"rule": "ClientIP(`198.51.100.0/24`) && PathPrefix(`/`)", "service": "b"}}
    async with staged(lambda urls: routed(rules, urls), STATIC, ["a", "b"]) as stage:
        yield stage


@pytest.mark.spec("O-33")
@pytest.mark.parametrize(
    ("header", "client", "server"),
    [
        (TCP4, "198.51.100.9", "b"),
        (b"PROXY TCP6 2001:db8::9 2001:db8::1 1234 80\r\n", "2001:db8::9", "a"),
        (build(2, CLIENT, LOCAL), "198.51.100.9", "b"),
        (build(2, V6, LOCAL), "2001:db8::9", "a"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1", "a"),
        (V2_PREFIX + b"\x20\x00\x00\x00", "127.0.0.1", "a"),
        (b"", "127.0.0.1", "a"),
    ],
    ids=["TCP4", "TCP6", "v2", "v2 over IPv6", "UNKNOWN", "LOCAL", "no header"],
)
@pytest.mark.parametrize("entry_point", ["web", "open"])
async def test_a_trusted_peer_says_who_the_client_is(stage, header, client, server, entry_point):
    seen = await stage.seen(header + GET, entry_point, server)
    assert (seen.get("x-forwarded-for"), seen.get("x-real-ip")) == (client, client)


@pytest.mark.spec("O-33")
@pytest.mark.parametrize("header", [TCP4, build(2, CLIENT, LOCAL)])
async def test_what_a_stranger_says_is_consumed_and_ignored(stage, header):
    seen = await stage.seen(header + GET, "strange")
    assert seen.get("x-forwarded-for") == "127.0.0.1"


@pytest.mark.spec("O-33")
@pytest.mark.parametrize("entry_point", ["web", "strange"])
@pytest.mark.parametrize(
    "header", [b"PROXY TCP4 x\r\n", b"PROXY " + b"x" * 200, V2_PREFIX + b"\x11\x11\x00\x0c" + b"x" * 12]
)
async def test_a_malformed_header_closes_the_connection(stage, entry_point, header):
    async with stage.connect(entry_point) as client:
        await client.send(header)
        assert await client.rest() == b""


async def test_the_client_that_is_told_is_the_one_whose_forwarded_headers_are_trusted_or_not(stage):
    seen = await stage.seen(TCP4.replace(b".9 ", b".7 ") + GET, "web", "b")
    assert seen.get("x-forwarded-for") == "1.1.1.1, 198.51.100.7"


async def test_where_no_header_is_expected_it_is_a_bad_request(stage):
    assert (await stage.ask(TCP4 + GET, "none")).status == 400
