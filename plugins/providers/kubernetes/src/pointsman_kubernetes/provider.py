"""What all providers of Kubernetes have in common: objects are followed, and each change makes the configuration anew."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import ClassVar, Final

from pointsman import ProviderContext, Publish
from pointsman_kubernetes.access import place
from pointsman_kubernetes.client import Api, Pace, a_session
from pointsman_kubernetes.cluster import Cluster
from pointsman_kubernetes.kinds import Kind
from pointsman_kubernetes.objects import Objects
from pointsman_kubernetes.options import AccessConfig
from pointsman_kubernetes.outcome import Outcome
from pointsman_kubernetes.statuses import Statuses

SETTLE_SECONDS: Final = 0.02
"""Changes rarely come alone."""


class KubernetesProvider(ABC):
    """One source of routes in a cluster. A subclass says what it reads, and what that means."""

    name: ClassVar[str]
    selected: ClassVar[Sequence[Kind]] = ()
    """Of these kinds the option `labelSelector` says which count."""

    def __init__(self, config: AccessConfig, context: ProviderContext) -> None:
        self._context = context
        self._access = config
        self.pace = Pace()
        """How often the API server may be asked."""

    @property
    def scopes(self) -> Mapping[Kind, tuple[Sequence[str], str]]:
        """Namespaces and labels of kinds that are not read where, and as, the options say."""
        return {}

    @abstractmethod
    def kinds(self) -> Sequence[Kind]:
        """What is read."""

    @abstractmethod
    def build(self, objects: Objects) -> Outcome:
        """What these objects mean. Pure; called in a thread."""

    async def provide(self, publish: Publish) -> None:
        """Follow the cluster until cancelled. OSError when it cannot be reached at all."""
        config = self._access
        namespaces, selector = config.scope
        where = await asyncio.to_thread(place, config)
        async with a_session() as session:
            api = Api(session, where, self.pace)
            cluster = Cluster(api, self.kinds(), namespaces, selector, self.selected, self.scopes)
            async with cluster.followed():
                await cluster.ready()
                statuses = Statuses(api, cluster, cluster.wake)
                writing = asyncio.create_task(statuses.write(), name="kubernetes statuses")
                try:
                    await self._publish_for_ever(publish, cluster, statuses)
                finally:
                    writing.cancel()
                    with suppress(asyncio.CancelledError):
                        await writing

    async def _publish_for_ever(self, publish: Publish, cluster: Cluster, statuses: Statuses) -> None:
        """Half of the time, at most: building takes as long as pausing."""
        while True:
            begun = monotonic()
            outcome = await asyncio.to_thread(self.build, cluster.taken())
            publish(outcome.document, [*cluster.problems(), *statuses.problems, *outcome.problems])
            statuses.want(outcome.statuses)
            await asyncio.sleep(max(self._access.throttle_duration, monotonic() - begun))
            await cluster.change()
            await asyncio.sleep(SETTLE_SECONDS)
