"""A line for each request that is over: who asked what, who answered, how long it took (operations.md §3.2 to §3.5).

Everything that can be decided beforehand is: which fields there are, how a line is put together. A request that no filter
wants costs a comparison.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pointsman.api import LogFormat
from pointsman.config.convert import structure
from pointsman.config.observability_model import AccessLog, AccessLogFilters
from pointsman.config.spelling import suggestion
from pointsman.dialect.statuses import statuses
from pointsman.errors import ConfigError, Problem
from pointsman.message import Exchange
from pointsman.observe.accessfields import Fields, odd_fields
from pointsman.observe.accessrecord import AccessRecord
from pointsman.observe.linewriter import LineWriter, open_file
from pointsman.observe.logexport import LogDeliveries, telling
from pointsman.observe.observer import Attempt, Signal, Silent, Watch, Watched
from pointsman.records import LogRecord

DEFAULT_FORMAT: Final = "common"

Line = Callable[[Any], str]
Write = Callable[[str], None]
Emit = Callable[[AccessRecord], None]


class AccessLogSignal:
    """The access log of one worker. What it writes goes to `write`, line by line without their ends, and to exporters."""

    key = "access_logs"

    def __init__(
        self, config: AccessLog, line: Line, write: Write | None, send: Callable[[LogRecord], None] | None = None
    ) -> None:
        self.add_internals = config.add_internals
        fields = Fields(config.fields)
        kind = _WatchOfOrigins if fields.keeps_headers else _AccessWatch
        told = telling(fields) if send is not None else None

        def emit(record: AccessRecord) -> None:
            text = line(record)
            if write is not None:
                write(text)
            if send is not None and told is not None:
                send(told(record, text))

        self._watch = kind(_wanted(config.filters), emit)

    def watch(self, watched: Watched) -> Watch:
        """One for all: what it needs to know of the route stands in the exchange."""
        return self._watch


class _AccessWatch(Silent):
    """`RequestCount` counts what this watch has seen begin."""

    __slots__ = ("_count", "_emit", "_wanted")

    def __init__(self, wanted: Callable[[Exchange], bool] | None, emit: Emit) -> None:
        self._count = 0
        self._wanted = wanted
        self._emit = emit

    def begin(self, exchange: Exchange) -> None:
        self._count = count = self._count + 1
        exchange.noted = (exchange.request.authority, count)  # type: ignore[union-attr]  # it has one by now

    def finish(self, exchange: Exchange) -> None:
        if self._wanted is None or self._wanted(exchange):
            self._emit(AccessRecord(exchange))


class _WatchOfOrigins(_AccessWatch):
    """It keeps the headers that servers send, before middlewares edit them."""

    __slots__ = ()

    def answered(self, attempt: Attempt) -> None:
        response = attempt.response
        if response is not None:
            headers = response.headers
            attempt.said = headers.parsed or headers.raw.copy()


def _wanted(filters: AccessLogFilters | None) -> Callable[[Exchange], bool] | None:
    """What says whether any filter holds; None if there is none."""
    if filters is None:
        return None
    codes, retried, longest = statuses(filters.status_codes), filters.retry_attempts, filters.min_duration
    if not codes and not retried and not longest:
        return None

    def wanted(exchange: Exchange) -> bool:
        return (
            exchange.status in codes
            or (retried and exchange.retries > 0)
            or (longest > 0 and exchange.finished - exchange.started > longest)
        )

    return wanted


class AccessJournal:
    """The access log of one worker with all that it holds open; without one in the configuration it does nothing.

    OSError if its file cannot be opened.
    """

    def __init__(
        self,
        config: AccessLog | None,
        formats: Mapping[str, type[LogFormat]],
        loop: asyncio.AbstractEventLoop,
        deliveries: LogDeliveries,
    ) -> None:
        """What goes to exporters is written besides only if it says `dualOutput` (operations.md §3.6)."""
        self.signals: Sequence[Signal] = ()
        self._writer: LineWriter | None = None
        if config is None:
            return
        if not deliveries or config.dual_output:
            self._writer = LineWriter(config.file_path, loop, config.buffering_size)
        write = self._writer.write if self._writer is not None else None
        send = deliveries.add if deliveries else None
        self.signals = (AccessLogSignal(config, line_of(config, formats), write, send),)

    def reopen(self) -> None:
        """Go on in a new file of the same name (SIGUSR1)."""
        if self._writer is not None:
            self._writer.reopen()

    async def aclose(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            await self._writer.aclose()


def line_of(config: AccessLog, formats: Mapping[str, type[LogFormat]]) -> Line:
    """What writes a record as the configuration says. ConfigError with every problem in it."""
    cls = _format(config, formats)
    options, problems = structure(cls.Config, config.options, "accessLog.options")
    if options is None:
        raise ConfigError(problems)
    try:
        return cls(options, None).over(Fields(config.fields))
    except ConfigError as error:
        raise ConfigError(
            Problem(f"accessLog.options.{each.path}".rstrip("."), each.message) for each in error.problems
        ) from None


def _format(config: AccessLog, formats: Mapping[str, type[LogFormat]]) -> type[LogFormat]:
    by_lower = {name.lower(): cls for name, cls in formats.items()}
    return by_lower.get(config.format.lower()) or formats[DEFAULT_FORMAT]


def check_access_log(config: AccessLog | None, formats: Mapping[str, type[LogFormat]]) -> list[Problem]:
    """What is odd about it, and only warned of. ConfigError for what cannot be done."""
    if config is None:
        return []
    line_of(config, formats)
    problems = odd_fields(config.fields)
    if config.format.lower() not in {name.lower() for name in formats}:
        message = f"unknown format '{config.format}'; {DEFAULT_FORMAT} is used, there are {', '.join(sorted(formats))}"
        problems.append(Problem("accessLog.format", message + suggestion(config.format, formats), warning=True, loud=True))
    return problems


def try_file(path: str) -> None:
    """ConfigError if no worker could write to the file; it is there afterwards."""
    if path:
        try:
            os.close(open_file(path))
        except OSError as error:
            message = f"cannot write to {path}: {error.strerror}; name another file, or let the gateway's user write there"
            raise ConfigError(Problem("accessLog.filePath", message)) from None
