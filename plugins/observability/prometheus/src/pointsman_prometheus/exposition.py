"""The text formats of Prometheus and OpenMetrics, written (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from pointsman import Distribution, Metric

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
OPEN_METRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
_MEDIA: Final = "application/openmetrics-text"


class Exposition:
    """Metrics as text. What is written once, names and values of labels, is kept while one answer is made."""

    def __init__(self, is_open: bool = False) -> None:
        self._open = is_open
        self._lines: list[str] = []
        self._escaped: dict[str, str] = {}
        self._bounds: dict[tuple[float, ...], list[str]] = {}

    @property
    def body(self) -> bytes:
        end = ["# EOF\n"] if self._open else []
        return "".join([*self._lines, *end]).encode("utf-8", "replace")

    def writing(self, metrics: Iterable[Metric]) -> Iterator[None]:
        """Write them, one sample after the other."""
        for metric in metrics:
            self._head(metric)
            for sample in metric.samples:
                labels = self._labels(metric.labels, sample.labels)
                if isinstance(sample.value, Distribution):
                    self._histogram(metric.name, labels, sample.value)
                else:
                    self._lines.append(f"{metric.name}{_braced(labels)} {number(sample.value)}\n")
                yield

    def _head(self, metric: Metric) -> None:
        name = metric.name
        if self._open and metric.kind == "counter":
            name = name.removesuffix("_total")
        help = metric.help.replace("\\", "\\\\").replace("\n", "\\n")
        if self._open:
            help = help.replace('"', '\\"')
        self._lines.append(f"# HELP {name} {help}\n# TYPE {name} {metric.kind}\n")

    def _labels(self, names: Sequence[str], values: Sequence[str]) -> str:
        """`a="1",b="2"`. A label without a value is written: Prometheus takes it as absent."""
        escaped = self._escaped
        parts = []
        for name, value in zip(names, values, strict=True):
            written = escaped.get(value)
            if written is None:
                written = escaped[value] = value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
            parts.append(f'{name}="{written}"')
        return ",".join(parts)

    def _histogram(self, name: str, labels: str, found: Distribution) -> None:
        before = f"{labels}," if labels else ""
        bounds = self._bounds.get(found.bounds)
        if bounds is None:
            bounds = self._bounds[found.bounds] = [*map(number, found.bounds), "+Inf"]
        counts = list(accumulate(found.counts))
        lines = self._lines
        for bound, count in zip(bounds, counts, strict=True):
            lines.append(f'{name}_bucket{{{before}le="{bound}"}} {count}\n')
        braced = _braced(labels)
        lines.append(f"{name}_sum{braced} {number(found.sum)}\n{name}_count{braced} {counts[-1]}\n")


def _braced(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


def number(value: float) -> str:
    """As both formats and Go write it: whole numbers without a point."""
    if isinstance(value, int):
        return str(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def wants_open_metrics(accept: str) -> bool:
    """Whether a scraper asks for OpenMetrics, and for nothing else more than for that (RFC 9110 §12.5.1)."""
    qualities = {"": 0.0, _MEDIA: 0.0, "text/plain": 0.0}
    for part in accept.lower().split(","):
        media, *parameters = (each.strip() for each in part.split(";"))
        if media in qualities:
            qualities[media] = max(qualities[media], _quality(parameters))
    return qualities[_MEDIA] > 0 and qualities[_MEDIA] >= qualities["text/plain"]


def _quality(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
