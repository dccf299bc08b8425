"""Traces to Jaeger, by OTLP, with its own headers towards servers and its own ways of sampling."""

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from typing import ClassVar, Final

from pointsman import ExporterContext, Span, SpanExporter, hookimpl
from pointsman.dialect.collectors import Collector, Endpoint, Patience
from pointsman.dialect.otlp import Envelope, SpanEncoder
from pointsman_jaeger.config import JaegerCollector, JaegerConfig
from pointsman_jaeger.remote import SamplingServer
from pointsman_jaeger.sampling import MAKERS, Sampler

_HEADERS: Final = [(b"content-type", b"application/x-protobuf"), (b"user-agent", b"pointsman-jaeger")]
_SLICE: Final = 128


class Jaeger:
    """`tracing.jaeger`"""

    name: ClassVar[str] = "jaeger"
    Config: ClassVar[type] = JaegerConfig

    def __init__(self, config: JaegerConfig, context: ExporterContext) -> None:
        header = config.trace_context_header_name.lower()
        self.propagators: Sequence[str] = ("b3",) if config.propagation == "b3" else (f"jaeger={header}",)
        self.short_trace_ids = not config.gen128_bit
        self._sampler: Sampler = MAKERS[config.sampling_type](config.sampling_param)
        self._collector = _collector(config.collector, context)
        self._envelope = Envelope(context.resource)
        self._encode = SpanEncoder().encode
        self._remote: SamplingServer | None = None
        if config.sampling_type == "remote":
            self._remote = SamplingServer(config.sampling_server_url, context, self._use)
        self._following: asyncio.Task[None] | None = None

    def sample(self, trace_id: str) -> bool:
        """Whether a trace that begins here is wanted."""
        return self._sampler(trace_id)

    def _use(self, sampler: Sampler) -> None:
        self._sampler = sampler

    async def start(self) -> None:
        if self._remote is not None and self._following is None:
            self._following = asyncio.get_running_loop().create_task(self._remote.follow())

    async def aclose(self) -> None:
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
            await asyncio.wait([following])

    async def export(self, spans: Sequence[Span]) -> None:
        encoded: list[bytes] = []
        for start in range(0, len(spans), _SLICE):
            encoded += map(self._encode, spans[start : start + _SLICE])
            await asyncio.sleep(0)
        await self._collector.post(self._envelope.around(encoded))


def _collector(config: JaegerCollector, context: ExporterContext) -> Collector:
    endpoint = Endpoint.of(config.endpoint, "/v1/traces", "collector.endpoint")
    headers = list(_HEADERS)
    if config.user:
        credentials = b64encode(f"{config.user}:{config.password}".encode())
        headers.append((b"authorization", b"Basic " + credentials))
    tls = config.tls.settings("collector.tls") if config.tls is not None else None
    return Collector(
        context.server(endpoint.server, tls=tls), endpoint.target, headers, Patience.of("OTEL_EXPORTER_JAEGER_TIMEOUT")
    )


@hookimpl
def pointsman_span_exporters() -> list[type[SpanExporter]]:
    return [Jaeger]
