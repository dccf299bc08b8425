"""Pages that need no service: texts with the status and a few facts in them, escaped as their type asks for."""

import html
import json
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from pointsman import Headers, Request, Response, reason
from pointsman.errors import ConfigError, Problem
from pointsman_errors.config import Page, check_text
from pointsman_errors.target import url_of

KEPT: Final = frozenset((b"allow", b"proxy-authenticate", b"retry-after", b"www-authenticate"))
"""Headers of the answer that a client needs to do better; all others describe what is not sent."""

_OF_A_REQUEST = re.compile(r"(\{url\}|\{requestId\})")


class Template:
    """A page as it is written."""

    def __init__(self, page: Page, path: str) -> None:
        """`path` is where it stands. ConfigError for a page that cannot be read or sent."""
        self.text = _text(page, path)
        self.escape = _escape_for(page.content_type)
        self.lines = [(b"content-type", page.content_type.encode()), (b"x-content-type-options", b"nosniff")]
        try:
            Headers().add(*self.lines[0])
        except ValueError:
            raise ConfigError(Problem(f"{path}.contentType", "holds a line break")) from None

    def page(self, sent: int, original: int) -> "StaticPage":
        """The page for an answer that was `original` and will be `sent`."""
        text = self.text.replace("{status}", str(sent)).replace("{originalStatus}", str(original))
        return StaticPage(sent, text.replace("{reason}", self.escape(reason(sent).decode())), self.lines, self.escape)


class StaticPage:
    """A page for one status."""

    def __init__(self, status: int, text: str, lines: list[tuple[bytes, bytes]], escape: Callable[[str], str]) -> None:
        self._status = status
        self._lines = lines
        self._escape = escape
        self._pieces = _OF_A_REQUEST.split(text)
        self._whole = text.encode() if len(self._pieces) == 1 else b""

    def show(self, request: Request, instead_of: Headers | None) -> Response:
        lines = self._lines + [line for line in instead_of or () if line[0] in KEPT]
        return Response(self._status, lines, self._whole or self._filled(request))

    def _filled(self, request: Request) -> bytes:
        facts = {"{url}": url_of(request), "{requestId}": request.exchange.request_id}
        pieces = [
            self._escape(facts[piece].decode("utf-8", "replace")) if piece in facts else piece for piece in self._pieces
        ]
        return "".join(pieces).encode()


def _escape_for(content_type: str) -> Callable[[str], str]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith(("html", "xml")):
        return html.escape
    if kind.endswith("json"):
        return lambda text: json.dumps(text)[1:-1]
    return str if kind == "text/plain" else quote


def _text(page: Page, path: str) -> str:
    file = page.file if page.file is not None and page.file.path else None
    if bool(page.body) == bool(file):
        raise ConfigError(Problem(path, "give it either a body or a file"))
    if file is None:
        return page.body
    try:
        text = file.read()
    except ValueError as error:
        raise ConfigError(Problem(f"{path}.file", str(error))) from None
    try:
        check_text(text)
    except ValueError as error:
        raise ConfigError(Problem(f"{path}.file", f"the file {file.path} cannot be sent: {error}")) from None
    return text
