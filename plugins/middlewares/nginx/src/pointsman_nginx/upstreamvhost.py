"""upstreamVHost: another Host for servers than the client's (middlewares.md §4)."""

import re
from collections.abc import Awaitable
from typing import ClassVar, Final

from pointsman import BuildContext, Handler, Request, Response
from pointsman.dialect.variables import Scope, Text
from pointsman.errors import ConfigError, Problem
from pointsman_nginx.config import UpstreamVHostConfig

HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~\-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
"""What a Host header may be here."""


class UpstreamVHost:
    name: ClassVar[str] = "upstreamVHost"
    span_name: ClassVar[str] = "UpstreamVHost"
    Config: ClassVar[type] = UpstreamVHostConfig

    def __init__(self, config: UpstreamVHostConfig, context: BuildContext) -> None:
        if not config.v_host:
            raise ConfigError(Problem("vHost", "vHost cannot be empty; name the host that servers shall see"))
        self._custom = {name.removeprefix("$"): value.encode() for name, value in config.vars.items()}
        self._host = Text(config.v_host, self._custom)
        constant = self._host.constant
        if constant is not None and not HOST.fullmatch(constant):
            raise ConfigError(Problem("vHost", f"'{config.v_host}' is no host; write it as host or host:port"))

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        host = self._host(Scope(request, self._custom))
        if not HOST.fullmatch(host):  # a client has a say in it
            return Response.text(400, "Bad Request\n")
        request.authority = host
        return call_next(request)
