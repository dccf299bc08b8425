"""Traces over real sockets, from a request to a collector (operations.md section 5)."""

import time

import pytest
import pytest_asyncio

from pointsman.testing import answer, eventually, refusing, upstream

from . import paper
from .stage import head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIDDLEWARES = {
    "team": {"headers": {"customRequestHeaders": {"X-Team": "blue"}}},
    "prefix": {"addPrefix": {"prefix": "/p"}},
    "both": {"chain": {"middlewares": ["team", "prefix"]}},
    "again": {"retry": {"attempts": 2}},
    "users": {"basicAuth": {"users": ["a:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="]}},
    "inside": {"ipAllowList": {"sourceRange": ["192.0.2.0/24"]}},
}


def dynamic(urls):
    rules = {
        "plain": "Host(`a.example`)",
        "guarded": {"rule": "Host(`guarded.example`)", "middlewares": ["users"]},
        "closed": {"rule": "Host(`closed.example`)", "middlewares": ["inside"]},
        "asking": {"rule": "Host(`asking.example`)", "middlewares": ["door"]},
        "all": {
            "rule": "Host(`all.example`)",
            "middlewares": ["both", "again"],
            "service": "two",
            "observability": {"traceVerbosity": "detailed"},
        },
        "off": {"rule": "Host(`off.example`)", "observability": {"tracing": False}},
    }
    two = {"loadBalancer": {"servers": [{"url": urls["closed"]}, {"url": urls["a"]}]}}
    document = routed(rules, urls, two=two)
    door = {"forwardAuth": {"address": f"{urls['door']}/who", "trustForwardHeader": False}}
    return {"http": {**document["http"], "middlewares": {**MIDDLEWARES, "door": door}}}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    with paper.installed(tmp_path_factory.mktemp("paper")):
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(installed):
    async with upstream() as collector:
        collector.answers(answer(200))
        tracing = {"paper": {"url": collector.url}, "serviceName": "shop", "capturedRequestHeaders": ["X-Team"]}
        quiet = {"observability": {"tracing": False}}
        points = {"web": {}, "traefik": quiet, "detailed": {"observability": {"traceVerbosity": "detailed"}}}
        async with staged(dynamic, {"tracing": tracing, "entryPoints": points}, ["a", "door"]) as stage:
            yield stage, collector


@pytest_asyncio.fixture(loop_scope="module")
async def stage(shared):
    running, collector = shared
    running.reset()
    collector.requests.clear()
    return running


@pytest_asyncio.fixture(loop_scope="module")
async def collected(shared):
    """The spans of a request with this many, once they are here."""
    _, collector = shared

    async def spans(count):
        await eventually(lambda: len(paper.told(collector)) >= count, f"{count} spans")
        found = paper.told(collector)
        assert len(found) == count, found
        return found

    return spans


@pytest.mark.spec("O-69")
async def test_minimal_and_detailed_traces_are_trees(stage, collected, shared):
    assert (await stage.get()).status == 200
    client, server = sorted(await collected(2), key=lambda span: span.name, reverse=True)
    assert (server.name, client.name) == ("GET", "ReverseProxy")
    assert (server.parent_id, client.parent_id) == ("", server.span_id)
    assert server.attributes["entry_point"] == "web"
    traceparent = f"00-{client.trace_id}-{client.span_id}-01"
    assert dict(stage["a"].last.headers)[b"Traceparent"] == traceparent.encode()

    shared[1].requests.clear()
    assert (await stage.get(host="all.example", entry_point="web")).status == 200
    spans = paper.tree(await collected(10))
    tried = ["        Retry again@file", "          Service", "            ReverseProxy"]
    assert spans == ["GET", "  Router", "    Headers team@file", "      AddPrefix prefix@file", *tried, *tried]
    router = next(span for span in paper.told(shared[1]) if span.name == "Router")
    assert router.attributes == {
        "traefik.service.name": "two@file",
        "traefik.router.name": "all@file",
        "http.route": "Host(`all.example`)",
    }
    again = [span.attributes.get("http.request.resend_count") for span in paper.told(shared[1]) if span.name == "Retry"]
    assert sorted(again, key=str) == [1, None]


async def test_the_verbosity_of_the_entry_point_is_the_default(stage, collected):
    assert (await stage.get(entry_point="detailed")).status == 200
    assert paper.tree(await collected(4)) == ["GET", "  Router", "    Service", "      ReverseProxy"]


async def test_what_asks_another_server_is_in_the_trace_and_passes_it_on(stage, collected):
    assert (await stage.get(host="asking.example")).status == 200
    spans = await collected(3)
    assert paper.tree(spans) == ["GET", "  AuthRequest", "  ReverseProxy"]
    auth = next(span for span in spans if span.name == "AuthRequest")
    assert auth.attributes["url.full"].endswith("/who")
    assert auth.attributes["http.response.status_code"] == 200
    assert auth.span_id.encode() in dict(stage["door"].last.headers)[b"Traceparent"]


@pytest.mark.parametrize(
    ("host", "status", "said"),
    [
        ("guarded.example", 401, "Authentication failed"),
        ("closed.example", 403, "The client's address is not allowed"),
    ],
)
async def test_refusals_are_errors(stage, collected, host, status, said):
    assert (await stage.get(host=host)).status == status
    (span,) = await collected(1)
    assert (span.status, span.error) == (2, said)


async def test_routers_that_are_not_traced_are_not_and_nothing_is_added(stage, shared):
    theirs = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    found = await stage.seen(head("GET / HTTP/1.1", "Host: off.example", f"traceparent: {theirs.decode()}"))
    assert dict(found.headers)[b"Traceparent"] == theirs
    found = await stage.seen(head("GET / HTTP/1.1", "Host: off.example"))
    assert b"Traceparent" not in dict(found.headers)
    assert paper.told(shared[1]) == []


@pytest.mark.spec("O-71")
async def test_the_client_decides_and_the_decision_goes_on(stage, shared, collected):
    for flag in ("00", "01"):
        theirs = f"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flag}"
        found = await stage.seen(head("GET / HTTP/1.1", "Host: a.example", f"traceparent: {theirs}", "tracestate: x=y"))
        sent = dict(found.headers)[b"Traceparent"].decode()
        assert sent != theirs
        assert (sent[:36], sent[-3:]) == (theirs[:36], f"-{flag}")
        assert dict(found.headers)[b"Tracestate"] == b"x=y"
    assert {span.trace_id for span in await collected(2)} == {"0af7651916cd43dd8448eb211c80319c"}


async def test_a_collector_that_is_away_delays_nobody(installed):
    with refusing() as port:
        static = {"tracing": {"paper": {"url": f"http://127.0.0.1:{port}"}}, "log": {"level": "WARN"}}
        async with staged(dynamic, static, ["a", "door"]) as stage:
            for _ in range(5):
                assert (await stage.get()).status == 200
            await eventually(lambda: "spans cannot be exported" in stage.gateway.log())
            assert (await stage.get()).status == 200
            before = time.monotonic()
            await stage.gateway.stop()
            assert time.monotonic() - before < 5
            assert stage.gateway.log().count("spans cannot be exported") == 1
