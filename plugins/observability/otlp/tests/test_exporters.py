"""Whole requests, decoded by the published schema."""

import gzip

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pointsman import LogRecord, Resource
from pointsman.testing import FakeContext, a_span, answering, build
from pointsman_otlp import OtlpLogs, OtlpTraces

RESOURCE = Resource({"service.name": "shop"}, "0.1.0")
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7"


def built(plugin):
    collector = answering(200)
    return build(plugin, {}, FakeContext(servers={"https://localhost:4318": collector}, resource=RESOURCE)), collector


async def taken(collector, kind):
    return kind.FromString(gzip.decompress(await collector.last.body.read(9_999_999)))


async def test_all_spans_of_a_batch_arrive_in_order():
    exporter, collector = built(OtlpTraces)
    await exporter.export([a_span(f"span {number}") for number in range(300)])
    (of_resource,) = (await taken(collector, ExportTraceServiceRequest)).resource_spans

    assert of_resource.resource.attributes[0].value.string_value == "shop"
    assert [span.name for span in of_resource.scope_spans[0].spans] == [f"span {number}" for number in range(300)]


async def test_records_carry_message_severity_attributes_and_trace():
    exporter, collector = built(OtlpLogs)
    await exporter.export(
        [
            LogRecord(5, 17, "it broke\n", [("routerName", "shop@file"), ("Duration", 12)]),
            LogRecord(6, 9, "GET / 200", (), "info", TRACE, SPAN, True),
            LogRecord(7, 9, "GET / 200", (), "info", TRACE, SPAN, False),
        ]
    )
    (of_resource,) = (await taken(collector, ExportLogsServiceRequest)).resource_logs
    (of_scope,) = of_resource.scope_logs
    broken, sampled, unsampled = of_scope.log_records

    assert (of_resource.resource.attributes[0].value.string_value, of_scope.scope.name) == ("shop", "traefik")
    assert (broken.time_unix_nano, broken.severity_number, broken.severity_text) == (5, 17, "")
    assert (broken.body.string_value, broken.trace_id, broken.flags) == ("it broke\n", b"", 0)
    assert [each.key for each in broken.attributes] == ["routerName", "Duration"]
    assert broken.attributes[1].value.int_value == 12
    assert broken.observed_time_unix_nano > 1_700_000_000_000_000_000
    assert (sampled.trace_id.hex(), sampled.span_id.hex(), sampled.flags, sampled.severity_text) == (TRACE, SPAN, 1, "info")
    assert (unsampled.trace_id.hex(), unsampled.flags) == (TRACE, 0)
