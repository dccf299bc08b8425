"""Totals of the counters and gauges that workers have beside requests: sums over workers, by name and labels."""

from collections.abc import Callable
from typing import Final

from pointsman.measures import Kind, Sample

GONE_SECONDS: Final = 600.0
"""How long what has left the configuration waits to be read once more."""


class Family:
    """One name that plugins or the gateway itself count under."""

    def __init__(self, kind: Kind, help: str, labels: tuple[str, ...]) -> None:
        if kind not in ("counter", "gauge"):
            raise ValueError(f"{kind} is no kind of number")
        self.kind = kind
        self.help = help
        self.labels = labels
        self.values: dict[tuple[str, ...], float] = {}
        self.by_worker: dict[int, dict[tuple[str, ...], float]] = {}
        """Of a gauge."""
        self.gone: dict[tuple[str, ...], tuple[float, set[int]]] = {}

    def take(self, worker: int, labels: tuple[str, ...], value: float | None) -> None:
        if self.kind == "counter":
            self.values[labels] = self.values.get(labels, 0.0) + float(value or 0.0)
            return
        gauges = self.by_worker.setdefault(worker, {})
        if value is None:
            gauges.pop(labels, None)
        else:
            gauges[labels] = float(value)
        self._sum(labels)

    def _sum(self, labels: tuple[str, ...]) -> None:
        found = [gauges[labels] for gauges in self.by_worker.values() if labels in gauges]
        if found:
            self.values[labels] = sum(found)
        else:
            self.values.pop(labels, None)

    def lose(self, worker: int) -> None:
        for labels in self.by_worker.pop(worker, {}):
            self._sum(labels)

    def judge(self, is_there: Callable[[str, str], bool], now: float) -> None:
        """See which values belong to something that is configured."""
        for labels in list(self.values):
            if all(map(is_there, self.labels, labels)):
                self.gone.pop(labels, None)
            elif labels not in self.gone:
                self.gone[labels] = (now, set())
            elif now - self.gone[labels][0] > GONE_SECONDS:
                self._drop(labels)

    def samples(self, reader: int, readers: int) -> list[Sample]:
        found = []
        for labels, value in list(self.values.items()):
            gone = self.gone.get(labels)
            if gone is not None:
                if reader in gone[1]:
                    continue
                gone[1].add(reader)
                if len(gone[1]) >= readers:
                    self._drop(labels)
            found.append(Sample(labels, value))
        return found

    def _drop(self, labels: tuple[str, ...]) -> None:
        self.gone.pop(labels, None)
        self.values.pop(labels, None)
        for gauges in self.by_worker.values():
            gauges.pop(labels, None)
