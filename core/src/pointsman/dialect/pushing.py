"""Metrics that are pushed: the options that all such exporters have, and when they push (operations.md §4.3, §4.4).

The first push comes soon after the start, the last one at the end. One push is under way at a time: while it takes longer
than an interval, intervals are skipped. What does not arrive is dropped and counted, and the log says so once per outage.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from attrs import frozen

from pointsman.api import MetricsContext
from pointsman.measures import Metric, Needs
from pointsman.values import Duration, option

FIRST_SECONDS: Final = 1.0
LAST_SECONDS: Final = 4.5
"""What a last push may take; the kernel's patience is 5 s."""
HOPELESS_SECONDS: Final = 0.5
"""The same, where the push before it failed."""
SHORTEST_SECONDS: Final = 0.1
BOUNDARIES: Final = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75,
    1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0,
)  # fmt: skip
"""Bounds, in seconds, for who wants single values and gets histograms: each is near to every value below it."""


def _not_too_often(instance: object, attribute: Any, value: float) -> None:
    if value < SHORTEST_SECONDS:
        raise ValueError(f"'{attribute.name}' must be at least {SHORTEST_SECONDS * 1000:g}ms")


@frozen
class PushConfig:
    """What all of them have."""

    add_entry_points_labels: bool = option(default=True, help="Measure entry points")
    add_routers_labels: bool = option(default=False, help="Measure routers")
    add_services_labels: bool = option(default=True, help="Measure services")
    push_interval: Duration = option(default=Duration(10.0), validator=_not_too_often, help="Time between two pushes")

    def needs(self, boundaries: tuple[float, ...] = BOUNDARIES, *, semantic: bool = False) -> Needs:
        """What is to be measured for that."""
        return Needs(
            entry_points=self.add_entry_points_labels,
            routers=self.add_routers_labels,
            services=self.add_services_labels,
            semantic=semantic,
            boundaries=boundaries,
        )


class Pusher:
    """Reads and pushes. `start` it, and `aclose` it for the last push."""

    def __init__(
        self, context: MetricsContext, interval_seconds: float, push: Callable[[Sequence[Metric]], Awaitable[None]]
    ) -> None:
        """`push` raises whatever it likes if the metrics have not arrived; its message is logged."""
        self._context = context
        self._interval = interval_seconds
        self._send = push
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._outage = 0
        """How many samples it has cost so far; 0: there is none."""

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def aclose(self) -> None:
        """Push once more, and stop. Safe without `start`."""
        self._stopping.set()
        task, self._task = self._task, None
        if task is None:
            return
        await asyncio.wait({task}, timeout=HOPELESS_SECONDS if self._outage else LAST_SECONDS)
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self._context.logger.warning("metrics.%s: the last metrics did not arrive in time", self._context.name)

    async def _run(self) -> None:
        now = asyncio.get_running_loop().time
        due = now() + min(FIRST_SECONDS, self._interval)
        last = False
        while not last:
            last = await self._is_over(due - now())
            await self._push()
            late = max(0.0, now() - due)
            due += self._interval * (1 + late // self._interval)

    async def _is_over(self, seconds: float) -> bool:
        """Wait; true if it is to stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def _push(self) -> None:
        samples = 0
        try:
            metrics = await self._context.read()
            samples = sum(len(metric.samples) for metric in metrics)
            if samples:
                await self._send(metrics)
        except asyncio.CancelledError:
            self._context.dropped(samples)
            raise
        except Exception as error:  # nothing that happens to metrics may matter to requests
            self._failed(samples, error)
        else:
            if self._outage:
                message = "metrics.%s: metrics are delivered again; %d samples were dropped"
                self._context.logger.warning(message, self._context.name, self._outage)
                self._outage = 0

    def _failed(self, samples: int, error: Exception) -> None:
        if not self._outage:
            message = "metrics.%s: metrics cannot be delivered, and are dropped as long as that lasts: %s"
            self._context.logger.warning(message, self._context.name, str(error) or repr(error))
        self._outage += max(samples, 1)
        self._context.dropped(samples)

    def __repr__(self) -> str:
        state = "stopped" if self._task is None else f"{self._outage} dropped" if self._outage else "well"
        return f"<Pusher of {self._context.name}, {state}>"
