"""The way to a collector, for every signal: OTLP over HTTP or gRPC, gzipped, tried again where that may help."""

import logging
from typing import Any, Final, Protocol

from attrs import frozen
from isal import isal_zlib

from pointsman import Handler
from pointsman.dialect.collectors import Collector, Endpoint, Patience, sent_headers
from pointsman.dialect.protobuf import fields
from pointsman_otlp.config import OTLPGRPC, OTLPHTTP, Way
from pointsman_otlp.grpc import GrpcCollector, server_url

_AGENT: Final = (b"user-agent", b"pointsman-otlp")
_GZIP_BITS: Final = 31
_LEVEL: Final = 1
"""A quarter of the time of zlib's fastest, for as few bytes."""


@frozen
class Signal:
    """What is sent."""

    items: str
    """What the log calls it."""
    path: str
    """Where HTTP takes it, where the endpoint does not say."""
    method: bytes
    """Where gRPC does."""


_SERVICE: Final = "/opentelemetry.proto.collector.{0}.v1.{1}Service/Export"
TRACES: Final = Signal("spans", "/v1/traces", _SERVICE.format("trace", "Trace").encode())
METRICS: Final = Signal("data points", "/v1/metrics", _SERVICE.format("metrics", "Metrics").encode())
LOGS: Final = Signal("log records", "/v1/logs", _SERVICE.format("logs", "Logs").encode())


class Surroundings(Protocol):
    """What it needs of an exporter's context."""

    @property
    def logger(self) -> logging.Logger: ...

    def server(self, url: str, *, tls: Any = None, timeout_seconds: float = 0.0) -> Handler: ...


class _Sends(Protocol):
    async def post(self, body: bytes, /) -> bytes: ...


class OtlpClient:
    """Sends one signal to one collector. ConfigError, below `http` or `grpc`, for a configuration that leads nowhere."""

    def __init__(self, signal: Signal, config: Way, context: Surroundings, patience: Patience | None = None) -> None:
        patience = patience or Patience.of("OTEL_EXPORTER_OTLP_TIMEOUT")
        self._signal = signal
        self._logger = context.logger
        self._told = False
        self._collector: _Sends
        if config.grpc is not None:
            self._collector = _grpc(signal, config.grpc, context, patience)
        else:
            self._collector = _http(signal, config.http or OTLPHTTP(), context, patience)

    async def send(self, request: bytes) -> None:
        """Send one Export...ServiceRequest. Undelivered, with the reason, if the collector does not take it."""
        self._look_at(await self._collector.post(isal_zlib.compress(request, _LEVEL, _GZIP_BITS)))

    def _look_at(self, answer: bytes) -> None:
        """Say once, and again after it has taken everything, that it took less than all."""
        rejected, message = partial_success(answer)
        if not rejected and not message:
            self._told = False
        elif not self._told:
            self._told = True
            self._logger.warning("the collector rejected %d %s: %s", rejected, self._signal.items, ascii(message[:200]))


def partial_success(answer: bytes) -> tuple[int, str]:
    """How many were rejected, and why; (0, "") for none, and for an answer that cannot be read."""
    rejected, message = 0, ""
    try:
        for number, content in fields(answer):
            if number == 1 and isinstance(content, bytes):
                for inner, value in fields(content):
                    if inner == 1 and isinstance(value, int):
                        rejected = value
                    elif inner == 2 and isinstance(value, bytes):
                        message = value.decode("utf-8", "replace")
    except ValueError:
        return 0, ""
    return rejected, message


def _http(signal: Signal, config: OTLPHTTP, context: Surroundings, patience: Patience) -> Collector:
    own = [(b"content-type", b"application/x-protobuf"), (b"content-encoding", b"gzip"), _AGENT]
    given = sent_headers(config.headers, "http.headers")
    names = {name for name, _ in own}
    headers = [*own, *(line for line in given if line[0] not in names)]
    endpoint = Endpoint.of(config.endpoint, signal.path, "http.endpoint")
    tls = config.tls.settings("http.tls") if config.tls is not None else None
    return Collector(context.server(endpoint.server, tls=tls), endpoint.target, headers, patience)


def _grpc(signal: Signal, config: OTLPGRPC, context: Surroundings, patience: Patience) -> GrpcCollector:
    url = server_url(config.endpoint, config.insecure)
    tls = config.tls.settings("grpc.tls") if config.tls is not None else None
    metadata = [_AGENT, *sent_headers(config.headers, "grpc.headers")]
    return GrpcCollector(context.server(url, tls=tls), signal.method, metadata, patience)
