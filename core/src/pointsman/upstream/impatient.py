"""Forwarding within time limits: for load balancers with `timeouts` (new in Pointsman), beside those of their transport.

A class of its own, so that all other services pay nothing. A forwarding that is watched for its whole time, or for silence,
is looked at by the sweep over all deadlines like a connection; nothing is timed per request. For silence its bodies, or the
two directions of its tunnel, pass by here: each piece is noted, and only when a deadline comes due is it asked how long ago
that was.

A client that does not read, or does not send, is not the server's fault: the former stops the clock for silence (how long it
may do so is the entry point's business), the latter gets a 408 instead of a 504.
"""

import asyncio
from typing import Any, Final

from attrs import frozen

from pointsman.api import Peer
from pointsman.deadlines import NEVER
from pointsman.errors import GatewayError
from pointsman.message import Body, Request, Response
from pointsman.passing import noticed, noticed_tunnel
from pointsman.upstream.attentive import AttentiveForwarder, AttentiveForwarding
from pointsman.upstream.carrier import Carrier
from pointsman.upstream.pool import Pool


@frozen
class Limits:
    """In seconds; 0 is none."""

    connect: float = 0.0
    """Until there is a connection to send the request on."""
    first_byte: float = 0.0
    """From the end of the request to the head of its answer."""
    request: float = 0.0
    """From the choice of the server to the end of its answer; a tunnel is an answer that is over."""
    idle: float = 0.0
    """Without a byte in either direction, while a body or a tunnel is under way."""


NO_LIMITS: Final = Limits()


class ImpatientForwarder(AttentiveForwarder):
    """The handler of a `loadBalancer` service with `timeouts`."""

    def __init__(self, *args: Any, limits: Limits, **options: Any) -> None:
        super().__init__(*args, **options)
        self.limits = limits
        if limits.first_byte > 0:
            self.head_seconds = min(limits.first_byte, self.head_seconds or limits.first_byte)

    def __call__(self, request: Request) -> "ImpatientForwarding":
        return ImpatientForwarding(self, request)


class ImpatientForwarding(AttentiveForwarding):
    """One request that is given up if it takes too long."""

    __slots__ = ("_answer", "_touched", "_tunnel", "_until", "deadline")

    service: ImpatientForwarder

    def __init__(self, service: ImpatientForwarder, request: Request) -> None:
        super().__init__(service, request)
        self.deadline = NEVER
        self._until = NEVER
        """When all of it must be over."""
        self._touched = 0.0
        """When a byte passed last."""
        self._answer: Body | None = None
        """The answer's body, if silence is not to last too long."""
        self._tunnel = False

    # when it is watched: until the carrier says that it is over

    def _begin(self) -> None:
        seconds = self.service.limits.request
        if seconds > 0:
            self._until = asyncio.get_running_loop().time() + seconds
        self._watch()
        super()._begin()

    def failed(self, connection: Carrier, error: GatewayError) -> None:
        self._watch()  # it may go again
        super().failed(connection, error)

    def _watch(self) -> None:
        limits = self.service.limits
        if limits.request > 0 or limits.idle > 0:
            self.deadline = self._until
            self.service.transport.deadlines.watch(self)

    def _leave(self) -> None:
        self.deadline = NEVER
        self.service.transport.deadlines.forget(self)

    def over(self) -> None:
        self._leave()
        super().over()

    def _fail(self, error: Exception) -> None:
        self._leave()
        super()._fail(error)

    def cancel(self) -> None:
        self._leave()
        super().cancel()

    # what passes

    def touch(self) -> None:
        """A byte has passed."""
        self._touched = self.service.transport.deadlines.now

    def _in_motion(self) -> None:
        """From now on bytes should pass."""
        idle = self.service.limits.idle
        if idle > 0:
            self._touched = now = asyncio.get_running_loop().time()
            self.deadline = min(self._until, now + idle)

    async def _connect(self, peer: Peer, pool: Pool[Any], single: bool) -> Carrier:
        seconds = self.service.limits.connect
        try:
            async with asyncio.timeout(seconds or None):
                return await super()._connect(peer, pool, single)
        except TimeoutError:
            raise GatewayError(504, f"no connection to {peer.url} within {seconds:g} s", retry="always") from None

    def _send_body(self) -> None:
        self._in_motion()
        super()._send_body()

    def write(self, chunk: bytes) -> None:
        self.touch()
        super().write(chunk)

    def answered(self, response: Response) -> None:
        if response.tunnel is not None:
            self._until = self.deadline = NEVER
        if self.service.limits.idle > 0:
            if response.tunnel is not None:
                response.tunnel = noticed_tunnel(response.tunnel, self.touch)
                self._tunnel = True
                self._in_motion()
            elif response.content is None and not response.body.ended:
                self._answer = response.body = noticed(response.body, self.touch)
                self._in_motion()
        super().answered(response)

    # too late

    def expire(self) -> None:
        now = asyncio.get_running_loop().time()
        limits = self.service.limits
        if self._until <= now:
            self._cut(f"the request was not over within {limits.request:g} s")
            return
        due = NEVER
        if limits.idle > 0 and (self._tunnel or self._answer is not None or (self._started and not self.sent)):
            if self._answer is not None and self._answer.paused:
                self._touched = now
            due = self._touched + limits.idle
            if due <= now:
                self._cut(f"not a byte has passed for {limits.idle:g} s")
                return
        self.deadline = min(self._until, due)

    def _cut(self, why: str) -> None:
        """Give it up: an answer if that is still possible, else the stream is cut."""
        error = GatewayError(504, why)
        if self._started and not self.sent and not self._paused and self._answer is None:
            error = GatewayError(408, f"{why}, and its body had not come", side="client")
        connection = self._connection
        if connection is not None and connection.forwarding is self:
            connection.give_up(error)
            return
        task, self._connecting = self._connecting, None
        if task is not None:
            task.cancel()
        self._fail(error)
