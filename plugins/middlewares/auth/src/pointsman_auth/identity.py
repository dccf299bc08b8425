"""What the server gets of a client that was let in: its name, and whether its credentials (middlewares.md §3.2, D10)."""

from typing import Any, Final

from pointsman import Request, Spelled
from pointsman.dialect.header_names import HeaderNames

FRAMING: Final = frozenset(
    (
        *("connection", "content-length", "expect", "host", "keep-alive", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    )
)
"""Names that say how a message is read, and not who sent it."""


class Identity:
    """`header_field` is the header that gets the user's name, "" for none."""

    __slots__ = ("_names", "_needed", "_remove", "_spelled")

    def __init__(self, header_field: str, remove_authorization: bool) -> None:
        self._spelled = Spelled(header_field) if header_field else None
        self._names = HeaderNames([header_field] if header_field else [])
        self._remove = remove_authorization
        self._needed = bool(header_field or remove_authorization)

    def confirm(self, request: Request, user: bytes) -> None:
        """Of the credentials only those go on that were looked at. `user` is without control characters."""
        credentials = request.headers.get_all(b"authorization")
        if len(credentials) > 1:
            request.headers.set(b"authorization", credentials[0])
        if self._needed:
            self._tell(request, user)

    def _tell(self, request: Request, user: bytes) -> None:
        headers = request.headers
        if self._remove:
            headers.remove(b"authorization")
        if self._spelled is not None:
            self._names.claim(request)
            headers.raw.append((self._spelled, user))


def usable_field(_: Any, attribute: Any, value: str) -> None:
    """A validator for `headerField`."""
    if not value:
        return
    try:
        Spelled(value)
    except ValueError:
        raise ValueError(f"{value!r} is no name of a header") from None
    if value.lower() in FRAMING:
        raise ValueError(f"{value!r} says how a message is read; name a header of your own, such as X-WebAuth-User")
