"""inFlightConn: no more than so many connections of one client address at a time (middlewares.md §6.1)."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import ClassVar

from attrs import field, frozen
from attrs.validators import ge

from pointsman import BuildContext, Link, TcpMiddleware, hookimpl


@frozen
class InFlightConnConfig:
    amount: int = field(default=0, validator=ge(0))


class InFlightConn:
    """Counts in this worker, for the router it stands before."""

    name: ClassVar[str] = "inFlightConn"
    Config: ClassVar[type] = InFlightConnConfig

    def __init__(self, config: InFlightConnConfig, context: BuildContext) -> None:
        self._amount = config.amount
        self._logger = context.logger
        self._open: Counter[str] = Counter()

    def admit(self, link: Link) -> Callable[[], None] | None:
        client = str(link.client.ip)
        if self._open[client] >= self._amount:
            self._logger.debug("max number of connections reached for %s", client)
            self._forget(client)
            return None
        self._open[client] += 1
        return partial(self._leave, client)

    def _leave(self, client: str) -> None:
        self._open[client] -= 1
        self._forget(client)

    def _forget(self, client: str) -> None:
        """Who has no connection is not remembered."""
        if self._open[client] <= 0:
            del self._open[client]


@hookimpl
def pointsman_tcp_middlewares() -> list[type[TcpMiddleware]]:
    return [InFlightConn]
