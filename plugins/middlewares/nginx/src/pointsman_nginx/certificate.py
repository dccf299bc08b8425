"""authTLSPassCertificateToUpstream: not there yet; nobody gets past it."""

from collections.abc import Awaitable
from typing import ClassVar

from pointsman import BuildContext, Handler, Request, Response
from pointsman_nginx.config import AuthTLSPassCertificateToUpstreamConfig


class AuthTLSPassCertificateToUpstream:
    name: ClassVar[str] = "authTLSPassCertificateToUpstream"
    Config: ClassVar[type] = AuthTLSPassCertificateToUpstreamConfig

    def __init__(self, config: AuthTLSPassCertificateToUpstreamConfig, context: BuildContext) -> None: ...

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        return Response.plain(501)
