"""requestRedirect: send clients elsewhere."""

from collections.abc import Awaitable
from typing import Any, ClassVar, Final

from attrs import frozen

from pointsman import BuildContext, Handler, Headers, Request, Response, option
from pointsman.dialect.redirection import DEFAULT_PORTS, scheme_of, split_authority
from pointsman.dialect.urls import reserialised
from pointsman_gatewayapi.replacing import Replacement, absolute

STATUSES: Final = (301, 302, 303, 307, 308)


def _scheme(_instance: object, _attribute: Any, value: str | None) -> None:
    if value not in (None, "http", "https"):
        raise ValueError(f"'{value}' is neither http nor https")


def _port(_instance: object, _attribute: Any, value: str | None) -> None:
    if value and not (value.isascii() and value.isdecimal() and 0 < int(value) < 65536):
        raise ValueError(f"'{value}' is no port; write a number from 1 to 65535, or \"\" for the scheme's own")


def _status(_instance: object, _attribute: Any, value: int) -> None:
    if value not in STATUSES:
        raise ValueError(f"{value} is none of {', '.join(map(str, STATUSES))}")


def _host(_instance: object, _attribute: Any, value: str | None) -> None:
    if value is not None:
        reserialised(f"http://{value}/".encode())
        if set(value) & set("/?#@"):
            raise ValueError(f"'{value}' is no name of a host")


@frozen
class RequestRedirectConfig:
    scheme: str | None = option(default=None, validator=_scheme, help="http or https; that of the request if unset")
    hostname: str | None = option(default=None, validator=_host, help="another host")
    port: str | None = option(default=None, validator=_port, help="another port; empty for the scheme's own")
    path: str | None = option(default=None, validator=absolute, help="path in place of the old one, or of its prefix")
    path_prefix: str | None = option(default=None, validator=absolute, help="the prefix that alone is replaced")
    status_code: int = option(default=302, validator=_status, help="301, 302, 303, 307 or 308")


class RequestRedirect:
    name: ClassVar[str] = "requestRedirect"
    span_name: ClassVar[str] = "Redirect"
    Config: ClassVar[type] = RequestRedirectConfig

    def __init__(self, config: RequestRedirectConfig, context: BuildContext) -> None:
        self._scheme = (config.scheme or "").encode()
        self._hostname = (config.hostname or "").encode()
        self._port = None if config.port is None else config.port.encode()
        self._replacement = Replacement.of(config.path, config.path_prefix)
        self._status = config.status_code

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        try:
            location = reserialised(self._target(request))
        except ValueError:
            return Response.plain(400)
        answer = Response.plain(self._status)
        answer.headers = Headers([*answer.headers, (b"location", location)])
        return answer

    def _target(self, request: Request) -> bytes:
        scheme = self._scheme or scheme_of(request)
        host, asked = split_authority(request.authority)
        port = asked if self._port is None else self._port
        path = b"/" if request.path == b"*" else request.path
        if self._replacement is not None:
            path = self._replacement(path, request.decoded_path)
        _, mark, query = request.target.partition(b"?")
        there = self._hostname or host
        if port not in (b"", DEFAULT_PORTS[scheme]):
            there += b":" + port
        return scheme + b"://" + there + path + mark + query
