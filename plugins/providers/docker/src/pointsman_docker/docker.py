"""The provider `docker`: containers of one engine (providers.md §5.1)."""

import asyncio
import os
from contextlib import AbstractAsyncContextManager, suppress
from typing import ClassVar, Final

from pointsman import ProviderContext, Publish
from pointsman.dialect.instances import Instance, Instances
from pointsman.dialect.lookups import text
from pointsman.errors import ConfigError, Problem
from pointsman_docker.addresses import Addresses
from pointsman_docker.config import DockerConfig, DockerLabels
from pointsman_docker.containers import Container
from pointsman_docker.endpoint import endpoint
from pointsman_docker.engine import Engine, EngineError, connected
from pointsman_docker.events import telling
from pointsman_docker.hosts import LOCAL, Host
from pointsman_docker.inventory import Inventory
from pointsman_docker.problems import within
from pointsman_docker.reading import Found, read_now

SETTLE_SECONDS: Final = 0.1
"""After an event: others often come with it."""
SLOW_LOOK_SECONDS: Final = 60.0
"""How often to look without being told: what no event tells, and whether the engine is still there."""
_LISTENING_SECONDS: Final = 1.0


class Docker:
    """Containers of a Docker engine, with labels"""

    name: ClassVar[str] = "docker"
    Config: ClassVar[type] = DockerConfig

    def __init__(self, config: DockerConfig, context: ProviderContext) -> None:
        self._config = config
        self._path = f"providers.{self.name}"
        self._log = context.logger
        self._endpoint = endpoint(config, os.environ, self._path)
        self._instances = Instances(
            context,
            kind=self.name,
            exposed_by_default=config.exposed_by_default,
            default_rule=config.default_rule,
            constraints=config.constraints,
        )
        self._host = Host()
        self._force = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Docker {self._endpoint.shown}>"

    def read(self) -> Found:
        """What the containers say now; a warning alone if the engine cannot be asked."""
        return read_now(self._path, self._connected(), lambda engine: self._look(Inventory(engine)))

    def refresh(self) -> None:
        """Look again now."""
        self._force.set()

    async def provide(self, publish: Publish) -> None:
        async with self._connected() as engine:
            self._log.info("%s: %s, API %s", engine.endpoint.shown, engine.software or "an engine", engine.version)
            inventory = Inventory(engine)
            if not self._config.watch:
                publish(*await self._look(inventory))
                return
            await self._follow(engine, inventory, publish)

    async def _follow(self, engine: Engine, inventory: Inventory, publish: Publish) -> None:
        """For ever; EngineError when the stream of events ends."""
        opened = asyncio.Event()
        listening = asyncio.create_task(self._listen(engine, inventory, opened))
        try:
            await _first(listening, opened, _LISTENING_SECONDS)  # before the first look, so that nothing is missed
            while True:
                publish(*await self._look(inventory))
                await _first(listening, self._force, SLOW_LOOK_SECONDS)
                await asyncio.sleep(SETTLE_SECONDS)
                self._force.clear()
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError, EngineError):
                await listening

    async def _listen(self, engine: Engine, inventory: Inventory, opened: asyncio.Event) -> None:
        async for event in engine.events(opened):
            if telling(event):
                inventory.forget(text(event, "Actor", "ID") or text(event, "id"))
                self._force.set()

    async def _look(self, inventory: Inventory) -> Found:
        containers, problems = await inventory.look()
        modes = {each.mode for each in containers}
        gateway = await self._host.address() if "host" in modes else LOCAL
        own: dict[str, DockerLabels] = {}
        used: list[Container] = []
        for each in containers:
            try:
                if self._instances.exposed(each.labels):
                    own[each.id] = self._instances.own(each.labels, DockerLabels)
                    used.append(each)
            except ConfigError as error:
                problems += within(f"container {each.name}", error)
        known = {key: each for each in containers for key in (each.name, each.id)}
        addresses = Addresses(known, self._config.network, self._config.use_bind_port_ip, gateway, self._network_of)
        kept = [each for each in used if self._kept(each, own[each.id])]
        instances = [self._instance(each, addresses, problems) for each in kept]
        return await asyncio.to_thread(self._instances.document, instances, problems)

    def _kept(self, container: Container, own: DockerLabels) -> bool:
        if not container.running:
            return own.allow_non_running
        return container.well or self._config.allow_empty_services

    def _instance(self, container: Container, addresses: Addresses, problems: list[Problem]) -> Instance:
        key = f"container {container.name}"
        empty = not container.running or not container.well
        address, warning = addresses.of(container)
        if warning and not empty:
            problems.append(Problem(key, warning, warning=True))
        fields = {"ContainerName": container.name}
        return Instance(key, container.service, container.labels, address, fields, None, empty)

    def _network_of(self, container: Container) -> str:
        with suppress(ConfigError):
            return self._instances.own(container.labels, DockerLabels).network
        return ""

    def _connected(self) -> AbstractAsyncContextManager[Engine]:
        return connected(self._endpoint, self._config.http_client_timeout, self._path)


async def _first(task: "asyncio.Task[None]", event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most so long. What the task raises is raised at once."""
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait([task, waiting], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if task.done():
        task.result()
