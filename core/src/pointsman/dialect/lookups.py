"""Looking into what a registry answers, which may be anything. Pure; nothing raises."""

from collections.abc import Mapping
from typing import Any


def at(value: Any, *keys: str) -> Any:
    """What is below these keys; None if there is no such thing."""
    for key in keys:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def text(value: Any, *keys: str) -> str:
    """The text below these keys; "" if there is none."""
    found = at(value, *keys)
    return found if isinstance(found, str) else ""


def block(value: Any, *keys: str) -> Mapping[str, Any]:
    """The object below these keys; an empty one if there is none."""
    found = at(value, *keys)
    return found if isinstance(found, Mapping) else {}


def blocks(value: Any, *keys: str) -> list[Mapping[str, Any]]:
    """The objects in the list below these keys; what is none is left out."""
    found = at(value, *keys)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def texts(value: Any, *keys: str) -> dict[str, str]:
    """The texts of the object below these keys, by their names."""
    return {key: each for key, each in block(value, *keys).items() if isinstance(each, str)}
