"""TCP and UDP services over services (routing.md §8.7): by weight, one for each connection or session. Pure."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from pointsman.api import Peer
from pointsman.builtin.roundrobin import RoundRobin, RoundRobinConfig
from pointsman.upstream.status import Health

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Choice(Protocol[T_co]):
    """A service: in the end some servers, once chosen."""

    def choose(self) -> T_co | None:
        """The servers for the next connection; None if there are none."""


class Share(Peer, Generic[T]):
    """A service as its parent's balancer sees it; one that reports its health is ready while it is up."""

    __slots__ = ("health", "service")

    def __init__(self, name: str, service: Choice[T], weight: int = 1, health: Health | None = None) -> None:
        self.health = health
        super().__init__(name, host="", port=0, weight=weight)
        self.service = service

    @property
    def ready(self) -> bool:
        return self.health is None or self.health.up

    @ready.setter
    def ready(self, value: bool) -> None:
        pass  # nobody but its health says so


class Shares(Generic[T]):
    """`weighted`: the shares in turn, smoothly; one without weight never."""

    def __init__(self, name: str, shares: Sequence[Share[T]]) -> None:
        self.name = name
        self._pick: Callable[[], Share[T] | None] = in_turn(shares)

    def choose(self) -> T | None:
        share = self._pick()
        return None if share is None else share.service.choose()

    def __repr__(self) -> str:
        return f"<Shares {self.name}>"


def in_turn(peers: Sequence[Any]) -> Callable[..., Any]:
    """A way of taking turns among peers, by weight: `pick(tried=())` is one that is ready and not among those."""
    pick: Callable[[Any, Any], Any] = RoundRobin(RoundRobinConfig(), None).over(peers)
    return lambda tried=(): pick(None, tried)
