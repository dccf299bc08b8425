"""Which signals follow a router's exchanges on an entry point (operations.md §5.5), put together as observers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pointsman.config.http_model import RouterObservability
from pointsman.config.static import Static
from pointsman.observe.observer import Observer, Signal, Watch, Watched

INTERNAL = "@internal"
DETAILED = "detailed"
TRACING = "tracing"


class Observing:
    """The observers of one compilation."""

    def __init__(self, static: Static, signals: Sequence[Signal], clock: Callable[[], float]) -> None:
        self._defaults = {name: point.observability for name, point in static.entry_points.items()}
        self._signals = signals
        self._clock = clock

    def of_router(
        self, points: Sequence[str], router: str, service: str, rule: str, own: RouterObservability | None
    ) -> Mapping[str, Observer] | None:
        """Who follows what a router answers on each of these entry points; None if nobody does."""
        if not self._signals:
            return None
        observers = {}
        for point in points:
            watched = Watched(point, router, service, rule, self._is_verbose(point, own))
            observer = self._observer(watched, own)
            if observer is not None:
                observers[point] = observer
        return observers or None

    def is_detailed(self, points: Sequence[str], own: RouterObservability | None = None) -> bool:
        """Whether a router may be traced step by step on one of these entry points, or on any if none is named."""
        return any(signal.key == TRACING for signal in self._signals) and any(
            self._is_verbose(point, own) for point in points or self._defaults
        )

    def of_the_rest(self) -> Mapping[str, Observer]:
        """Who follows what no router answers, by entry point."""
        found = (
            {point: self._observer(Watched(point, verbose=self._is_verbose(point, None)), None) for point in self._defaults}
            if self._signals
            else {}
        )
        return {point: observer for point, observer in found.items() if observer is not None}

    def _observer(self, watched: Watched, own: RouterObservability | None) -> Observer | None:
        watches = [watch for signal in self._signals if (watch := self._watch(signal, watched, own)) is not None]
        return Observer(watches, self._clock) if watches else None

    def _watch(self, signal: Signal, watched: Watched, own: RouterObservability | None) -> Watch | None:
        if watched.service.endswith(INTERNAL) and not signal.add_internals:
            return None
        chosen: Any = getattr(own, signal.key, None)
        if chosen is None:
            chosen = getattr(self._defaults[watched.entry_point], signal.key)
        return signal.watch(watched) if chosen else None

    def _is_verbose(self, point: str, own: RouterObservability | None) -> bool:
        chosen = own.trace_verbosity if own is not None else ""
        return (chosen or self._defaults[point].trace_verbosity) == DETAILED
