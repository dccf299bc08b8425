"""The exporters of logs that a process has, with the servers they reach."""

import asyncio
import logging
from collections.abc import Mapping

from pointsman.api import Handler
from pointsman.compile.parts import OUTAGES, Surroundings
from pointsman.compile.servers import Servers
from pointsman.errors import Problem
from pointsman.net.client_tls import ClientTls
from pointsman.observe.logexport import LogDeliveries, LogRelay, log_deliveries
from pointsman.plugins import version_of


class Logs:
    """What sends log records away, for as long as its process lives: those of `log`, and in workers of `accessLog`."""

    def __init__(self, around: Surroundings, environ: Mapping[str, str], *, requests: bool = True) -> None:
        self._servers = servers = Servers.begin(around, {})
        self._relay: LogRelay | None = None

        def reach(url: str, tls: ClientTls | None, timeout_seconds: float) -> Handler:
            return servers.get(url, tls, timeout_seconds).handler

        def deliveries(section: str, config: object) -> tuple[LogDeliveries, list[Problem]]:
            named = getattr(config, "exporters", {})
            return log_deliveries(section, named, around.registry.log_exporters, reach, version_of("pointsman"), environ)

        static = around.static
        self._own, self.problems = deliveries("log", static.log)
        self.requests, more = deliveries("accessLog", static.access_log if requests else None)
        self.problems += more
        for delivery in (*self._own.deliveries, *self.requests.deliveries):
            delivery.shared = around.commons.state(OUTAGES)

    async def start(self) -> None:
        """Begin to send; from now on what is logged is taken, too."""
        if self.requests:
            await self.requests.start()
        if self._own:
            await self._own.start()
            self._relay = LogRelay(self._own.add, asyncio.get_running_loop().call_soon_threadsafe)
            logging.getLogger().addHandler(self._relay)

    async def stop(self) -> None:
        """Send what is left, within 5 s."""
        if self._relay is not None:
            logging.getLogger().removeHandler(self._relay)
            await asyncio.sleep(0)  # what was said last is in the queue then
        await asyncio.gather(self.requests.stop(), self._own.stop())
        for entry in self._servers.built.values():
            entry.transport.close()
