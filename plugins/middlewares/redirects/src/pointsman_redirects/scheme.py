"""redirectScheme: send clients to the same place by another scheme, and port (middlewares.md §3.19)."""

import re
from collections.abc import Awaitable
from typing import Any, ClassVar

from attrs import field, frozen

from pointsman import BuildContext, Handler, Request, Response
from pointsman.dialect.redirection import redirected, with_scheme

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*")
_PORT = re.compile(r"[0-9]{1,5}")


def _scheme(_instance: object, _attribute: Any, value: str) -> None:
    if not value:
        raise ValueError("you must provide a target scheme, such as https")
    if not _SCHEME.fullmatch(value):
        raise ValueError(f"'{value}' is no scheme; write https, without colon and slashes")


def _port(_instance: object, _attribute: Any, value: str) -> None:
    if value and not (_PORT.fullmatch(value) and 0 < int(value) < 65536):
        raise ValueError(f"'{value}' is no port; write a number from 1 to 65535, or leave it out for the scheme's own")


@frozen
class RedirectSchemeConfig:
    scheme: str = field(default="", validator=_scheme)
    port: str = field(default="", validator=_port)
    permanent: bool = False
    force_permanent_redirect: bool = False
    """308 for all methods, GET too."""


class RedirectScheme:
    name: ClassVar[str] = "redirectScheme"
    span_name: ClassVar[str] = "Redirect"
    Config: ClassVar[type] = RedirectSchemeConfig

    def __init__(self, config: RedirectSchemeConfig, context: BuildContext) -> None:
        self._scheme = config.scheme.lower().encode()
        self._port = config.port.lstrip("0").encode()
        self._permanent = config.permanent
        self._status = 308 if config.force_permanent_redirect else 0

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        there = with_scheme(request, self._scheme, self._port)
        if there is None:
            return call_next(request)
        if not request.authority:  # there is no such URL (RFC 9110 section 4.2.1)
            return Response.plain(400)
        return redirected(request, there, self._permanent, self._status)
