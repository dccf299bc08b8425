"""Forwarding for load balancers that look twice: at a sticky cookie (routing.md §5.3), at how long servers take, at retries.

Classes of their own, so that all other services pay nothing. No cookie comes with an error of the gateway: a server that did
not answer is nobody to keep to (the reference gives one, and its clients stay with a dead server).
"""

import asyncio
from collections.abc import Callable
from typing import Any

from pointsman.api import Peer
from pointsman.message import Request, Response
from pointsman.upstream.forward import Forwarder, Forwarding
from pointsman.upstream.retry_budget import RetryBudget
from pointsman.upstream.sticky import Sticky

Timed = Callable[[Peer, float], None]
"""Told how many seconds a server took from the choice to the head of its answer."""


class AttentiveForwarder(Forwarder):
    """The handler of a `loadBalancer` service with `sticky.cookie` or `retryBudget`, or whose strategy wants times."""

    def __init__(
        self,
        *args: Any,
        sticky: Sticky[Peer] | None = None,
        timed: Timed | None = None,
        retries: RetryBudget | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.sticky = sticky
        self.timed = timed
        self.retries = retries

    def __call__(self, request: Request) -> "AttentiveForwarding":
        return AttentiveForwarding(self, request)


class AttentiveForwarding(Forwarding):
    """One request on its way to the server its client had before, if that is still there, or to the strategy's choice."""

    __slots__ = ("_begun", "_current", "_kept")

    service: AttentiveForwarder

    def __init__(self, service: AttentiveForwarder, request: Request) -> None:
        super().__init__(service, request)
        self._kept = False
        """Whether the client's cookie chose the server ..."""
        self._current = False
        """... and need not be renewed."""
        self._begun = 0.0

    def _begin(self) -> None:
        self._begun = asyncio.get_running_loop().time()
        sticky, exchange = self.service.sticky, self.request.exchange
        if self.service.retries is not None and not exchange.tried:
            self.service.retries.deposit()
        peer, current = sticky.find(self.request) if sticky is not None else (None, False)
        if peer is None or not peer.ready or peer in exchange.tried:
            super()._begin()
            return
        self._kept = True
        self._current = current
        self._choose(peer)
        self._dispatch(peer)

    def answered(self, response: Response) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:  # it hears what the server said, and nothing of cookies of ours
            attempt.respond(response)
        peer, service = self._peer, self.service
        if peer is not None:
            if service.sticky is not None and not self._current:
                response.headers.raw.insert(0, service.sticky.line(peer))
            if service.timed is not None and not self._kept:
                service.timed(peer, asyncio.get_running_loop().time() - self._begun)
        super().answered(response)
