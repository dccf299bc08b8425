"""Log records as exporters get them (operations.md §3.6)."""

from typing import Final

from attrs import frozen

from pointsman.spans import Attributes

TRACE: Final = 1
DEBUG: Final = 5
INFO: Final = 9
WARN: Final = 13
ERROR: Final = 17
FATAL: Final = 21
PANIC: Final = 24
"""Severities, numbered as in OTLP."""


@frozen
class LogRecord:
    """One event of the gateway, or one request."""

    time_ns: int
    """Since 1970."""
    severity: int
    body: str
    attributes: Attributes = ()
    severity_text: str = ""
    trace_id: str = ""
    """32 hexadecimal digits; "" if it belongs to no trace."""
    span_id: str = ""
    """16 of them."""
    sampled: bool = False
