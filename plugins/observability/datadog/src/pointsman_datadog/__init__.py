"""datadog: metrics to Datadog's agent, as DogStatsD (operations.md §4.4)."""

import os
from collections.abc import Sequence
from typing import Any, ClassVar

from attrs import frozen
from attrs.validators import ge, le

from pointsman import Metric, MetricsContext, MetricsExporter, hookimpl, option
from pointsman.dialect.datagrams import MAX_BYTES, Datagrams, Receiver
from pointsman.dialect.differences import Differences
from pointsman.dialect.pushing import PushConfig, Pusher
from pointsman.dialect.statsd import Lines, usable_prefix


def _address(instance: object, attribute: Any, value: str) -> None:
    Receiver.of(value, unix=True)


def _prefix(instance: object, attribute: Any, value: str) -> None:
    usable_prefix(value)


def _of_the_environment() -> str:
    """Where the variables that all of Datadog's libraries know say that the agent is."""
    host = os.environ.get("DD_AGENT_HOST") or "localhost"
    port = os.environ.get("DD_DOGSTATSD_PORT") or "8125"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@frozen
class DatadogConfig(PushConfig):
    address: str = option(
        factory=_of_the_environment, validator=_address, help="host:port of the agent, or unix:// and the path of its socket"
    )
    prefix: str = option(default="traefik", validator=_prefix, help="What all names begin with")
    max_datagram_bytes: int = option(
        default=0,
        validator=[ge(0), le(MAX_BYTES)],
        help="Send metrics together in datagrams of that size; 0: each alone (new)",
    )


class Datadog:
    """Metrics to Datadog's agent."""

    name: ClassVar[str] = "datadog"
    Config: ClassVar[type] = DatadogConfig

    def __init__(self, config: DatadogConfig, context: MetricsContext) -> None:
        self.needs = config.needs()
        self._lines = Lines(config.prefix or "traefik", "h")
        self._differences = Differences()
        self._datagrams = Datagrams(Receiver.of(config.address, unix=True), config.max_datagram_bytes)
        self._pusher = Pusher(context, config.push_interval, self._push)

    async def start(self) -> None:
        self._pusher.start()

    async def aclose(self) -> None:
        await self._pusher.aclose()
        self._datagrams.close()

    async def _push(self, metrics: Sequence[Metric]) -> None:
        await self._datagrams.send(self._lines.of(await self._differences.since(metrics)))


@hookimpl
def pointsman_metrics_exporters() -> list[type[MetricsExporter]]:
    return [Datadog]
