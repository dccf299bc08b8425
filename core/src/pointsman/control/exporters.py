"""Whether the exporters that the static configuration asks for can be built: asked before anything is opened."""

import os

from pointsman.api import Handler
from pointsman.config.static import Static
from pointsman.errors import ConfigError
from pointsman.message import Request, Response
from pointsman.net.client_tls import ClientTls
from pointsman.observe.exporting import exporting
from pointsman.plugins import Registry
from pointsman.upstream.transport import peer_from


def check_exporters(static: Static, registry: Registry) -> None:
    """ConfigError with everything that is wrong with their options."""
    _, problems = exporting(static.tracing, registry.span_exporters, _reach, "", os.environ)
    if problems:
        raise ConfigError(problems)


def _reach(url: str, tls: ClientTls | None, timeout_seconds: float) -> Handler:
    peer_from(url)
    return _nobody


def _nobody(request: Request) -> Response:
    return Response(503)
