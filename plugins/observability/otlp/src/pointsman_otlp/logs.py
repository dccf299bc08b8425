"""Log records to an OpenTelemetry collector (operations.md §3.6)."""

from collections.abc import Sequence
from time import time_ns
from typing import ClassVar, Final

from pointsman import ExporterContext, LogRecord
from pointsman.dialect.otlp import Envelope, any_value, key_value
from pointsman.dialect.protobuf import delimited, fixed64, integer, text
from pointsman_otlp.client import LOGS, OtlpClient
from pointsman_otlp.config import OTLPLogsConfig

SCOPE: Final = "traefik"
"""As users of the dialect know it."""
_SAMPLED: Final = b"\x45\x01\x00\x00\x00"


class OtlpLogs:
    """`log.otlp` and `accessLog.otlp`"""

    name: ClassVar[str] = "otlp"
    Config: ClassVar[type] = OTLPLogsConfig

    def __init__(self, config: OTLPLogsConfig, context: ExporterContext) -> None:
        self._client = OtlpClient(LOGS, config, context)
        self._envelope = Envelope(context.resource, SCOPE)

    async def export(self, records: Sequence[LogRecord]) -> None:
        await self._client.send(self._envelope.around(map(encoded, records)))


def encoded(record: LogRecord) -> bytes:
    """A record, as field number 2 of a ScopeLogs."""
    parts = [fixed64(1, record.time_ns), fixed64(11, time_ns()), integer(2, record.severity)]
    if record.severity_text:
        parts.append(text(3, record.severity_text))
    parts.append(delimited(5, any_value(record.body)))
    parts += [key_value(6, name, value) for name, value in record.attributes]
    if record.trace_id:
        parts.append(delimited(9, bytes.fromhex(record.trace_id)))
        parts.append(delimited(10, bytes.fromhex(record.span_id)))
        if record.sampled:
            parts.append(_SAMPLED)  # flags, fixed32
    return delimited(2, b"".join(parts))
