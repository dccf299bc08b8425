"""What a breaker knows of the last while, and the functions by which its expression asks (middlewares.md §3.5)."""

from collections.abc import Callable, Mapping
from typing import Final

from pointsman.dialect.expressions import Function, Kind
from pointsman_circuitbreaker.latencies import place, quantile_us
from pointsman_circuitbreaker.window import Window

NETWORK_ERRORS: Final = (502, 504)


class Metrics:
    """Statuses of the last 10 s and, if `timed`, latencies of the last 60 s."""

    __slots__ = ("codes", "latencies")

    def __init__(self, timed: bool) -> None:
        self.codes = Window(10, 1.0)
        self.latencies = Window(6, 10.0) if timed else None

    def record(self, status: int, seconds: float, now: float) -> None:
        self.codes.add(status, now)
        if self.latencies is not None:
            self.latencies.add(place(seconds), now)

    def turn(self, now: float) -> None:
        """Forget what is too old, before somebody asks."""
        self.codes.turn(now)
        if self.latencies is not None:
            self.latencies.turn(now)

    def clear(self) -> None:
        self.codes.clear()
        if self.latencies is not None:
            self.latencies.clear()

    @property
    def requests(self) -> int:
        return sum(self.codes.totals.values())

    def count(self, low: int, high: int) -> int:
        """Answers whose status is at least `low` and less than `high`."""
        return sum(count for status, count in self.codes.totals.items() if low <= status < high)

    def network_error_ratio(self) -> float:
        failed = sum(self.codes.totals.get(status, 0) for status in NETWORK_ERRORS)
        return failed / self.requests if failed else 0.0

    def latency_ms(self, quantile: float) -> int:
        return quantile_us(self.latencies.totals, quantile) // 1000 if self.latencies is not None else 0


def _response_code_ratio(low: int, high: int, among_low: int, among_high: int) -> Callable[[Metrics], float]:
    def ratio(metrics: Metrics) -> float:
        among = metrics.count(among_low, among_high)
        return metrics.count(low, high) / among if among else 0.0

    return ratio


def _latency_at_quantile_ms(quantile: float) -> Callable[[Metrics], int]:
    if quantile > 100:
        raise ValueError(f"there is no quantile {quantile:g}; it goes from 0.0 to 100.0")
    return lambda metrics: metrics.latency_ms(quantile)


LATENCY: Final = "LatencyAtQuantileMS"
FUNCTIONS: Final[Mapping[str, Function[Metrics]]] = {
    "NetworkErrorRatio": Function(Kind.NUMBER, lambda: Metrics.network_error_ratio),
    "ResponseCodeRatio": Function(
        Kind.NUMBER,
        _response_code_ratio,
        tuple((name, Kind.WHOLE) for name in ("from", "to", "dividedByFrom", "dividedByTo")),
    ),
    LATENCY: Function(Kind.NUMBER, _latency_at_quantile_ms, (("quantile", Kind.FRACTION),)),
    "RequestThreshold": Function(Kind.NUMBER, lambda: lambda metrics: metrics.requests),
}
