"""What the gateway configures for itself: the `internal` provider (operations.md §1.9)."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pointsman.api import Publish
from pointsman.compile.redirections import ACME, redirections
from pointsman.config.implied import INTERNAL
from pointsman.config.static import Static
from pointsman.control.services import CHALLENGES, base_path, brought, challenge_points
from pointsman.errors import Problem
from pointsman.plugins import Registry

HIGHEST = 2**63 - 1


def internal_document(static: Static, registry: Registry) -> dict[str, Any]:
    """The routers that the static configuration implies, as a provider would publish them."""
    routers: dict[str, Any] = {}
    if static.api is not None and static.api.insecure:
        base = base_path(static.api)
        routers["api"] = _router(f"{base}/api", "api", HIGHEST - 1, INTERNAL)
        if static.api.dashboard:
            routers["dashboard"] = _router(f"{base}/", "dashboard", HIGHEST - 2, INTERNAL)
        if static.api.debug:
            routers["debug"] = _router(f"{base}/debug", "api", HIGHEST - 1, INTERNAL)
    if static.ping is not None and not static.ping.manual_routing:
        routers["ping"] = _router("/ping", "ping", HIGHEST, static.ping.entry_point)
    for name, service in brought(static, registry).items():
        if service.router is not None:
            path, point = service.router
            routers[name] = _router(path, name, HIGHEST, point)
    routers |= _challenges(static)
    for redirection in redirections(static):
        routers[redirection.router] = {
            "rule": redirection.rule,
            "service": redirection.service,
            "priority": redirection.priority,
            "entryPoints": [redirection.entry_point],
        }
    return {"http": {"routers": routers}}


def _challenges(static: Static) -> dict[str, Any]:
    """Where whoever issues certificates asks over HTTP; the second lets longer rules of users go first (§7.6)."""
    points = {point: static.entry_points[point].allow_acme_bypass for point in challenge_points(static)}
    routers: dict[str, Any] = {}
    for name, bypassed, priority in ((CHALLENGES, False, HIGHEST), (f"{CHALLENGES}-bypass", True, 0)):
        on = [point for point, allowed in points.items() if allowed == bypassed]
        if on:
            routers[name] = {**_router(ACME, CHALLENGES, priority, on[0]), "entryPoints": on}
    return routers


def _router(prefix: str, service: str, priority: int, entry_point: str) -> dict[str, Any]:
    return {
        "rule": f"PathPrefix(`{prefix}`)",
        "service": f"{service}@internal",
        "priority": priority,
        "entryPoints": [entry_point],
    }


class Internal:
    """A provider like any other, but for where its words come from."""

    name: ClassVar[str] = "internal"
    Config: ClassVar[type] = Static

    def __init__(self, config: Static, registry: Registry) -> None:
        self._document = internal_document(config, registry)

    def read(self) -> tuple[Mapping[str, Any], Sequence[Problem]]:
        return self._document, ()

    async def provide(self, publish: Publish) -> None:
        publish(self._document)
        await asyncio.get_running_loop().create_future()
