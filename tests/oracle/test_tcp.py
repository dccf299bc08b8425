"""TCP routers: theirs or HTTP, TLS ended or passed through, PROXY headers out, ends (routing.md 3.6, 8.3-8.7)."""

import asyncio
import ssl
from collections import Counter
from contextlib import asynccontextmanager

import pytest_asyncio

from pointsman.testing import refusing

from .certificates import pair
from .harness import ANSWER, EOF, ORACLE, REST, Hello, Told, arena_of, balancer, both_agree, case, dialled, get
from .raw import Manner, servers, tcp_balancer

pytestmark = ORACLE

MANNERS = {
    "a": Manner(),
    "b": Manner(),
    "banner": Manner(banner=b"hello\n"),
    "late": Manner(late=0.3),
    "soon": Manner(late=0.03, silent=True),
    "tls": Manner(tls=True),
    "proxied": Manner(proxied=True),
    "deaf": Manner(deaf=True),
}
STATIC = {
    "entryPoints": {
        name: {}
        for name in ("web", "only", "mix", "address", "wide", "share", "few", "v1", "v2", "tls2", "deaf", "soon", "single")
    }
}
WEIGHTS = 12


def tcp(name, steps, sni=None, *, entry_point="web", **hello):
    """Steps on one connection; over TLS if there is a name or anything else to say in a hello."""
    said = Hello(sni, **hello) if sni or hello else None
    return case(f"tcp/{name}", steps, entry_point=entry_point, probe=False, hello=said)


def pinged(name, sni=None, server="a", **settings):
    return tcp(name, [b"hi", len(server) + 3, b"more", 4], sni, **settings)


def https(name, sni, path="/", host=None, **settings):
    return tcp(name, [get(path, host or sni), ANSWER], sni, **settings)


CASES = [
    # which certificate and which server
    pinged("ended", "term.test"),
    pinged("ended-in-upper-case", "TERM.test"),
    pinged("ended-wildcard", "x.wild.test"),
    tcp("wildcard-is-one-label", [get("/", "nobody.test"), ANSWER], "x.y.wild.test"),
    pinged("passed-through", "pass.test", "tls"),
    pinged("to-a-server-with-tls", "reencrypt.test", "tls"),
    tcp("to-a-server-with-tls-unverified", [b"hi", REST], "distrust.test"),
    pinged("options", "v13.test"),
    tcp("options-refuse", [b"hi", REST], "v13.test", highest=ssl.TLSVersion.TLSv1_2),
    tcp("unknown-options", [b"hi", REST], "lost.test"),
    pinged("regexp", "re7.test"),
    tcp("regexp-misses", [get("/", "nobody.test"), ANSWER], "re.test"),
    tcp("large-there-and-back", [b"hi", 4, b"x" * 300_000, 300_000], "term.test"),
    # ALPN
    pinged("alpn-matches", "alpn.test", "b", alpn=["foo"]),
    pinged("alpn-other", "alpn.test", alpn=["bar"]),
    pinged("alpn-none", "alpn.test"),
    # HTTPS and TCP on one entry point
    https("https-before-tcp", "both.test"),
    https("https-of-its-own", "web.test"),
    tcp("path-only-after-named-tcp", [b"GET /anywhere HTTP/1.1\r\nHost: x\r\n\r\n", 2, 12], "term.test"),
    https("path-only-before-tcp-star", "nobody.test", "/anywhere", entry_point="wide"),
    https("named-before-tcp-address", "web.test", entry_point="address"),
    pinged("tcp-address-before-path-only", "nobody.test", entry_point="address"),
    tcp("no-tls-where-only-tls", [get("/", "web.test"), ANSWER]),
    tcp("plain-bytes-where-only-tls", [b"hello world, this is no HTTP\r\n\r\n", ANSWER]),
    https("nobody", "nobody.test"),
    # plaintext
    tcp("server-speaks-first", [6, b"hi", 9], entry_point="only"),
    tcp("plain-star-swallows-http", [get("/", "web.test"), 2 + len(get("/", "web.test"))], entry_point="mix"),
    pinged("plain-star", entry_point="mix"),
    https("https-beside-plain-star", "web.test", entry_point="mix"),
    https("tls-nobody-beside-plain-star", "nobody.test", entry_point="mix"),
    tcp("address-misses", [get("/", "plain.test"), ANSWER], entry_point="tls2"),
    # who is refused
    tcp("no-server", [b"hi", REST], "none.test"),
    tcp("server-refuses", [b"hi", REST], "closed.test"),
    tcp("second-server-after-a-dead-one", [b"hi", REST], "halfdead.test"),
    tcp("server-closes", [REST], entry_point="deaf"),
    tcp("not-allowed", [b"hi", REST], "guarded.test"),
    pinged("allowed", "allowed.test"),
    # PROXY headers
    tcp("proxy-v1", [b"hi", len(b"proxied:PROXY TCP4 127.0.0.1 127.0.0.1 0 0\r\nhi")], entry_point="v1"),
    tcp("proxy-v2", [b"hi", len("proxied:") + 16 + 12 + 2], entry_point="v2"),
    tcp("proxy-v2-over-tls", [b"hi", len("proxied:") + 16 + 12 + 2], "proxied.test"),
    # ends
    tcp("half-closed", [b"hi", EOF, REST], entry_point="soon"),
    tcp("half-closed-and-late", [b"hi", EOF, REST], entry_point="share"),
    tcp("half-closed-and-too-late", [b"hi", EOF, REST], entry_point="few"),
]


