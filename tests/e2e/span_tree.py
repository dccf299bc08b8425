"""Spans as any collector knows them, from OTLP and from Zipkin's JSON, and the tree that they are."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT"}


@frozen
class Told:
    """One span. Ids are hex, "" for none."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    attributes: Mapping[str, Any]


def of_otlp(message: bytes) -> Iterator[Told]:
    """The spans of an ExportTraceServiceRequest."""
    for of_resource in ExportTraceServiceRequest.FromString(message).resource_spans:
        resource = {each.key: each.value.string_value for each in of_resource.resource.attributes}
        for span in (span for of_scope in of_resource.scope_spans for span in of_scope.spans):
            attributes = {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}
            ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
            yield Told(resource["service.name"], span.name, KINDS[span.kind], *ids, span.start_time_unix_nano, attributes)


def of_zipkin(report: bytes) -> Iterator[Told]:
    """The spans of a report in Zipkin's JSON, version 2."""
    for span in json.loads(report):
        yield Told(
            span["localEndpoint"]["serviceName"], span["name"], span.get("kind", "INTERNAL"), span["traceId"].zfill(32),
            span["id"], span.get("parentId", ""), span["timestamp"] * 1000, span.get("tags", {}),
        )  # fmt: skip


def tree(spans: Iterable[Told]) -> list[str]:
    """`service: name`, each below its parent, indented; whoever's parent is not there stands at the left."""
    ordered = sorted(spans, key=lambda span: span.start_ns)
    known = {span.span_id for span in ordered}

    def below(parent: str, depth: int) -> Iterator[str]:
        for span in ordered:
            if (span.parent_id if span.parent_id in known else "") == parent:
                yield f"{'  ' * depth}{span.service}: {span.name}"
                yield from below(span.span_id, depth + 1)

    return list(below("", 0))
