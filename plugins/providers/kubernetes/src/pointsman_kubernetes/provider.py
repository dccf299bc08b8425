"""What all providers of Kubernetes have in common: objects are followed, and each change makes the configuration anew."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from aiohttp import ClientSession

from pointsman import ProviderContext, Publish
from pointsman_kubernetes.kinds import Kind
from pointsman_kubernetes.objects import Objects
from pointsman_kubernetes.options import AccessConfig
from pointsman_kubernetes.outcome import Outcome


class KubernetesProvider(ABC):
    """One source of routes in a cluster. A subclass says what it reads, and what that means."""

    name: ClassVar[str]

    def __init__(self, config: AccessConfig, context: ProviderContext) -> None:
        self._context = context
        self._access = config

    @abstractmethod
    def kinds(self) -> Sequence[Kind]:
        """What is read."""

    @abstractmethod
    def build(self, objects: Objects) -> Outcome:
        """What these objects mean. Pure; called in a thread."""

    async def provide(self, publish: Publish) -> None:
        """Follow the cluster until cancelled. OSError when it cannot be reached at all."""
        headers = {"Authorization": f"Bearer {self._access.token}"} if self._access.token else {}
        async with ClientSession(headers=headers) as session:
            while True:
                found = {}
                for kind in self.kinds():
                    asked = {"labelSelector": kind.selector} if kind.selector else {}
                    async with session.get(f"{self._access.endpoint}{kind.path()}", params=asked) as response:
                        found[kind] = (await response.json()).get("items", [])
                outcome = await asyncio.to_thread(self.build, Objects(found))
                publish(outcome.document, outcome.problems)
                await asyncio.sleep(1)
