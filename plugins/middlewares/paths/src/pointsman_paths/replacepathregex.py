"""replacePathRegex: a path made of the client's by a regular expression (middlewares.md §3.21)."""

import re
from collections.abc import Awaitable
from typing import ClassVar

from attrs import field, frozen

from pointsman import BuildContext, Handler, Request, Response
from pointsman.dialect.made_paths import canonical, is_sane
from pointsman.dialect.templates import Replacement
from pointsman.errors import ConfigError
from pointsman_paths.replacing import disclaim, replace
from pointsman_paths.rewriting import bad_request, is_pattern

_BAD_LITERAL = re.compile(rb"%(?![0-9A-Fa-f]{2})(?=..)", re.DOTALL)


@frozen
class ReplacePathRegexConfig:
    regex: str = field(default="", validator=is_pattern)
    replacement: str = ""


class ReplacePathRegex:
    name: ClassVar[str] = "replacePathRegex"
    Config: ClassVar[type] = ReplacePathRegexConfig

    def __init__(self, config: ReplacePathRegexConfig, context: BuildContext) -> None:
        self._replaced = Replacement(config.regex.strip(), config.replacement.strip())
        for part in self._replaced.template.literals:
            if _BAD_LITERAL.search(part):
                raise ConfigError(f"replacement: '{part.decode()}' holds a % that begins no escape; write %25")

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        disclaim(request)
        made = self._replaced(request.path)
        if made is None:
            return call_next(request)
        try:
            path = canonical(made)
        except ValueError as error:
            return Response.text(500, f"{error}\n")
        if not is_sane(path):
            return bad_request()
        replace(request, path)
        return call_next(request)
