"""Spans and log records on the way to one exporter: a bounded queue, and a task that takes batches out (operations.md §5.2).

A collector that is away, slow or refuses costs some of them, never requests: what finds no room or cannot be exported is
counted, and told once, and once more when it is over. That is told by the worker which found out first.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from attrs import frozen

from pointsman.api import SharedState
from pointsman.shared import LocalState

T = TypeVar("T")
log = logging.getLogger("pointsman.tracing")
STOP_SECONDS: Final = 5.0
MAX_QUEUE: Final = 65_536


@frozen
class Limits:
    """How spans are gathered."""

    queue: int = 2048
    batch: int = 512
    delay_seconds: float = 5.0
    export_seconds: float = 30.0

    @classmethod
    def of(cls, environ: Mapping[str, str], prefix: str = "OTEL_BSP_", delay_milliseconds: int = 5000) -> "Limits":
        """By `OTEL_BSP_*` or `OTEL_BLRP_*`, as OpenTelemetry has them; no positive number is told and passed over."""
        queue = min(_number(environ, f"{prefix}MAX_QUEUE_SIZE", 2048), MAX_QUEUE)
        return cls(
            queue,
            min(_number(environ, f"{prefix}MAX_EXPORT_BATCH_SIZE", 512), queue),
            _number(environ, f"{prefix}SCHEDULE_DELAY", delay_milliseconds) / 1000,
            _number(environ, f"{prefix}EXPORT_TIMEOUT", 30_000) / 1000,
        )


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    written = environ.get(name, "")
    if written.isascii() and written.isdecimal() and len(written) < 10 and int(written) > 0:
        return int(written)
    if written:
        log.warning("%s must be a positive number; %d is used", name, default)
    return default


class Delivery(Generic[T]):
    """One exporter's queue of `things`. `lost` is called with the number of those that were dropped."""

    def __init__(
        self,
        name: str,
        export: Callable[[Sequence[T]], Any],
        limits: Limits,
        lost: Callable[[int], object] = lambda number: None,
        *,
        section: str = "tracing",
        things: str = "spans",
    ) -> None:
        self.name = f"{section}.{name}"
        self._things = things
        self.dropped = 0
        self._export = export
        self._limits = limits
        self._room = limits.queue
        self._full = limits.batch
        self._lost = lost
        self.shared: SharedState = LocalState(b"")
        """Of all workers: who tells of an outage."""
        self._queue: list[T] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._overflowed = 0
        self._outage = 0
        """How many things it has cost so far; 0: there is none."""
        self._tells = False
        self._crowded = False

    def add(self, thing: T) -> None:
        """Take it, if there is room."""
        queue = self._queue
        if len(queue) >= self._room:
            self._overflowed += 1
            return
        queue.append(thing)
        if len(queue) == self._full:
            self._wake.set()

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Send what is left, if that takes no longer than 5 s."""
        self._stopping = True
        self._wake.set()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait({task}, timeout=STOP_SECONDS)
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        self._keep_quiet()
        left = len(self._queue)
        self._queue.clear()
        if left:
            log.warning("%s: %d %s were not exported before the stop", self.name, left, self._things)
            self._count(left)

    async def _run(self) -> None:
        while not self._stopping:
            is_due = False
            try:
                async with asyncio.timeout(self._limits.delay_seconds):
                    await self._wake.wait()
            except TimeoutError:
                is_due = True
            self._wake.clear()
            await self._drain(is_due)
            self._tell_of_overflow()

    async def _drain(self, is_due: bool) -> None:
        """Export full batches, and before them one that is not, if it is due. A stop leaves nothing."""
        queue = self._queue
        while len(queue) >= self._full or (queue and (is_due or self._stopping)):
            is_due = False
            batch = queue[: self._full]
            del queue[: len(batch)]
            try:
                async with asyncio.timeout(self._limits.export_seconds):
                    await self._export(batch)
            except asyncio.CancelledError:
                self._count(len(batch))
                raise
            except Exception as error:
                self._failed(len(batch), error)
                if self._stopping:
                    return
            else:
                self._went()

    def _failed(self, number: int, error: Exception) -> None:
        if not self._outage:
            self._tells = self.shared.enter(self.name.encode(), 1)
        if not self._outage and self._tells:
            reason = f"it took longer than {self._limits.export_seconds:g} s" if isinstance(error, TimeoutError) else error
            log.warning(
                "%s: %s cannot be exported, and are dropped as long as that lasts: %s", self.name, self._things, reason
            )
        self._outage += number
        self._count(number)

    def _went(self) -> None:
        if self._outage and self._tells:
            log.warning("%s: %s are exported again; %d were dropped", self.name, self._things, self._outage)
        self._outage = 0
        self._keep_quiet()

    def _keep_quiet(self) -> None:
        if self._tells:
            self._tells = False
            self.shared.leave(self.name.encode())

    def _tell_of_overflow(self) -> None:
        number, self._overflowed = self._overflowed, 0
        if number:
            self._count(number)
            if not self._crowded and not self._outage:
                log.warning("%s: there are more %s than can be exported; %d were dropped", self.name, self._things, number)
        self._crowded = number > 0

    def _count(self, number: int) -> None:
        self.dropped += number
        self._lost(number)

    def __repr__(self) -> str:
        return f"<Delivery to {self.name}, {len(self._queue)} waiting, {self.dropped} dropped>"
