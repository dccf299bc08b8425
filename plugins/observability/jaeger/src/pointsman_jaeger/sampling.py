"""Which traces Jaeger wants, if nobody has decided that before: const, probabilistic, rateLimiting, or as Jaeger says.

Theory of operation. A Sampler is asked for the id of a trace that begins here. A remote one begins as `probabilistic`, and
follows what the sampling server says about this service; it keeps what was said last while the server is away, or talks
nonsense. Operations are not told apart.
"""

import json
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Protocol

_SPACE: Final = 1 << 63
"""Jaeger looks at the low 63 bits of an id."""


class Sampler(Protocol):
    def __call__(self, trace_id: str, /) -> bool: ...


class Constant:
    """All or none."""

    def __init__(self, param: float) -> None:
        self._decision = param != 0

    def __call__(self, trace_id: str) -> bool:
        return self._decision


class Probabilistic:
    """A share of all traces: the same ones in every process."""

    def __init__(self, share: float) -> None:
        self._below = int(share * _SPACE)

    def __call__(self, trace_id: str) -> bool:
        return int(trace_id[-16:], 16) & (_SPACE - 1) < self._below


class RateLimiting:
    """So many traces per second, in each worker; what was not used is kept for a second."""

    def __init__(self, per_second: float, clock: Callable[[], float] = monotonic) -> None:
        self._rate = per_second
        self._most = max(1.0, per_second) if per_second else 0.0
        self._left = self._most
        self._clock = clock
        self._at = clock()

    def __call__(self, trace_id: str) -> bool:
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


MAKERS: Final[dict[str, Callable[[float], Sampler]]] = {
    "const": Constant,
    "probabilistic": Probabilistic,
    "rateLimiting": RateLimiting,
    "remote": Probabilistic,
}


def said(answer: bytes) -> tuple[str, float]:
    """Type and parameter from a sampling server's answer. ValueError for one that says neither."""
    strategy: Any = json.loads(answer)
    if isinstance(strategy, dict):
        operations = strategy.get("operationSampling")
        if isinstance(operations, dict):
            return "probabilistic", _number(operations, "defaultSamplingProbability", 1.0)
        kind = strategy.get("strategyType", "PROBABILISTIC")
        if kind in ("PROBABILISTIC", 0):
            return "probabilistic", _number(strategy.get("probabilisticSampling"), "samplingRate", 1.0)
        if kind in ("RATE_LIMITING", 1):
            return "rateLimiting", _number(strategy.get("rateLimitingSampling"), "maxTracesPerSecond", 1e6)
    raise ValueError("it names no strategy that is known here")


def _number(block: Any, key: str, most: float) -> float:
    value = block.get(key) if isinstance(block, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(f"{key} is no number from 0 to {most:g}")
    return float(value)
