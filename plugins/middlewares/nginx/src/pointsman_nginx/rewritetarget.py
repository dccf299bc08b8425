"""rewriteTarget: the path that servers see, or a redirection, by what the client's path looks like (middlewares.md §4)."""

import re
from collections.abc import Awaitable
from typing import ClassVar, Final

from pointsman import BuildContext, Handler, Headers, Request, Response
from pointsman.dialect.made_paths import canonical, is_sane
from pointsman.dialect.patterns import Pattern
from pointsman.dialect.templates import Template
from pointsman.errors import ConfigError, Problem
from pointsman_nginx.config import RewriteTargetConfig
from pointsman_nginx.locations import redirection

_GROUP: Final = re.compile(r"\$[0-9]+")
_PREFIX: Final = b"x-forwarded-prefix"
_BAD_VALUE: Final = re.compile(rb"[\0-\x08\x0a-\x1f\x7f]")


class RewriteTarget:
    name: ClassVar[str] = "rewriteTarget"
    span_name: ClassVar[str] = "RewriteTarget"
    Config: ClassVar[type] = RewriteTargetConfig

    def __init__(self, config: RewriteTargetConfig, context: BuildContext) -> None:
        replacement, prefix = config.replacement, config.x_forwarded_prefix
        if not replacement:
            raise ConfigError(Problem("replacement", "replacement cannot be empty; write the path that servers shall see"))
        if _BAD_VALUE.search(prefix.encode()):
            raise ConfigError(Problem("xForwardedPrefix", "holds a control character"))
        self._redirects = replacement.startswith(("http://", "https://"))
        self._pattern = _pattern(config.regex, self._redirects) if config.regex else None
        groups = self._pattern.groups if self._pattern is not None else {}
        if self._pattern is None:
            replacement, prefix = _GROUP.sub("", replacement), _GROUP.sub("", prefix)
        self._template = Template.read(replacement, groups)
        self._prefix = Template.read(prefix, groups) if prefix else None

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        if self._redirects:
            return self._sent_away(request, call_next)
        made = self._made(self._template, request.path)
        if made is None:
            return call_next(request)
        if not made:
            return Response.text(500, "Internal Server Error\n")
        try:
            path = canonical(made)
        except ValueError:
            return Response.text(400, "Bad Request\n")
        if not is_sane(path):
            return Response.text(400, "Bad Request\n")
        if self._prefix is not None:
            self._tell_prefix(request.headers, self._made(self._prefix, request.path) or b"")
        request.rewrite(path)
        return call_next(request)

    def _made(self, template: Template, path: bytes) -> bytes | None:
        """The path with the template in place of every match; None without a match."""
        if self._pattern is None:
            return b"".join(template.literals)
        return self._pattern.replace(path, template.expand)

    def _tell_prefix(self, headers: Headers, value: bytes) -> None:
        headers.remove(_PREFIX)
        if not _BAD_VALUE.search(value):
            headers.add(_PREFIX, value)

    def _sent_away(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        if self._pattern is None:
            there = b"".join(self._template.literals)
        elif (group := self._pattern.find(request.path)) is not None:
            there = self._template.expand(group)
        else:
            return call_next(request)
        if request.query and b"?" not in there:
            there += b"?" + request.query
        return redirection(302, there)


def _pattern(source: str, redirects: bool) -> Pattern:
    try:
        pattern = Pattern("(?i)" + source)
        if redirects and len(pattern.groups) == 1:
            pattern = Pattern("(?i)" + source + ".*")
    except ValueError as error:
        raise ConfigError(Problem("regex", str(error))) from None
    return pattern
