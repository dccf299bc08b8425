"""The gateway's own log: one line per event, for people or as JSON (operations.md §3.1)."""

import json
import logging
import logging.handlers
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_LEVELS = {
    "TRACE": logging.DEBUG,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
    "PANIC": logging.CRITICAL,
    "DISABLED": logging.CRITICAL + 10,
}
_SHORT = {"DEBUG": "DBG", "INFO": "INF", "WARNING": "WRN", "ERROR": "ERR", "CRITICAL": "FTL"}
_COLOURS = {"DEBUG": "35", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "31;1"}
_NAMES = {"WARNING": "warn", "CRITICAL": "fatal"}


class LogSettings(Protocol):
    @property
    def level(self) -> str: ...
    @property
    def format(self) -> str: ...
    @property
    def no_color(self) -> bool: ...
    @property
    def file_path(self) -> str: ...


def _stamp(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))


def _message(record: logging.LogRecord) -> str:
    """The text on one line: control characters cannot forge another."""
    text = record.getMessage()
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)


class Common(logging.Formatter):
    """For people: time, level, text; colour on a terminal."""

    def __init__(self, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        level = _SHORT.get(record.levelname, record.levelname)
        if self._colour:
            level = f"\x1b[{_COLOURS.get(record.levelname, '0')}m{level}\x1b[0m"
        text = f"{_stamp(record)} {level} {_message(record)}"
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n" + self.formatException(record.exc_info)
        return text


class Json(logging.Formatter):
    """For machines: one object per line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "level": _NAMES.get(record.levelname, record.levelname.lower()),
            "time": _stamp(record),
            "area": record.name.removeprefix("pointsman."),
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def setup_logging(settings: LogSettings) -> Callable[[], None]:
    """Send the log where `log` in the static configuration says; the returned function reopens its file (SIGUSR1)."""
    root = logging.getLogger()
    for former in list(root.handlers):
        root.removeHandler(former)
    level = _LEVELS.get(settings.level.upper()) if settings.level else logging.ERROR
    handler: logging.Handler
    reopen: Callable[[], None] = _nothing
    if settings.file_path:
        Path(settings.file_path).parent.mkdir(parents=True, exist_ok=True)
        handler = watched = logging.handlers.WatchedFileHandler(settings.file_path, encoding="utf-8")
        reopen = watched.reopenIfNeeded
    else:
        handler = logging.StreamHandler(sys.stdout)
    colour = not settings.no_color and not settings.file_path and sys.stdout.isatty()
    handler.setFormatter(Json() if settings.format == "json" else Common(colour))
    root.addHandler(handler)
    root.setLevel(logging.ERROR if level is None else level)
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    if level is None:
        logging.getLogger("pointsman").error("log.level: '%s' is not a level; using ERROR", settings.level)
    return reopen


def _nothing() -> None:
    pass
