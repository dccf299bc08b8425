"""Values as Go's fmt prints them: `%v` and its kin, `print`, `println` and `printf`."""

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from pointsman.dialect.gotemplate.limits import bounded, weight
from pointsman.dialect.gotemplate.moments import moment_text, span_text
from pointsman.dialect.gotemplate.values import Byte, Moment, Record, Span, as_bytes, type_name, whole

MAX_WIDTH: Final = 100_000
SHORT_EXPONENT: Final = 6
_INDEX = r"(\[\d+\])?"
_VERB = re.compile(rf"%([-+# 0]*){_INDEX}(\*|\d+)?(?:(\.){_INDEX}(\*|\d*))?{_INDEX}(.?)", re.DOTALL | re.ASCII)
_ESCAPES: Final = {7: "\\a", 8: "\\b", 12: "\\f", 10: "\\n", 13: "\\r", 9: "\\t", 11: "\\v", 92: "\\\\"}


def shown(value: Any) -> str:
    """What an action prints."""
    return "<no value>" if value is None else plain(value)


def plain(value: Any) -> str:
    """`%v`."""
    return value if isinstance(value, str) else _formatted(value, "v")


def printed(values: Sequence[Any]) -> str:
    """`print`: spaces between neighbours of which neither is a string."""
    parts: list[str] = []
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            parts.append(" ")
        parts.append(plain(value))
    return "".join(parts)


def quoted(text: str, *, ascii_only: bool = False) -> str:
    """`%q` of a string."""
    return '"' + "".join(_quoted_character(character, '"', ascii_only) for character in whole(text)) + '"'


def _quoted_character(character: str, quote: str, ascii_only: bool) -> str:
    number = ord(character)
    if character == quote:
        return "\\" + character
    if number in _ESCAPES:
        return _ESCAPES[number]
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    if character == " " or (character.isprintable() and (number < 128 or not ascii_only)):
        return character
    if number < 128:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def real_text(value: float, verb: str = "g", precision: int = -1) -> str:
    """A float as strconv.FormatFloat writes it; -1 is the shortest that reads back the same."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    lower = verb.lower()
    if precision >= 0:
        text = f"{value:.{precision or 1}g}" if lower == "g" else f"{value:.{precision}{lower}}"
    else:
        sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
        figures = "".join(map(str, digits))
        point = int(exponent) + len(figures)
        if value == 0:
            figures, point = "0", 1
        if lower == "e" or (lower == "g" and not -4 <= point - 1 < SHORT_EXPONENT):
            rest = f".{figures[1:]}" if len(figures) > 1 else ""
            text = f"{figures[0]}{rest}e{point - 1:+03d}"
        elif point <= 0:
            text = f"0.{'0' * -point}{figures}"
        elif point >= len(figures):
            text = figures + "0" * (point - len(figures))
        else:
            text = f"{figures[:point]}.{figures[point:]}"
        text = ("-" if sign else "") + text
    return text.upper() if verb in "EG" else text


def _formatted(value: Any, verb: str, flags: str = "", precision: int = -1) -> str:
    """One value without its width. Lists and maps give the verb to what they hold."""
    if verb == "T":
        return type_name(value)
    if verb == "v" and "#" in flags:
        return _source(value)
    if value is None:
        return "<nil>" if verb == "v" else f"%!{verb}(<nil>)"
    if isinstance(value, (Moment, Span)) and verb in "vsq":
        text = span_text(value) if isinstance(value, Span) else moment_text(value)
        return quoted(text) if verb == "q" else text
    if isinstance(value, list):
        return "[" + " ".join([_formatted(each, verb, flags, precision) for each in value]) + "]"
    if isinstance(value, dict):
        pairs = [
            f"{_formatted(key, verb, flags, precision)}:{_formatted(value[key], verb, flags, precision)}"
            for key in sorted(value, key=as_bytes)
        ]
        return "map[" + " ".join(pairs) + "]"
    if isinstance(value, Record) and value.text is not None and verb in "vs":
        return value.text
    if isinstance(value, Record):
        named = "+" in flags and verb == "v"
        parts = [f"{name}:" * named + _formatted(each, verb, flags, precision) for name, each in value.fields.items()]
        return "{" + " ".join(parts) + "}"
    scalar = _scalar(value, verb, flags.replace("+", "") if verb == "v" else flags, precision)
    return f"%!{verb}({type_name(value)}={plain(value)})" if scalar is None else scalar


def _scalar(value: Any, verb: str, flags: str, precision: int) -> str | None:
    if isinstance(value, bool):
        return str(value).lower() if verb in "tv" else None
    if isinstance(value, int):
        return _whole(value, verb, flags, precision)
    if isinstance(value, float):
        return _real(value, verb, flags, precision)
    return _string(value, verb, flags, precision) if isinstance(value, str) else None


def _whole(value: int, verb: str, flags: str, precision: int) -> str | None:
    if verb in "cq":
        character = chr(value) if 0 <= value < 0x110000 and not 0xD800 <= value < 0xE000 else "\ufffd"
        return character if verb == "c" else f"'{_quoted_character(character, chr(39), '+' in flags)}'"
    if verb == "U":
        return f"U+{value:04X}"
    base = {"d": "d", "v": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}.get(verb)
    if base is None:
        return None
    digits = f"{abs(value):{base}}"
    if precision >= 0:
        digits = "" if precision == 0 and value == 0 else digits.rjust(precision, "0")
    if verb == "O":
        digits = "0o" + digits
    elif "#" in flags:
        digits = {"b": "0b", "o": "0", "x": "0x", "X": "0X"}.get(verb, "") + digits
    return ("-" if value < 0 else "+" if "+" in flags else " " if " " in flags else "") + digits


def _real(value: float, verb: str, flags: str, precision: int) -> str | None:
    if verb not in "veEfFgG":
        return None
    if precision < 0 and verb in "eEfF":
        precision = 6
    text = real_text(value, "g" if verb == "v" else verb.replace("F", "f"), precision)
    if text[0] in "+-":
        return text
    return ("+" if "+" in flags else " " if " " in flags else "") + text


def _string(value: str, verb: str, flags: str, precision: int) -> str | None:
    if verb in "xX":
        data = as_bytes(value)
        text = (data if precision < 0 else data[:precision]).hex(*(" " if " " in flags else ""))
        return text.upper() if verb == "X" else text
    text = whole(value)
    text = text if precision < 0 else text[:precision]
    if verb == "q":
        return f"`{text}`" if "#" in flags and "`" not in text else quoted(text, ascii_only="+" in flags)
    return text if verb in "sv" else None


def _source(value: Any) -> str:
    """`%#v`: as Go's source writes it."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return f"{type_name(value)}{{{', '.join(map(_source, value))}}}"
    if isinstance(value, dict):
        pairs = [f"{_source(key)}:{_source(value[key])}" for key in sorted(value, key=as_bytes)]
        return f"{type_name(value)}{{{', '.join(pairs)}}}"
    if isinstance(value, Record):
        return f"{value.type}{{{', '.join(f'{name}:{_source(each)}' for name, each in value.fields.items())}}}"
    if isinstance(value, Byte):
        return f"0x{value:x}"
    if isinstance(value, (bool, int, float)):
        return plain(int(value)) if isinstance(value, Span) else plain(value)
    return "interface {}(nil)" if value is None else plain(value)


