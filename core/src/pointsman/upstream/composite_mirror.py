"""A service that answers, and others that get copies (routing.md §5.7).

Whether a mirror gets a copy is decided by counting, so every worker sends its exact share. Copies are made of the request as
it came here and leave when its answer is complete, in the background, one mirror after the other; nobody waits for them, and
nobody hears of what they answer. Their number, their time and what their bodies take together are bounded: what is too much
is dropped and counted.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from pointsman.api import Handler, Pending
from pointsman.errors import GatewayError
from pointsman.message import NOTHING, Body, HeaderList, Link, Request, Response
from pointsman.upstream.replay import AT_MOST, Kept, copied, keep, kept_now, without_body

log = logging.getLogger("pointsman.upstream")

AT_ONCE: Final = 100
"""Requests of one service that are being mirrored at the same time."""
MIRROR_SECONDS: Final = 60.0
HELD_BYTES: Final = 64 * 1024 * 1024
"""What the bodies of one service's copies may take together, from the moment they are read; a single one may be larger."""


class Mirror:
    """One service that gets a share of the requests: every one of them at 100 percent, every other at 50."""

    __slots__ = ("handler", "name", "percent", "sent")

    def __init__(self, name: str, handler: Handler, percent: int) -> None:
        self.name = name
        self.handler = handler
        self.percent = percent
        self.sent = 0

    def wants(self, total: int) -> bool:
        """Whether it gets this request, the `total`th; counted as sent if so."""
        if self.sent * 100 >= total * self.percent:
            return False
        self.sent += 1
        return True

    def __repr__(self) -> str:
        return f"<Mirror {self.name} {self.percent} %, {self.sent} sent>"


class Mirroring:
    """The handler of a `mirroring` service."""

    def __init__(
        self,
        name: str,
        main: Handler,
        mirrors: Sequence[Mirror],
        *,
        mirror_body: bool = True,
        max_body_size: int = -1,
        at_once: int = AT_ONCE,
        held_bytes: int = HELD_BYTES,
    ) -> None:
        self.name = name
        self.main = main
        self.mirrors = tuple(mirrors)
        self.mirror_body = mirror_body
        self.limit = AT_MOST if max_body_size < 0 else max_body_size
        self.at_once = at_once
        self.held_bytes = held_bytes
        self.total = 0
        self.held = 0
        """Bytes of bodies that are kept for mirrors now, or may be while they are read."""
        self.dropped = 0
        """Requests that were not mirrored because too many were under way."""
        self.on_drop: Callable[[], None] | None = None
        """Who counts them, too."""
        self._running: set[Copy] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    def __call__(self, request: Request) -> Awaitable[Response]:
        self.total += 1
        mirrors = [mirror for mirror in self.mirrors if mirror.wants(self.total)]
        if not mirrors or request.upgrade:
            return self.main(request)
        if request.body is NOTHING:
            self._mirror(request, mirrors, None)
        elif not self.mirror_body:
            without_body(self._mirror(request, mirrors, None))
        elif self._has_room(request.body):
            kept = kept_now(request.body, self.limit)
            if kept is None:
                return self._when_kept(request, mirrors)
            self._with_body(request, mirrors, kept)
        return self.main(request)

    def _has_room(self, body: Body) -> bool:
        """Whether this body can be kept besides the others; one that will not be kept at all takes no room."""
        size = self.limit if body.length is None else body.length
        if not self.held or size > self.limit or self.held + size <= self.held_bytes:
            return True
        self._drop()
        return False

    def _drop(self) -> None:
        self.dropped += 1
        if self.on_drop is not None:
            self.on_drop()

    async def _when_kept(self, request: Request, mirrors: Sequence[Mirror]) -> Response:
        length = request.body.length
        reserved = self.limit if length is None else length
        self.held += reserved
        try:
            kept = await keep(request.body, self.limit)
        finally:
            self.held -= reserved
        self._with_body(request, mirrors, kept)
        return await self.main(request)

    def _with_body(self, request: Request, mirrors: Sequence[Mirror], kept: Kept | Body) -> None:
        """Give the body to the first service, and keep it for the mirrors unless it is too large."""
        if isinstance(kept, Body):
            request.body = kept
        else:
            request.body = kept.body()
            self.held += len(kept.content)
            self._mirror(request, mirrors, kept)

    def _mirror(self, request: Request, mirrors: Sequence[Mirror], kept: Kept | None) -> Request:
        """Mirror this request when it is answered. The copy that the mirrors' copies will be made of."""
        link = request.link
        model = copied(request, link=Link(link.client, link.local, link.scheme, link.entry_point, link.tls))

        def answered() -> None:
            error = request.exchange.error
            size = 0 if kept is None else len(kept.content)
            if error is not None and not (isinstance(error, GatewayError) and error.side != "client"):
                self.held -= size
            elif len(self._running) >= self.at_once:
                self.held -= size
                self._drop()
            else:
                self._begin(Copy(self, model, mirrors, kept))

        request.on_done(answered)
        return model

    def _begin(self, copy: "Copy") -> None:
        self._running.add(copy)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(MIRROR_SECONDS / 20, self._sweep)
        copy.go()

    def _sweep(self) -> None:
        """Give up who has taken too long: one timer for all of them, coarse, and none when nothing is mirrored."""
        self._sweeping = None
        now = asyncio.get_running_loop().time()
        for copy in tuple(self._running):
            if copy.until <= now:
                copy.give_up()
        if self._running and self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(MIRROR_SECONDS / 20, self._sweep)

    def over(self, copy: "Copy") -> None:
        """The last mirror of this request is done with it."""
        self._running.discard(copy)
        if copy.kept is not None:
            self.held -= len(copy.kept.content)

    def __repr__(self) -> str:
        return f"<Mirroring {self.name}, {len(self._running)} under way, {self.held} bytes held, {self.dropped} dropped>"


