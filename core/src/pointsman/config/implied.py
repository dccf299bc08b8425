"""What a static configuration means without saying it (operations.md §1.7, §1.9, providers.md §1.1)."""

from typing import Final

from attrs import evolve

from pointsman.config.entrypoint_model import EntryPoint
from pointsman.config.static import PRECEDENCE, Static
from pointsman.errors import Problem

INTERNAL: Final = "traefik"
"""The entry point of API, ping and metrics unless they name another."""


def with_implied(static: Static) -> tuple[Static, list[Problem]]:
    """The configuration with implied entry points and defaults filled in, and what an operator should know about them."""
    points, notes = dict(static.entry_points), []
    if not points:
        points["http"] = EntryPoint(address=":80")
    if _needs_internal(static) and INTERNAL not in points:
        points[INTERNAL] = EntryPoint(address=":8080")
        if static.api is not None and static.api.insecure:
            message = "the API is open to everybody on :8080 of all interfaces; define entry point 'traefik' to narrow that"
            notes.append(Problem("api.insecure", message, warning=True))
    if static.global_.not_append_x_forwarded_for:
        points = {name: _not_appending(point) for name, point in points.items()}
    named = [name.lower() for name in static.providers.precedence]
    providers = evolve(static.providers, precedence=named or list(PRECEDENCE))
    tracing = static.tracing
    if tracing is not None and tracing.global_attributes and not tracing.resource_attributes:
        tracing = evolve(tracing, resource_attributes=tracing.global_attributes)
    return evolve(static, entry_points=points, providers=providers, tracing=tracing), notes


def _needs_internal(static: Static) -> bool:
    plugged = [*(static.metrics.exporters.values() if static.metrics else ()), *static.providers.kinds.values()]
    asked = [each for each in plugged if hasattr(each, "entry_point")]
    routed = [each for each in (static.ping, *asked) if each is not None and not getattr(each, "manual_routing", False)]
    return (static.api is not None and static.api.insecure) or any(each.entry_point == INTERNAL for each in routed)


def _not_appending(point: EntryPoint) -> EntryPoint:
    return evolve(point, forwarded_headers=evolve(point.forwarded_headers, not_append_x_forwarded_for=True))
