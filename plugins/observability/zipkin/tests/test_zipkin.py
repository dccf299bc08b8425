"""Reports as Zipkin's published API (zipkin2-api.yaml) has them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pointsman import Resource, Secret
from pointsman.dialect.collectors import Undelivered
from pointsman.errors import ConfigError
from pointsman.testing import FakeContext, a_span, answering, build
from pointsman_zipkin import Zipkin, ZipkinConfig
from pointsman_zipkin.spans import zipkin_span

HEX16 = {"type": "string", "pattern": "^[a-f0-9]{16}$"}
ENDPOINT = {
    "type": "object",
    "properties": {
        "serviceName": {"type": "string"},
        "ipv4": {"type": "string", "pattern": r"^([0-9]{1,3}\.){3}[0-9]{1,3}$"},
        "ipv6": {"type": "string", "pattern": "^[0-9a-f:.]+$"},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    },
    "additionalProperties": False,
}
SPANS = Draft202012Validator(
    {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["traceId", "id"],
            "properties": {
                "traceId": {"type": "string", "pattern": "^[a-f0-9]{16}([a-f0-9]{16})?$"},
                "id": HEX16,
                "parentId": HEX16,
                "name": {"type": "string"},
                "kind": {"enum": ["CLIENT", "SERVER", "PRODUCER", "CONSUMER"]},
                "timestamp": {"type": "integer", "minimum": 1},
                "duration": {"type": "integer", "minimum": 1},
                "debug": {"const": True},
                "shared": {"const": True},
                "localEndpoint": ENDPOINT,
                "remoteEndpoint": ENDPOINT,
                "tags": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "additionalProperties": False,
        },
    }
)
SERVER, CLIENT, INTERNAL = 2, 3, 1
ATTRIBUTES = [
    ("http.request.method", "GET"),
    ("url.path", "/det"),
    ("http.response.status_code", 200),
    ("network.peer.address", "127.0.0.1"),
    ("network.peer.port", 50262),
    ("http.request.header.x-a", ["1", "2"]),
    ("share", 0.5),
    ("ok", True),
]


async def reported(spans, **options):
    zipkin = answering(202)
    context = FakeContext(servers={"http://localhost:9411": zipkin}, resource=Resource({"service.name": "Shop"}))
    exporter = build(Zipkin, options, context)
    await exporter.export(spans)
    spans = json.loads(await zipkin.last.body.read(9_999_999))
    SPANS.validate(spans)
    return spans, zipkin.last


async def test_a_report_is_posted_as_zipkin_wants_it():
    spans, request = await reported([a_span(), a_span()], headers={"Authorization": "Basic x", "b3": "1"})

    assert (request.method, request.path, len(spans)) == (b"POST", b"/api/v2/spans", 2)
    assert request.headers.get(b"content-type") == b"application/json"
    assert request.headers.get_all(b"b3") == [b"0"]
    assert request.headers.get(b"authorization") == b"Basic x"


async def test_a_server_span_has_times_in_microseconds_tags_as_text_and_both_ends():
    server = a_span("GET", SERVER, ATTRIBUTES, start=1.5, seconds=0.001839)
    ((span,), _) = await reported([server])

    assert span == {
        "traceId": server.trace_id,
        "id": server.span_id,
        "kind": "SERVER",
        "name": "get",
        "timestamp": 1_700_000_001_500_000,
        "duration": 1839,
        "localEndpoint": {"serviceName": "shop"},
        "remoteEndpoint": {"ipv4": "127.0.0.1", "port": 50262},
        "tags": {
            "http.method": "GET",
            "http.path": "/det",
            "http.status_code": "200",
            "http.request.header.x-a": '["1", "2"]',
            "share": "0.5",
            "ok": "true",
        },
    }


async def test_kinds_parents_errors_and_odd_times():
    server = a_span()
    client = a_span("ReverseProxy", CLIENT, [("network.peer.address", "2001:DB8::1"), ("http.response.status_code", 503)],
                    parent=server, seconds=0.0, error="")  # fmt: skip
    inner = a_span("Router", INTERNAL, parent=server, error="no such luck")
    ((_, client_said, inner_said), _) = await reported([server, client, inner])

    assert (client_said["kind"], client_said["parentId"], client_said["duration"]) == ("CLIENT", server.span_id, 1)
    assert client_said["remoteEndpoint"] == {"ipv6": "2001:db8::1"}
    assert client_said["tags"]["error"] == "503"
    assert inner_said["tags"] == {"error": "no such luck"}
    assert "kind" not in inner_said


async def test_short_traces_have_short_ids():
    span = a_span()
    span.trace_id = "0" * 16 + "a" * 16
    ((said,), _) = await reported([span])

    assert said["traceId"] == "a" * 16


async def test_spans_that_are_the_clients_too_are_told_to_be_shared():
    server, local = a_span(), a_span()
    server.remote, server.parent_id = True, "00f067aa0ba902b7"
    client = a_span("ReverseProxy", CLIENT, parent=server)

    assert [("shared" in span) for span in (await reported([server, client, local], sameSpan=True))[0]] == [
        True,
        False,
        False,
    ]
    assert [("shared" in span) for span in (await reported([server, client, local]))[0]] == [False, False, False]


def test_what_it_wants_of_tracing_stands_in_its_options():
    usual, old = build(Zipkin, {}), build(Zipkin, {"sameSpan": True, "id128Bit": False, "sampleRate": 0.25})

    assert tuple(usual.propagators) == ("b3",)
    assert (usual.same_span, usual.short_trace_ids, usual.sample_rate) == (False, False, 1.0)
    assert (old.same_span, old.short_trace_ids, old.sample_rate) == (True, True, 0.25)


@pytest.mark.parametrize("options", [{"httpEndpoint": "zipkin:9411"}, {"sampleRate": 1.5}, {"headers": {"a b": "c"}}])
def test_what_cannot_be_used_is_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        build(Zipkin, options)


def test_headers_are_not_shown():
    assert "hush" not in repr(ZipkinConfig(headers={"a": Secret("hush")}))


async def test_a_refusal_is_raised():
    exporter = build(Zipkin, {}, FakeContext(servers={"http://localhost:9411": answering(400)}))
    with pytest.raises(Undelivered, match="it answered 400"):
        await exporter.export([a_span()])


VALUES = st.one_of(
    st.text(max_size=30), st.booleans(), st.integers(), st.floats(), st.lists(st.text(max_size=3), max_size=3)
)


@given(
    st.dictionaries(
        st.text(max_size=20) | st.sampled_from(["network.peer.address", "network.peer.port"]), VALUES, max_size=9
    ),
    st.none() | st.text(max_size=9),
    st.sampled_from([SERVER, CLIENT, INTERNAL]),
    st.booleans(),
)
def test_whatever_a_span_carries_the_report_is_valid(attributes, error, kind, same):
    span = a_span("G", kind, list(attributes.items()), error=error)
    span.remote, span.parent_id = same, "00f067aa0ba902b7"
    SPANS.validate(json.loads(json.dumps([zipkin_span(span, {"serviceName": "x"}, same)])))
