"""A request that waits a moment for its token, without a task."""

import asyncio

from pointsman import Deferred, Handler, Pending, Receiver, Request, pending
from pointsman_ratelimit.bucket import Bucket


class Waiting(Deferred):
    """The answer of the next handler, asked for later. A client that leaves ends the wait."""

    __slots__ = ("_answer", "_bucket", "_call_next", "_receiver", "_request", "_seconds", "_timer")

    def __init__(self, bucket: Bucket, request: Request, call_next: Handler) -> None:
        self._bucket = bucket
        self._seconds = bucket.wait
        self._request = request
        self._call_next = call_next
        self._answer: Pending | None = None
        self._receiver: Receiver | None = None
        self._timer: asyncio.TimerHandle | None = None

    def subscribe(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._bucket.waiting += 1
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        self._bucket.waiting -= 1
        receiver, self._receiver = self._receiver, None
        assert receiver is not None
        try:
            self._answer = pending(self._call_next(self._request))
            self._answer.subscribe(receiver)
        except Exception as error:  # here it would reach nobody but the loop
            receiver.fail(error)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._receiver = None
            self._bucket.waiting -= 1
        elif self._answer is not None:
            self._answer.cancel()
