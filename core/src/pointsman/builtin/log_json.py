"""The access log as JSON: one object per line, keys sorted (operations.md §3.3)."""

import re
from collections.abc import Callable, Iterable
from json.encoder import encode_basestring as quoted
from typing import Any, ClassVar

from pointsman.api import LogField, LogFields
from pointsman.builtin.log_lines import NoOptions

_UNSEEN = re.compile("[\x80-\x9f\u2028\u2029]")
_CONSTANTS = {"level": "info", "msg": ""}
Read = Callable[[Any], Any]
Line = Callable[[Any], str]


class Json:
    name: ClassVar[str] = "json"
    Config: ClassVar[type] = NoOptions

    def __init__(self, config: Any, context: Any) -> None:
        pass

    def over(self, fields: LogFields) -> Line:
        """A line for records of each sort, that is, for what they have; made when the first of its sort comes."""
        kept = tuple(fields)
        lines: dict[int, Line] = {}

        def line(record: Any) -> str:
            write = lines.get(record.has)
            if write is None:
                write = lines[record.has] = _line([field for field in kept if record.has & field.needs == field.needs])
            return write(record)

        return line


def _line(fields: Iterable[LogField]) -> Line:
    """One template for what every record has; what only some have comes with its own key and comma."""
    pieces: list[tuple[str, str, Read | None, bool]] = [_piece(field) for field in fields]
    pieces += [(name, f',"{name}":"{value}"', None, False) for name, value in _CONSTANTS.items()]
    pieces.sort(key=lambda piece: piece[0])
    template = "".join(text for _, text, _, _ in pieces)
    reads = [(read, quotes) for _, _, read, quotes in pieces if read is not None]

    def line(record: Any) -> str:
        text = template % tuple([quoted(read(record)) if quotes else read(record) for read, quotes in reads])
        return f"{{{_html_safe(text[1:])}}}"

    return line


def _piece(field: LogField) -> tuple[str, str, Read | None, bool]:
    """Its key, its part of the template, how it is read, and whether that is to be quoted."""
    key = f',"{field.name}":'
    if field.kind == "headers":
        return field.name, "%s", _headers(field), False
    if not field.always:
        return field.name, "%s", _optional(field, key), False
    if field.kind == "number":
        return field.name, f"{key}%d", field.read, False
    if field.kind == "word":
        return field.name, f'{key}"%s"', field.read, False
    return field.name, f"{key}%s", field.read, True


def _optional(field: LogField, key: str) -> Read:
    read, is_number = field.read, field.kind == "number"

    def piece(record: Any) -> str:
        value = read(record)
        return "" if value is None else key + (str(value) if is_number else quoted(value))

    return piece


def _headers(field: LogField) -> Read:
    read = field.read
    return lambda record: "".join([f",{quoted(name)}:{quoted(value)}" for name, value in read(record)])


def _html_safe(text: str) -> str:
    """What a browser may take for markup, JavaScript for the end of a line and terminals for control, escaped.

    Keys have none of it.
    """
    if "&" in text:
        text = text.replace("&", "\\u0026")
    if "<" in text:
        text = text.replace("<", "\\u003c")
    if ">" in text:
        text = text.replace(">", "\\u003e")
    return text if text.isascii() else _UNSEEN.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