class Copy:
    """One request on its way to its mirrors, one after the other: the receiver, and the sink, of what they answer.

    Like a forwarding it needs no task, but for a mirror whose middlewares are coroutines.
    """

    __slots__ = ("_body", "_left", "_mirroring", "_model", "_pending", "_task", "_twin", "kept", "until")

    def __init__(self, mirroring: Mirroring, model: Request, mirrors: Sequence[Mirror], kept: Kept | None) -> None:
        self._mirroring = mirroring
        self._model = model
        self._left = list(reversed(mirrors))
        self.kept = kept
        self.until = 0.0
        """When the mirror that has it now must be done, by the loop's clock."""
        self._twin: Request | None = None
        """The request that one mirror has; None while none has any."""
        self._pending: Pending | None = None
        self._body: Body | None = None
        self._task: asyncio.Task[None] | None = None

    def go(self) -> None:
        """Send it to the next mirror."""
        mirror = self._left.pop()
        body = NOTHING if self.kept is None else self.kept.body()
        twin = self._twin = copied(self._model, body) if self._left else self._model
        twin.body = body
        self.until = asyncio.get_running_loop().time() + MIRROR_SECONDS
        try:
            answer: Any = mirror.handler(twin)
            if type(answer) is Response:
                self.respond(answer)
            elif hasattr(answer, "subscribe"):
                self._pending = answer
                answer.subscribe(self)
            else:
                self._task = asyncio.get_running_loop().create_task(self._run(answer, twin))
        except Exception as error:  # whatever it is, it concerns no client
            self.fail(error)

    async def _run(self, answer: Awaitable[Response], twin: Request) -> None:
        try:
            response = await answer
        except Exception as error:
            if self._twin is twin:
                self.fail(error)
        else:
            if self._twin is twin:
                self.respond(response)
            else:  # given up, and it answered all the same
                response.body.abandon()

    def give_up(self) -> None:
        """The mirror that has it now has had it for too long."""
        pending, body, task = self._pending, self._body, self._task
        self.fail(TimeoutError("it took too long"))
        if pending is not None:
            pending.cancel()
        if body is not None:
            body.abandon()
        if task is not None:
            task.cancel()

    # the receiver of the answer

    def respond(self, response: Response) -> None:
        self._pending = None
        if response.content is not None:
            self._done()
            return
        body = self._body = response.body
        try:
            body.attach(self)
        except RuntimeError:  # a middleware has read it
            body.abandon()
            self._done()

    def fail(self, error: BaseException) -> None:
        """The mirror failed, or its answer broke off; as a sink, too."""
        if self._twin is not None:
            log.debug(
                "service %s: a mirror failed: %r",
                self._mirroring.name,
                error,
                extra={"serviceName": self._mirroring.name, "error": error},
            )
            self._done()

    # the sink of its body

    def write(self, chunk: bytes) -> None:
        pass

    def end(self, trailers: HeaderList) -> None:
        self._done()

    def _done(self) -> None:
        twin, self._twin = self._twin, None
        self._pending = self._body = self._task = None
        if twin is None:
            return
        try:
            twin.finish()  # and with it what a server says, if a middleware answered in its place
        except Exception as error:
            log.debug(
                "service %s: an on_done callback of a copy raised %r",
                self._mirroring.name,
                error,
                extra={"serviceName": self._mirroring.name, "error": error},
            )
        if self._left:
            asyncio.get_running_loop().call_soon(self.go)
        else:
            self._mirroring.over(self)
