"""Servers learn who asked from the gateway, and from clients only if they are trusted (routing.md section 6.2)."""

import socket

import pytest
import pytest_asyncio

from .stage import head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATIC = {
    "entryPoints": {
        "web": {},
        "everywhere": {"address": "[::]:0"},
        "trusted": {"forwardedHeaders": {"insecure": True}},
        "listed": {"forwardedHeaders": {"trustedIPs": ["127.0.0.1/32"]}},
        "schemes": {"forwardedHeaders": {"insecure": True, "addXForwardedSchemeHeaders": True}},
        "quiet": {"forwardedHeaders": {"insecure": True, "notAppendXForwardedFor": True}},
    }
}
CLAIMED = {
    "X-Forwarded-For": "9.9.9.9",
    "X-Forwarded-Host": "claimed",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Server": "claimed",
    "X-Forwarded-Uri": "/claimed",
    "X-Forwarded-Method": "PUT",
    "X-Forwarded-Prefix": "/claimed",
    "X-Forwarded-Tls-Client-Cert": "claimed",
    "X-Forwarded-Tls-Client-Cert-Info": "claimed",
    "X-Forwarded-Scheme": "https",
    "X-Scheme": "https",
    "X-Real-Ip": "9.9.9.9",
    "X_Forwarded_For": "9.9.9.9",
    "x_real_ip": "9.9.9.9",
    "Forwarded": "for=9.9.9.9",
}
OWN = {
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-host": "a.test:8123",
    "x-forwarded-proto": "http",
    "x-forwarded-port": "8123",
    "x-forwarded-server": socket.gethostname(),
    "x-real-ip": "127.0.0.1",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with staged(lambda urls: routed({"all": "PathPrefix(`/`)"}, urls), STATIC, ["a"]) as stage:
        yield stage


def get(*lines, host="a.test:8123"):
    return head("GET / HTTP/1.1", f"Host: {host}", *lines)


@pytest.mark.spec("R-8", "O-28")
async def test_what_a_stranger_claims_is_replaced_or_gone(stage):
    seen = await stage.seen(get(*(f"{name}: {value}" for name, value in CLAIMED.items())))

    managed = {name.decode().lower(): value.decode() for name, value in seen.headers}
    assert {name: value for name, value in managed.items() if "forwarded" in name or "x-" in name or "_" in name} == OWN


@pytest.mark.spec("R-9")
@pytest.mark.parametrize("entry_point", ["trusted", "listed"])
async def test_what_a_trusted_client_says_stands_and_the_chain_goes_on(stage, entry_point):
    request = get(
        "X-Forwarded-For: 1.2.3.4", "X-Forwarded-For: 4.3.2.1", "X-Real-Ip: 6.6.6.6", "X-Forwarded-Server: claimed"
    )
    seen = await stage.seen(request, entry_point)

    assert seen.get_all("x-forwarded-for") == ["1.2.3.4, 4.3.2.1, 127.0.0.1"]
    assert seen.get_all("x-real-ip") == ["6.6.6.6"]
    assert seen.get_all("x-forwarded-server") == [socket.gethostname()]


@pytest.mark.spec("O-29")
async def test_the_gateway_may_leave_itself_out_of_the_chain(stage):
    claim = "X-Forwarded-For: 1.1.1.1"

    assert (await stage.seen(get(claim), "trusted")).get_all("x-forwarded-for") == ["1.1.1.1, 127.0.0.1"]
    assert (await stage.seen(get(claim), "quiet")).get_all("x-forwarded-for") == ["1.1.1.1"]
    assert (await stage.seen(get(), "quiet")).get_all("x-forwarded-for") == []


@pytest.mark.spec("O-30")
async def test_a_websocket_is_called_ws(stage):
    seen = await stage.seen(get("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x"))

    assert seen.get("x-forwarded-proto") == "ws"


@pytest.mark.spec("O-31")
async def test_the_port_is_the_one_the_client_wrote_and_never_the_listening_one(stage):
    assert (await stage.seen(get(host="a.test"))).get("x-forwarded-port") == "80"
    assert (await stage.seen(get("X-Forwarded-Proto: https", host="a.test"), "trusted")).get("x-forwarded-port") == "443"


@pytest.mark.spec("O-32")
async def test_connection_cannot_strip_what_the_gateway_says(stage):
    seen = await stage.seen(get("Connection: foo, x-forwarded-for, X-Real-Ip", "Foo: 1"))

    assert seen.get("foo") is None
    assert (seen.get("x-forwarded-for"), seen.get("x-real-ip")) == ("127.0.0.1", "127.0.0.1")


async def test_the_scheme_is_repeated_in_other_headers_where_that_is_asked_for(stage):
    for claimed, told in (([], "http"), (["X-Forwarded-Proto: https"], "https"), (["X-Scheme: claimed"], "http")):
        seen = await stage.seen(get(*claimed), "schemes")
        assert [seen.get(name) for name in ("x-forwarded-scheme", "x-scheme", "x-forwarded-proto")] == [told] * 3
        assert len(seen.get_all("x-scheme")) == 1


async def test_a_client_over_ipv4_is_one_also_where_both_families_are_listened_to(stage):
    seen = await stage.seen(get(), "everywhere")
    assert (seen.get("x-real-ip"), seen.get("x-forwarded-for")) == ("127.0.0.1", "127.0.0.1")
