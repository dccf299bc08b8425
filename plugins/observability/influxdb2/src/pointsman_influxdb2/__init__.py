"""influxDB2: metrics to InfluxDB 2, by HTTP (operations.md §4.4)."""

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from attrs import field, frozen

from pointsman import FileOrContent, Metric, MetricsContext, MetricsExporter, TextFile, hookimpl, option
from pointsman.dialect.collectors import Collector, Endpoint, sent_headers
from pointsman.dialect.differences import Differences
from pointsman.dialect.pushing import PushConfig, Pusher
from pointsman.errors import ConfigError, Problem
from pointsman_influxdb2.lines import lines

BATCH: Final = 2000
"""Lines in one request."""
SLICE: Final = 100
"""Lines that are written in one go."""
_WRITE: Final = "/api/v2/write"


def _address(instance: object, attribute: Any, value: str) -> None:
    try:
        Endpoint.of(value, "/")
    except ConfigError as error:
        raise ValueError(error.problems[0].message) from None


def _labels(instance: object, attribute: Any, value: dict[str, str]) -> None:
    for name in value:
        if not name.strip() or not name.isprintable() or name.startswith("_"):
            raise ValueError(f"{name!a} is no name of a tag; it is one line, and does not begin with _")


@frozen
class InfluxDB2Config(PushConfig):
    address: str = option(default="http://localhost:8086", validator=_address, help="URL of InfluxDB")
    token: FileOrContent = option(default=FileOrContent(""), repr=False, help="What lets write to the bucket, or its file")
    org: str = option(default="", help="Organisation that the bucket belongs to")
    bucket: str = option(default="", help="Where metrics are kept")
    additional_labels: dict[str, str] = field(factory=dict, validator=_labels)


class InfluxDB2:
    """Metrics to InfluxDB 2."""

    name: ClassVar[str] = "influxDB2"
    Config: ClassVar[type] = InfluxDB2Config

    def __init__(self, config: InfluxDB2Config, context: MetricsContext) -> None:
        missing = [key for key in ("token", "org", "bucket") if not getattr(config, key)]
        if missing:
            raise ConfigError(_off(key, "is missing; without token, org and bucket nothing is sent") for key in missing)
        self.needs = config.needs()
        self._labels = dict(config.additional_labels)
        self._differences = Differences()
        self._collector = _collector(config, context)
        self._pusher = Pusher(context, config.push_interval, self._push)

    async def start(self) -> None:
        self._pusher.start()

    async def aclose(self) -> None:
        await self._pusher.aclose()

    async def _push(self, metrics: Sequence[Metric]) -> None:
        changed = await self._differences.since(metrics)
        batch: list[str] = []
        for number, line in enumerate(lines(changed, self._labels, time.time_ns()), 1):
            batch.append(line)
            if not number % SLICE:
                await asyncio.sleep(0)
            if not number % BATCH:
                await self._post(batch)
                batch = []
        if batch:
            await self._post(batch)

    async def _post(self, batch: list[str]) -> None:
        await self._collector.post("".join(batch).encode("utf-8", "replace"))


def _off(key: str, message: str) -> Problem:
    """What switches this exporter off, and nothing else."""
    return Problem(key, message, warning=True, loud=True)


def _collector(config: InfluxDB2Config, context: MetricsContext) -> Collector:
    endpoint = Endpoint.of(config.address, "", "address")
    path = endpoint.target.decode().partition("?")[0].rstrip("/")
    query = urlencode({"bucket": config.bucket, "org": config.org, "precision": "ns"})
    try:
        given = sent_headers({"Authorization": f"Token {_token(config.token)}"})
    except ConfigError:
        raise ConfigError(_off("token", "this is no token; it is one line of ASCII")) from None
    headers = [*given, (b"content-type", b"text/plain; charset=utf-8"), (b"user-agent", b"pointsman-influxdb2")]
    return Collector(context.server(endpoint.server), f"{path}{_WRITE}?{query}".encode(), headers)


def _token(given: FileOrContent) -> str:
    """What the file of that name holds, if there is one."""
    try:
        is_file = os.path.isfile(given)
    except ValueError:  # no path at all
        is_file = False
    if not is_file:
        return given
    try:
        return TextFile(given).read().strip()
    except ValueError as error:
        raise ConfigError(_off("token", str(error))) from None


@hookimpl
def pointsman_metrics_exporters() -> list[type[MetricsExporter]]:
    return [InfluxDB2]
