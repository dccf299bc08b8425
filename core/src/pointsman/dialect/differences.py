"""What has come since the last push: for receivers that want differences, and single values in place of histograms.

Single values of durations are not kept. A histogram's difference is told as one value for each place that has any, with
their number: inside the place, and so that all of them together have the sum that was measured.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from pointsman.measures import Distribution, Metric, Sample

SLICE: Final = 200
Key = tuple[str, tuple[str, ...]]
Weighted = list[tuple[float, int]]
"""Values, ascending, each with how many observations it stands for."""


class Differences:
    """What was told last, of every counter and histogram."""

    def __init__(self) -> None:
        self._told: dict[Key, float | Distribution] = {}

    async def since(self, metrics: Sequence[Metric]) -> list[Metric]:
        """The same metrics with what has come since the last call; what has not changed is left out. Gauges stay.

        A counter that is new is there even if it counts nothing yet.
        """
        told: dict[Key, float | Distribution] = {}
        found = []
        done = 0
        for metric in metrics:
            if metric.kind == "gauge":
                found.append(metric)
                continue
            samples = []
            for labels, value in metric.samples:
                key = (metric.name, labels)
                before = self._told.get(key)
                told[key] = value
                change = _change(before, value)
                if before is None or (change.total if isinstance(change, Distribution) else change):
                    samples.append(Sample(labels, change))
                done += 1
                if not done % SLICE:
                    await asyncio.sleep(0)
            if samples:
                found.append(metric._replace(samples=samples))
        self._told = told
        return found


def _change(before: float | Distribution | None, now: float | Distribution) -> float | Distribution:
    """What has come; all of it if what was told is gone and this has begun anew."""
    if isinstance(now, Distribution):
        if not isinstance(before, Distribution) or before.bounds != now.bounds or before.total > now.total:
            return now
        counts = tuple(one - other for one, other in zip(now.counts, before.counts, strict=True))
        return Distribution(now.bounds, counts, now.sum - before.sum)
    return now - before if isinstance(before, int | float) and before <= now else now


def spread(found: Distribution) -> Weighted:
    """One value for each place that has any."""
    places = [
        (found.bounds[at - 1] if at else 0.0, found.bounds[at] if at < len(found.bounds) else None, count)
        for at, count in enumerate(found.counts)
        if count
    ]
    lowest = sum(low * count for low, _, count in places)
    middles = [low if high is None else (low + high) / 2 for low, high, _ in places]
    middle = sum(value * count for value, (_, _, count) in zip(middles, places, strict=True))
    rest = found.sum - middle
    if rest <= 0:
        share = _share(-rest, middle - lowest)
        return [(value - share * (value - low), count) for value, (low, _, count) in zip(middles, places, strict=True)]
    if places[-1][1] is None:  # without an upper bound: what is left is there
        low, _, count = places[-1]
        return [*((value, each[2]) for value, each in zip(middles[:-1], places, strict=False)), (low + rest / count, count)]
    share = _share(rest, middle - lowest)  # middles are as far from one bound as from the other
    return [(value + share * (value - low), count) for value, (low, _, count) in zip(middles, places, strict=True)]


def _share(part: float, whole: float) -> float:
    return min(1.0, part / whole) if whole > 0 else 0.0


def quantile(values: Weighted, share: float) -> float:
    """The value that `share` of the observations do not exceed."""
    rank = share * sum(count for _, count in values)
    for value, count in values:
        rank -= count
        if rank <= 0:
            return value
    return values[-1][0]
