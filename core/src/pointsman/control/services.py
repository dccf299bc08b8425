"""Which internal services there are, the kernel's and those that plugins bring (operations.md §1.9, §6.1)."""

import logging
from collections.abc import Iterator
from typing import Any, Final

import attrs
from attrs import frozen

from pointsman.api import InternalService, MetricsExporter, Provider
from pointsman.config.spelling import spelled
from pointsman.config.static import API, Static
from pointsman.plugins import Registry

log = logging.getLogger("pointsman.control")

CHALLENGES: Final = "acme-http"
"""Answers whoever issues certificates and asks over HTTP."""


@frozen
class Brought:
    """One of a plugin that the static configuration has switched on."""

    kind: type[InternalService] | type[MetricsExporter] | type[Provider]
    options: Any

    @property
    def router(self) -> tuple[str, str] | None:
        """The prefix and the entry point of the router that the gateway makes for it."""
        path, point = getattr(self.kind, "path", ""), getattr(self.options, "entry_point", "")
        return (path, point) if path and point and not getattr(self.options, "manual_routing", False) else None


@frozen
class Context:
    """An InternalContext."""

    name: str
    options: Any
    api_path: str

    @property
    def logger(self) -> logging.Logger:
        return logging.getLogger(f"pointsman.internal.{self.name}")


def brought(static: Static, registry: Registry) -> dict[str, Brought]:
    """The plugins' services that are enabled, by name without `@internal`."""
    found = {}
    for name, exporter in registry.metrics_exporters.items():
        if hasattr(exporter, "answer") and static.metrics is not None and name in static.metrics.exporters:
            found[name] = Brought(exporter, static.metrics.exporters[name])
    for name, options in static.providers.kinds.items():
        if hasattr(registry.providers[name], "answer"):
            found[name.lower()] = Brought(registry.providers[name], options)
    for name, kind in registry.internal_services.items():
        options = at(static, kind.section)
        if options is not None and options is not False:
            found[name] = Brought(kind, options)
    return found


def enabled(static: Static, registry: Registry) -> Iterator[str]:
    """The names of all services that the control side answers, without `@internal`."""
    if static.ping is not None:
        yield "ping"
    if static.api is not None:
        yield "api"
        if static.api.dashboard:
            yield "dashboard"
    if challenge_points(static):
        yield CHALLENGES
    yield from (name for name in brought(static, registry) if name != "dashboard")


def challenge_points(static: Static) -> list[str]:
    """The entry points where challenges over HTTP are answered."""
    blocks = [each.acme.http_challenge for each in static.certificates_resolvers.values() if each.acme is not None]
    named = dict.fromkeys(block.entry_point for block in blocks if block is not None)
    return [name for name in named if name in static.entry_points]


def build_services(static: Static, registry: Registry) -> dict[str, InternalService]:
    """Instances of the plugins' services. One that cannot be built is left out, with an error in the log."""
    built: dict[str, InternalService] = {}
    for name, each in brought(static, registry).items():
        if name not in registry.internal_services:  # an exporter or a provider, built with all others
            continue
        try:
            built[name] = registry.internal_services[name](Context(f"{name}@internal", each.options, api_path(static.api)))
        except Exception as error:  # a plugin's constructor may do anything
            log.error("%s@internal: the plugin failed: %s: %s", name, type(error).__name__, error)
    return built


def base_path(api: API | None) -> str:
    """`api.basePath` without a slash at its end: "" or `/gw`."""
    return api.base_path.rstrip("/") if api is not None else ""


def api_path(api: API | None) -> str:
    """Where the API is: `/api/`, or `/gw/api/`."""
    return f"{base_path(api)}/api/"


def at(static: Static, section: str) -> Any:
    """What the static configuration says at a dotted path of camelCase keys; None where it says nothing."""
    place: Any = static
    for key in section.split("."):
        own = _attribute(place, key)
        plugged = {**getattr(place, "kinds", {}), **getattr(place, "exporters", {})}
        place = own if own is not None else plugged.get(key)
        if place is None:
            return None
    return place


def _attribute(place: Any, key: str) -> Any:
    fields = attrs.fields(type(place)) if attrs.has(type(place)) else ()
    return next((getattr(place, each.name) for each in fields if spelled(each).lower() == key.lower()), None)
