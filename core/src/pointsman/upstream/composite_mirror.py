"""A service that answers, and others that get copies (routing.md §5.7).

Whether a mirror gets a copy is decided by counting, so every worker sends its exact share. Copies are made of the request as
it came here and leave when its answer is complete, in the background, one mirror after the other; nobody waits for them, and
nobody hears of what they answer. Their number, their time and what their bodies take together are bounded: what is too much
is dropped and counted.
"""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Final

from pointsman.api import Handler
from pointsman.errors import GatewayError
from pointsman.message import NOTHING, Body, Link, Request, Response
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
        self._running: set[asyncio.Task[None]] = set()

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
        self.dropped += 1
        return False

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
        model = copied(request, link=Link(link.client, link.local, link.scheme, link.entry_point))

        def answered() -> None:
            error = request.exchange.error
            size = 0 if kept is None else len(kept.content)
            if error is not None and not (isinstance(error, GatewayError) and error.side != "client"):
                self.held -= size
            elif len(self._running) >= self.at_once:
                self.held -= size
                self.dropped += 1
            else:
                self._begin(model, mirrors, kept, size)

        request.on_done(answered)
        return model

    def _begin(self, model: Request, mirrors: Sequence[Mirror], kept: Kept | None, size: int) -> None:
        def over(task: "asyncio.Task[None]") -> None:
            self._running.discard(task)
            self.held -= size

        task = asyncio.get_running_loop().create_task(self._send(model, mirrors, kept))
        self._running.add(task)
        task.add_done_callback(over)

    async def _send(self, model: Request, mirrors: Sequence[Mirror], kept: Kept | None) -> None:
        for mirror in mirrors:
            twin = copied(model, NOTHING if kept is None else kept.body())
            try:
                try:
                    async with asyncio.timeout(MIRROR_SECONDS):
                        await _to_the_end(mirror.handler(twin))
                finally:
                    twin.finish()
            except Exception as error:  # whatever it is, it concerns no client
                log.debug("service %s: mirror %s failed: %r", self.name, mirror.name, error)

    async def settled(self) -> None:
        """Wait until nothing is being mirrored."""
        while self._running:
            await asyncio.wait(self._running)

    def __repr__(self) -> str:
        return f"<Mirroring {self.name}, {len(self._running)} under way, {self.held} bytes held, {self.dropped} dropped>"


async def _to_the_end(answer: Awaitable[Response]) -> None:
    """Take an answer and throw it away."""
    response = await answer
    try:
        async for _ in response.body:
            pass
    finally:
        response.body.abandon()
