"""Nobody who can say yes was heard: the client gets 500, and the log says why, now and then (middlewares.md §3.11)."""

import logging
import time
from typing import Final

from pointsman.errors import ClientGone, GatewayError
from pointsman.message import Request, Response

QUIET_SECONDS: Final = 10.0
"""How long failures are only counted after one was told."""
_WORDS: Final = "The authentication server does not answer as it should"


class Silence:
    """Of one instance of a middleware."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._failures = 0
        self._quiet_until = 0.0

    def answer(self, request: Request, error: GatewayError) -> Response:
        """What the client gets. Whoever has left is no failure of the server's: that error is raised again."""
        if isinstance(error, ClientGone):
            raise error
        request.exchange.refuse(_WORDS)
        self._failures += 1
        now = time.monotonic()
        if now >= self._quiet_until:
            self._logger.error("%s (%d times): %s", _WORDS[0].lower() + _WORDS[1:], self._failures, error)
            self._quiet_until = now + QUIET_SECONDS
            self._failures = 0
        return Response(500)
