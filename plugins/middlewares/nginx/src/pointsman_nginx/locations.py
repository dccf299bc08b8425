"""Where a client is sent: what may stand in a Location, and what never may."""

import re
from typing import Final

from pointsman import Response
from pointsman.dialect.made_paths import BROKEN_ESCAPE
from pointsman.dialect.urls import reserialised, visible

_WEB: Final = re.compile(rb"https?://", re.IGNORECASE)
_WRITTEN_ABSOLUTE: Final = ("http://", "https://", "$scheme", "${scheme}")


def is_written_absolute(text: str) -> bool:
    """Whether a configured text is a URL with a host, and no path: nothing that a client sends can make it one."""
    return text.startswith(_WRITTEN_ABSOLUTE)


def redirection(status: int, there: bytes) -> Response:
    """A redirection without a body. 400 for a place that is none.

    What does not begin with http:// or https:// is a path here: `//other.example` would lead to another host.
    """
    if not _WEB.match(there):
        there = b"/" + there.lstrip(b"/\\")
    try:
        location = reserialised(BROKEN_ESCAPE.sub(b"%25", visible(there)))
    except ValueError:
        return Response.text(400, "Bad Request\n")
    return Response(status, [(b"location", location)])
