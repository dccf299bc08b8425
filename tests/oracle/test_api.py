"""The API of both gateways about one configuration (operations.md §6): what differs is declared here, with its reason."""

import json
import re

import pytest
import pytest_asyncio
import trustme

from pointsman.testing import Message, connect

from .certificates import authority
from .harness import ORACLE, arena_of, balancer

pytestmark = ORACLE

DECLARED = {
    r"/api/version .*": "who it is, and since when",
    r".*@internal\.ruleSyntax": "says nothing that one could act on",
    r".*(Authorization|users\[\d+\])": "secrets are masked",
    r".*drainTimeout": "new",
    r".*healthCheck\.(un)?healthyThreshold": "new",
    r".*healthCheck\.method": "a default that the reference does not fill in",
    r".*(mem(Request|Response)BodyBytes|minResponseBodyBytes|rejectStatusCode|realm)": "likewise",
    r".*forwardAuth\.(tls|timeout|maxResponseBodySize)": "new, or likewise",
    r".*retry@file\.retry\..*": "new, or likewise",
    r".*serverDetails.*": "new: what active checks say, and what workers do",
    r".*(regexp|broken|shy)@file\.(error\[0\]|status|redirectRegex.*|serverStatus.*)": "what nobody uses is checked, too",
    r".*hidden@file\.(serverStatus.*|loadBalancer\.serversTransport)": "what nobody uses is as good as the rest",
    r".*(badrule|high|warn|u2)@file\.error\[0\]": "says what would be right",
    r".*old@file\.(status|error\[0\]|serverStatus.*)": "a deprecated option is a warning; and what nobody uses is checked",
    r".*(ask|auth)@file\.(status|error\[0\])": "what a middleware warns of is shown",
    r".*ifc@file\.usedBy.*": "the reference forgets routers of TCP middlewares",
    r"/api/overview .*\.(errors|warnings)": "follows from these",
}
PATHS = [
    "/api/version",
    "/api/overview",
    "/api/entrypoints",
    "/api/http/routers",
    "/api/http/services",
    "/api/http/middlewares",
    "/api/tcp/routers",
    "/api/tcp/services",
    "/api/tcp/middlewares",
    "/api/udp/routers",
    "/api/udp/services",
    "/api/certificates",
    "/api/rawdata",
]
ORDERS = [
    "sortBy=priority&direction=desc",
    "sortBy=priority",
    "sortBy=rule",
    "sortBy=service",
    "sortBy=entryPoints",
    "sortBy=provider&direction=down",
    "sortBy=nonsense",
    "direction=asc",
    "direction=DESC",
    "serviceName=echo@file",
    "serviceName=echo",
    "serviceName=api@internal",
    "middlewareName=comp@file",
    "middlewareName=comp",
    "search=A.TEST",
    "search=MULTI",
    "search=Z.test&serviceName=echo",
    "status=WARNING",
    "status=disabled",
    "status=nonsense",
    "per_page=5",
    "per_page=5&page=2",
    "per_page=100&page=1",
]
REFUSED = [
    "/api/http/routers?page=0",
    "/api/http/routers?page=-1",
    "/api/http/routers?page=x",
    "/api/http/routers?per_page=0",
    "/api/http/routers?per_page=2&page=99",
    "/api/http/routers/zz@file",
    "/api/http/routers/echo",
    "/api/http/services/zz@file",
    "/api/http/middlewares/zz@file",
    "/api/tcp/routers/zz@file",
    "/api/tcp/services/zz@file",
    "/api/tcp/middlewares/zz@file",
    "/api/udp/routers/zz@file",
    "/api/udp/services/zz@file",
    "/api/udp/middlewares",
    "/api/entrypoints/zz",
    "/api/certificates/zz",
    "/api",
    "/api/",
    "/api/nothing",
    "/api/http",
]


