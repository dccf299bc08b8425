"""The provider `swarm`: services of a Docker Swarm, by looking again and again (providers.md §5.2)."""

import asyncio
import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, ClassVar, Final

from pointsman import ProviderContext, Publish
from pointsman.dialect.instances import Instance, Instances
from pointsman.dialect.lookups import blocks, text
from pointsman.errors import ConfigError, Problem
from pointsman_docker.addresses import Place, on_network
from pointsman_docker.config import SwarmConfig, SwarmLabels
from pointsman_docker.endpoint import endpoint
from pointsman_docker.engine import Engine, EngineError, connected
from pointsman_docker.plain import normalised
from pointsman_docker.problems import within
from pointsman_docker.reading import Found, read_now
from pointsman_docker.task import Networks, Service, Task, node_address, running, service

_USUAL_SECONDS: Final = 15.0
_SCOPED: Final = (1, 29)
"""The version of the API from which networks can be asked for by scope."""


class Swarm:
    """Services of a Docker Swarm, with labels"""

    name: ClassVar[str] = "swarm"
    Config: ClassVar[type] = SwarmConfig

    def __init__(self, config: SwarmConfig, context: ProviderContext) -> None:
        self._config = config
        self._path = f"providers.{self.name}"
        self._log = context.logger
        self._endpoint = endpoint(config, os.environ, self._path)
        self._seconds = config.refresh_seconds if config.refresh_seconds > 0 else _USUAL_SECONDS
        self._instances = Instances(
            context,
            kind=self.name,
            exposed_by_default=config.exposed_by_default,
            default_rule=config.default_rule,
            constraints=config.constraints,
        )
        self._force = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Swarm {self._endpoint.shown}>"

    def read(self) -> Found:
        """What the services say now; a warning alone if the swarm cannot be asked."""
        return read_now(self._path, self._connected(), self._look)

    def refresh(self) -> None:
        """Look again now."""
        self._force.set()

    async def provide(self, publish: Publish) -> None:
        async with self._connected() as engine:
            self._log.info("%s: %s, API %s", engine.endpoint.shown, engine.software or "an engine", engine.version)
            publish(*await self._look(engine))
            while self._config.watch:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._seconds):
                        await self._force.wait()
                self._force.clear()
                publish(*await self._look(engine))

    def _connected(self) -> AbstractAsyncContextManager[Engine]:
        return connected(self._endpoint, self._config.http_client_timeout, self._path)

    async def _look(self, engine: Engine) -> Found:
        listed = await engine.get("/services")
        scope = {"scope": {"swarm": True}} if _version(engine) >= _SCOPED else {"driver": {"overlay": True}}
        networks = Networks(await engine.get("/networks", scope))
        if not isinstance(listed, list):
            raise EngineError(f"{engine.endpoint.shown}: the answer to /services is no list")
        problems: list[Problem] = []
        used = list(self._used(listed, networks, problems))
        tasks = running(await engine.get("/tasks", {"desired-state": {"running": True}}), networks) if used else []
        nodes = await _nodes(engine) if any(each.on_host for each in tasks) else {}
        instances: list[Instance] = []
        for each, own in used:
            mine = [task for task in tasks if task.service == each.id]
            instances += self._of_service(each, own, mine, nodes, problems)
        return await asyncio.to_thread(self._instances.document, instances, problems)

    def _used(
        self, listed: Iterable[Any], networks: Networks, problems: list[Problem]
    ) -> Iterable[tuple[Service, SwarmLabels]]:
        """The services that are exposed, in order of name, with their own labels."""
        found: list[Service] = []
        for document in blocks({"": listed}, ""):
            try:
                found.append(service(document, networks))
            except ValueError as error:
                problems.append(Problem(f"providers.{self.name}", str(error)))
        for each in sorted(found, key=lambda each: each.name):
            try:
                if self._instances.exposed(each.labels):
                    yield each, self._own(each, problems)
            except ConfigError as error:
                problems += within(f"service {each.name}", error)

    def _own(self, each: Service, problems: list[Problem]) -> SwarmLabels:
        """ConfigError if they cannot be used."""
        old, new = (
            any(label.lower().startswith(prefix) for label in each.labels)
            for prefix in ("traefik.docker.", "traefik.swarm.")
        )
        if old and new:
            raise ConfigError("has labels traefik.docker.* and traefik.swarm.*; keep the latter")
        if old:
            message = "labels traefik.docker.* of services are deprecated; write traefik.swarm.*"
            problems.append(Problem(f"service {each.name}", message, warning=True))
        return self._instances.own(each.labels, SwarmLabels, section="docker" if old else "")

    def _of_service(
        self, each: Service, own: SwarmLabels, tasks: list[Task], nodes: Mapping[str, str], problems: list[Problem]
    ) -> Iterable[Instance]:
        """One for each task that runs, or one for the swarm's balancer."""
        key, wanted = f"service {each.name}", own.network or self._config.network
        if own.lb_swarm and each.virtual:
            yield self._instance(each, key, each.name, on_network(each.networks, wanted), problems)
            return
        if own.lb_swarm:
            message = "its endpoint mode is dnsrr, so it has no virtual IP for lbswarm; its tasks are balanced one by one"
            problems.append(Problem(key, message, warning=True))
        for task in tasks:
            name = f"{each.name}.{task.slot if each.replicated else task.id}"
            place = _place(task, wanted, nodes)
            yield self._instance(each, f"task {name}", name, place, problems)
        if not tasks and self._config.allow_empty_services:
            yield Instance(key, normalised(each.name), each.labels, Place("").at, {"ContainerName": each.name}, None, True)

    def _instance(self, each: Service, key: str, name: str, place: Place, problems: list[Problem]) -> Instance:
        if place.warning:
            problems.append(Problem(key, place.warning, warning=True))
        return Instance(key, normalised(each.name), each.labels, place.at, {"ContainerName": name})


def _place(task: Task, wanted: str, nodes: Mapping[str, str]) -> Place:
    if task.on_host and not task.networks.get(wanted):
        return Place(nodes.get(task.node, ""), "nobody knows the address of its node")
    return on_network(task.networks, wanted)


async def _nodes(engine: Engine) -> dict[str, str]:
    """Addresses of nodes, by id."""
    listed = await engine.get("/nodes")
    return {text(each, "ID"): node_address(each) for each in blocks({"": listed}, "")}


def _version(engine: Engine) -> tuple[int, ...]:
    return tuple(int(part) for part in engine.version.split(".") if part.isdecimal())
