"""hrw: each client, or each URL or whatever else is said, keeps its server, by rendezvous hashing (routing.md §5.1)."""

from collections.abc import Sequence
from typing import ClassVar

from attrs import frozen

from pointsman import Balancer, BuildContext, Peer, Pick, Request, hookimpl, option, rendezvous
from pointsman.dialect.variables import Scope, Text


@frozen
class HighestRandomWeightConfig:
    nginx_upstream_hash_by: str = option(
        default="", help="text with variables, such as $host$request_uri, in place of the client"
    )


class HighestRandomWeight:
    name: ClassVar[str] = "hrw"
    Config: ClassVar[type] = HighestRandomWeightConfig
    sticky: ClassVar[bool] = False  # a client keeps its server without a cookie

    def __init__(self, config: HighestRandomWeightConfig, context: BuildContext) -> None:
        self._by = Text(config.nginx_upstream_hash_by) if config.nginx_upstream_hash_by else None

    def over(self, peers: Sequence[Peer]) -> Pick:
        return rendezvous(peers, self._key) if self._by is not None else rendezvous(peers)

    def _key(self, request: Request) -> bytes:
        return self._by(Scope(request)) if self._by is not None else b""


@hookimpl
def pointsman_balancers() -> list[type[Balancer]]:
    return [HighestRandomWeight]