async def shares(arena, running):
    """How often each server of a weighted service was chosen."""
    counted = Counter()
    for _ in range(WEIGHTS):
        async with dialled(running.port("web"), Hello("weighted.test")) as client:
            await client.play([b"hi", 4])
            counted[client.aspects["piped"][0]] += 1
    return dict(counted)


async def zero(arena, running):
    """A weight of zero is never chosen."""
    counted = Counter()
    for _ in range(4):
        async with dialled(running.port("web"), Hello("zero.test")) as client:
            await client.play([b"hi", 4])
            counted[client.aspects["piped"][0]] += 1
    return dict(counted)


async def one_at_a_time(arena, running):
    """inFlightConn 1: the second is closed, and after the first has ended there is room again."""
    port = running.port("single")
    async with dialled(port, None) as first:
        await first.play([b"hi", 4])
        async with dialled(port, None) as second:
            await second.play([b"hi", REST])
    for _ in range(100):
        async with dialled(port, None) as third:
            await third.play([b"hi", 4])
        if third.aspects["piped"] == [b"a:hi"]:
            break
        await asyncio.sleep(0.05)
    refused = second.aspects["rest"] in (b"", "closed")  # reset or not: bytes may lie unread
    return {"first": first.aspects["piped"], "refused": refused, "third": third.aspects["piped"]}


STORIES = [Told("tcp/weights", shares), Told("tcp/weight-zero", zero), Told("tcp/one-at-a-time", one_at_a_time)]


