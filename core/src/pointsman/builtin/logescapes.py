"""What keeps a text that a client made up inside its place in a line."""

import re
from typing import Any, Final

from pointsman.api import LogField

_QUOTED: Final = re.compile(r'["\\]')


def escaped(text: str) -> str:
    """The text with quotes, backslashes and what cannot be printed escaped, so that nothing ends a line or a quoted item."""
    if text.isprintable():
        return text if '"' not in text and "\\" not in text else _QUOTED.sub(r"\\\g<0>", text)
    return "".join([_escape(character) for character in text])


def _escape(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def reader(field: LogField | None) -> Any:
    """What reads a field as text that is fit for a line; `-` for one that is dropped or that a record does not have."""
    if field is None:
        return lambda record: "-"
    read, needs = field.read, field.needs
    if field.always and not needs and field.kind != "text":
        return read

    def shown(record: Any) -> str:
        value = read(record) if record.has & needs == needs else None
        return "-" if value is None or value == "" else escaped(value) if type(value) is str else str(value)

    return shown
