"""Single options of raw elements, cheaply: for lists of ten thousand routers, of which a hundred are shown."""

from collections.abc import Mapping
from typing import Any


def option(raw: Any, key: str) -> Any:
    """The value of a key, which may be written in any case; None if there is none."""
    if not isinstance(raw, Mapping):
        return None
    if key in raw:
        return raw[key]
    lower = key.lower()
    return next((value for name, value in raw.items() if isinstance(name, str) and name.lower() == lower), None)


def text(raw: Any, key: str) -> str:
    value = option(raw, key)
    return value if isinstance(value, str) else ""


def names(raw: Any, key: str) -> tuple[str, ...]:
    """A list of names, which may be written with commas."""
    value = option(raw, key)
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(str(part) for part in value) if isinstance(value, list | tuple) else ()


def number(raw: Any, key: str) -> int:
    value = option(raw, key)
    try:
        return int(value) if isinstance(value, int | str) else 0
    except ValueError:
        return 0


def first_key(raw: Any) -> str:
    """The kind of a service or a middleware, lower case: its first key that says something."""
    if not isinstance(raw, Mapping):
        return ""
    key = next((str(name) for name, value in raw.items() if value is not None), "")
    if key.lower() == "plugin":
        return first_key(raw[key]) or "plugin"
    return key.lower()
