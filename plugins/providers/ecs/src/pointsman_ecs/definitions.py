"""Task definitions that are remembered."""

import random
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from pointsman_ecs.tasks import TaskDefinition

KEPT_SECONDS: Final = 30 * 60
MAX_KEPT: Final = 4096


class Definitions:
    """Task definitions by ARN, which never change: kept half an hour, at most 4096 of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, TaskDefinition]] = OrderedDict()

    def get(self, arn: str) -> TaskDefinition | None:
        until, definition = self._kept.get(arn, (0.0, None))
        return definition if self._clock() < until else None

    def keep(self, arn: str, definition: TaskDefinition) -> None:
        """They are not all asked for again at the same time."""
        self._kept.pop(arn, None)
        self._kept[arn] = self._clock() + KEPT_SECONDS * random.uniform(0.8, 1.0), definition
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
