"""Names of headers that servers may take for one another: CGI and its kin make `_` of whatever is no letter (D10)."""

from collections.abc import Iterable
from typing import Final

from pointsman.message import Headers, Request

_SAME: Final = bytes.maketrans(b"_.", b"--")


class HeaderNames:
    """Headers that only the gateway may set, in any spelling: `X-User` is `x_user` and `X.User`, too."""

    __slots__ = ("_lengths", "_names")

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name.lower().encode().translate(_SAME) for name in names)
        self._lengths = frozenset(map(len, self._names))

    def __contains__(self, name: bytes) -> bool:
        """Whether a header's name, in lower case, is one of them."""
        return len(name) in self._lengths and name.translate(_SAME) in self._names

    def claim(self, request: Request) -> None:
        """Drop every line that is called so, and every trailer when it comes."""
        self.remove_from(request.headers)
        request.withheld += (self.__contains__,)

    def remove_from(self, headers: Headers) -> None:
        """Drop every line that is called so."""
        if any(name in self for name, _ in headers):
            headers.raw[:] = [line for line in headers.raw if line[0] not in self]
