"""Types for configuration fields whose text form needs more than Python's own types say.

A plugin's attrs `Config` uses them as annotations; the converter knows how each is written.
"""

import os
import re
import stat
from typing import Any, Final, NewType

from attrs import field

Duration = NewType("Duration", float)
"""Seconds. Written `300ms`, `1h2m3.5s`, or a bare integer, which means seconds (routing.md §0)."""

FileOrContent = NewType("FileOrContent", str)
"""PEM text or a secret, or the path of a file that holds it (routing.md §0). Never printed."""

Secret = NewType("Secret", str)
"""Text that is masked wherever a configuration is shown."""


Url = NewType("Url", str)
"""A URL, shown without the password in it."""

MASK: Final = "REDACTED"
"""What is shown in place of a secret."""
_PASSWORD: Final = re.compile(r"(//[^/?#:@]*):[^/?#]*@|(//[^/?#:@\[\s]*):(?!\d*(?:[/?#]|$))[^\s@]*@")
"""One that holds `/`, `?` or `#` makes it no URL, and is a password nevertheless; a port and a path with an @ are none."""


def shown_url(url: str) -> str:
    """A URL without the password in it, as messages may have it."""
    return _PASSWORD.sub(rf"\1\2:{MASK}@", url)


MAX_TEXT_BYTES: Final = 4 * 1024 * 1024


class TextFile:
    """A file that holds options line by line. Written as its path.

    Where a gateway runs, its control side reads and follows the file: what a plugin gets in a worker has the `text`, and
    when the file changes, so does the plugin's configuration. A text that the class refuses, by a validator of the field,
    does not take the place of one that was good. Never printed but for the path.
    """

    __slots__ = ("path", "text")

    def __init__(self, path: str, text: str | None = None) -> None:
        self.path = path
        self.text = text
        """None if nobody has read it."""

    def read(self) -> str:
        """The text, from the disk if nobody has read it yet. ValueError says why there is none."""
        return read_text(self.path) if self.text is None else self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextFile) and (self.path, self.text) == (other.path, other.text)

    def __hash__(self) -> int:
        return hash((self.path, self.text))

    def __repr__(self) -> str:
        return f"<TextFile {self.path}>"


def read_text(path: str) -> str:
    """What a file holds. ValueError, with the path and the reason, if it cannot be read or is larger than 4 MiB."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(0, "it is no regular file")
            content = file.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise ValueError(f"the file {path} cannot be read: {error.strerror}") from None
    except ValueError:  # no path at all
        raise ValueError(f"{path!r} is not the path of a file") from None
    if len(content) > MAX_TEXT_BYTES:
        raise ValueError(f"the file {path} is larger than 4 MiB")
    return content.decode("utf-8", "replace")


def _without_waiting(path: str, flags: int) -> int:
    if stat.S_ISCHR(mode := os.stat(path).st_mode) or stat.S_ISBLK(mode):  # to open one may already do something
        raise OSError(0, "it is no regular file")
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)  # not even for a pipe


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
