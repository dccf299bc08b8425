"""The provider: looks now and then, or when events say that something happened."""

import asyncio
from collections.abc import Mapping
from typing import ClassVar, Final

from attrs import evolve

from pointsman import ProviderContext, Publish
from pointsman.dialect.instances import Instances
from pointsman.errors import ConfigError, Problem
from pointsman_nomad.catalogue import Catalogue
from pointsman_nomad.client import Events, Nomad, a_session
from pointsman_nomad.config import PATH, NomadConfig, place

SETTLE_SECONDS: Final = 0.1
"""How long nothing may happen before a look: instances rarely come alone."""
LONGEST_SETTLE_SECONDS: Final = 2.0
SLOW_LOOK_SECONDS: Final = 60.0
"""How often to look without being told: not all that matters is an event of a service."""


class NomadProvider:
    """Services of Nomad, with tags"""

    name: ClassVar[str] = "nomad"
    Config: ClassVar[type] = NomadConfig

    @classmethod
    def instances(cls, config: NomadConfig) -> Mapping[str, NomadConfig]:
        """One for each namespace."""
        if not config.namespaces:
            return {cls.name: config}
        return {f"{cls.name}-{each}": evolve(config, namespaces=(each,)) for each in config.namespaces}

    def __init__(self, config: NomadConfig, context: ProviderContext) -> None:
        if config.throttle_duration > 0 and not config.watch:
            raise ConfigError(
                Problem(f"{PATH}.throttleDuration", "has no effect without 'watch: true'; add it or remove this")
            )
        if config.refresh_interval <= 0 and not config.watch:
            raise ConfigError(Problem(f"{PATH}.refreshInterval", "must be longer than 0s"))
        if not config.prefix:
            raise ConfigError(Problem(f"{PATH}.prefix", "is empty; leave it out for 'traefik'"))
        if "*" in config.namespaces or "" in config.namespaces:
            raise ConfigError(Problem(f"{PATH}.namespaces", "wildcard namespace not supported; name each"))
        self._config = config
        self._place = place(config.endpoint)
        self._instances = Instances(
            context,
            kind=self.name,
            exposed_by_default=config.exposed_by_default,
            default_rule=config.default_rule,
            constraints=config.constraints,
            by_tags=True,
        )
        self._parameters = {"namespace": config.namespaces[0]} if config.namespaces else {}
        if config.stale:
            self._parameters["stale"] = ""
        if config.endpoint.endpoint_wait_time > 0:
            self._parameters["wait"] = f"{round(config.endpoint.endpoint_wait_time * 1000)}ms"

    def __repr__(self) -> str:
        return f"<NomadProvider {' '.join([self._place.url, *self._config.namespaces])}>"

    async def provide(self, publish: Publish) -> None:
        config = self._config
        async with a_session(self._place.tls) as session:
            nomad = Nomad(session, self._place, **self._parameters)
            catalogue = Catalogue(nomad, config.prefix, not config.exposed_by_default, config.allow_empty_services)
            if config.watch:
                async with nomad.events("Service:*") as events:
                    while True:
                        await self._look(catalogue, publish)
                        await self._wait(events)
            while True:
                await self._look(catalogue, publish)
                await asyncio.sleep(config.refresh_interval)

    async def _look(self, catalogue: Catalogue, publish: Publish) -> None:
        publish(*await asyncio.to_thread(self._instances.document, await catalogue.instances()))

    async def _wait(self, events: Events) -> None:
        """Until something has happened, and then nothing for a moment; never shorter than the throttle."""
        clock = asyncio.get_running_loop().time
        opens = clock() + self._config.throttle_duration
        if not await events.happen(SLOW_LOOK_SECONDS):
            return
        end = clock() + LONGEST_SETTLE_SECONDS
        while await events.happen(SETTLE_SECONDS) and clock() < end:
            pass
        await asyncio.sleep(opens - clock())
