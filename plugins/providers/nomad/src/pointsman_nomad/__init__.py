"""Routers and services from the services that Nomad knows itself (providers.md §5.4)."""

from pointsman import Provider, hookimpl
from pointsman_nomad.provider import NomadProvider as NomadProvider


@hookimpl
def pointsman_providers() -> list[type[Provider]]:
    return [NomadProvider]
