"""The exporter, which is the service `prometheus@internal` at the same time."""

import asyncio
import itertools
import math
import re
from typing import Any, ClassVar, Final

from attrs import field, frozen

from pointsman import InternalRequest, InternalResponse, MetricsContext, Needs, option
from pointsman_prometheus.exposition import OPEN_METRICS, TEXT, Exposition, wants_open_metrics
from pointsman_prometheus.process import Processes

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_HEADER: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-zA-Z]+")
_TAKEN: Final = frozenset(("code", "method", "protocol", "entrypoint", "router", "service", "le"))
SLICE: Final = 200
"""Samples that are written in one go."""


def _ascending(instance: object, attribute: Any, value: list[float]) -> None:
    """ValueError unless each bound is a number above the one before it."""
    if not all(map(math.isfinite, value)) or any(one >= other for one, other in itertools.pairwise(value)):
        raise ValueError(f"'{attribute.name}' are numbers, each above the one before it, such as [0.1, 0.3, 1.2, 5]")


def _labels(instance: object, attribute: Any, value: dict[str, str]) -> None:
    """ValueError for a label Prometheus would not take, or one that is there already."""
    for label, header in value.items():
        if not _LABEL.fullmatch(label) or label.startswith("__"):
            raise ValueError(f"'{label}' is not a label name; use letters, digits and _")
        if label in _TAKEN:
            raise ValueError(f"the label '{label}' is there already; give it another name")
        if not _HEADER.fullmatch(header):
            raise ValueError(f"'{header}' is not the name of a header")


@frozen
class PrometheusConfig:
    buckets: list[float] = option(
        factory=lambda: [0.1, 0.3, 1.2, 5.0], validator=_ascending, help="Bounds of histograms, in seconds"
    )
    add_entry_points_labels: bool = option(default=True, help="Measure entry points")
    add_routers_labels: bool = option(default=False, help="Measure routers")
    add_services_labels: bool = option(default=True, help="Measure services")
    entry_point: str = option(default="traefik", help="Entry point of /metrics")
    manual_routing: bool = option(default=False, help="No router; bind prometheus@internal yourself")
    header_labels: dict[str, str] = field(factory=dict, validator=_labels)


class Prometheus:
    """Metrics for Prometheus to scrape."""

    name: ClassVar[str] = "prometheus"
    Config: ClassVar[type] = PrometheusConfig
    path: ClassVar[str] = "/metrics"

    def __init__(self, config: PrometheusConfig, context: MetricsContext) -> None:
        self._context = context
        self._processes = Processes()
        self.needs = Needs(
            entry_points=config.add_entry_points_labels,
            routers=config.add_routers_labels,
            services=config.add_services_labels,
            boundaries=tuple(config.buckets),
            header_labels=dict(config.header_labels),
        )

    async def answer(self, request: InternalRequest) -> InternalResponse:
        """Everything, in the format that was asked for."""
        if request.method not in ("GET", "HEAD"):
            return InternalResponse(405, b"", headers={"Allow": "GET, HEAD"})
        is_open = wants_open_metrics(request.headers.get("accept", ""))
        metrics = [*await self._context.read(), *self._processes.metrics()]
        exposition = Exposition(is_open)
        for number, _ in enumerate(exposition.writing(sorted(metrics, key=lambda metric: metric.name))):
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        return InternalResponse(200, exposition.body, OPEN_METRICS if is_open else TEXT)
