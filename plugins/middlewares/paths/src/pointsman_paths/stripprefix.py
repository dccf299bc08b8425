"""stripPrefix: take a prefix off the path (middlewares.md §3.23)."""

from collections.abc import Awaitable
from typing import Any, ClassVar

from attrs import field, frozen

from pointsman import BuildContext, Handler, HeaderEdit, Headers, Request, Response
from pointsman_paths.rewriting import FORWARDED_PREFIX, bad_request, strip


def _usable(_instance: object, _attribute: Any, values: tuple[str, ...]) -> None:
    for value in values:
        if not value.strip():
            raise ValueError("a prefix cannot be empty: it would match every path")
        Headers().add(FORWARDED_PREFIX, value.strip().encode())


@frozen
class StripPrefixConfig:
    prefixes: tuple[str, ...] = field(default=(), validator=_usable)
    force_slash: bool = False


class StripPrefix:
    name: ClassVar[str] = "stripPrefix"
    Config: ClassVar[type] = StripPrefixConfig

    def __init__(self, config: StripPrefixConfig, context: BuildContext) -> None:
        self._prefixes = tuple(prefix.strip().encode() for prefix in config.prefixes)
        self._force_slash = config.force_slash
        if config.force_slash:
            context.logger.warning("stripPrefix.forceSlash is deprecated; a path is never sent empty, so leave it out")

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        path = request.decoded_path
        for prefix in self._prefixes:  # the first that matches, not the longest
            if path.startswith(prefix):
                return self._strip(request, prefix, call_next)
        return call_next(request)

    def bind(self, call_next: Handler) -> Handler:
        known = tuple((prefix, HeaderEdit((), [(FORWARDED_PREFIX, prefix)])) for prefix in self._prefixes)

        def strip_prefix(request: Request) -> Awaitable[Response]:
            path = request.path
            if 0x25 in path:
                return self(request, call_next)
            for prefix, edit in known:
                if path.startswith(prefix):
                    rest = path[len(prefix) :]
                    if rest[:1] != b"/" or b"//" in rest or b"/." in rest:
                        return self._strip(request, prefix, call_next)
                    edit.apply(request.headers)
                    request.rewrite(rest)
                    break
            return call_next(request)

        return strip_prefix if known else call_next

    def _strip(self, request: Request, prefix: bytes, call_next: Handler) -> Awaitable[Response]:
        return call_next(request) if strip(request, prefix, force_slash=self._force_slash) else bad_request()
