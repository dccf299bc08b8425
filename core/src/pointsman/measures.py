"""What is measured, as exporters get it. A metric is a name with samples; a sample is a number or a distribution."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from attrs import field, frozen

Kind = Literal["counter", "gauge", "histogram"]


class Distribution(NamedTuple):
    """How many observations were not above each bound (and above the one before it), and at last above all."""

    bounds: tuple[float, ...]
    """Ascending; `counts` has one number more."""
    counts: tuple[int, ...]
    sum: float
    """Of all observed values; `total` is their number."""

    @property
    def total(self) -> int:
        return sum(self.counts)

    def at(self, bounds: tuple[float, ...]) -> "Distribution":
        """The same observations in wider places. Each of `bounds` has to be a bound already, else it is counted higher."""
        if bounds == self.bounds:
            return self
        counts = [0] * (len(bounds) + 1)
        for bound, count in zip(self.bounds, self.counts, strict=False):
            counts[bisect_left(bounds, bound)] += count
        counts[-1] += self.counts[-1]
        return Distribution(bounds, tuple(counts), self.sum)


class Sample(NamedTuple):
    labels: tuple[str, ...]
    """Values, in the order of the metric's `labels`."""
    value: float | Distribution


class Metric(NamedTuple):
    """Everything of one name, since the start of the gateway. Names are those of operations.md §4.1, and `pointsman_...`.

    Durations are in seconds. Names of labels are sorted.
    """

    name: str
    help: str
    kind: Kind
    labels: tuple[str, ...]
    samples: Sequence[Sample]


@frozen
class Needs:
    """What an exporter wants to be measured; what nobody wants is not."""

    entry_points: bool = True
    """`traefik_entrypoint_...`"""
    routers: bool = False
    """`traefik_router_...`"""
    services: bool = True
    """`traefik_service_...`"""
    servers: bool = False
    """`pointsman_server_...`: requests, errors and durations by URL."""
    semantic: bool = False
    """`http.server.request.duration` and `http.client.request.duration`, OpenTelemetry's (operations.md §4.3)."""
    boundaries: tuple[float, ...] = ()
    """Bounds of histograms, ascending, in seconds."""
    header_labels: Mapping[str, str] = field(factory=dict)
    """Label -> request header, on the `requests_total` of the three families (operations.md §4.2)."""
