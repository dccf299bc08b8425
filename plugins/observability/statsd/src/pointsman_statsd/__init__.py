"""statsD: metrics to StatsD, over UDP (operations.md §4.4)."""

from collections.abc import Sequence
from typing import Any, ClassVar

from attrs import frozen
from attrs.validators import ge, le

from pointsman import Metric, MetricsContext, MetricsExporter, hookimpl, option
from pointsman.dialect.datagrams import MAX_BYTES, Datagrams, Receiver
from pointsman.dialect.differences import Differences
from pointsman.dialect.pushing import PushConfig, Pusher
from pointsman.dialect.statsd import Lines, unlabelled, usable_prefix


def _address(instance: object, attribute: Any, value: str) -> None:
    Receiver.of(value)


def _prefix(instance: object, attribute: Any, value: str) -> None:
    usable_prefix(value)


@frozen
class StatsDConfig(PushConfig):
    address: str = option(default="localhost:8125", validator=_address, help="host:port of StatsD")
    prefix: str = option(default="traefik", validator=_prefix, help="What all names begin with")
    max_datagram_bytes: int = option(
        default=0,
        validator=[ge(0), le(MAX_BYTES)],
        help="Send metrics together in datagrams of that size; 0: each alone (new)",
    )


class StatsD:
    """Metrics to StatsD."""

    name: ClassVar[str] = "statsD"
    Config: ClassVar[type] = StatsDConfig

    def __init__(self, config: StatsDConfig, context: MetricsContext) -> None:
        self.needs = config.needs()
        self._lines = Lines(config.prefix or "traefik", "ms")
        self._differences = Differences()
        self._datagrams = Datagrams(Receiver.of(config.address), config.max_datagram_bytes)
        self._pusher = Pusher(context, config.push_interval, self._push)

    async def start(self) -> None:
        self._pusher.start()

    async def aclose(self) -> None:
        await self._pusher.aclose()
        self._datagrams.close()

    async def _push(self, metrics: Sequence[Metric]) -> None:
        changed = await unlabelled(await self._differences.since(metrics))
        await self._datagrams.send(self._lines.of(changed))


@hookimpl
def pointsman_metrics_exporters() -> list[type[MetricsExporter]]:
    return [StatsD]
