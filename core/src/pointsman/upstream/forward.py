"""The last handler: pick a peer, send the request, give its response back (style.md, "The life of one request", step 6).

A forwarding is one request's way to one service. It needs no task: connections call it, and it calls its receiver. It fails
over only where nothing was lost: a kept-alive connection that turned out dead, for a request that may be repeated
(routing.md §6.8); everything else is the retry middleware's business.
"""

import asyncio
from collections.abc import Generator
from typing import Any, Final

from pointsman.api import Peer, Pick, Receiver
from pointsman.errors import GatewayError, NoServer
from pointsman.message import NOTHING, Body, HeaderList, Headers, Request, Response
from pointsman.upstream.carrier import Carrier
from pointsman.upstream.health import Judge
from pointsman.upstream.pool import Pool
from pointsman.upstream.transport import Transport

REPEATABLE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))
CONTINUE_SECONDS: Final = 1.0
MAX_REFUSALS: Final = 5
"""How often a request is offered to a server that says each time that it did not begin with it."""


class Forwarder:
    """The handler of a `loadBalancer` service."""

    def __init__(
        self,
        name: str,
        pick: Pick,
        transport: Transport,
        *,
        pass_host: bool = True,
        flush_seconds: float = 0.1,
        judge: Judge | None = None,
        span_name: str = "",
    ) -> None:
        self.name = name
        self.pick = pick
        self.transport = transport
        self.head_seconds = transport.settings.response_header_timeout
        self.pass_host = pass_host
        self.flush_seconds = flush_seconds
        self.judge = judge
        self.span_name = span_name
        """What traces call a request to a server that is in no service; "" for a service."""

    def __call__(self, request: Request) -> "Forwarding":
        return Forwarding(self, request)

    def __repr__(self) -> str:
        return f"<Forwarder {self.name}>"


