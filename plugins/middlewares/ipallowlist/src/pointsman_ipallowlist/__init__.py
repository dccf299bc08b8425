"""ipAllowList and ipWhiteList of TCP routers: who comes from elsewhere is closed at once (middlewares.md §6.2)."""

from collections.abc import Callable
from typing import ClassVar

from attrs import frozen

from pointsman import BuildContext, Link, TcpMiddleware, hookimpl
from pointsman.errors import ConfigError, Problem
from pointsman_ipallowlist.ranges import Ranges


@frozen
class IPAllowListConfig:
    source_range: tuple[str, ...] = ()


class TcpIPAllowList:
    name: ClassVar[str] = "ipAllowList"
    Config: ClassVar[type] = IPAllowListConfig

    def __init__(self, config: IPAllowListConfig, context: BuildContext) -> None:
        if not config.source_range:
            raise ConfigError(Problem("", "sourceRange is empty, which would let nobody in; name addresses or CIDR ranges"))
        self._ranges = Ranges(config.source_range)

    def admit(self, link: Link) -> Callable[[], None] | None:
        return _nothing if link.client.ip in self._ranges else None


class TcpIPWhiteList(TcpIPAllowList):
    name: ClassVar[str] = "ipWhiteList"
    deprecated: ClassVar[str] = "use ipAllowList"


def _nothing() -> None:
    pass


@hookimpl
def pointsman_tcp_middlewares() -> list[type[TcpMiddleware]]:
    return [TcpIPAllowList, TcpIPWhiteList]
