"""Telemetry to OpenTelemetry collectors, by OTLP: HTTP with protobuf, or gRPC."""

from pointsman import LogExporter, MetricsExporter, SpanExporter, hookimpl
from pointsman_otlp.logs import OtlpLogs
from pointsman_otlp.metrics import OtlpMetrics
from pointsman_otlp.traces import OtlpTraces


@hookimpl
def pointsman_span_exporters() -> list[type[SpanExporter]]:
    return [OtlpTraces]


@hookimpl
def pointsman_log_exporters() -> list[type[LogExporter]]:
    return [OtlpLogs]


@hookimpl
def pointsman_metrics_exporters() -> list[type[MetricsExporter]]:
    return [OtlpMetrics]
