"""The exporter: what is sent where, and what of the old options is refused."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pointsman import Resource
from pointsman.dialect.collectors import Undelivered
from pointsman.errors import ConfigError
from pointsman.testing import FakeContext, a_span, answering, build
from pointsman_jaeger import Jaeger
from pointsman_jaeger.config import JaegerCollector


def built(options, url="http://localhost:4318", status=200):
    collector = answering(status)
    context = FakeContext(servers={url: collector}, resource=Resource({"service.name": "shop"}, "1"))
    return build(Jaeger, options, context), collector


async def test_spans_go_to_jaeger_as_otlp():
    exporter, collector = built({})
    await exporter.export([a_span(f"span {number}") for number in range(300)])
    request = ExportTraceServiceRequest.FromString(await collector.last.body.read(9_999_999))

    assert (collector.last.method, collector.last.path) == (b"POST", b"/v1/traces")
    assert collector.last.headers.get(b"content-type") == b"application/x-protobuf"
    assert request.resource_spans[0].resource.attributes[0].value.string_value == "shop"
    assert [span.name for span in request.resource_spans[0].scope_spans[0].spans] == [f"span {n}" for n in range(300)]


async def test_user_and_password_are_sent_and_not_shown():
    exporter, collector = built(
        {"collector": {"endpoint": "https://j.example/x", "user": "me", "password": "hush"}}, "https://j.example"
    )
    await exporter.export([a_span()])

    assert collector.last.headers.get(b"authorization") == b"Basic bWU6aHVzaA=="
    assert collector.last.path == b"/x"
    assert "hush" not in repr(JaegerCollector(user="me", password="hush"))


async def test_a_refusal_is_raised():
    exporter, _ = built({}, status=400)
    with pytest.raises(Undelivered):
        await exporter.export([a_span()])


@pytest.mark.parametrize(
    ("options", "propagators"),
    [
        ({}, ("jaeger=uber-trace-id",)),
        ({"propagation": "b3"}, ("b3",)),
        ({"traceContextHeaderName": "X-Trace"}, ("jaeger=x-trace",)),
    ],
)
def test_the_headers_are_jaegers_unless_it_is_b3(options, propagators):
    assert tuple(built(options)[0].propagators) == propagators


def test_ids_are_short_unless_they_are_to_be_long():
    assert built({})[0].short_trace_ids
    assert not built({"gen128Bit": True})[0].short_trace_ids


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"localAgentHostPort": "127.0.0.1:6831"}, "localAgentHostPort: agents are no part of Jaeger any more"),
        ({"collector": {"endpoint": "http://j:14268/api/traces?format=jaeger.thrift"}}, "collector.endpoint: .* thrift"),
        (
            {"collector": {"endpoint": "http://j/api/traces"}},
            "collector.endpoint: .*write collector.endpoint: http://host:4318",
        ),
        ({"collector": {"endpoint": "j:4318"}}, "collector.endpoint: this is no URL of a collector"),
        ({"samplingType": "sometimes"}, "samplingType"),
        ({"samplingParam": -1}, "samplingParam"),
        ({"samplingType": "probabilistic", "samplingParam": 2}, "samplingParam from 0 to 1, got 2"),
        ({"samplingType": "remote", "samplingServerURL": "j"}, "samplingServerURL"),
        ({"traceContextHeaderName": "a b"}, "traceContextHeaderName"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_way_out(options, message):
    with pytest.raises(ConfigError, match=message):
        built(options)