def routers():
    ours = {"service": "echo", "entryPoints": ["web"]}
    return {
        "echo": {**ours, "rule": "Host(`a.test`)", "middlewares": ["comp", "auth"]},
        "bare": {"rule": "Host(`bare.test`)", "service": "echo"},
        "warn": {"rule": "Host(`w.test`)", "service": "echo", "entryPoints": ["web", "nope"]},
        "multi": {"rule": "Host(`m.test`)", "service": "echo", "entryPoints": ["web", "b"], "tls": {}},
        "missing": {"rule": "Host(`x.test`)", "service": "nobody", "entryPoints": ["web"]},
        "badmw": {**ours, "rule": "Host(`y.test`)", "middlewares": ["nomw"]},
        "badrule": {**ours, "rule": "Hots(`y.test`)"},
        "high": {**ours, "rule": "Host(`z.test`)", "priority": 2**63 - 1},
        "sl/ash": {"rule": "Path(`/sl`)", "service": "api@internal", "entryPoints": ["web"], "priority": 7},
        "obs": {**ours, "service": "weights", "rule": "Host(`o.test`)", "observability": {"accessLogs": False}},
        "parent": {"rule": "Host(`p.test`)", "entryPoints": ["web"]},
        "child": {"rule": "Path(`/c`)", "service": "echo", "parentRefs": ["parent"]},
        "mirrored": {**ours, "service": "mirror", "rule": "Host(`mirror.test`)"},
    }


def middlewares():
    return {
        "comp": {"compress": {}},
        "auth": {"basicAuth": {"users": ["a:$apr1$x"]}},
        "front": {"headers": {"customRequestHeaders": {"Authorization": "Bearer x", "X-A": "b"}}},
        "rate": {"rateLimit": {"average": 5}},
        "strip": {"stripPrefix": {"prefixes": ["/a"]}},
        "regexp": {"redirectRegex": {"regex": "(", "replacement": "x"}},
        "cb": {"circuitBreaker": {"expression": "NetworkErrorRatio() > 0.5"}},
        "chain": {"chain": {"middlewares": ["comp"]}},
        "retry": {"retry": {"attempts": 3}},
        "allow": {"ipAllowList": {"sourceRange": ["127.0.0.1"]}},
        "buf": {"buffering": {"maxRequestBodyBytes": 100}},
        "flight": {"inFlightReq": {"amount": 3}},
        "ask": {"forwardAuth": {"address": "http://x.test"}},
        "errors": {"errors": {"status": ["500"], "service": "echo", "query": "/x"}},
        "kind": {"contentType": {}},
    }


def dynamic(url, closed):
    checked = {"path": "/health", "interval": "1s", "headers": {"Authorization": "Basic x"}}
    address = url.removeprefix("http://")
    ecdsa = authority().issue_cert("a.test", "127.0.0.1", "*.b.test", common_name="a.test")
    rsa = authority().issue_cert("rsa.test", key_type=trustme.KeyType.RSA)
    pairs = [
        {"certFile": each.cert_chain_pems[0].bytes().decode(), "keyFile": each.private_key_pem.bytes().decode()}
        for each in (ecdsa, rsa)
    ]
    plain = balancer(url, passHostHeader=False, serversTransport="st")
    return {
        "http": {
            "routers": routers(),
            "middlewares": middlewares(),
            "services": {
                "echo": balancer(url, healthCheck=checked, sticky={"cookie": {}}),
                "heavy": {"loadBalancer": {"servers": [{"url": url, "weight": 2}, {"url": closed}]}},
                "hidden": plain,
                "plain": plain,
                "weights": {
                    "weighted": {
                        "services": [{"name": "echo", "weight": 1}, {"name": "plain"}, {"name": "heavy"}],
                        "sticky": {"cookie": {"name": "c"}},
                    }
                },
                "mirror": {"mirroring": {"service": "echo", "mirrors": [{"name": "plain", "percent": 10}]}},
                "stand-in": {"failover": {"service": "echo", "fallback": "plain"}},
                "random": {"highestRandomWeight": {"services": [{"name": "echo", "weight": 3}]}},
                "broken": balancer("nonsense"),
            },
            "serversTransports": {"st": {"insecureSkipVerify": True}},
        },
        "tcp": {
            "routers": {
                "t1": {"rule": "HostSNI(`*`)", "service": "t1", "entryPoints": ["b"]},
                "t2": {
                    "rule": "HostSNI(`x.test`)",
                    "service": "t1",
                    "entryPoints": ["b"],
                    "tls": {"passthrough": True},
                    "middlewares": ["ifc"],
                },
                "t3": {"rule": "HostSNI(`y.test`)", "service": "none", "entryPoints": ["b"], "tls": {}},
                "t4": {"rule": "HostSNI(`v.test`)", "service": "tw", "tls": {"options": "default"}},
            },
            "services": {
                "t1": {"loadBalancer": {"servers": [{"address": address}]}},
                "tw": {"weighted": {"services": [{"name": "t1", "weight": 2}]}},
                "old": {"loadBalancer": {"servers": [{"address": address}], "proxyProtocol": {}}},
            },
            "middlewares": {"ifc": {"inFlightConn": {"amount": 10}}, "ipa": {"ipAllowList": {"sourceRange": ["10.0.0.1"]}}},
        },
        "udp": {
            "routers": {
                "u1": {"service": "u1", "entryPoints": ["u"]},
                "u2": {"service": "none", "entryPoints": ["u"]},
            },
            "services": {
                "u1": {"loadBalancer": {"servers": [{"address": address}]}},
                "uw": {"weighted": {"services": [{"name": "u1", "weight": 2}]}},
            },
        },
        "tls": {"certificates": pairs},
    }


