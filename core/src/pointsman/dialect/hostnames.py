"""Names of hosts as certificates have them (operations.md §7.3). Pure."""

import re
from collections.abc import Collection
from typing import Final

MAX_LENGTH: Final = 253
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


def clean(name: str) -> str:
    """In ASCII and lower case, without a dot at the end; it may begin with `*.`; "" for what is no name of a host."""
    found = name.strip().lower().rstrip(".")
    try:
        found = found if found.isascii() else found.encode("idna").decode()
    except UnicodeError:
        return ""
    labels = found.removeprefix("*.").split(".")
    if len(found) > MAX_LENGTH or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        return ""
    return found


def covered(name: str, names: Collection[str]) -> bool:
    """Whether one of these is the name, or a wildcard that stands for its first label."""
    _, dot, rest = name.partition(".")
    return name in names or (dot != "" and f"*.{rest}" in names)
