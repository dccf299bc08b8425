"""What all providers of Kubernetes have in common: objects are followed, and each change makes the configuration anew."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

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

    @abstractmethod
    def kinds(self) -> Sequence[Kind]:
        """What is read."""

    @abstractmethod
    def build(self, objects: Objects) -> Outcome:
        """What these objects mean. Pure; called in a thread."""

    async def provide(self, publish: Publish) -> None:
        """Follow the cluster until cancelled. OSError when it cannot be reached at all."""
        raise NotImplementedError
