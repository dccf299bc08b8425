"""The gateway's own log: one line per event, for people or as JSON, to stdout or a file (operations.md §3.1).

Whoever logs says what, where and why in the text, and gives names besides for machines:
`log.warning("server %s is DOWN: %s", url, why, extra={"serviceName": name})`. A traceback
(`exc_info`) is for mistakes of ours or of a plugin; what a user or a peer has done is said in words.
"""

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Protocol

from pointsman.logs.files import LogFile
from pointsman.logs.lines import Common, Json
from pointsman.logs.pipes import PipeLog, is_pipe

TRACE = 5
PANIC = 60
LEVELS = {
    "TRACE": TRACE,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
    "PANIC": PANIC,
    "DISABLED": PANIC + 1,
}
logging.addLevelName(TRACE, "TRACE")
logging.addLevelName(PANIC, "PANIC")
_areas: list[logging.Logger] = []
"""Those that have levels of their own."""


class LogSettings(Protocol):
    @property
    def level(self) -> str: ...
    @property
    def levels(self) -> Mapping[str, str]: ...
    @property
    def format(self) -> str: ...
    @property
    def no_color(self) -> bool: ...
    @property
    def file_path(self) -> str: ...
    @property
    def max_size(self) -> int: ...
    @property
    def max_age(self) -> int: ...
    @property
    def max_backups(self) -> int: ...
    @property
    def compress(self) -> bool: ...


def setup_logging(settings: LogSettings) -> Callable[[], None]:
    """Send the log where `log` in the static configuration says; the returned function reopens its file (SIGUSR1).

    A level that is none is ERROR; whoever checks the configuration says so.

    OSError if the file cannot be opened.
    """
    handler: logging.Handler
    reopen: Callable[[], None] = _nothing
    if settings.file_path:
        handler = file = LogFile(
            settings.file_path,
            max_megabytes=settings.max_size,
            max_days=settings.max_age,
            max_backups=settings.max_backups,
            compress=settings.compress,
        )
        reopen = file.reopen
    else:
        handler = _to_stdout()
    level = LEVELS.get(settings.level.upper()) if settings.level else logging.ERROR
    lowest = min([level or logging.ERROR, *(LEVELS.get(each.upper(), PANIC) for each in settings.levels.values())])
    with_caller = lowest <= logging.DEBUG
    colour = not settings.no_color and not settings.file_path and sys.stdout.isatty()
    handler.setFormatter(Json(with_caller) if settings.format.lower() == "json" else Common(colour, with_caller))
    root = logging.getLogger()
    for former in list(root.handlers):
        root.removeHandler(former)
        former.close()
    root.addHandler(handler)
    logging.raiseExceptions = False  # a log that cannot be written is nobody's reason to print tracebacks
    _set_levels(logging.ERROR if level is None else level, settings.levels)
    return reopen


def _set_levels(level: int, levels: Mapping[str, str]) -> None:
    logging.getLogger().setLevel(level)
    logging.getLogger("asyncio").setLevel(max(level, logging.ERROR))
    for logger in _areas:
        logger.setLevel(logging.NOTSET)
    _areas.clear()
    for area, name in levels.items():
        logger = logging.getLogger(area if area.split(".")[0] == "pointsman" else f"pointsman.{area}")
        logger.setLevel(LEVELS.get(name.upper(), logging.NOTSET))
        _areas.append(logger)


def _to_stdout() -> logging.Handler:
    try:
        descriptor = sys.stdout.fileno()
        piped = is_pipe(descriptor)
    except (OSError, ValueError):  # closed, or none of the system's
        piped = False
    return PipeLog(descriptor) if piped else logging.StreamHandler(sys.stdout)


def _nothing() -> None:
    pass
