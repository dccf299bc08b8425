"""Forwarding for load balancers with a sticky cookie (routing.md §5.3).

Classes of their own, so that services without a cookie pay nothing. No cookie comes with an error of the gateway: a server
that did not answer is nobody to keep to (the reference gives one, and its clients stay with a dead server).
"""

from typing import Any

from pointsman.api import Peer
from pointsman.message import Request, Response
from pointsman.upstream.forward import Forwarder, Forwarding
from pointsman.upstream.sticky import Sticky


class StickyForwarder(Forwarder):
    """The handler of a `loadBalancer` service with `sticky.cookie`."""

    def __init__(self, sticky: Sticky[Peer], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.sticky = sticky

    def __call__(self, request: Request) -> "StickyForwarding":
        return StickyForwarding(self, request, self.sticky)


class StickyForwarding(Forwarding):
    """One request on its way to the server its client had before, if that is still there."""

    __slots__ = ("_news", "_sticky")

    def __init__(self, service: Forwarder, request: Request, sticky: Sticky[Peer]) -> None:
        super().__init__(service, request)
        self._sticky = sticky
        self._news = True
        """Whether the client must be told."""

    def _begin(self) -> None:
        peer, current = self._sticky.find(self.request)
        if peer is None or not peer.ready:
            super()._begin()
            return
        self._news = not current
        self._peer = peer
        self.request.exchange.peer = peer.url
        self._dispatch(peer)

    def answered(self, response: Response) -> None:
        if self._news and self._peer is not None:
            response.headers.raw.insert(0, self._sticky.line(self._peer))
        super().answered(response)
