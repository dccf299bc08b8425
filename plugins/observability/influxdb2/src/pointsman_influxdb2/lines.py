"""Metrics as line protocol (https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pointsman import Distribution, Metric
from pointsman.dialect.differences import quantile, spread
from pointsman.dialect.metric_names import dotted

_SPECIAL: Final = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ ", "\n": "\\ ", "\r": "\\ "})
_QUANTILES: Final = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))


def lines(metrics: Iterable[Metric], labels: Mapping[str, str], time_ns: int) -> Iterator[str]:
    """Differences of metrics as lines, each with its end; `labels` are tags of all of them."""
    common = {escaped(name): escaped(value) for name, value in labels.items() if value}
    for metric in metrics:
        name = f"traefik.{dotted(metric.name)}" if metric.name.startswith("traefik_") else dotted(metric.name)
        for values, value in metric.samples:
            fields = _fields(metric.kind, value)
            if fields:
                own = zip(metric.labels, map(escaped, values), strict=True)
                tags = {**common, **{label: text for label, text in own if text}}
                written = "".join(f",{label}={tags[label]}" for label in sorted(tags))
                yield f"{name}{written} {fields} {time_ns}\n"


def _fields(kind: str, value: float | Distribution) -> str:
    if not isinstance(value, Distribution):
        return f"{'count' if kind == 'counter' else 'value'}={number(value)}"
    if not value.total:
        return ""
    values = spread(value)
    return ",".join(f"{name}={number(quantile(values, share))}" for name, share in _QUANTILES)


def number(value: float) -> str:
    """A float field, as short as it can be."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        return str(int(value))
    return repr(value)


def escaped(text: str) -> str:
    """A tag's name or value. There is no way to write a line end, or a backslash at the end."""
    kept = text.rstrip("\\")
    return kept.translate(_SPECIAL) + "/" * (len(text) - len(kept))
