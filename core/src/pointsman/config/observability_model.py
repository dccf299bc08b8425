"""`log`, `accessLog`, `metrics` and `tracing` of the static configuration (operations.md §3-§5)."""

from typing import Any

from attrs import field, frozen

from pointsman.values import Duration, option


@frozen
class Log:
    level: str = option(default="ERROR", help="TRACE, DEBUG, INFO, WARN, ERROR, FATAL, PANIC or disabled")
    levels: dict[str, str] = option(factory=dict, help="Levels of single areas, such as {upstream: DEBUG} (new)")
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
    format: str = option(default="common", help="common, genericCLF, json, template, or that of a plugin")
    options: dict[str, Any] = option(factory=dict, help="What the format has in options (new)")
    buffering_size: int = 0
    add_internals: bool = False
    dual_output: bool = False
    filters: AccessLogFilters | None = None
    fields: AccessLogFields = field(factory=AccessLogFields)
    exporters: dict[str, Any] = field(factory=dict)
    """By the plugin's name, each with its own Config."""


@frozen
class Metrics:
    """`exporters` by the names of their plugins, each with its own Config instance."""

    add_internals: bool = option(default=False, help="Measure services of the gateway itself, too")
    max_label_values: int = option(default=100, help="Most values of a label that clients choose; the rest is _other (new)")
    exporters: dict[str, Any] = field(factory=dict)


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

    @property
    def share(self) -> float:
        """`sampleRate`, or the nearest share there is."""
        return min(1.0, max(0.0, self.sample_rate))
