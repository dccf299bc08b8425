"""The answer to who cannot show who he is: 401, and how to ask again (RFC 9110 section 11.6.1)."""

import re
from typing import Any, Final

from pointsman import Request, Response

BODY: Final = b"401 Unauthorized\n"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def quoted(text: str) -> bytes:
    """A quoted-string (RFC 9110 section 5.6.4)."""
    return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'


def quotable(_: Any, attribute: Any, value: str) -> None:
    """A validator for a `realm`."""
    if _CONTROL.search(value):
        raise ValueError("holds a control character, which no header can carry")


def refused(request: Request, challenge: bytes, why: str = "Authentication failed") -> Response:
    request.exchange.refuse(why)
    return Response(401, [(b"content-type", b"text/plain"), (b"www-authenticate", challenge)], BODY)
