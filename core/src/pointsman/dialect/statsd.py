"""StatsD's lines, with Datadog's tags where there are labels (operations.md §4.4).

A value that stands for several observations is sent once, with the sample rate that makes receivers count it so often.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from operator import add
from typing import Final, Literal

from pointsman.dialect.differences import SLICE, spread
from pointsman.dialect.metric_names import singular
from pointsman.measures import Distribution, Metric, Sample

_SPECIAL: Final = frozenset(":|@#\r\n\t ,")
_CLEAN: Final = str.maketrans(dict.fromkeys("|,\r\n", "_"))
_LEAST: Final = frozenset(("traefik_service_server_up", "traefik_tls_certs_not_after"))
"""Of these the least is told where there are no tags: whether all servers are up, which certificate runs out first."""


def usable_prefix(prefix: str) -> None:
    """ValueError for what would end the name of a metric."""
    if _SPECIAL.intersection(prefix) or not prefix.isprintable():
        raise ValueError(f"the prefix {prefix!a} has characters that no name of a metric has; use letters, digits, . and _")


class Lines:
    """Metrics, as differences, written line by line."""

    def __init__(self, prefix: str, duration: Literal["ms", "h"]) -> None:
        """`duration` is the type of durations: `ms`, in milliseconds, or `h`, in seconds."""
        self._prefix = f"{prefix}." if prefix else ""
        self._duration = duration
        self._scale = 1000.0 if duration == "ms" else 1.0

    def of(self, metrics: Iterable[Metric]) -> Iterator[bytes]:
        """Each with its line end."""
        write: Mapping[str, Callable[[str, float | Distribution, str], Iterator[str]]] = {
            "counter": self._counter, "gauge": self._gauge, "histogram": self._durations,
        }  # fmt: skip
        for metric in metrics:
            name = self._prefix + singular(metric.name)
            for labels, value in metric.samples:
                for line in write[metric.kind](name, value, _tagged(metric.labels, labels)):
                    yield line.encode("utf-8", "replace")

    def _counter(self, name: str, value: float | Distribution, tags: str) -> Iterator[str]:
        yield f"{name}:{value:.6f}|c{tags}\n"

    def _gauge(self, name: str, value: float | Distribution, tags: str) -> Iterator[str]:
        assert not isinstance(value, Distribution)
        if value < 0 and not tags:  # to StatsD a sign says by how much it changes
            yield f"{name}:0.000000|g\n{name}:{value:.6f}|g\n"
        else:
            yield f"{name}:{value:.6f}|g{tags}\n"

    def _durations(self, name: str, value: float | Distribution, tags: str) -> Iterator[str]:
        assert isinstance(value, Distribution)
        for seconds, count in spread(value) if value.total else ():
            for rate in rates(count):
                yield f"{name}:{seconds * self._scale:.6f}|{self._duration}{rate}{tags}\n"


@lru_cache(1024)
def rates(count: int) -> tuple[str, ...]:
    """Sample rates that make `count` observations of as many lines; "" stands for one.

    Receivers divide 1 by the rate, and some cut what is behind the point: so only numbers for which that is exact are used.
    """
    found = []
    while count:
        number = count
        while 1 / (1 / number) != number:
            number -= 1
        found.append(f"|@{Decimal(repr(1 / number)):f}" if number > 1 else "")
        count -= number
    return tuple(found)


def _tagged(names: Iterable[str], values: Iterable[str]) -> str:
    pairs = [f"{name}:{value.translate(_CLEAN)}" for name, value in zip(names, values, strict=True) if value]
    return f"|#{','.join(pairs)}" if pairs else ""


async def unlabelled(metrics: Iterable[Metric]) -> list[Metric]:
    """All samples of each metric as one, for receivers that know no labels."""
    found = []
    for metric in metrics:
        total: float | Distribution | None = None
        join = min if metric.name in _LEAST else add
        for number, (_, value) in enumerate(metric.samples, 1):
            if isinstance(total, Distribution) and isinstance(value, Distribution):
                total = Distribution(total.bounds, tuple(map(add, total.counts, value.counts)), total.sum + value.sum)
            else:
                total = value if total is None else join(total, value)
            if not number % SLICE:
                await asyncio.sleep(0)
        if total is not None:
            found.append(metric._replace(labels=(), samples=[Sample((), total)]))
    return found
