"""How a single value is written: durations, booleans, numbers, text (routing.md §0, operations.md §1.5).

Every function takes plain data and gives the value or raises ValueError with the demand and what came.
"""

import math
import re
from decimal import Decimal
from typing import Any

from pointsman.values import Duration

TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))
_INT64 = 2**63
_INTEGER = re.compile(r"[-+]?[0-9]{1,30}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_SECOND = _NANOSECONDS["s"]


def shown(raw: Any) -> str:
    """A value as a message shows it, on one short line."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, str):
        text = repr(raw[:60])
        return text if len(raw) <= 60 else f"{text}…"
    if isinstance(raw, int | float):
        return f"{raw:.20g}" if isinstance(raw, float) or abs(raw) < _INT64 else "a huge number"
    return kind_of(raw)


def kind_of(raw: Any) -> str:
    """What sort of value came, without showing it."""
    if isinstance(raw, dict):
        return "a block"
    if isinstance(raw, list | tuple):
        return "a list"
    if isinstance(raw, str):
        return "text"
    return shown(raw) if isinstance(raw, bool) else "a number" if isinstance(raw, int | float) else f"a {type(raw).__name__}"


def to_text(raw: Any) -> str:
    """Text; a number or a boolean is taken as it is written. Never names what came: it may be a secret."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, int):
        if abs(raw) < _INT64:
            return str(raw)
    elif isinstance(raw, float):
        return str(int(raw)) if raw.is_integer() and abs(raw) < 1e15 else repr(raw)
    raise ValueError(f"expected text, got {kind_of(raw)}")


def to_bool(raw: Any) -> bool:
    """The spellings of operations.md §1.2 and no others: `yes` and `on` are not among them."""
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int) and raw in (0, 1):
        return raw == 1
    if isinstance(raw, str):
        if raw in TRUE:
            return True
        if raw in FALSE:
            return False
    raise ValueError(f"expected true or false, got {shown(raw)}")


def to_int(raw: Any) -> int:
    """A decimal integer of 64 bits, or its digits as text; `1.5`, `1k` and booleans are refused."""
    number = None
    if isinstance(raw, int) and not isinstance(raw, bool):
        number = raw
    elif isinstance(raw, str) and _INTEGER.fullmatch(raw):
        number = int(raw)
    if number is None:
        raise ValueError(f"expected a whole number without a unit, got {shown(raw)}")
    if not -_INT64 <= number < _INT64:
        raise ValueError("is beyond the range of a 64-bit number")
    return number


def to_float(raw: Any) -> float:
    """A finite decimal number, or its text."""
    number = None
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        number = float(raw) if isinstance(raw, float) or abs(raw) < _INT64 else None
    elif isinstance(raw, str) and _FLOAT.fullmatch(raw):
        number = float(raw)
    if number is None or not math.isfinite(number):
        raise ValueError(f"expected a number, got {shown(raw)}")
    return number


def to_duration(raw: Any) -> Duration:
    """A bare integer in seconds, or numbers with units: `300ms`, `1h2m3.5s`, `-5s` (routing.md §0)."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        nanoseconds = raw * _SECOND
    elif isinstance(raw, str):
        nanoseconds = _nanoseconds(raw)
    else:
        raise ValueError(f"expected a duration such as 10s or 1h2m3.5s, got {shown(raw)}")
    if not -_INT64 <= nanoseconds < _INT64:
        raise ValueError("is beyond the longest duration, about 292 years")
    return Duration(nanoseconds / _SECOND)


def _nanoseconds(text: str) -> int:
    if _INTEGER.fullmatch(text):
        return int(text) * _SECOND
    sign = -1 if text.startswith("-") else 1
    position = 1 if text[:1] in ("-", "+") else 0
    total = 0
    wrong = ValueError(f"expected a duration such as 10s or 1h2m3.5s, got {shown(text)}")
    if position == len(text) or len(text) > 200:
        raise wrong
    while position < len(text):
        part = _PART.match(text, position)
        if part is None or not (part[1] or part[2]):
            raise wrong
        unit = _NANOSECONDS[part[3]]
        total += int(part[1] or 0) * unit
        if part[2]:
            total += int(part[2]) * unit // 10 ** len(part[2])
        position = part.end()
    return sign * total


def duration_text(seconds: float) -> str:
    """A duration as the dialect prints it: `1m0s`, `300ms`, `1.5s`, `0s`."""
    nanoseconds = int((Decimal(repr(float(seconds))) * _SECOND).to_integral_value())
    sign, nanoseconds = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if nanoseconds < _SECOND:
        for unit in ("ms", "µs", "ns"):
            if nanoseconds >= _NANOSECONDS[unit]:
                return f"{sign}{_decimal(nanoseconds, _NANOSECONDS[unit])}{unit}"
        return "0s"
    minutes, rest = divmod(nanoseconds, _NANOSECONDS["m"])
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(rest, _SECOND)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else sign + text


def _decimal(amount: int, unit: int) -> str:
    whole, rest = divmod(amount, unit)
    if not rest:
        return str(whole)
    digits = str(rest).rjust(len(str(unit)) - 1, "0").rstrip("0")
    return f"{whole}.{digits}"
