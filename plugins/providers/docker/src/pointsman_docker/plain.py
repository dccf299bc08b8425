"""Looking into what an engine answers, which may be anything. Pure."""

import ipaddress
import re
from typing import Final

_SEPARATORS: Final = re.compile(r"[\W_]+")


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
