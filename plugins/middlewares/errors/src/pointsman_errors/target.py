"""Where the service is asked for a page: `query`, with what it says of the request put in (§3.10, 1)."""

import re
from urllib.parse import quote, quote_plus

from attrs import frozen

from pointsman import Request
from pointsman.errors import ConfigError, Problem

_PLACES = re.compile(r"(\{status\}|\{originalStatus\}|\{url\})")
_AS_IT_IS = "/%:?[]@!$&'()*+,;=~-._"
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def url_of(request: Request) -> bytes:
    """The URL that is asked for, as it is by now."""
    url = request.scheme + b"://" + request.authority + request.path
    return url if request.query is None else url + b"?" + request.query


@frozen
class Target:
    """The target for one status: what stands around the URL."""

    parts: tuple[bytes, ...]

    def of(self, request: Request) -> bytes:
        parts = self.parts
        return parts[0] if len(parts) == 1 else quote_plus(url_of(request), safe="").encode().join(parts)


class Query:
    """`query` as it is written."""

    def __init__(self, text: str) -> None:
        """ConfigError for one that makes no target."""
        pieces = _PLACES.split("/" + text.partition("#")[0].removeprefix("/"))
        if any(_BROKEN_ESCAPE.search(piece) for piece in pieces):
            raise ConfigError(Problem("query", f"in '{text}' a '%' is not followed by two hexadecimal digits"))
        self._pieces = [piece if _PLACES.fullmatch(piece) else quote(piece, safe=_AS_IT_IS) for piece in pieces]

    def target(self, sent: int, original: int) -> Target:
        """Where the page is for an answer that was `original` and will be `sent`."""
        known = {"{status}": str(sent), "{originalStatus}": str(original)}
        text = "".join(known.get(piece, piece) for piece in self._pieces)
        return Target(tuple(part.encode() for part in text.split("{url}")))
