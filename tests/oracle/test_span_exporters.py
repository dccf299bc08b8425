"""What a collector gets of the reference and of ours: where, with which headers, and what each span says of itself."""

import asyncio
import gzip

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pointsman.testing import answer, connect, eventually, gateway, upstream

from .harness import TRAEFIK

pytestmark = pytest.mark.real("traefik")

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SHARED = ("content-type", "content-encoding", "x-tenant")


def document(url):
    service = {"loadBalancer": {"servers": [{"url": url}]}}
    return {"http": {"routers": {"r": {"rule": "PathPrefix(`/`)", "service": "s"}}, "services": {"s": service}}}


async def told(path, command, **options):
    """How one gateway tells a collector of a request: path, headers, resource, scope, and its spans by name."""
    async with upstream(answer(200, body=b"hello")) as shop, upstream(answer(200)) as collector:
        otlp = {"http": {"endpoint": f"{collector.url}{path}", "headers": {"X-Tenant": "a"}}}
        tracing = {"serviceName": "shop", "resourceAttributes": {"team": "blue"}, "otlp": otlp}
        static = {"tracing": tracing, "entryPoints": {"web": {}, "traefik": {"observability": {"tracing": False}}}}
        async with gateway(document(shop.url), static, **options, **command) as running:
            async with connect(running.port()) as client:
                assert (await client.get("/x", traceparent=PARENT, tracestate="a=1")).status == 200
            await eventually(lambda: collector.requests, "a report")
        (request,) = collector.requests
    (of_resource,) = ExportTraceServiceRequest.FromString(gzip.decompress(request.body)).resource_spans
    (of_scope,) = of_resource.scope_spans
    resource = {each.key: each.value.string_value for each in of_resource.resource.attributes}
    spans = {
        span.name: (
            span.kind, span.trace_id.hex(), span.flags, span.trace_state, span.status.code, len(span.links),
            "" if span.kind == 3 else span.parent_span_id.hex(),
        )
        for span in of_scope.spans
    }  # fmt: skip
    headers = {name: request.get(name) for name in SHARED}
    return request.target, headers, resource["service.name"], resource["team"], of_scope.scope.name, spans


@pytest.mark.spec("O-73")
@pytest.mark.parametrize("path", ["", "/"])
async def test_a_report_is_what_it_was(path, monkeypatch):
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "edge")
    theirs, ours = await asyncio.gather(told(path, {"workers": None, "command": [str(TRAEFIK)]}), told(path, {"workers": 1}))

    assert ours == theirs
