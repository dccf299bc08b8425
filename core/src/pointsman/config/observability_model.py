"""`log`, `accessLog`, `metrics` and `tracing` of the static configuration (operations.md §3-§5)."""

from typing import Any

from attrs import field, frozen

from pointsman.values import Duration, FileOrContent, Secret, allow_empty, option


@frozen
class ExporterTLS:
    """TLS towards a collector."""

    ca: FileOrContent = FileOrContent("")
    cert: FileOrContent = FileOrContent("")
    key: FileOrContent = FileOrContent("")
    insecure_skip_verify: bool = False


@frozen
class OTLPHTTP:
    endpoint: str = "https://localhost:4318"
    headers: dict[str, Secret] = field(factory=dict)
    tls: ExporterTLS | None = None


@frozen
class OTLPGRPC:
    endpoint: str = "localhost:4317"
    insecure: bool = False
    headers: dict[str, Secret] = field(factory=dict)
    tls: ExporterTLS | None = None


@frozen
class Log:
    level: str = option(default="ERROR", help="TRACE, DEBUG, INFO, WARN, ERROR, FATAL, PANIC or disabled")
    format: str = option(default="common", help="common or json")
    no_color: bool = False
    file_path: str = option(default="", help="File to write to; empty is stdout")
    max_size: int = 0
    """Megabytes; 0 means 100."""
    max_age: int = 0
    max_backups: int = 0
    compress: bool = False
    exporters: dict[str, Any] = field(factory=dict)
    """By the plugin's name, each with its own Config."""


@frozen
class AccessLogFilters:
    status_codes: list[str] = field(factory=list)
    retry_attempts: bool = False
    min_duration: Duration = Duration(0.0)


@frozen
class HeaderFields:
    default_mode: str = "drop"
    names: dict[str, str] = field(factory=dict)


@frozen
class QueryParameterFields:
    default_mode: str = "keep"


@frozen
class AccessLogFields:
    default_mode: str = "keep"
    names: dict[str, str] = field(factory=dict)
    headers: HeaderFields = field(factory=HeaderFields)
    query_parameters: QueryParameterFields = field(factory=QueryParameterFields)


@frozen
class AccessLog:
    file_path: str = option(default="", help="File to write to; empty is stdout")
    format: str = option(default="common", help="common, genericCLF or json")
    buffering_size: int = 0
    add_internals: bool = False
    dual_output: bool = False
    filters: AccessLogFilters | None = None
    fields: AccessLogFields = field(factory=AccessLogFields)
    exporters: dict[str, Any] = field(factory=dict)
    """By the plugin's name, each with its own Config."""


@frozen
class Prometheus:
    buckets: list[float] = field(factory=lambda: [0.1, 0.3, 1.2, 5.0])
    add_entry_points_labels: bool = True
    add_routers_labels: bool = False
    add_services_labels: bool = True
    entry_point: str = option(default="traefik", help="Entry point of /metrics")
    manual_routing: bool = False
    header_labels: dict[str, str] = field(factory=dict)


@frozen
class OTLPMetrics:
    http: OTLPHTTP | None = allow_empty(default=None)
    grpc: OTLPGRPC | None = allow_empty(default=None)
    add_entry_points_labels: bool = True
    add_routers_labels: bool = False
    add_services_labels: bool = True
    explicit_boundaries: list[float] = field(
        factory=lambda: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
    )
    push_interval: Duration = Duration(10.0)
    service_name: str = "traefik"
    resource_attributes: dict[str, str] = field(factory=dict)


@frozen
class StatsD:
    address: str = "localhost:8125"
    prefix: str = "traefik"
    push_interval: Duration = Duration(10.0)
    add_entry_points_labels: bool = True
    add_routers_labels: bool = False
    add_services_labels: bool = True


@frozen
class Datadog:
    address: str = ""
    """Empty: `DD_AGENT_HOST`:`DD_DOGSTATSD_PORT`, else `localhost:8125`."""
    prefix: str = "traefik"
    push_interval: Duration = Duration(10.0)
    add_entry_points_labels: bool = True
    add_routers_labels: bool = False
    add_services_labels: bool = True


@frozen
class InfluxDB2:
    address: str = "http://localhost:8086"
    token: FileOrContent = FileOrContent("")
    org: str = ""
    bucket: str = ""
    additional_labels: dict[str, str] = field(factory=dict)
    push_interval: Duration = Duration(10.0)
    add_entry_points_labels: bool = True
    add_routers_labels: bool = False
    add_services_labels: bool = True


@frozen
class Metrics:
    add_internals: bool = False
    prometheus: Prometheus | None = allow_empty(default=None)
    datadog: Datadog | None = allow_empty(default=None)
    stats_d: StatsD | None = allow_empty(default=None)
    influx_db2: InfluxDB2 | None = option("influxDB2", allow_empty=True, default=None)
    otlp: OTLPMetrics | None = allow_empty(default=None)


@frozen
class Tracing:
    service_name: str = "traefik"
    resource_attributes: dict[str, str] = field(factory=dict)
    sample_rate: float = option(default=1.0, help="Share of requests to trace, 0 to 1")
    captured_request_headers: list[str] = field(factory=list)
    captured_response_headers: list[str] = field(factory=list)
    safe_query_params: list[str] = field(factory=list)
    add_internals: bool = False
    sample_errors: bool = option(default=False, help="Export traces of failed requests that were not sampled, too")
    """New."""
    sample_slow: Duration = option(default=Duration(0.0), help="Export traces of requests that took this long, too; 0: off")
    """New."""
    propagators: list[str] = option(factory=list, help="Formats of trace headers; without it OTEL_PROPAGATORS says them")
    """New."""
    global_attributes: dict[str, str] = field(factory=dict)
    """Deprecated for `resourceAttributes`."""
    exporters: dict[str, Any] = field(factory=dict)
    """By the name that users write below `tracing`, each plugin's own Config instance."""
