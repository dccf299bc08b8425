"""Types for configuration fields whose text form needs more than Python's own types say.

A plugin's attrs `Config` uses them as annotations; the converter knows how each is written.
"""

from typing import Any, NewType

from attrs import field

Duration = NewType("Duration", float)
"""Seconds. Written `300ms`, `1h2m3.5s`, or a bare integer, which means seconds (routing.md §0)."""

FileOrContent = NewType("FileOrContent", str)
"""PEM text or a secret, or the path of a file that holds it (routing.md §0). Never printed."""

Secret = NewType("Secret", str)
"""Text that is masked wherever a configuration is shown."""


def allow_empty(**kwargs: Any) -> Any:
    """An attrs field whose block may be written `{}` or `true` (routing.md §0); other blocks need at least one key."""
    return field(metadata={"allow_empty": True}, **kwargs)


def option(name: str | None = None, *, help: str = "", allow_empty: bool = False, **kwargs: Any) -> Any:
    """An attrs field with what its type cannot say.

    `name` is the dialect's spelling where plain camelCase would miss it (`rootCAs`); `help` is one line for `--help`;
    `allow_empty` as in the function of that name. The rest goes to `attrs.field`.
    """
    metadata = {"name": name, "help": help, "allow_empty": allow_empty}
    return field(metadata={key: value for key, value in metadata.items() if value}, **kwargs)
