"""Spans to an OpenTelemetry collector."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar, Final

from pointsman import ExporterContext, Span
from pointsman.dialect.otlp import Envelope, SpanEncoder
from pointsman_otlp.client import TRACES, OtlpClient
from pointsman_otlp.config import OTLPConfig

SLICE: Final = 128
"""Spans that are encoded before requests have their turn: about a millisecond."""


class OtlpTraces:
    """`tracing.otlp`"""

    name: ClassVar[str] = "otlp"
    Config: ClassVar[type] = OTLPConfig

    def __init__(self, config: OTLPConfig, context: ExporterContext) -> None:
        self._client = OtlpClient(TRACES, config, context)
        self._envelope = Envelope(context.resource)
        self._encode = SpanEncoder().encode

    async def export(self, spans: Sequence[Span]) -> None:
        encoded: list[bytes] = []
        for start in range(0, len(spans), SLICE):
            encoded += map(self._encode, spans[start : start + SLICE])
            await asyncio.sleep(0)
        await self._client.send(self._envelope.around(encoded))
