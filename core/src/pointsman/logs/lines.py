"""How an event is written: a line for people, or an object for machines (operations.md §3.1)."""

import json
import logging
import re
import time
from typing import Any, Final

FIELDS: Final[tuple[str, ...]] = (
    "entryPointName", "metricsProviderName", "middlewareName", "middlewareType", "providerName", "routerName", "rule",
    "serverIndex", "serverURL", "serversTransport", "serviceName", "tlsStoreName", "tracingProviderName", "workerName",
    "request_id", "trace_id", "span_id",
)  # fmt: skip
"""What may be given as `extra`, besides `error`."""

_SHORT = {
    "TRACE": "TRC", "DEBUG": "DBG", "INFO": "INF", "WARNING": "WRN", "ERROR": "ERR", "CRITICAL": "FTL", "PANIC": "PNC",
}  # fmt: skip
_NAMES = {"WARNING": "warn", "CRITICAL": "fatal"}
_COLOURS = {
    "TRACE": "34", "DEBUG": "35", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "31;1", "PANIC": "31;1",
}  # fmt: skip
_BY_AREA = {
    "pointsman.providers.": "providerName",
    "pointsman.plugin.": "middlewareName",
    "pointsman.tracing.": "tracingProviderName",
    "pointsman.metrics.": "metricsProviderName",
}
_PLAIN = re.compile(r'[^\s"=\\]+')
_CONTROL = re.compile("[\x80-\x9f\u2028\u2029]")
"""What terminals obey, and ends of lines, that JSON leaves as it is."""
_PLACE = re.compile(r"(?:http|tcp|udp)\.(routers|middlewares|services|serversTransports)\.([^@\s]+@[A-Za-z0-9-]+)")
_PLACES = {
    "routers": "routerName",
    "middlewares": "middlewareName",
    "services": "serviceName",
    "serversTransports": "serversTransport",
}


def printable(text: str) -> str:
    """The text on one line: control characters cannot forge another, nor speak to a terminal."""
    if text.isprintable():
        return text
    return "".join([character if character.isprintable() else _escape(ord(character)) for character in text])


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def lost(area: str, number: int) -> logging.LogRecord:
    """The event that lines before the next one could not be written."""
    return logging.LogRecord(area, logging.WARNING, "", 0, "%d lines of this log were lost", (number,), None)


def places(path: str) -> dict[str, str]:
    """Whom the path of a Problem names: `http.routers.shop@file.rule` is about a router."""
    found = _PLACE.match(path)
    return {_PLACES[found[1]]: found[2]} if found else {}


def _stamp(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The names that go with an event, `error` first."""
    said = record.__dict__
    found = {name: said[name] for name in ("error", *FIELDS) if name in said and said[name] not in (None, "")}
    for area, name in _BY_AREA.items():
        if name not in found and record.name.startswith(area):
            found[name] = record.name.removeprefix(area)
    return found


def _caller(record: logging.LogRecord) -> str:
    return f"{'/'.join(record.pathname.rsplit('/', 2)[-2:])}:{record.lineno}"


class Common(logging.Formatter):
    """For people: time, level, text and names; colour on a terminal. A name that the text tells is not repeated."""

    def __init__(self, colour: bool, with_caller: bool = False) -> None:
        super().__init__()
        self._colour = colour
        self._with_caller = with_caller

    def format(self, record: logging.LogRecord) -> str:
        level = _SHORT.get(record.levelname, record.levelname)
        if self._colour:
            level = f"\x1b[{_COLOURS.get(record.levelname, '0')}m{level}\x1b[0m"
        text = printable(record.getMessage())
        words = [_stamp(record), level, f"{_caller(record)} >" if self._with_caller else "", text]
        words += [f"{name}={_quoted(str(value))}" for name, value in fields_of(record).items() if str(value) not in text]
        line = " ".join(word for word in words if word)
        if record.exc_info and record.exc_info[1] is not None:
            trace = self.formatException(record.exc_info).split("\n")
            line += "".join(f"\n    {printable(each)}" for each in trace)  # what is indented is no event of its own
        return line


def _quoted(value: str) -> str:
    return (
        value if _PLAIN.fullmatch(value) and value.isprintable() else json.dumps(value, ensure_ascii=not value.isprintable())
    )


class Json(logging.Formatter):
    """For machines: one object per line."""

    def __init__(self, with_caller: bool = False) -> None:
        super().__init__()
        self._with_caller = with_caller

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "level": _NAMES.get(record.levelname, record.levelname.lower()),
            "area": record.name.removeprefix("pointsman."),
        }
        if self._with_caller:
            entry["caller"] = _caller(record)
        entry |= fields_of(record)
        if record.exc_info and record.exc_info[1] is not None:
            entry.setdefault("error", f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}")
            entry["stack"] = self.formatException(record.exc_info)
        entry |= {"time": _stamp(record), "message": record.getMessage()}
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":"), default=str)
        return line if line.isascii() else _CONTROL.sub(_escape_json, line)


def _escape_json(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
