"""ipAllowList and ipWhiteList: only who comes from certain addresses is let in (middlewares.md §3.15, §6.2)."""

from collections.abc import Awaitable, Callable
from typing import ClassVar

from attrs import field, frozen

from pointsman import BuildContext, Handler, Link, Middleware, Request, Response, TcpMiddleware, hookimpl, option, reason
from pointsman.dialect.addresses import IPStrategyConfig, Ranges, ip_of, remote, selector
from pointsman.errors import ConfigError, Problem

FORBIDDEN = 403


def _check_status(_: object, attribute: object, status: int) -> None:
    if not 200 <= status <= 599 or reason(status).startswith(b"status code "):
        raise ValueError(f"invalid HTTP status code {status}; take one that has a name, from 200 to 599")


@frozen
class IPWhiteListConfig:
    source_range: tuple[str, ...] = ()
    ip_strategy: IPStrategyConfig | None = option("ipStrategy", default=None, allow_empty=True)


@frozen
class IPAllowListConfig(IPWhiteListConfig):
    reject_status_code: int = field(default=FORBIDDEN, validator=_check_status)


@frozen
class TcpIPAllowListConfig:
    source_range: tuple[str, ...] = ()


def _ranges(source_range: tuple[str, ...]) -> Ranges:
    if not source_range:
        raise ConfigError(Problem("", "sourceRange is empty, which would let nobody in; name addresses or CIDR ranges"))
    return Ranges(source_range)


class IPAllowList:
    """Of HTTP routers."""

    name: ClassVar[str] = "ipAllowList"
    span_name: ClassVar[str] = "IPAllowLister"
    Config: ClassVar[type] = IPAllowListConfig

    def __init__(self, config: IPWhiteListConfig, context: BuildContext) -> None:
        self._ranges = _ranges(config.source_range)
        self._select = selector(config.ip_strategy)
        self._status = config.reject_status_code if isinstance(config, IPAllowListConfig) else FORBIDDEN

    def bind(self, call_next: Handler) -> Handler:
        ranges, refusal = self._ranges, self._refusal
        if self._select is not remote:
            return lambda request: self(request, call_next)

        def handle(request: Request) -> Awaitable[Response]:
            return call_next(request) if request.link.client.ip in ranges else refusal(request)

        return handle

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        ip = ip_of(self._select(request))
        return call_next(request) if ip is not None and ip in self._ranges else self._refusal(request)

    def _refusal(self, request: Request) -> Response:
        request.exchange.refuse("The client's address is not allowed")
        return Response.plain(self._status, b"" if self._status in (204, 304) else None)


class IPWhiteList(IPAllowList):
    name: ClassVar[str] = "ipWhiteList"
    span_name: ClassVar[str] = "IPWhiteLister"
    Config: ClassVar[type] = IPWhiteListConfig
    deprecated: ClassVar[str] = "use ipAllowList"


class TcpIPAllowList:
    """Of TCP routers: who comes from elsewhere is closed at once."""

    name: ClassVar[str] = "ipAllowList"
    Config: ClassVar[type] = TcpIPAllowListConfig

    def __init__(self, config: TcpIPAllowListConfig, context: BuildContext) -> None:
        self._ranges = _ranges(config.source_range)

    def admit(self, link: Link) -> Callable[[], None] | None:
        return _nothing if link.client.ip in self._ranges else None


class TcpIPWhiteList(TcpIPAllowList):
    name: ClassVar[str] = "ipWhiteList"
    deprecated: ClassVar[str] = "use ipAllowList"


def _nothing() -> None:
    pass


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [IPAllowList, IPWhiteList]


@hookimpl
def pointsman_tcp_middlewares() -> list[type[TcpMiddleware]]:
    return [TcpIPAllowList, TcpIPWhiteList]
