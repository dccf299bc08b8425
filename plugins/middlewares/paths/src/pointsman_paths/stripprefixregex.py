"""stripPrefixRegex: take a prefix off the path that looks like one of several (middlewares.md §3.24)."""

from collections.abc import Awaitable
from typing import ClassVar

from attrs import field, frozen

from pointsman import BuildContext, Handler, Request, Response
from pointsman.dialect.patterns import Pattern
from pointsman_paths.rewriting import bad_request, is_pattern, strip


@frozen
class StripPrefixRegexConfig:
    regex: tuple[str, ...] = field(default=(), validator=is_pattern)


class StripPrefixRegex:
    name: ClassVar[str] = "stripPrefixRegex"
    Config: ClassVar[type] = StripPrefixRegexConfig

    def __init__(self, config: StripPrefixRegexConfig, context: BuildContext) -> None:
        self._patterns = tuple(Pattern(source.strip()) for source in config.regex)

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        path = request.decoded_path
        for pattern in self._patterns:
            found = pattern.first(path)
            if found and path.startswith(found):
                return call_next(request) if strip(request, found) else bad_request()
        return call_next(request)
