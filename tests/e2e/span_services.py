"""Two services that take part in traces: one by OpenTelemetry's SDK, one by hand; both tell a collector of their spans."""

import http.client
import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.context import Context
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.propagators.jaeger import JaegerPropagator
from opentelemetry.propagators.textmap import TextMapPropagator, default_getter, default_setter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Ids = tuple[str, str]
"""A trace and the span above, as the headers of a request have them."""


def _traceparent(headers: Mapping[str, str]) -> Ids:
    _, trace, span, flags = headers["traceparent"].split("-")
    assert flags == "01"
    return trace, span


def _b3(headers: Mapping[str, str]) -> Ids:
    trace, span, sampled = headers["b3"].split("-")
    assert sampled == "1"
    return trace, span


def _b3multi(headers: Mapping[str, str]) -> Ids:
    assert headers["x-b3-sampled"] == "1"
    return headers["x-b3-traceid"], headers["x-b3-spanid"]


def _jaeger(headers: Mapping[str, str]) -> Ids:
    trace, span, _, flags = headers["uber-trace-id"].split(":")
    assert int(flags, 16) & 1
    return trace.zfill(32), span


def _xray(headers: Mapping[str, str]) -> Ids:
    parts = dict(part.split("=") for part in headers["x-amzn-trace-id"].split(";"))
    assert parts["Sampled"] == "1"
    return parts["Root"][2:].replace("-", ""), parts["Parent"]


BY_HAND: Mapping[str, Callable[[Mapping[str, str]], Ids]] = {
    "tracecontext": _traceparent, "b3": _b3, "b3multi": _b3multi, "jaeger": _jaeger, "xray": _xray,
}  # fmt: skip


class _XRay(TextMapPropagator):
    """The SDK brings none."""

    def extract(self, carrier: Any, context: Context | None = None, getter: Any = default_getter) -> Context:
        trace, span = _xray({name.lower(): value for name, value in carrier.items()})
        above = SpanContext(int(trace, 16), int(span, 16), True, TraceFlags(1))
        return set_span_in_context(NonRecordingSpan(above), context)

    def inject(self, carrier: Any, context: Context | None = None, setter: Any = default_setter) -> None:
        own = get_current_span(context).get_span_context()
        trace = f"{own.trace_id:032x}"
        setter.set(carrier, "X-Amzn-Trace-Id", f"Root=1-{trace[:8]}-{trace[8:]};Parent={own.span_id:016x};Sampled=1")

    @property
    def fields(self) -> set[str]:
        return {"X-Amzn-Trace-Id"}


BY_SDK: Mapping[str, TextMapPropagator] = {
    "tracecontext": TraceContextTextMapPropagator(),
    "b3": B3SingleFormat(),
    "b3multi": B3MultiFormat(),
    "jaeger": JaegerPropagator(),
    "xray": _XRay(),
}


class _ToReceiver(SpanExporter):
    """Posts what the SDK tells as OTLP."""

    def __init__(self, url: str) -> None:
        self._url = url

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        request = ExportTraceServiceRequest()
        of_resource = request.resource_spans.add()
        of_resource.resource.attributes.add(key="service.name").value.string_value = "sdk"
        scope = of_resource.scope_spans.add()
        for span in spans:
            own, above = span.get_span_context(), span.parent
            assert own is not None
            scope.spans.add(
                trace_id=own.trace_id.to_bytes(16, "big"),
                span_id=own.span_id.to_bytes(8, "big"),
                parent_span_id=above.span_id.to_bytes(8, "big") if above else b"",
                name=span.name,
                kind={SpanKind.SERVER: 2, SpanKind.CLIENT: 3}[span.kind],
                start_time_unix_nano=span.start_time or 0,
                end_time_unix_nano=span.end_time or 0,
            )
        _post(f"{self._url}/v1/traces", request.SerializeToString())
        return SpanExportResult.SUCCESS


def _post(url: str, body: bytes) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=5):
        pass


@contextmanager
def sdk_service(kind: str, collector: str, next_port: Callable[[], int]) -> Iterator[str]:
    """A service by OpenTelemetry's SDK: it asks `hand.example` at that port for what it is asked, within the trace."""
    provider = TracerProvider(resource=Resource.create({"service.name": "sdk"}))
    provider.add_span_processor(SimpleSpanProcessor(_ToReceiver(collector)))
    tracer = provider.get_tracer("test")
    propagator = BY_SDK[kind]

    def answer(headers: Mapping[str, str]) -> bytes:
        context = propagator.extract(dict(headers))
        with (
            tracer.start_as_current_span("serve", context, SpanKind.SERVER),
            tracer.start_as_current_span("ask", kind=SpanKind.CLIENT),
        ):
            asked: dict[str, str] = {"Host": "hand.example"}
            propagator.inject(asked)
            connection = http.client.HTTPConnection("127.0.0.1", next_port(), timeout=5)
            try:
                connection.request("GET", "/", headers=asked)
                return connection.getresponse().read()
            finally:
                connection.close()

    with _served(answer) as url:
        yield url
    provider.shutdown()


@contextmanager
def hand_made_service(kind: str, collector: str) -> Iterator[str]:
    """A service that knows one format and nothing else, and reports to Zipkin's API."""

    def answer(headers: Mapping[str, str]) -> bytes:
        trace, above = BY_HAND[kind](headers)
        span = {
            "traceId": trace, "parentId": above, "id": os.urandom(8).hex(), "name": "answer", "kind": "SERVER",
            "timestamp": time.time_ns() // 1000, "duration": 1, "localEndpoint": {"serviceName": "hand"},
        }  # fmt: skip
        _post(f"{collector}/api/v2/spans", json.dumps([span]).encode())
        return b"by hand"

    with _served(answer) as url:
        yield url


@contextmanager
def _served(answer: Callable[[Mapping[str, str]], bytes]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answer({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