class Forwarding:
    """One request on its way: `Pending` for the server, an awaitable for middlewares, the sink of the request body."""

    __slots__ = (
        "_attempt",
        "_connecting",
        "_connection",
        "_continue",
        "_future",
        "_left",
        "_paused",
        "_peer",
        "_receiver",
        "_refusals",
        "_started",
        "request",
        "sent",
        "service",
    )

    def __init__(self, service: Forwarder, request: Request) -> None:
        self.service = service
        self.request = request
        self.sent = False
        """Whether the request has left whole."""
        self._peer: Peer | None = None
        self._attempt: Any = None
        """What is told of how it goes, if anybody follows the exchange."""
        self._connection: Carrier | None = None
        self._receiver: Receiver | None = None
        self._future: asyncio.Future[Response] | None = None
        self._connecting: asyncio.Task[Carrier] | None = None
        self._continue: asyncio.TimerHandle | None = None
        self._left: int | None = None
        self._paused = False
        self._started = False
        self._refusals = 0

    @property
    def peer(self) -> Peer | None:
        """The server that was chosen for it."""
        return self._peer

    # whoever asked

    def subscribe(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._begin()

    def __await__(self) -> Generator[Any, None, Response]:
        future = self._future = asyncio.get_running_loop().create_future()
        self._begin()
        try:
            response: Response = yield from future
            return response
        except asyncio.CancelledError:
            self.cancel()
            if future.done() and not future.cancelled() and future.exception() is None:
                future.result().abandon()
            raise
        finally:
            del future  # it has the error, whose traceback has this frame

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        self._receiver = self._future = None
        task, self._connecting = self._connecting, None
        if task is not None:
            task.cancel()
        self._stop_waiting()
        connection, self._connection = self._connection, None
        if connection is not None and connection.forwarding is self:
            connection.shut()

    def _stop_waiting(self) -> None:
        if self._continue is not None:
            self._continue.cancel()
            self._continue = None

    def _fail(self, error: Exception) -> None:
        receiver, self._receiver = self._receiver, None
        future, self._future = self._future, None
        asked, judge = receiver is not None or future is not None, self.service.judge
        if (
            asked
            and judge is not None
            and self._peer is not None
            and isinstance(error, GatewayError)
            and error.side == "upstream"
        ):
            judge.judge(self._peer, error.status)
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.fail(error)
        if receiver is not None:
            receiver.fail(error)
        elif future is not None and not future.done():
            future.set_exception(error)

    # the way out

    def _begin(self) -> None:
        request = self.request
        exchange = request.exchange
        peer = self.service.pick(request, exchange.tried)
        if peer is None:
            peer = self.service.pick(request, ()) if exchange.tried else None  # all were tried: then any of them again
            if peer is None:
                self._fail(NoServer())
                return
        self._choose(peer)
        connection = peer.pool.take() if request.link.private is None and not request.upgrade else None
        if connection is not None:
            self._send(connection)
        else:
            self._dispatch(peer)

    def _choose(self, peer: Peer) -> None:
        """It goes to this one: whoever follows the exchange hears of that first."""
        request = self.request
        exchange = request.exchange
        self._peer = exchange.server = peer
        if exchange.observer is not None:
            self._attempt = exchange.observer.attempt(request, self.service.name, peer, self.service.span_name)

    def _dispatch(self, peer: Peer) -> None:
        pool = peer.pool
        private = self.request.link.private
        if private is not None:
            pool = private.get(pool) or private.setdefault(pool, pool.apart("for one client", 1))
        single = private is not None or self.request.upgrade != b""
        connection = pool.take_single() if single else pool.take()
        if connection is not None:
            self._send(connection)
            return
        task = self._connecting = asyncio.get_running_loop().create_task(self._connect(peer, pool, single))
        peer.in_flight += 1  # a server that is slow to connect must not look idle
        task.add_done_callback(self._connected)

    async def _connect(self, peer: Peer, pool: Pool[Any], single: bool) -> Carrier:
        return await self.service.transport.connect(peer, pool, single)

    def _connected(self, task: "asyncio.Task[Carrier]") -> None:
        assert self._peer is not None
        self._peer.in_flight -= 1
        if task.cancelled():
            return
        error = task.exception()
        if self._connecting is not task:
            if error is None:
                task.result().shut()
            return
        self._connecting = None
        if error is None:
            connection = task.result()
            if connection.usable:
                self._send(connection)
            else:
                connection.shut()
                self._fail(GatewayError(502, "the server closed the connection as soon as it was open", retry="always"))
        elif isinstance(error, GatewayError):
            self._fail(error)
        else:
            self._fail(GatewayError(502, f"cannot connect: {error!r}"))

    def _send(self, connection: Carrier) -> None:
        peer = self._peer
        assert peer is not None
        request = self.request
        request.exchange.attempts += 1
        peer.in_flight += 1
        self._connection = connection
        if self._attempt is not None:
            self._attempt.version = connection.version
        body = request.body
        alone = self.sent = body is NOTHING
        try:
            connection.begin(self, peer, alone)
        except Exception as error:  # a middleware's headers may be no headers
            self.fail(error)
            return
        if alone:
            timeout = self.service.head_seconds
            if timeout > 0:
                connection.deadline = asyncio.get_running_loop().time() + timeout
        elif request.headers.get(b"expect") is not None and not body.ended:
            connection.send_head()
            self._continue = asyncio.get_running_loop().call_later(CONTINUE_SECONDS, self._send_body)
        else:
            self._send_body()

    def _send_body(self) -> None:
        """Begin to pass the request body on; its first bytes travel with the head."""
        self._stop_waiting()
        connection = self._connection
        if self._started or connection is None or connection.forwarding is not self:
            return
        self._started = True
        self._left = self.request.body.length
        self.request.body.attach(self)
        if self._connection is connection and not self.sent:
            connection.send_head()
        if connection.write_paused:
            self.pause()

    # the sink of the request body

    def write(self, chunk: bytes) -> None:
        connection = self._connection
        if connection is None or connection.forwarding is not self or not chunk:
            return
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:  # what is too much would be read as the next request
                self.fail(GatewayError(500, "the request body is longer than its Content-Length", side="internal"))
                return
        connection.send(chunk)

    def end(self, trailers: HeaderList) -> None:
        connection = self._connection
        if connection is None or connection.forwarding is not self:
            return
        if self._left:
            self.fail(GatewayError(500, "the request body is shorter than its Content-Length", side="internal"))
            return
        self.sent = True
        if trailers and self.request.withheld:
            trailers = [line for line in trailers if not any(withheld(line[0]) for withheld in self.request.withheld)]
        connection.finish(trailers)
        timeout = self.service.head_seconds
        if timeout > 0 and connection.waiting:
            connection.deadline = asyncio.get_running_loop().time() + timeout

    def fail(self, error: Exception) -> None:
        """The request body broke off: the server must not take what it has for the whole."""
        self._stop_waiting()
        receiver, self._receiver = self._receiver, None
        future, self._future = self._future, None
        connection, self._connection = self._connection, None
        if connection is not None and connection.forwarding is self:
            connection.shut()
        self._receiver, self._future = receiver, future
        self._fail(error)

    def pause(self) -> None:
        if self._started and not self._paused and not self.sent:
            self._paused = True
            self.request.body.pause()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self.request.body.resume()

    # the connection's news

    def interim(self, status: int, headers: Headers) -> None:
        if status == 100:
            self._send_body()
        elif not self.request.exchange.tentative:
            self.request.exchange.interim(status, headers)

    def answered(self, response: Response) -> None:
        """The response head is here; its body may still be coming."""
        judge = self.service.judge
        if judge is not None and self._peer is not None:
            judge.judge(self._peer, response.status)
        if self._attempt is not None:
            self._attempt.respond(response)
        if self._continue is not None:
            self._stop_waiting()
        response.flush_seconds = self.service.flush_seconds
        if response.content is None:
            before = self.request.exchange.upstream
            if before is not None and not before.attached:  # of an earlier attempt, and nobody will ask for it
                before.abandon()
            self.request.exchange.upstream = response.body
        elif response.tunnel is not None:
            self.request.exchange.upstream = Body(self._connection)
        receiver, self._receiver = self._receiver, None
        future, self._future = self._future, None
        if receiver is not None:
            receiver.respond(response)
        elif future is not None and not future.done():
            future.set_result(response)
        else:
            response.abandon()

    def over(self) -> None:
        """The connection has nothing more for this request."""
        if self._peer is not None:
            self._peer.in_flight -= 1

    def failed(self, connection: Carrier, error: GatewayError) -> None:
        """The connection broke before the response head was here."""
        self._stop_waiting()
        self._connection = None
        if self._may_go_again(connection, error):
            assert self._peer is not None
            self._dispatch(self._peer)
            return
        self._fail(error)

    def _may_go_again(self, connection: Carrier, error: GatewayError) -> bool:
        """Whether the server has not begun with it, or may begin twice (routing.md §6.8)."""
        if error.retry == "always":  # it said so: REFUSED_STREAM, or a GOAWAY that leaves this one out
            self._refusals += 1
            return self._refusals <= MAX_REFUSALS and not self._started
        return error.retry == "if_reused" and connection.reused and not connection.heard and self._repeatable()

    def _repeatable(self) -> bool:
        request = self.request
        if request.body is not NOTHING:
            return False
        return request.method in REPEATABLE or any(
            name in (b"idempotency-key", b"x-idempotency-key") for name, _ in request.headers.pairs()
        )

    def __repr__(self) -> str:
        return f"<Forwarding {self.request!r} to {self._peer!r}>"
