"""Answers that are told when the first bytes of their body are here, for whoever must see them to decide about the head."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from pointsman.answers import Deferred, pending
from pointsman.api import Handler, Pending, Receiver
from pointsman.message import Request, Response

Look = Callable[[Request, Response], bool]
"""Whether the first bytes of this answer's body have to be seen before its head goes on."""

LOOK_SECONDS: Final = 0.1
"""How long a head waits for them: a stream that is open and silent must be seen to be open."""


def sighted(call_next: Handler, look: Look) -> Handler:
    """The same handler, whose answers come with their first bytes if `look` wants to see them, or after LOOK_SECONDS."""

    def handler(request: Request) -> Awaitable[Response]:
        answer = call_next(request)
        if type(answer) is Response and _is_seen(answer):
            return answer
        return Sighted(pending(answer), request, look)

    return handler


def _is_seen(response: Response) -> bool:
    return response.content is not None or response.body.arrived


class Sighted(Deferred):
    """A Pending in front of another, whose receiver it is."""

    __slots__ = ("_answer", "_look", "_receiver", "_request", "_response", "_timer")

    def __init__(self, answer: Pending, request: Request, look: Look) -> None:
        self._answer = answer
        self._request = request
        self._look = look
        self._receiver: Receiver | None = None
        self._response: Response | None = None
        """The answer, while it waits for its first bytes."""
        self._timer: asyncio.TimerHandle | None = None

    def subscribe(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._answer.subscribe(self)

    def cancel(self) -> None:
        self._receiver = None
        response = self._waited()
        if response is None:
            self._answer.cancel()
        else:
            response.abandon()

    def respond(self, response: Response) -> None:
        if self._receiver is None:  # cancelled, and whoever answers now knows it too
            response.abandon()
            return
        try:
            waits = not _is_seen(response) and self._look(self._request, response)
        except Exception as error:
            response.abandon()
            self.fail(error)
            return
        self._response = response
        if waits:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._seen)
            response.body.on_arrival(self._seen)
        else:
            self._seen()

    def _seen(self) -> None:
        response = self._waited()
        receiver, self._receiver = self._receiver, None
        if response is not None and receiver is not None:
            receiver.respond(response)

    def _waited(self) -> Response | None:
        """The answer, if it waits; now it does no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        response, self._response = self._response, None
        return response

    def fail(self, error: BaseException) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.fail(error)
