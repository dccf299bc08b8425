"""Services over services: one child for each request (routing.md §5.2). Pure: what a child does is its own business.

A child stands before its balancer as a peer whose URL is the child's name as written, so that strategies and cookies need
not know the difference. One that reports its health is ready while it is up.
"""

from collections.abc import Awaitable
from typing import Any

from pointsman.answers import edited
from pointsman.api import Handler, Peer, Pick
from pointsman.edits import HeaderEdit
from pointsman.errors import NoServer
from pointsman.message import Request, Response
from pointsman.upstream.status import Health
from pointsman.upstream.sticky import Sticky


class Child(Peer):
    """A service as its parent's balancer sees it."""

    __slots__ = ("handler",)

    def __init__(self, name: str, handler: Handler, weight: int = 1) -> None:
        super().__init__(name, host="", port=0, weight=weight)
        self.handler = handler


class WatchedChild(Child):
    """One that is passed over while it is down: nobody but its health says whether it is ready."""

    __slots__ = ("health",)

    def __init__(self, name: str, handler: Handler, health: Health, weight: int = 1) -> None:
        self.health = health
        super().__init__(name, handler, weight)

    @property
    def ready(self) -> bool:
        return self.health.up

    @ready.setter
    def ready(self, value: bool) -> None:
        pass


def labelled(handler: Handler, edit: HeaderEdit) -> Handler:
    """A child that gets requests with headers of its own (kubernetes.md §6)."""
    withheld = (edit.names.__contains__,)

    def call(request: Request) -> Awaitable[Response]:
        edit.apply(request.headers)
        if not request.body.ended or request.body.trailers:  # some servers take trailers for headers
            request.withheld += withheld
        return handler(request)

    return call


class OneOf:
    """The handler of `weighted` and `highestRandomWeight`."""

    def __init__(self, name: str, pick: Pick) -> None:
        self.name = name
        self.pick = pick

    def __call__(self, request: Request) -> Awaitable[Response]:
        child: Any = self.pick(request, ())
        if child is None:
            raise NoServer
        answer: Awaitable[Response] = child.handler(request)
        return answer

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class StickyOneOf(OneOf):
    """The handler of a `weighted` service with a sticky cookie of its own (routing.md §5.3)."""

    def __init__(self, name: str, pick: Pick, sticky: Sticky[Child]) -> None:
        super().__init__(name, pick)
        self.sticky = sticky

    def __call__(self, request: Request) -> Awaitable[Response]:
        kept, current = self.sticky.find(request)
        if kept is not None and kept.ready:
            if current:
                return kept.handler(request)
            child = kept
        else:
            picked: Any = self.pick(request, ())
            if picked is None:
                raise NoServer
            child = picked
        return edited(child.handler(request), lambda response: response.headers.raw.insert(0, self.sticky.line(child)))
