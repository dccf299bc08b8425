"""ecs: routers and services from the docker labels of tasks that run on Amazon ECS (providers.md §5.5)."""

from pointsman import Provider, hookimpl
from pointsman_ecs.provider import ECS

__all__ = ["ECS", "pointsman_providers"]


@hookimpl
def pointsman_providers() -> list[type[Provider]]:
    return [ECS]
