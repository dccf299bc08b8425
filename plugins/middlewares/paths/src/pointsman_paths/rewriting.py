"""What the path middlewares share: pure functions over bytes (middlewares.md §2.1), and what they do to a request.

A path stays percent-encoded all the way. What is configured is decoded text, unless it says otherwise, so it is encoded
once, when it is loaded; escapes in the client's part are never decoded, only compared decoded.
"""

import re
from typing import Any

from pointsman import Request, Response, encoded, sanitise
from pointsman.dialect.made_paths import is_sane
from pointsman.dialect.patterns import Pattern

FORWARDED_PREFIX = b"x-forwarded-prefix"
_BAD_VALUE = re.compile(rb"[\0-\x08\x0a-\x1f\x7f]")


def is_pattern(_instance: object, _attribute: Any, value: str | tuple[str, ...]) -> None:
    """A validator for one regular expression, or several. ValueError with what is wrong."""
    for source in (value,) if isinstance(value, str) else value:
        Pattern(source.strip())


def literal(text: str) -> bytes:
    """A configured path as it stands in a request: encoded, with a leading slash, dot and empty segments resolved."""
    path = encoded(text.encode())
    return sanitise(path if path.startswith(b"/") else b"/" + path)


def after(path: bytes, count: int) -> bytes:
    """What is left of an encoded path once `count` decoded bytes are taken off its front."""
    if b"%" not in path:
        return path[count:]
    position = 0
    for _ in range(count):
        position += 3 if path[position] == 0x25 else 1
    return path[position:]


def strip(request: Request, prefix: bytes, *, force_slash: bool = False) -> bool:
    """Take a decoded prefix off the path, and say so in X-Forwarded-Prefix.

    False, and nothing is done, if the rest is not sane or the prefix cannot stand in a header.
    """
    rest = after(request.path, len(prefix))
    if force_slash:
        rest = b"/" + rest.removeprefix(b"/")
    elif rest and rest[0] != 0x2F:
        rest = b"/" + rest
    if (rest and not is_sane(rest)) or _BAD_VALUE.search(prefix):
        return False
    request.headers.add(FORWARDED_PREFIX, prefix)
    request.rewrite(rest)
    return True


def bad_request() -> Response:
    """The answer to a path that is not sane after rewriting."""
    return Response.text(400, "Bad Request\n")
