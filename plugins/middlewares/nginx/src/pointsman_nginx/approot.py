"""appRoot: who asks for `/` is sent to where the application begins (middlewares.md §4)."""

from collections.abc import Awaitable
from typing import ClassVar

from pointsman import BuildContext, Handler, Request, Response
from pointsman.dialect.variables import Scope, Text
from pointsman.errors import ConfigError, Problem
from pointsman_nginx.config import AppRootConfig
from pointsman_nginx.locations import redirection


class AppRoot:
    name: ClassVar[str] = "appRoot"
    span_name: ClassVar[str] = "AppRoot"
    Config: ClassVar[type] = AppRootConfig

    def __init__(self, config: AppRootConfig, context: BuildContext) -> None:
        if not config.path:
            raise ConfigError(Problem("path", "path cannot be empty; name where the application begins, such as /app"))
        if not config.path.startswith("/"):
            raise ConfigError(Problem("path", f"path should start with /: '{config.path}'"))
        self._there = Text("$scheme://$best_http_host" + config.path)

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        if request.path != b"/":
            return call_next(request)
        if not request.authority:
            return Response.plain(400)
        return redirection(302, self._there(Scope(request)))
