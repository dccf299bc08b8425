"""Containers of Docker and services of Docker Swarm, by the Engine API."""

from pointsman import Provider, hookimpl
from pointsman_docker.docker import Docker
from pointsman_docker.swarm import Swarm


@hookimpl
def pointsman_providers() -> list[type[Provider]]:
    return [Docker, Swarm]