STATIC = {
    "api": {"insecure": True, "dashboard": False},  # which would take all else that arrives at `traefik`
    "entryPoints": {"web": {}, "b": {"http": {"middlewares": ["front@file"]}}, "u": {"address": "127.0.0.1:0/udp"}},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic, STATIC) as running:
        yield running


async def asked(gateway, path: str, method: str = "GET") -> Message:
    async with connect(gateway.port("traefik")) as client:
        return await client.ask(f"{method} {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n".encode())


def told(gateway, answer: Message):
    """The answer's JSON as leaves by their place; elements of lists by their name."""
    text = answer.body.decode()
    for point in ("web", "b", "u", "traefik"):
        text = text.replace(f"127.0.0.1:{gateway.port(point)}", f"<{point}>")
    leaves = {}
    stack = [("", json.loads(text))]
    while stack:
        place, value = stack.pop()
        if isinstance(value, dict):
            leaves |= {place: {}} if not value else {}
            stack += [(f"{place}.{key}", each) for key, each in value.items()]
        elif isinstance(value, list) and value and isinstance(value[0], dict) and "name" in value[0]:
            stack += [(f"{place}.{each['name']}", each) for each in value]
        elif isinstance(value, list):
            stack += [(f"{place}[{number}]", each) for number, each in enumerate(value)]
        else:
            leaves[place] = value
    return leaves


@pytest.mark.parametrize("path", PATHS)
async def test_both_say_the_same_of_one_configuration(arena, path):
    theirs = told(arena.traefik, await asked(arena.traefik, path))
    ours = told(arena.pointsman, await asked(arena.pointsman, path))

    different = [
        f"{path} {place}: {theirs.get(place)!r} {ours.get(place)!r}"
        for place in sorted(theirs.keys() | ours.keys())
        if theirs.get(place) != ours.get(place) and not any(re.fullmatch(pattern, f"{path} {place}") for pattern in DECLARED)
    ]
    assert different == []


@pytest.mark.parametrize("query", ORDERS)
async def test_both_filter_sort_and_page_alike(arena, query):
    theirs, ours = [await asked(each, f"/api/http/routers?{query}") for each in (arena.traefik, arena.pointsman)]

    assert [each["name"] for each in json.loads(ours.body)] == [each["name"] for each in json.loads(theirs.body)]
    assert ours.get("x-next-page") == theirs.get("x-next-page")


@pytest.mark.parametrize("query", ["sortBy=servers", "sortBy=type", "sortBy=type&direction=desc", "search=E"])
async def test_both_sort_services_alike(arena, query):
    theirs, ours = [await asked(each, f"/api/http/services?{query}") for each in (arena.traefik, arena.pointsman)]

    assert [each["name"] for each in json.loads(ours.body)] == [each["name"] for each in json.loads(theirs.body)]


@pytest.mark.parametrize("path", REFUSED)
async def test_both_refuse_alike_but_for_the_type(arena, path):
    """Errors are JSON, so ours say so."""
    theirs, ours = [await asked(each, path) for each in (arena.traefik, arena.pointsman)]

    assert (ours.status, ours.body) == (theirs.status, theirs.body)
    if ours.body.startswith(b"{"):
        assert ours.get("content-type") == "application/json"


@pytest.mark.parametrize("method", ["POST", "HEAD", "DELETE", "OPTIONS"])
async def test_both_take_get_only(arena, method):
    theirs, ours = [await asked(each, "/api/overview", method) for each in (arena.traefik, arena.pointsman)]

    assert (ours.status, ours.body) == (theirs.status, theirs.body) == (405, b"")


async def test_both_find_one_element_by_its_escaped_name(arena):
    for path in ("/api/http/routers/sl%2Fash@file", "/api/http/routers/b-multi@file", "/api/http/services/echo@file"):
        theirs, ours = [await asked(each, path) for each in (arena.traefik, arena.pointsman)]

        assert json.loads(ours.body)["name"] == json.loads(theirs.body)["name"]
