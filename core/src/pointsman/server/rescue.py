"""Exception -> Response: the only such place. A client learns a status and a plain word, never a traceback or an address."""

import logging

from pointsman.errors import ClientGone, GatewayError
from pointsman.message import Exchange, Response
from pointsman.spans import log_fields

log = logging.getLogger("pointsman.server")
_TYPED = frozenset((404, 413, 421, 503))


def not_found() -> Response:
    """No router matches, or the one that would is closed (routing.md §6.7)."""
    return Response.text(404, "404 page not found\n")


def misdirected() -> Response:
    """The router found has other TLS options than its connection agreed to (routing.md §4.3)."""
    return Response.text(421, "Misdirected Request\n")


def rescue(error: BaseException, exchange: Exchange) -> Response:
    """What the client gets for an exception that came out of the chain of the exchange's router (routing.md §6.7)."""
    if isinstance(error, ClientGone):
        return Response(499)
    if isinstance(error, GatewayError):
        if error.status >= 500 and log.isEnabledFor(logging.DEBUG):
            log.debug("router %s: %d: %s", exchange.router or "(none)", error.status, error, extra=log_fields(exchange))
        response = _said(error)
        for amend in error.amendments:
            amend(response)
        return response
    log.error(
        "router %s: a middleware or service raised %r",
        exchange.router or "(none)",
        error,
        exc_info=error,
        extra=log_fields(exchange),
    )
    return Response.text(500, "Internal Server Error\n")


def _said(error: GatewayError) -> Response:
    if error.body is not None and error.status in _TYPED:
        return Response.text(error.status, error.body.decode("latin-1"))
    return Response.plain(error.status, error.body)
