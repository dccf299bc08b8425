"""Lists of users as they are written, one in a line or one in an item. No message says more of a line than whose it is."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from pointsman import TextFile
from pointsman.errors import ConfigError, Problem

Line = tuple[str, list[str]]
"""Where it stands, and what stands between its colons."""

_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]")


def in_list(items: Sequence[str], key: str, kind: str, parts: int) -> Iterator[Line]:
    """The items of an option. ConfigError for one that has not as many parts."""
    for index, item in enumerate(items):
        yield _split(item, f"{key}[{index}]", kind, parts)


def in_text(text: str, key: str, kind: str, parts: int) -> Iterator[Line]:
    """The lines of a file but for blank ones and comments. ConfigError for one that has not as many parts.

    It tells nothing of the line: whoever names a file may not be allowed to read it, and sees what the API tells.
    """
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if line and not line.startswith("#"):
            yield _split(line, f"{key}, line {number}", kind, parts, told=False)


def in_file(file: TextFile | None, kind: str, parts: int) -> Iterator[Line]:
    """The lines of a `usersFile`, if there is one. ConfigError if it cannot be read, or one of its lines."""
    if file is None or not file.path:
        return
    try:
        text = file.read()
    except ValueError as error:
        raise ConfigError(Problem("usersFile", str(error))) from None
    yield from in_text(text, "usersFile", kind, parts)


def _split(text: str, place: str, kind: str, count: int, *, told: bool = True) -> Line:
    parts = text.split(":")
    if len(parts) != count:
        whose = f" (user {printable(parts[0])})" if told and len(parts) > 1 else ""
        form = "name:hash" if count == 2 else "name:realm:HA1"
        raise ConfigError(Problem(place, f"error parsing {kind}{whose}: write {form}, with exactly {_colons(count - 1)}"))
    if not is_name(parts[0].encode("utf-8", "replace")):
        raise ConfigError(Problem(place, f"error parsing {kind}: the name holds a control character, so nobody can give it"))
    return place, parts


def _colons(count: int) -> str:
    return "one colon" if count == 1 else "two colons"


def printable(name: str) -> str:
    """A name fit for a message: on one line, and not too long."""
    return repr(name if len(name) <= 60 else f"{name[:60]}…")


def is_name(name: bytes) -> bool:
    """Whether a user may be called so: UTF-8 without control characters (RFC 7617 section 2), fit for headers and logs."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return _CONTROL.search(name) is None


def well_formed(kind: str, parts: int) -> Any:
    """A validator for a `usersFile`: a text whose lines cannot be read shall not take the place of a good one."""

    def check(_: Any, attribute: Any, file: TextFile | None) -> None:
        if file is None or file.text is None:
            return  # whoever reads it will say
        try:
            for _line in in_text(file.text, "", kind, parts):
                pass
        except ConfigError as error:
            (problem,) = error.problems
            raise ValueError(f"{problem.path.removeprefix(', ')}: {problem.message}") from None

    return check
