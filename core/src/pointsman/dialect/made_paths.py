"""Paths that middlewares put together: fit for a request, or not (middlewares.md §2.1)."""

import re
from typing import Final

from pointsman.paths import decoded, normalise

BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def canonical(path: bytes) -> bytes:
    """An encoded path that was put together, as it may stand in a request: escaped where it must be, with a leading slash.

    ValueError for a `%` that begins no escape; `is_sane` is another question.
    """
    if bad := BROKEN_ESCAPE.search(path):
        raise ValueError(f'invalid URL escape "{path[bad.start() : bad.start() + 3].decode("ascii", "backslashreplace")}"')
    path = normalise(path)
    return path if path.startswith(b"/") else b"/" + path


def is_sane(path: bytes) -> bool:
    """False if the path has empty or dot segments: it would mean something else to whoever resolves them.

    An escaped slash divides dot segments, but makes no empty ones: `/http:%2F%2Fa.example/` is a path with an address in it.
    """
    if b"//" in path:
        return False
    if 0x25 in path:  # by its number: CPython finds it ten times faster
        path = decoded(path)
    return b"/." not in path or not {b".", b".."} & set(path.split(b"/"))
