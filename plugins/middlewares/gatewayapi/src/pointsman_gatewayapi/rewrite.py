"""urlRewrite: servers see another host, and another path."""

from collections.abc import Awaitable
from typing import Any, ClassVar

from attrs import frozen

from pointsman import BuildContext, Handler, Headers, Request, Response, option
from pointsman.errors import ConfigError
from pointsman_gatewayapi.replacing import Replacement, absolute


def _host(_instance: object, _attribute: Any, value: str | None) -> None:
    if value is not None:
        Headers().add(b"host", value.encode())
        if not value or set(value) & set("/?#@ "):
            raise ValueError(f"'{value}' is no name of a host")


@frozen
class UrlRewriteConfig:
    hostname: str | None = option(default=None, validator=_host, help="Host that servers see")
    path: str | None = option(default=None, validator=absolute, help="path in place of the old one, or of its prefix")
    path_prefix: str | None = option(default=None, validator=absolute, help="the prefix that alone is replaced")


class UrlRewrite:
    name: ClassVar[str] = "urlRewrite"
    Config: ClassVar[type] = UrlRewriteConfig

    def __init__(self, config: UrlRewriteConfig, context: BuildContext) -> None:
        self._authority = (config.hostname or "").encode()
        self._replacement = Replacement.of(config.path, config.path_prefix)
        if not self._authority and self._replacement is None:
            raise ConfigError("urlRewrite: neither hostname nor path is set")

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        if self._authority:
            request.authority = self._authority
        if self._replacement is not None:
            request.rewrite(self._replacement(request.path, request.decoded_path))
        return call_next(request)
