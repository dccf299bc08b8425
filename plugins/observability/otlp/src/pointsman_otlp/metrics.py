"""Metrics to an OpenTelemetry collector (operations.md §4.3): all totals since the start, each time."""

import asyncio
import itertools
import math
import struct
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, ClassVar, Final

from attrs import field, frozen

from pointsman import Distribution, Metric, MetricsContext, Sample, allow_empty, option
from pointsman.dialect.otlp import Envelope, key_value
from pointsman.dialect.protobuf import delimited, double, fixed64, integer, text
from pointsman.dialect.pushing import PushConfig, Pusher
from pointsman_otlp.client import METRICS, OtlpClient
from pointsman_otlp.config import OTLPGRPC, OTLPHTTP

SLICE: Final = 128
"""Data points that are encoded in one go."""
MAX_BYTES: Final = 1 << 18
"""Of one request, before it is gzipped: that takes about 3 ms, and gRPC servers take no more than 4 MiB."""
_CUMULATIVE: Final = integer(2, 2)
_MONOTONIC: Final = integer(3, 1)
_SECONDS: Final = frozenset(("traefik_config_last_reload_success", "traefik_tls_certs_not_after"))
_NUMBERS: Final = frozenset(("http.response.status_code", "server.port"))


def _ascending(instance: object, attribute: Any, value: list[float]) -> None:
    if not all(map(math.isfinite, value)) or any(one >= other for one, other in itertools.pairwise(value)):
        raise ValueError(f"'{attribute.name}' are numbers, each above the one before it, such as [0.1, 0.5, 1]")


@frozen
class OTLPMetricsConfig(PushConfig):
    """`metrics.otlp`"""

    explicit_boundaries: list[float] = option(
        factory=lambda: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0],
        validator=_ascending,
        help="Bounds of histograms, in seconds",
    )
    service_name: str = "traefik"
    resource_attributes: dict[str, str] = field(factory=dict)
    http: OTLPHTTP | None = allow_empty(default=None)
    grpc: OTLPGRPC | None = allow_empty(default=None)


class OtlpMetrics:
    """`metrics.otlp`"""

    name: ClassVar[str] = "otlp"
    Config: ClassVar[type] = OTLPMetricsConfig

    def __init__(self, config: OTLPMetricsConfig, context: MetricsContext) -> None:
        self.needs = config.needs(tuple(config.explicit_boundaries), semantic=True)
        self._client = OtlpClient(METRICS, config, context)
        self._envelope = Envelope(context.resource)
        self._encoder = MetricsEncoder(time.time_ns())
        self._pusher = Pusher(context, config.push_interval, self._push)

    async def start(self) -> None:
        self._pusher.start()

    async def aclose(self) -> None:
        await self._pusher.aclose()

    async def _push(self, metrics: Sequence[Metric]) -> None:
        async for batch in self._encoder.encode(metrics, time.time_ns()):
            await self._client.send(self._envelope.around(batch))


class MetricsEncoder:
    """Makes field number 2 of a ScopeMetrics from each metric, and keeps since when each series counts."""

    def __init__(self, started_ns: int) -> None:
        self._before = started_ns
        """When all was told last: what is new since counts from then."""
        self._starts: dict[tuple[str, tuple[str, ...]], bytes] = {}
        self._attributes: dict[tuple[int, tuple[str, ...], tuple[str, ...]], bytes] = {}

    async def encode(self, metrics: Sequence[Metric], now_ns: int) -> AsyncIterator[list[bytes]]:
        """In batches of about a quarter of a mebibyte."""
        starts: dict[tuple[str, tuple[str, ...]], bytes] = {}
        attributes: dict[tuple[int, tuple[str, ...], tuple[str, ...]], bytes] = {}
        known, new, now = self._starts, fixed64(2, self._before), fixed64(3, now_ns)
        kept, self._attributes = self._attributes, attributes
        self._starts, self._before = starts, now_ns
        batch: list[bytes] = []
        size = 0
        for metric in metrics:
            field = 9 if metric.kind == "histogram" else 7
            encode = _points(metric)
            for at in range(0, len(metric.samples), SLICE):
                points = []
                for sample in metric.samples[at : at + SLICE]:
                    key = (metric.name, sample.labels)
                    start = starts[key] = known.get(key, new)
                    named = (field, metric.labels, sample.labels)
                    said = attributes.get(named) or kept.get(named) or _attributes(field, metric, sample.labels)
                    attributes[named] = said
                    points.append(delimited(1, b"".join((said, start, now, encode(sample)))))
                batch.append(_metric(metric, b"".join(points)))
                size += len(batch[-1])
                await asyncio.sleep(0)
                if size > MAX_BYTES:
                    yield batch
                    batch, size = [], 0
        if batch:
            yield batch


def _metric(metric: Metric, points: bytes) -> bytes:
    content = {
        "counter": lambda: delimited(7, points + _CUMULATIVE + _MONOTONIC),
        "gauge": lambda: delimited(5, points),
        "histogram": lambda: delimited(9, points + _CUMULATIVE),
    }[metric.kind]()
    unit = "s" if metric.kind == "histogram" or metric.name in _SECONDS else "1"
    return delimited(2, text(1, metric.name) + text(2, metric.help) + text(3, unit) + content)


def _attributes(field: int, metric: Metric, values: tuple[str, ...]) -> bytes:
    """Of a data point; one without a value is left out."""
    return b"".join(
        key_value(field, name, int(value) if name in _NUMBERS and value.isdecimal() else value)
        for name, value in zip(metric.labels, values, strict=True)
        if value
    )


def _points(metric: Metric) -> Callable[[Sample], bytes]:
    """What encodes the value of a sample."""
    if metric.kind == "histogram":
        bounds: dict[tuple[float, ...], bytes] = {}

        def distribution(sample: Sample) -> bytes:
            value = sample.value
            assert isinstance(value, Distribution)
            if value.bounds not in bounds:
                bounds[value.bounds] = delimited(7, struct.pack(f"<{len(value.bounds)}d", *value.bounds))
            counts = delimited(6, struct.pack(f"<{len(value.counts)}Q", *value.counts))
            return fixed64(4, value.total) + double(5, value.sum) + counts + bounds[value.bounds]

        return distribution

    def number(sample: Sample) -> bytes:
        assert not isinstance(sample.value, Distribution)
        return double(4, float(sample.value))

    return number
