"""Looking into what an engine answers, which may be anything. Pure."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Final

_SEPARATORS: Final = re.compile(r"[\W_]+")


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


def objects(value: Any, *keys: str) -> list[Mapping[str, Any]]:
    """The objects in the list below these keys."""
    found = at(value, *keys)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def labels(value: Any, *keys: str) -> dict[str, str]:
    return {key: each for key, each in block(value, *keys).items() if isinstance(each, str)}


def port(value: str) -> int | None:
    """The number in `80` or `80/tcp`; None if there is no port in it."""
    digits = value.partition("/")[0]
    return (
        int(digits) if digits.isascii() and digits.isdigit() and 0 < len(digits) <= 5 and 0 < int(digits) < 65_536 else None
    )


def address(value: str) -> str:
    """The address in `10.0.0.2` or `10.0.0.2/24`; "" if there is none that can be connected to."""
    try:
        found = ipaddress.ip_address(value.partition("/")[0])
    except ValueError:
        return ""
    return "" if found.is_unspecified else str(found)


def normalised(name: str) -> str:
    """Letters and numbers of any alphabet, everything between them one `-` (providers.md §1.7)."""
    return "-".join(part for part in _SEPARATORS.split(name) if part)
