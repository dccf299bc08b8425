"""Whether the exporters that the static configuration asks for can be built: asked before anything is opened."""

import logging
import os
from collections.abc import Sequence
from typing import Any

from pointsman.api import Handler
from pointsman.config.static import Static
from pointsman.control.metering import built_exporters
from pointsman.errors import ConfigError, Problem
from pointsman.measures import Metric
from pointsman.message import Request, Response
from pointsman.net.client_tls import ClientTls
from pointsman.observe.exporting import exporting
from pointsman.observe.logexport import log_deliveries
from pointsman.plugins import Registry
from pointsman.spans import Resource
from pointsman.upstream.transport import peer_from


def check_exporters(static: Static, registry: Registry) -> list[Problem]:
    """ConfigError with everything that is wrong with their options; what only switches one off is returned."""
    _, problems = exporting(static.tracing, registry.span_exporters, _reach, "", os.environ)
    access = static.access_log.exporters if static.access_log is not None else {}
    for section, named in (("log", static.log.exporters), ("accessLog", access)):
        _, more = log_deliveries(section, named, registry.log_exporters, _reach, "", os.environ)
        problems += more
    _, of_metrics = built_exporters(static, registry, Unread)
    problems += of_metrics
    if any(not problem.warning for problem in problems):
        raise ConfigError(problems)
    return problems


class Unread:
    """A MetricsContext that leads nowhere."""

    def __init__(self, name: str, config: Any) -> None:
        self._name = name
        self.resource = Resource({}, "")

    @property
    def name(self) -> str:
        return self._name

    @property
    def logger(self) -> logging.Logger:
        return logging.getLogger(f"pointsman.metrics.{self._name}")

    async def read(self) -> Sequence[Metric]:
        return ()

    def dropped(self, samples: int) -> None:
        pass

    def server(self, url: str, *, tls: ClientTls | None = None, timeout_seconds: float = 0.0) -> Handler:
        return _reach(url, tls, timeout_seconds)


def _reach(url: str, tls: ClientTls | None, timeout_seconds: float) -> Handler:
    peer_from(url)
    return _nobody


def _nobody(request: Request) -> Response:
    return Response(503)
