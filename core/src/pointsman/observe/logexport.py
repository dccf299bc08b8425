"""Log records on their way to exporters: lines about requests, and what the gateway says itself (operations.md §3.6)."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from pointsman.api import LogExporter, LogField
from pointsman.errors import Problem
from pointsman.logs.lines import fields_of
from pointsman.observe.accessrecord import AccessRecord
from pointsman.observe.delivery import Delivery, Limits
from pointsman.observe.exporting import Context, Reach, begin, built, end
from pointsman.observe.resource import SERVICE, resource
from pointsman.records import DEBUG, ERROR, FATAL, INFO, PANIC, TRACE, WARN, LogRecord
from pointsman.spans import AttributeValue, Span

DELAY_MILLISECONDS: Final = 1000
_SEVERITIES: Final = ((60, PANIC), (50, FATAL), (40, ERROR), (30, WARN), (20, INFO), (10, DEBUG))
_NOT_SENT: Final = ("time",)
_NANOSECONDS: Final = {"StartUTC", "StartLocal"}


class LogDeliveries:
    """The exporters below `log` or `accessLog`, with a queue for each. Empty without any."""

    def __init__(self, section: str, exporters: Mapping[str, LogExporter], environ: Mapping[str, str]) -> None:
        self._section = section
        self._exporters = exporters
        limits = Limits.of(environ, "OTEL_BLRP_", DELAY_MILLISECONDS)
        self.deliveries = [
            Delivery(name, exporter.export, limits, section=section, things="records")
            for name, exporter in exporters.items()
        ]

    def __bool__(self) -> bool:
        return bool(self.deliveries)

    def add(self, record: LogRecord) -> None:
        """To every exporter that has room for it."""
        for delivery in self.deliveries:
            delivery.add(record)

    async def start(self) -> None:
        await begin(self._section, self._exporters, self.deliveries)

    async def stop(self) -> None:
        """Send what is left, within 5 s."""
        await end(self._section, self._exporters, self.deliveries)


def log_deliveries(
    section: str,
    named: Mapping[str, Any],
    known: Mapping[str, type[LogExporter]],
    reach: Reach,
    version: str,
    environ: Mapping[str, str],
) -> tuple[LogDeliveries, list[Problem]]:
    """What a section names, and what is wrong with it."""

    def context(name: str) -> Context:
        config = named[name]
        service, attributes = getattr(config, "service_name", SERVICE), getattr(config, "resource_attributes", {})
        return Context(name, resource(service, attributes, version, environ), reach, section)

    found, problems = built(section, named, known, context)
    return LogDeliveries(section, found, environ), problems


def telling(fields: Iterable[LogField]) -> Callable[[AccessRecord, str], LogRecord]:
    """What makes a record to be sent away of one that is over, and its line."""
    kept = [field for field in fields if field.name not in _NOT_SENT]

    def told(record: AccessRecord, line: str) -> LogRecord:
        span = record.span
        return LogRecord(
            record.written,
            INFO,
            line,
            [pair for field in kept if record.has & field.needs == field.needs for pair in _attributes(field, record)],
            "info",
            span.trace_id if span is not None else "",
            span.span_id if span is not None else "",
            isinstance(span, Span) and bool(span.trace.sampled),
        )

    return told


def _attributes(field: LogField, record: AccessRecord) -> Sequence[tuple[str, AttributeValue]]:
    if field.name in _NANOSECONDS:
        return ((field.name, record.start),)
    value = field.read(record)
    if field.kind == "headers":
        found: Sequence[tuple[str, AttributeValue]] = value
        return found
    return ((field.name, value),) if value is not None else ()


class LogRelay(logging.Handler):
    """Takes what the gateway says to its exporters, besides where it is written."""

    def __init__(self, add: Callable[[LogRecord], None], call_soon: Callable[..., object]) -> None:
        super().__init__()
        self._add = add
        self._call_soon = call_soon

    def emit(self, record: logging.LogRecord) -> None:
        """From any thread."""
        severity = next((number for level, number in _SEVERITIES if record.levelno >= level), TRACE)
        fields = fields_of(record)
        trace_id, span_id = fields.pop("trace_id", ""), fields.pop("span_id", "")
        attributes = [(name, value if isinstance(value, int) else str(value)) for name, value in fields.items()]
        told = LogRecord(
            int(record.created * 1e9),
            severity,
            record.getMessage(),
            attributes,
            trace_id=trace_id,
            span_id=span_id,
            sampled=getattr(record, "trace_sampled", False),
        )
        try:
            self._call_soon(self._add, told)
        except RuntimeError:  # the loop is closed
            self._add(told)
