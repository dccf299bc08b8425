"""What has happened lately, step by step, of as many as there is room for: rates, shares and latencies of the last minutes.

Theory of operation. A *series* is somebody that requests are counted for. Each step adds what came since the step before; of
three windows running sums are kept, from which a step is taken when it leaves. So telling costs the same however long the
windows are. A series that had nothing for the longest window makes room for others; those that find no room are counted.
No I/O.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import define

STEP_SECONDS: Final = 5.0
STEPS: Final = 180
WINDOWS: Final[Mapping[str, int]] = {"1m": 12, "5m": 60, "15m": STEPS}
"""Windows by name, in steps; the longest is all there is."""
SLICE: Final = 64
MAX_SERIES: Final = 500
"""Of each kind. A busy one takes some 40 KiB."""
REQUESTS, ERRORS, CLIENT_ERRORS, BYTES_IN, BYTES_OUT, PLACES = range(6)
"""Places in a step; from the last on stand counts by latency, one for each bound and one for above all."""

Step = Sequence[int]


@define(eq=False)
class Series:
    """The last steps of one, as a ring, and the sums of the windows."""

    ring: list[array[int] | None]
    sums: dict[str, array[int]]

    @classmethod
    def begin(cls, width: int) -> Series:
        return cls([None] * STEPS, {window: array("Q", bytes(8 * width)) for window in WINDOWS})

    def push(self, at: int, came: array[int] | None) -> None:
        """Step number `at`; None is a step of nothing."""
        for window, length in WINDOWS.items():
            left = self.ring[(at - length) % STEPS]
            if came is not None or left is not None:
                self.sums[window] = _moved(self.sums[window], came, left)
        self.ring[at % STEPS] = came

    @property
    def is_idle(self) -> bool:
        return not self.sums["15m"][REQUESTS]


def _moved(sums: array[int], came: array[int] | None, left: array[int] | None) -> array[int]:
    values = list(sums)
    for part, sign in ((came, 1), (left, -1)):
        if part is not None:
            values = [value + sign * each for value, each in zip(values, part, strict=True)]
    return array("Q", values)


class History:
    """The series of one kind. Each step: `begin`, `note` of whoever counted something new, `end`."""

    def __init__(self, bounds: Sequence[float], most: int = MAX_SERIES) -> None:
        self.crowded_out = 0
        """Those that found no room in the last step."""
        self._bounds = tuple(bounds)
        self._width = PLACES + len(self._bounds) + 1
        self._most = most
        self._series: dict[tuple[str, ...], Series] = {}
        self._totals: dict[tuple[str, ...], array[int]] = {}
        """All that was counted as of the last step, also of those that have no series."""
        self._noted: set[tuple[str, ...]] = set()
        self._at = 0

    def __len__(self) -> int:
        return len(self._series)

    def counted(self, name: tuple[str, ...]) -> int:
        """How many requests were known at the last step."""
        total = self._totals.get(name)
        return total[REQUESTS] if total is not None else 0

    def begin(self) -> None:
        self._at += 1
        self.crowded_out = 0
        self._noted.clear()

    def note(self, name: tuple[str, ...], total: Step) -> None:
        """What has been counted so far of somebody. Fewer requests than before mean that it is counted anew."""
        before = self._totals.get(name)
        self._totals[name] = array("Q", total)
        if before is None or total[REQUESTS] < before[REQUESTS]:
            before = array("Q", bytes(8 * self._width))
        series = self._series.get(name)
        if series is None:
            if len(self._series) >= self._most:
                self.crowded_out += 1
                return
            series = self._series[name] = Series.begin(self._width)
        series.push(self._at, array("Q", [max(0, now - then) for now, then in zip(total, before, strict=True)]))
        self._noted.add(name)

    def end(self, there: Container[tuple[str, ...]]) -> Iterator[None]:
        """A step of nothing for all others; who has had nothing for long goes. `there` are those that can be noted."""
        for number, (name, series) in enumerate(list(self._series.items())):
            if name not in self._noted:
                series.push(self._at, None)
                if series.is_idle:
                    del self._series[name]
            if not number % SLICE:
                yield
        for number, name in enumerate(list(self._totals)):
            if name not in there:
                del self._totals[name]
            if not number % (16 * SLICE):
                yield

    def busiest(self, limit: int, wanted: Callable[[tuple[str, ...]], bool]) -> list[tuple[str, ...]]:
        """Names, by the requests of the last minute."""
        names = [name for name in self._series if wanted(name)]
        return sorted(names, key=lambda name: (-self._series[name].sums["1m"][REQUESTS], name))[:limit]

    def told(self, name: tuple[str, ...], steps: int) -> dict[str, Any]:
        """Rates of each window, and the last steps, the latest last."""
        series, known = self._series[name], min(self._at, STEPS)
        rates = {window: self._rates(series.sums[window], min(length, known)) for window, length in WINDOWS.items()}
        if steps:
            last = [series.ring[at % STEPS] for at in range(self._at - min(steps, known) + 1, self._at + 1)]
            rates["history"] = {
                "requests": [part[REQUESTS] if part is not None else 0 for part in last],
                "errors": [part[ERRORS] if part is not None else 0 for part in last],
                "p90": [quantile(self._bounds, part[PLACES:], 0.9) if part is not None else 0.0 for part in last],
            }
        return rates

    def _rates(self, sums: array[int], steps: int) -> dict[str, Any]:
        seconds, requests = max(1, steps) * STEP_SECONDS, sums[REQUESTS]
        places = sums[PLACES:]
        return {
            "requestsPerSecond": round(requests / seconds, 3),
            "errorRate": round(sums[ERRORS] / requests, 5) if requests else 0.0,
            "clientErrorRate": round(sums[CLIENT_ERRORS] / requests, 5) if requests else 0.0,
            "latency": {name: quantile(self._bounds, places, share) for name, share in QUANTILES.items()},
            "bytesInPerSecond": round(sums[BYTES_IN] / seconds, 1),
            "bytesOutPerSecond": round(sums[BYTES_OUT] / seconds, 1),
        }


QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def quantile(bounds: Sequence[float], places: Sequence[int], share: float) -> float:
    """The latency in seconds that this share did not exceed, read between two bounds; the highest bound for above all."""
    wanted = sum(places) * share
    if not wanted:
        return 0.0
    before = 0.0
    for number, count in enumerate(places[: len(bounds)]):
        if before + count >= wanted:
            low = bounds[number - 1] if number else 0.0
            return round(low + (bounds[number] - low) * (wanted - before) / count, 6)
        before += count
    return bounds[-1] if bounds else 0.0