class _Arguments:
    """What `printf` was given, taken one by one, or by numbers that begin at 1: `[2]`."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values
        self.next = 0
        self.jumped = False
        self.lost = False

    def jump(self, index: str | None) -> None:
        if index:
            self.jumped = True
            self.next = int(index[1:-1][:9]) - 1
            self.lost = not self.left

    @property
    def left(self) -> bool:
        return 0 <= self.next < len(self.values)

    def take(self) -> Any:
        self.next += 1
        return self.values[self.next - 1]

    def number(self, text: str) -> int | None:
        """A width or precision; `*` takes an argument. None if that is no number, or too large."""
        value = (self.take() if self.left else None) if text == "*" else int(text[:9] or 0)
        return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_WIDTH else None


def formatted(template: str, values: Sequence[Any]) -> str:
    """`printf`. What does not fit is written into the text, as Go does it."""
    arguments = _Arguments(values)
    parts: list[str] = []
    size = place = 0
    for match in _VERB.finditer(template):
        parts += [template[place : match.start()], _piece(match, arguments)]
        size = bounded(size + len(parts[-1]) + len(parts[-2]))
        place = match.end()
    parts.append(template[place:])
    if arguments.left and not arguments.jumped:
        rest = [f"{type_name(value)}={plain(value)}" if value is not None else "<nil>" for value in values[arguments.next :]]
        parts.append(f"%!(EXTRA {', '.join(rest)})")
    return "".join(parts)


def _piece(match: "re.Match[str]", arguments: _Arguments) -> str:
    flags, width_index, width_text, dot, precision_index, precision_text, index, verb = match.groups()
    before = ""
    arguments.jump(width_index)
    width = arguments.number(width_text) if width_text else 0
    if width is None:
        before, width = "%!(BADWIDTH)", 0
    arguments.jump(precision_index)
    precision = arguments.number(precision_text or "") if dot else -1
    if precision is None or precision < -1:
        before, precision = before + "%!(BADPREC)", -1
    arguments.jump(index)
    if width < 0:
        flags, width = flags + "-", -width
    if not verb:
        return before + "%!(NOVERB)"
    if verb == "%":
        return before + "%"
    if not arguments.left:
        return f"{before}%!{verb}({'BADINDEX' if arguments.lost else 'MISSING'})"
    value = arguments.take()
    if precision > 0 and isinstance(value, (list, dict, Record)):
        bounded(weight(value) * precision)
    text = before + _formatted(value, verb, flags, precision)
    missing = width - len(text)
    if missing <= 0:
        return text
    if "-" in flags:
        return text + " " * missing
    if (
        "0" in flags
        and isinstance(value, (int, float))
        and verb not in "sqT"
        and not (isinstance(value, int) and precision >= 0)
    ):
        sign = 1 if text[0] in "+- " else 0
        return text[:sign] + "0" * missing + text[sign:]
    return " " * missing + text
