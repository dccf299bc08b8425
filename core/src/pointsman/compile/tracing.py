"""The exporters of traces that a worker has, with the servers they reach."""

from collections.abc import Mapping

from attrs import evolve, frozen

from pointsman.api import Handler
from pointsman.compile.parts import OUTAGES, Surroundings
from pointsman.compile.servers import Servers
from pointsman.errors import Problem
from pointsman.net.client_tls import ClientTls
from pointsman.observe.exporting import Exporting, exporting
from pointsman.plugins import version_of


@frozen
class Traces:
    """What sends traces away, for as long as its worker lives."""

    exporting: Exporting
    servers: Servers

    async def start(self) -> None:
        await self.exporting.start()

    async def stop(self) -> None:
        await self.exporting.stop()
        for entry in self.servers.built.values():
            entry.transport.close()


def with_traces(around: Surroundings, environ: Mapping[str, str]) -> tuple[Surroundings, Traces | None, list[Problem]]:
    """The surroundings with the signal that `tracing` asks for, if it does, and what is wrong with that section."""
    servers = Servers.begin(around, {})

    def reach(url: str, tls: ClientTls | None, timeout_seconds: float) -> Handler:
        return servers.get(url, tls, timeout_seconds).handler

    known = around.registry.span_exporters
    found, problems = exporting(around.static.tracing, known, reach, version_of("pointsman"), environ)
    if found is None:
        return around, None, problems
    for delivery in found.deliveries:
        delivery.shared = around.commons.state(OUTAGES)
    found.lost = around.numbers.number(
        "counter", "pointsman_tracing_dropped_spans_total", "Spans that could not be exported.", {}
    ).add
    return evolve(around, signals=[*around.signals, found.signal]), Traces(found, servers), problems
