"""One exchange, from a parsed request to its last byte out. What does not depend on the HTTP version.

Theory of operation. An exchange is *open* until `finish` has run, once. `dispatch` finds the route, `begin` asks its
handler. The answer comes as a Response at once, as a Pending that calls back, or from a task, made only for coroutines.
`respond` sends the head and becomes the body's sink; `fail` turns an exception into a response, or, if a head is out, resets
the stream. `abort` is the client's side going away: it cancels whatever is running. All ways lead to `finish`, which gives
the snapshot back and runs the request's `on_done` callbacks.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Mapping
from time import monotonic
from typing import Any

from pointsman.api import Pending
from pointsman.errors import ClientGone, without_frames
from pointsman.message import OVER, Body, Exchange, HeaderList, Request, Response
from pointsman.routing.snapshot import Route, Snapshot
from pointsman.routing.table import Ambiguous
from pointsman.server.entry import Entry
from pointsman.server.rescue import misdirected, not_found, rescue
from pointsman.spans import log_fields

log = logging.getLogger("pointsman.server")


class Cycle(Exchange):
    """The common part; a subclass per HTTP version writes heads and bytes: `respond`, `write`, `end`, `reset`, `_over`."""

    __slots__ = ("_answering", "_body", "_pending", "_task", "head_sent", "loop", "open", "route", "snapshot")

    request: Request

    loop: asyncio.AbstractEventLoop
    snapshot: Snapshot
    open: bool
    head_sent: bool
    _answering: Awaitable[Response]
    _task: asyncio.Task[None] | None
    _pending: Pending | None
    _body: Body | None

    def dispatch(self, entry: Entry) -> None:
        """Have the request answered by whoever the routers of its entry point say."""
        request = self.request
        path = request.path
        if path[0] != 0x2F or 0x23 in path:
            self.respond(_special(request))
            return
        link = request.link
        try:
            found = self.snapshot.table(link).match(request)
        except Ambiguous:
            entry.ambiguous += 1
            self._refuse(Response(400))
            return
        except Exception as error:  # a predicate is a plugin's
            self.fail(error)
            return
        if found is None:
            self.begin(None)
        elif 0x25 in path and entry.denies(path):
            self._refuse(Response(400))
        elif link.tls is not None and link.tls.options != found.target.tls_options:
            self._refuse(misdirected())
        else:
            self.begin(found.target)

    def begin(self, route: Route | None) -> None:
        """Have the request answered by `route`, or by the 404 if there is none."""
        if route is None:
            self._refuse(not_found())
            return
        self.router = route.name
        self.service = route.service
        try:
            observers = route.observers
            if observers is not None:
                observer = observers.get(self.request.link.entry_point)
                if observer is not None and not observer.begin(self):
                    self.observer = observer
            answer: Any = route.handler(self.request)
            if type(answer) is Response:
                self.respond(answer)
            elif hasattr(answer, "subscribe"):
                self._pending = answer
                answer.subscribe(self)
            else:
                self._answering = answer
                self._task = self.loop.create_task(self._run(answer))
        except Exception as error:
            self.fail(error)

    def _refuse(self, response: Response) -> None:
        """Answer in the place of routers."""
        self._observe(self.snapshot.unrouted)
        self.respond(response)

    def _observe(self, observers: Mapping[str, Any]) -> None:
        observer = observers.get(self.request.link.entry_point)
        if observer is not None and not observer.begin(self):
            self.observer = observer

    async def _run(self, answer: Awaitable[Response]) -> None:
        try:
            response = await answer
        except asyncio.CancelledError:
            self._task = None
            if self.open:
                self.fail(ClientGone())
            raise
        except Exception as error:
            self._task = None
            self.fail(error)
        else:
            self._task = None
            self.respond(response)

    def respond(self, response: Response) -> None:
        """Send the head and become the sink of the body. A response that cannot be written becomes a 500, or a reset."""
        raise NotImplementedError

    def write(self, chunk: bytes) -> None:
        raise NotImplementedError

    def end(self, trailers: HeaderList) -> None:
        raise NotImplementedError

    def reset(self) -> None:
        """Cut the stream so that the client cannot take what it has for the whole."""
        raise NotImplementedError

    def _over(self) -> None:
        """Tell the connection that this exchange is finished."""
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """Something on the way went wrong: answer for it if that is still possible."""
        if not self.open:
            return
        self._pending = None
        self.error = error
        if self.head_sent:
            self.reset()
            self.finish()
            return
        try:
            self.respond(rescue(error, self))
        except Exception as problem:  # a response that cannot be written must not leave the client waiting
            log.error("router %s: cannot answer for %r: %r", self.router or "(none)", error, problem, extra=log_fields(self))
            self.reset()
            self.finish()

    def _unwritable(self, error: Exception) -> None:
        """The response that was to be written is none."""
        if not self.open:
            return
        if self.head_sent or self.error is not None:
            log.error(
                "router %s: a response cannot be written: %r",
                self.router,
                error,
                exc_info=error,
                extra=log_fields(self),
            )
            self.error = error
            self.reset()
            self.finish()
        else:
            self.fail(error)

    def abort(self, error: Exception) -> None:
        """The client's side is gone: stop all work on its behalf."""
        if not self.open:
            return
        self.error = error
        if not self.head_sent:
            self.status = 499
        task, self._task = self._task, None
        pending, self._pending = self._pending, None
        body, self._body = self._body, None
        self.finish()
        if task is not None:
            self._cancel(task)
        if pending is not None:
            pending.cancel()
        if body is not None:
            body.abandon()

    def _cancel(self, task: "asyncio.Task[None]") -> None:
        answer = self._answering
        if inspect.iscoroutine(answer) and inspect.getcoroutinestate(answer) == inspect.CORO_CREATED:
            answer.close()  # its task has not run yet, and will not: nobody else would
        task.cancel()

    def cancel_work(self) -> None:
        """Stop whatever is preparing an answer; another one will be given."""
        task, self._task = self._task, None
        pending, self._pending = self._pending, None
        if task is not None:
            self._cancel(task)
        if pending is not None:
            pending.cancel()

    def finish(self) -> None:
        """Close the exchange's books, once."""
        if not self.open:
            return
        self.open = False
        self.finished = monotonic()
        snapshot = self.snapshot
        snapshot.holders -= 1
        if snapshot.retired and not snapshot.holders:
            snapshot.on_free()
        upstream, self.upstream = self.upstream, None
        if upstream is not None and not upstream.ended:
            upstream.abandon()
        if self.request._done is not None:
            try:
                self.request.finish()
            except Exception as error:
                log.error(
                    "router %s: an on_done callback raised %r",
                    self.router,
                    error,
                    exc_info=error,
                    extra=log_fields(self),
                )
        if self.observer is not None:
            try:
                self.observer.finish(self)
            except Exception as error:
                log.error(
                    "router %s: whoever follows its requests raised %r",
                    self.router,
                    error,
                    exc_info=error,
                    extra=log_fields(self),
                )
            self.attempt = None
        self.request.exchange = OVER
        if self.error is not None:
            without_frames(self.error)
        self._over()


def _special(request: Request) -> Response:
    """Targets that no router sees (routing.md §6.1, §6.3)."""
    if request.method == b"CONNECT":
        return Response(501)
    return Response(200 if request.path == b"*" else 400)
