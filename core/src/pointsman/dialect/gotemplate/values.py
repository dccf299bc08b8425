"""Values of templates: plain Python, and for what Go keeps apart a subclass that remembers it.

| Go | here |
|---|---|
| nil, a map's missing key | None |
| bool, int, float64 | bool, int, float |
| string | str; a byte that is no UTF-8 is a lone surrogate, as `surrogateescape` writes it |
| int64, uint8, time.Duration | Int64, Byte, Span, all of them int |
| []interface{}, []string, []int | list, Strings, Ints |
| map[string]interface{}, map[string]string | dict, StringMap |
| a struct | Record |
| time.Time | Moment |
"""

import math
from collections.abc import Hashable, Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen


class Int64(int):
    """What arithmetic gives."""


class Byte(int):
    """One byte of a string."""


class Span(Int64):
    """Nanoseconds between two times."""


class Strings(list[str]):
    """A list that holds strings only."""


class Ints(list[int]):
    """A list that holds ints only."""


class StringMap(dict[str, str]):
    """A map from strings to strings, such as labels: indexing what it does not hold gives an empty string."""


@frozen
class Record:
    """A struct: fields by name, and an error for any other."""

    type: str
    fields: Mapping[str, Any]
    text: str | None = None
    """What it prints as, if it says so itself."""


@frozen
class Moment:
    """A time and its nanoseconds, 0 to 999 within the microsecond."""

    time: datetime
    nanoseconds: int = field(default=0)


_TYPES: tuple[tuple[type, str, str], ...] = (
    (bool, "bool", "bool"),
    (Span, "time.Duration", "int64"),
    (Int64, "int64", "int64"),
    (Byte, "uint8", "uint8"),
    (int, "int", "int"),
    (float, "float64", "float64"),
    (str, "string", "string"),
    (Strings, "[]string", "slice"),
    (Ints, "[]int", "slice"),
    (list, "[]interface {}", "slice"),
    (StringMap, "map[string]string", "map"),
    (dict, "map[string]interface {}", "map"),
    (Moment, "time.Time", "struct"),
)


def type_name(value: Any) -> str:
    """As Go's `%T` writes it."""
    if isinstance(value, Record):
        return value.type
    return next((name for kind, name, _ in _TYPES if isinstance(value, kind)), "<nil>")


def kind_name(value: Any) -> str:
    if isinstance(value, Record):
        return "struct"
    return next((name for kind, _, name in _TYPES if isinstance(value, kind)), "invalid")


def truth(value: Any) -> bool:
    """False, 0, nil, and what is empty are false; NaN and structs are true."""
    return True if isinstance(value, (Record, Moment)) else bool(value)


def identity(value: Any) -> Hashable:
    """A key that is equal for values that Go's reflect.DeepEqual calls equal."""
    if isinstance(value, list):
        return type_name(value), tuple(map(identity, value))
    if isinstance(value, dict):
        return type_name(value), frozenset((key, identity(each)) for key, each in value.items())
    if isinstance(value, Record):
        return value.type, frozenset((key, identity(each)) for key, each in value.fields.items())
    if isinstance(value, float) and math.isnan(value):
        return object()
    return type_name(value), value


def as_bytes(text: str) -> bytes:
    """The bytes of a string, those that are no UTF-8 included."""
    return text.encode("utf-8", "surrogateescape")


def as_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def whole(text: str) -> str:
    """The same bytes with characters put together whose halves met."""
    return text if text.isascii() else as_text(as_bytes(text))
