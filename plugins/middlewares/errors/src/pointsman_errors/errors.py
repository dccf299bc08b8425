"""The middleware: which statuses are replaced is known beforehand; every other answer passes as it is."""

from collections.abc import Awaitable
from functools import partial
from typing import ClassVar, Final

from pointsman import BuildContext, Handler, Headers, Request, Response, followed, reason
from pointsman.errors import ClientGone, ConfigError, GatewayError, Problem
from pointsman_errors.config import ErrorsConfig
from pointsman_errors.nginx import NginxHeaders
from pointsman_errors.replacements import Replacement, Replacements

DISCARDED: Final = 64 * 1024
"""Bytes of an answer that nobody will see which are let come, so that its connection can be used again."""

NOT_PASSED: Final = frozenset(
    b"content-length expect trailer transfer-encoding upgrade "
    b"if-match if-modified-since if-none-match if-range if-unmodified-since range".split()
)
"""What is about the body of the request, or the content that was asked for: a page is wanted, and all of it."""


class Errors:
    name: ClassVar[str] = "errors"
    span_name: ClassVar[str] = "CustomError"
    Config: ClassVar[type] = ErrorsConfig

    def __init__(self, config: ErrorsConfig, context: BuildContext) -> None:
        if not config.service and not config.pages:
            raise ConfigError(
                Problem("service", "is missing; name the service that has the pages, or write them under pages")
            )
        self._service = context.handler_for(config.service) if config.service else None
        self._replacements = Replacements(config)
        self._only = _names(config.error_request_headers)
        self._nginx = NginxHeaders(config.nginx_headers) if config.nginx_headers is not None else None

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        return followed(call_next, request, partial(self._answered, request), partial(self._failed, request))

    def _answered(self, request: Request, response: Response) -> Awaitable[Response]:
        replacement = self._replacements[response.status]
        if replacement is None or response.tunnel is not None or _is_grpc(request):
            return response
        if response.content is None:
            response.body.discard(DISCARDED)
        return self._instead(request, replacement, response.status, response.headers)

    def _failed(self, request: Request, error: GatewayError) -> Awaitable[Response]:
        replacement = self._replacements[error.status]
        if replacement is None or isinstance(error, ClientGone) or _is_grpc(request):
            raise error
        return self._instead(request, replacement, error.status, None)

    def _instead(self, request: Request, replacement: Replacement, status: int, of: Headers | None) -> Awaitable[Response]:
        if replacement.page is not None:
            return replacement.page.show(request, of)
        assert replacement.target is not None
        assert self._service is not None
        told = self._passed(request) if self._nginx is None else self._nginx.tell(self._passed(request), request, status)
        asked = request.beside(b"GET", replacement.target.of(request), told)
        shown = partial(_shown, 0 if self._nginx is not None else replacement.status)
        return followed(self._service, asked, shown, partial(_not_shown, replacement.status))

    def _passed(self, request: Request) -> Headers:
        """The headers that the service gets."""
        only = self._only
        if only is not None:
            return Headers([line for line in request.headers if line[0] in only])
        return Headers([line for line in request.headers if line[0] not in NOT_PASSED])


def _shown(status: int, page: Response) -> Response:
    page.status = status or page.status
    return page


def _not_shown(status: int, error: GatewayError) -> Response:
    """The service has no page to give: at least a word."""
    if isinstance(error, ClientGone):
        raise error
    return Response.plain(status, error.body or reason(error.status))


def _is_grpc(request: Request) -> bool:
    """Its client would not know what to do with a page, and gets errors in its own way."""
    return request.headers.get(b"content-type", b"").lower().startswith(b"application/grpc")  # type: ignore[union-attr]


def _names(names: tuple[str, ...] | None) -> frozenset[bytes] | None:
    if names is None:
        return None
    return frozenset(name.strip().lower().encode() for name in names) - NOT_PASSED
