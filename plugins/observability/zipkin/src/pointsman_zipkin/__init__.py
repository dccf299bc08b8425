"""Traces to Zipkin: JSON of version 2 by HTTP, with B3 headers towards servers."""

import asyncio
from collections.abc import Sequence
from json import JSONEncoder
from typing import ClassVar, Final

from attrs import field, frozen
from attrs.validators import ge, le

from pointsman import ExporterContext, Secret, Span, SpanExporter, hookimpl, option
from pointsman.dialect.client_tls import ExporterTLS
from pointsman.dialect.collectors import Collector, Endpoint, Patience, sent_headers
from pointsman_zipkin.spans import zipkin_span

_OWN: Final = [
    (b"content-type", b"application/json"),
    (b"b3", b"0"),  # the report itself is not to be traced
    (b"user-agent", b"pointsman-zipkin"),
]
_SLICE: Final = 64
_json: Final = JSONEncoder(separators=(",", ":"), check_circular=False).encode


@frozen
class ZipkinConfig:
    http_endpoint: str = "http://localhost:9411/api/v2/spans"
    same_span: bool = False
    id128_bit: bool = option("id128Bit", default=True)
    sample_rate: float = field(default=1.0, validator=[ge(0), le(1)])
    headers: dict[str, Secret] = field(factory=dict, repr=False)
    """New."""
    tls: ExporterTLS | None = None
    """New."""


class Zipkin:
    """`tracing.zipkin`"""

    name: ClassVar[str] = "zipkin"
    Config: ClassVar[type] = ZipkinConfig
    propagators: ClassVar[Sequence[str]] = ("b3",)

    def __init__(self, config: ZipkinConfig, context: ExporterContext) -> None:
        endpoint = Endpoint.of(config.http_endpoint, "/api/v2/spans", "httpEndpoint")
        names = {name for name, _ in _OWN}
        headers = [*_OWN, *(line for line in sent_headers(config.headers) if line[0] not in names)]
        tls = config.tls.settings() if config.tls is not None else None
        self._collector = Collector(
            context.server(endpoint.server, tls=tls), endpoint.target, headers, Patience.of("OTEL_EXPORTER_ZIPKIN_TIMEOUT")
        )
        self._local = {"serviceName": context.resource.service_name.lower()}
        self.same_span = config.same_span
        self.short_trace_ids = not config.id128_bit
        self.sample_rate = config.sample_rate

    async def export(self, spans: Sequence[Span]) -> None:
        encoded: list[str] = []
        for start in range(0, len(spans), _SLICE):
            part = spans[start : start + _SLICE]
            encoded += [_json(zipkin_span(span, self._local, self.same_span)) for span in part]
            await asyncio.sleep(0)
        await self._collector.post(f"[{','.join(encoded)}]".encode())


@hookimpl
def pointsman_span_exporters() -> list[type[SpanExporter]]:
    return [Zipkin]
