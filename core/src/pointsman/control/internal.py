"""What the gateway configures for itself: the `internal` provider (operations.md §1.9)."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pointsman.api import Publish
from pointsman.compile.redirections import redirections
from pointsman.config.static import Static
from pointsman.errors import Problem

HIGHEST = 2**63 - 1


def internal_document(static: Static) -> dict[str, Any]:
    """The routers that the static configuration implies, as a provider would publish them."""
    routers: dict[str, Any] = {}
    if static.ping is not None and not static.ping.manual_routing:
        routers["ping"] = {
            "rule": "PathPrefix(`/ping`)",
            "service": "ping@internal",
            "priority": HIGHEST,
            "entryPoints": [static.ping.entry_point],
        }
    for redirection in redirections(static):
        routers[redirection.router] = {
            "rule": redirection.rule,
            "service": redirection.service,
            "priority": redirection.priority,
            "entryPoints": [redirection.entry_point],
        }
    return {"http": {"routers": routers}}


class Internal:
    """A provider like any other, but for where its words come from."""

    name: ClassVar[str] = "internal"
    Config: ClassVar[type] = Static

    def __init__(self, config: Static, context: Any) -> None:
        self._document = internal_document(config)

    def read(self) -> tuple[Mapping[str, Any], Sequence[Problem]]:
        return self._document, ()

    async def provide(self, publish: Publish) -> None:
        publish(self._document)
        await asyncio.get_running_loop().create_future()
