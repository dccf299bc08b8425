"""Whether the exporters that the static configuration asks for can be built: asked before anything is opened."""

import os

from pointsman.api import Handler
from pointsman.config.static import Static
from pointsman.errors import ConfigError
from pointsman.message import Request, Response
from pointsman.net.client_tls import ClientTls
from pointsman.observe.exporting import exporting
from pointsman.observe.logexport import log_deliveries
from pointsman.plugins import Registry
from pointsman.upstream.transport import peer_from


def check_exporters(static: Static, registry: Registry) -> None:
    """ConfigError with everything that is wrong with their options."""
    _, problems = exporting(static.tracing, registry.span_exporters, _reach, "", os.environ)
    access = static.access_log.exporters if static.access_log is not None else {}
    for section, named in (("log", static.log.exporters), ("accessLog", access)):
        _, more = log_deliveries(section, named, registry.log_exporters, _reach, "", os.environ)
        problems += more
    if problems:
        raise ConfigError(problems)


def _reach(url: str, tls: ClientTls | None, timeout_seconds: float) -> Handler:
    peer_from(url)
    return _nobody


def _nobody(request: Request) -> Response:
    return Response(503)
