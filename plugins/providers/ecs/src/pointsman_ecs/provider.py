"""Looks at ECS every so often, and tells what the labels of running containers say."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, ClassVar

from attrs import frozen

from pointsman import ProviderContext, Publish
from pointsman.dialect.gotemplate.functions.strings import normalize
from pointsman.dialect.instances import Instance, Instances
from pointsman.errors import ConfigError, Problem
from pointsman_ecs.config import ECSConfig
from pointsman_ecs.definitions import Definitions
from pointsman_ecs.tasks import Container, Seen

Exposed = Callable[[Mapping[str, str]], bool]
Opened = Callable[[ECSConfig, Definitions, Exposed], AbstractAsyncContextManager[Callable[[], Awaitable[Seen]]]]


@frozen
class NoLabels:
    """There are no labels `traefik.ecs.`."""


class ECS:
    """Tasks of Amazon ECS, with labels"""

    name: ClassVar[str] = "ecs"
    Config: ClassVar[type] = ECSConfig

    def __init__(self, config: ECSConfig, context: ProviderContext) -> None:
        if not config.clusters and not config.auto_discover_clusters:
            raise ConfigError(Problem("providers.ecs.clusters", "names no cluster; or say 'autoDiscoverClusters: true'"))
        if bool(config.access_key_id) != bool(config.secret_access_key):
            raise ConfigError(Problem("providers.ecs", "'accessKeyID' and 'secretAccessKey' belong together"))
        self._config = config
        self._instances = Instances(
            context,
            kind="ecs",
            exposed_by_default=config.exposed_by_default,
            default_rule=config.default_rule,
            constraints=config.constraints,
        )
        self._definitions = Definitions()
        self._wake = asyncio.Event()

    def __repr__(self) -> str:
        return f"<ECS every {self._config.refresh_seconds} s>"

    def refresh(self) -> None:
        """Look now."""
        self._wake.set()

    async def provide(self, publish: Publish) -> None:
        before: Seen | None = None
        document: Mapping[str, Any] = {}
        problems: Sequence[Problem] = ()
        opened = await asyncio.to_thread(_library)
        async with opened(self._config, self._definitions, self._instances.exposed) as look:
            while True:
                self._wake.clear()
                seen = await look()
                if seen != before:
                    document, problems = await asyncio.to_thread(self._said, seen)
                    before = seen
                publish(document, problems)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._config.refresh_seconds):
                        await self._wake.wait()

    def _said(self, seen: Seen) -> tuple[dict[str, Any], list[Problem]]:
        problems = list(seen.problems)
        instances = []
        for container, host in seen.containers:
            try:
                self._instances.own(container.labels, NoLabels)
            except ConfigError as error:
                problems += (Problem(container.key, str(each)) for each in error.problems)
                continue
            instances.append(_instance(container, host))
        return self._instances.document(instances, problems)


def _library() -> Opened:
    """Imported here: botocore costs 17 MiB and 0.15 s, which processes that never look at ECS shall not pay."""
    from pointsman_ecs.looking import opened

    return opened


def _instance(container: Container, host: str) -> Instance:
    def address(port: int | None) -> tuple[str, int]:
        if not host:
            raise ValueError("unable to find its IP address: AWS tells none of it or of the instance that it runs on")
        return host, container.port(port)

    name = f"{container.group.replace(':', '-', 1)}-{container.name}"
    return Instance(key=container.key, name=normalize(name), labels=container.labels, address=address)
