"""redirectRegex: send clients to a URL made of the one they asked for (middlewares.md §3.18)."""

from collections.abc import Awaitable
from typing import Any, ClassVar

from attrs import field, frozen

from pointsman import BuildContext, Handler, Request, Response
from pointsman.dialect.patterns import Pattern
from pointsman.dialect.redirection import redirected, target_of
from pointsman.dialect.templates import Replacement
from pointsman.dialect.urls import reserialised


def _pattern(_instance: object, _attribute: Any, value: str) -> None:
    Pattern(value)


def _printable(_instance: object, _attribute: Any, value: str) -> None:
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
        raise ValueError("a control character, such as the end of a line, cannot stand in a URL")


def _redirection(_instance: object, _attribute: Any, value: int) -> None:
    if value and not 300 <= value <= 308:
        raise ValueError(f"{value} is no redirection; give 300 to 308, or leave it out")


@frozen
class RedirectRegexConfig:
    regex: str = field(default="", validator=_pattern)
    replacement: str = field(default="", validator=_printable)
    permanent: bool = False
    status_code: int = field(default=0, validator=_redirection)
    """For all methods; 0 is what `permanent` says."""


class RedirectRegex:
    name: ClassVar[str] = "redirectRegex"
    span_name: ClassVar[str] = "Redirect"
    Config: ClassVar[type] = RedirectRegexConfig

    def __init__(self, config: RedirectRegexConfig, context: BuildContext) -> None:
        self._replaced = Replacement(config.regex, config.replacement)
        self._permanent = config.permanent
        self._status = config.status_code

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        asked = request.scheme + b"://" + request.authority + target_of(request)
        there = self._replaced(asked)
        if there is None or there == asked:
            return call_next(request)
        try:
            location = reserialised(there)
        except ValueError:
            return Response.plain(502)
        return redirected(request, location, self._permanent, self._status)
