"""The rows of being seen: access logs, metrics and traces, asked for by the same static configuration of Pointsman and
Traefik, and what they cost on top of the plain row.

Logs go to a file, metrics to nobody (a scrape costs what it costs, whatever the traffic), traces to a server that takes
them all.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import load
from load import Wrk
from peers import Servers
from rows import Row, one_router

LITTLE: Final = 1.1
"""What traces of one request in a hundred may cost, in times of the plain row."""


def logs(servers: Servers, name: str) -> dict[str, Any]:
    return {"accessLog": {"filePath": str(servers.folder / f"{name}.log"), "format": "json"}}


def metrics(servers: Servers, name: str) -> dict[str, Any]:
    return {"metrics": {"prometheus": {}}}


def both(servers: Servers, name: str) -> dict[str, Any]:
    return {**logs(servers, name), **metrics(servers, name)}


def traces(rate: float) -> Callable[[Servers, str], Mapping[str, Any]]:
    def static(servers: Servers, name: str) -> dict[str, Any]:
        collector = {"endpoint": f"http://127.0.0.1:{servers.sink_port}/v1/traces"}
        return {"tracing": {"sampleRate": rate, "otlp": {"http": collector}}}

    return static


def row(key: str, title: str, static: Callable[[Servers, str], Mapping[str, Any]], **budgets: float) -> Row:
    return Row(key, title, one_router, Wrk(load.SAME), static=static, plain=one_router, **budgets)  # type: ignore[arg-type]


ROWS: Final = (
    row("logs", "JSON access log", logs),
    row("metrics", "Prometheus metrics", metrics),
    row("seen", "JSON access log and Prometheus metrics", both, against_traefik=0.5),
    row("traces", "every request traced over OTLP", traces(1.0), against_traefik=1.0),
    row("traces-1", "one request in a hundred traced", traces(0.01), against_plain=LITTLE),
)
