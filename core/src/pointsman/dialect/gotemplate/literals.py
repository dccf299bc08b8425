"""Go's constants: quoted strings, characters and numbers, as strconv reads them. ValueError for what is none."""

import math
import re
from typing import Final

from pointsman.dialect.gotemplate.values import as_text

MAX_DIGITS: Final = 400
"""A longer whole number does not fit into 64 bits, whatever its digits; nobody writes so many zeros before it."""
_SIMPLE: Final = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}
_ESCAPE = re.compile(r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|)")
_INTEGER = re.compile(
    r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)", re.ASCII
)
_REAL = re.compile(r"[+-]?(?:[0-9](?:_?[0-9])*\.?(?:[0-9](?:_?[0-9])*)?|\.[0-9](?:_?[0-9])*)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_HEX_REAL = re.compile(
    r"[+-]?0[xX]_?(?=[.0-9a-fA-F])(?:[0-9a-fA-F](?:_?[0-9a-fA-F])*)?\.?[0-9a-fA-F]*[pP][+-]?[0-9]+", re.ASCII
)


def unquoted(text: str) -> str:
    """A string in its quotes or backticks."""
    if text[0] == "`":
        return text[1:-1].replace("\r", "")
    return as_text(_unescaped(text[1:-1], "'"))


def character(text: str) -> int:
    """The number of a character in its quotes."""
    inner = text[1:-1]
    if match := re.fullmatch(r"\\(?:x([0-9a-fA-F]{2})|([0-7]{3}))", inner):
        number = int(match[1], 16) if match[1] else int(match[2], 8)
        if number < 256:
            return number
    found = as_text(_unescaped(inner, '"'))
    if len(found) != 1 or inner == "'":
        raise ValueError(f"{text} is not one character")
    return ord(found)


def _unescaped(text: str, stranger: str) -> bytes:
    """The bytes of a text with Go's escapes, of which `stranger` is none."""
    parts: list[bytes] = []
    place = 0
    for match in _ESCAPE.finditer(text):
        parts.append(text[place : match.start()].encode("utf-8", "surrogateescape"))
        simple, byte, octal, short, long = match.groups()
        number = int(octal or byte or short or long or "0", 8 if octal else 16)
        if simple and simple != stranger:
            parts.append(bytes([_SIMPLE.get(simple, ord(simple))]))
        elif byte or (octal and number < 256):
            parts.append(bytes([number]))
        elif (short or long) and number < 0x110000 and not 0xD800 <= number < 0xE000:
            parts.append(chr(number).encode())
        else:
            raise ValueError(
                f"{text[match.start() : match.start() + 4]!r} is not an escape that Go knows; write '\\\\' for a backslash"
            )
        place = match.end()
    parts.append(text[place:].encode("utf-8", "surrogateescape"))
    return b"".join(parts)


def integer(text: str) -> int | None:
    """A whole number in any of Go's notations; None if it is none."""
    if not _INTEGER.fullmatch(text):
        return None
    if len(text) > MAX_DIGITS:
        return 2**64
    digits = text.lstrip("+-")
    legacy = len(digits) > 1 and digits[0] == "0" and digits[1] in "01234567_"
    found = int(digits, 8) if legacy else int(digits, 0)
    return -found if text[0] == "-" else found


def real(text: str) -> float | None:
    """A number with a fraction or an exponent; None if it is none, or too large."""
    if _HEX_REAL.fullmatch(text):
        try:
            return float.fromhex(text.replace("_", ""))
        except OverflowError:
            return None
    if not _REAL.fullmatch(text):
        return None
    found = float(text)
    return None if math.isinf(found) else found
