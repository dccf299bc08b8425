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