def dynamic(address, url, closed):
    def tls(rule, service="a", entry_point="web", **settings):
        return {"rule": rule, "service": service, "entryPoints": [entry_point], "tls": settings.pop("tls", {}), **settings}

    def plain(rule, service="a", entry_point="mix"):
        return {"rule": rule, "service": service, "entryPoints": [entry_point]}

    named = ("none", "closed", "halfdead", "weighted", "zero", "proxied", "reencrypt", "distrust")
    routers = {
        **{name: tls(f"HostSNI(`{name}.test`)", name) for name in named},
        "term": tls("HostSNI(`term.test`)"),
        "wild": tls("HostSNI(`*.wild.test`)"),
        "pass": tls("HostSNI(`pass.test`)", "tls", tls={"passthrough": True}),
        "v13": tls("HostSNI(`v13.test`)", tls={"options": "v13"}),
        "lost": tls("HostSNI(`lost.test`)", tls={"options": "nowhere"}),
        "regexp": tls("HostSNIRegexp(`^re[0-9]\\.test$`)"),
        "alpn-foo": tls("HostSNI(`alpn.test`) && ALPN(`foo`)", "b", tls={"options": "foo"}),
        "alpn": tls("HostSNI(`alpn.test`)", tls={"options": "bar"}),
        "both": tls("HostSNI(`both.test`)"),
        "guarded": tls("HostSNI(`guarded.test`)", middlewares=["elsewhere"]),
        "allowed": tls("HostSNI(`allowed.test`)", middlewares=["here"]),
        "single": {**plain("HostSNI(`*`)", "a", "single"), "middlewares": ["single"]},
        "deaf": plain("HostSNI(`*`)", "deaf", "deaf"),
        "soon": plain("HostSNI(`*`)", "soon", "soon"),
        "wide": tls("HostSNI(`*`)", "a", "wide"),
        "address": tls("ClientIP(`127.0.0.0/8`)", "a", "address"),
        "only": plain("HostSNI(`*`)", "banner", "only"),
        "mix": plain("HostSNI(`*`)"),
        "tls2": plain("ClientIP(`10.0.0.0/8`)", "a", "tls2"),
        "late": plain("HostSNI(`*`)", "late", "share"),
        "too-late": plain("HostSNI(`*`)", "too-late", "few"),
        "v1": plain("HostSNI(`*`)", "v1", "v1"),
        "v2": plain("HostSNI(`*`)", "proxied", "v2"),
    }
    services = {
        "a": tcp_balancer(address["a"]),
        "b": tcp_balancer(address["b"]),
        "banner": tcp_balancer(address["banner"]),
        "tls": tcp_balancer(address["tls"]),
        "deaf": tcp_balancer(address["deaf"]),
        "soon": tcp_balancer(address["soon"]),
        "none": tcp_balancer(),
        "closed": tcp_balancer(address["closed"]),
        "halfdead": tcp_balancer(address["closed"], address["closed"]),
        "late": tcp_balancer(address["late"], serversTransport="patient"),
        "too-late": tcp_balancer(address["late"], serversTransport="hasty"),
        "v1": tcp_balancer(address["proxied"], serversTransport="v1"),
        "proxied": tcp_balancer(address["proxied"], serversTransport="v2"),
        "weighted": {"weighted": {"services": [{"name": "a", "weight": 3}, {"name": "b", "weight": 1}]}},
        "zero": {"weighted": {"services": [{"name": "a", "weight": 0}, {"name": "b"}]}},
        "reencrypt": {
            "loadBalancer": {"servers": [{"address": address["tls"], "tls": True}], "serversTransport": "trusting"}
        },
        "distrust": {"loadBalancer": {"servers": [{"address": address["tls"], "tls": True}]}},
    }
    transports = {
        "patient": {"terminationDelay": "2s"},
        "hasty": {"terminationDelay": "50ms"},
        "v1": {"proxyProtocol": {"version": 1}},
        "v2": {"proxyProtocol": {"version": 2}},
        "trusting": {"tls": {"insecureSkipVerify": True}},
    }
    middlewares = {
        "elsewhere": {"ipAllowList": {"sourceRange": ["10.0.0.0/8"]}},
        "here": {"ipAllowList": {"sourceRange": ["127.0.0.1"]}},
        "single": {"inFlightConn": {"amount": 1}},
    }
    web_routers = {
        "web": {"rule": "Host(`web.test`)", "tls": {}, "entryPoints": ["web", "mix", "address"]},
        "both": {"rule": "Host(`both.test`)", "tls": {}, "entryPoints": ["web"]},
        "path": {"rule": "Path(`/anywhere`)", "tls": {}, "entryPoints": ["web", "wide", "address"]},
        "plain": {"rule": "Host(`web.test`)", "entryPoints": ["mix"]},
        "plain2": {"rule": "Host(`plain.test`)", "entryPoints": ["tls2"]},
    }
    http = {"routers": {name: {**router, "service": "echo"} for name, router in web_routers.items()}}
    options = {"v13": {"minVersion": "VersionTLS13"}, "foo": {"alpnProtocols": ["foo"]}, "bar": {"alpnProtocols": ["bar"]}}
    return {
        "http": {**http, "services": {"echo": balancer(url)}},
        "tcp": {"routers": routers, "services": services, "serversTransports": transports, "middlewares": middlewares},
        "tls": {"certificates": [pair("term.test"), pair("*.wild.test"), pair("web.test")], "options": options},
    }


@asynccontextmanager
async def opened():
    with refusing() as port:
        async with servers(MANNERS) as address:
            address["closed"] = f"127.0.0.1:{port}"
            async with arena_of(lambda url, closed: dynamic(address, url, closed), STATIC) as arena:
                yield arena


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with opened() as arena:
        yield arena


@both_agree(CASES)
async def test_both_agree_on_tcp(arena, case):
    await arena.compare(case)


@both_agree(STORIES)
async def test_both_agree_on_several_connections(arena, case):
    await arena.compare(case)
