"""Ranges of status codes: `"404"` or `"500-599"`, both ends included (middlewares.md §2.3)."""

from collections.abc import Iterable
from typing import Final

LOWEST: Final = 100
HIGHEST: Final = 999


def statuses(ranges: Iterable[str]) -> frozenset[int]:
    """All codes that are meant. ValueError for what is no range of codes from 100 to 999, or one that is upside down."""
    return frozenset(code for text in ranges for code in status_range(text))


def status_range(text: str) -> range:
    """The codes of one range. ValueError as for `statuses`."""
    first, dash, last = text.strip().partition("-")
    if not dash:
        last = first
    if not (_is_code(first) and _is_code(last)):
        raise ValueError(f"'{text}' is no status code or range of them; write 404 or 500-599, one per list item")
    if int(first) > int(last):
        raise ValueError(f"the range '{text}' ends before it begins; write {last}-{first}")
    return range(int(first), int(last) + 1)


def _is_code(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) == 3 and text >= str(LOWEST)
