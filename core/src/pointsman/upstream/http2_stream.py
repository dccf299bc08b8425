"""One exchange with an HTTP/2 server: a stream as a forwarding's carrier.

Theory of operation. CLAIMED until `begin` opens the stream and makes it HEAD (waiting for the response head, any 1xx before
it), BODY from the head to the end of the server's side, then OVER: its connection hears of that once. The head is told when
all that was read with it has been taken in, so that a response that came whole is told whole. The server's end is the end:
what is left of the request's body then is not sent.
"""

from typing import TYPE_CHECKING, Final

from pointsman.api import Peer
from pointsman.deadlines import NEVER
from pointsman.errors import GatewayError
from pointsman.http2.contract import NOBODY
from pointsman.http2.frames import CANCEL, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, error_name
from pointsman.message import NOTHING, Body, HeaderList, Headers, Response
from pointsman.upstream.http2_head import request_fields, trailer_fields
from pointsman.wire import BadMessage, content_length

if TYPE_CHECKING:
    from pointsman.http2.session import Stream
    from pointsman.upstream.forward import Forwarding
    from pointsman.upstream.http2 import Http2Upstream

CLAIMED: Final = 0
HEAD: Final = 1
BODY: Final = 2
OVER: Final = 3

MAX_INTERIM: Final = 100


class Http2Stream:
    """One request and its response."""

    __slots__ = (
        "_body",
        "_connection",
        "_ended",
        "_interims",
        "_left",
        "_pieces",
        "_response",
        "_silent",
        "_state",
        "_stream",
        "_trailers",
        "_watched",
        "deadline",
        "forwarding",
        "heard",
        "reused",
        "write_paused",
    )
    version = 20

    def __init__(self, connection: "Http2Upstream") -> None:
        self.forwarding: Forwarding | None = None
        self.deadline = NEVER
        self.reused = connection.used
        self.heard = False
        self.write_paused = False
        self._connection = connection
        self._stream: Stream = None  # type: ignore[assignment]  # set by begin
        self._state = CLAIMED
        self._interims = 0
        self._left: int | None = None
        """How much of the body is still to come, if its length is known."""
        self._body: Body = NOTHING
        self._response: Response | None = None
        """The response that is not told yet, and what has come of its body:"""
        self._pieces: list[bytes] = []
        self._trailers: HeaderList = []
        self._watched = False
        self._ended = False
        self._silent = False
        """Whether the response has no body, whatever it says."""

    @property
    def usable(self) -> bool:
        return self._state == CLAIMED and self._connection.session.capacity > 0

    @property
    def waiting(self) -> bool:
        return self._state == HEAD

    # the request out

    def begin(self, forwarding: "Forwarding", peer: Peer, alone: bool) -> None:
        self.forwarding = forwarding
        fields = request_fields(forwarding.request, peer, forwarding.service.pass_host)
        connection = self._connection
        connection.unclaim()
        connection.used = True
        self._state = HEAD
        self._stream = connection.session.request(fields, self, alone)
        if forwarding.service.head_seconds > 0:
            self._watched = True
            connection.owner.deadlines.watch(self)

    def send_head(self) -> None:
        """It has gone already."""

    def send(self, chunk: bytes) -> None:
        self._stream.send_data(chunk)

    def finish(self, trailers: HeaderList) -> None:
        self._stream.end(trailer_fields(trailers) if trailers else ())

    def pause(self) -> None:
        self.write_paused = True
        if self.forwarding is not None:
            self.forwarding.pause()

    def resume(self) -> None:
        self.write_paused = False
        if self.forwarding is not None:
            self.forwarding.resume()

    def sent(self) -> None:
        """All of the request has left, some time after it was given."""

    # the response in

    def interim(self, status: int, fields: HeaderList) -> None:
        self.heard = True
        self._interims += 1
        if self._interims > MAX_INTERIM:
            self._bad("too many 1xx responses")
        elif self.forwarding is not None:
            self.forwarding.interim(status, Headers(list(fields)))

    def answered(self, status: int, fields: HeaderList, ended: bool) -> None:
        self.heard = True
        if self.forwarding is None:
            return
        self._state = BODY
        self._calm()
        self._response = Response(status, Headers(list(fields)))
        try:
            self._left = _length_of(fields)
        except BadMessage as error:
            self._bad(str(error))
            return
        if self.forwarding.request.method == b"HEAD" or status in (204, 304):
            self._silent = True
            self._left = 0
        self._connection.fresh(self)
        if ended:
            self.ended([])

    def data(self, chunk: bytes) -> None:
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                self._bad("a body longer than its Content-Length")
                return
        if self._response is not None:
            self._pieces.append(chunk)
        else:
            self._body.feed(chunk)

    def ended(self, trailers: HeaderList) -> None:
        if self._left:
            self._bad("a body shorter than its Content-Length")
            return
        self._ended = True
        self._trailers = trailers
        if self._response is None:
            self._complete()

    def tell(self) -> None:
        """Everything that came with the head has been taken in: tell the response, with as much of its body as is here."""
        response, self._response = self._response, None
        forwarding = self.forwarding
        if response is None or forwarding is None:
            return
        pieces, self._pieces = self._pieces, []
        if self._silent or (self._ended and not self._trailers):
            response.content = b"".join(pieces)
            self._leave(NO_ERROR if self._ended else CANCEL)
        else:
            length = None if self._left is None else self._left + sum(map(len, pieces))
            response.body = self._body = Body(self, length)
            for piece in pieces:
                self._body.feed(piece)
            if self._ended:
                self._complete()
        forwarding.answered(response)

    def _complete(self) -> None:
        """The body has ended, and with it the exchange. The stream is free before its body is told."""
        body, self._body = self._body, NOTHING
        body.orphan()
        self._leave(NO_ERROR)
        body.end(self._trailers)

    # the response body's source

    def pause_reading(self) -> None:
        self._stream.pause()

    def resume_reading(self) -> None:
        self._stream.resume()

    def abandon(self) -> None:
        """Nobody wants the rest of the response."""
        self.shut()

    # endings

    def gone(self, code: int, by_peer: bool) -> None:
        """The server has given the stream up, or broken a rule."""
        if self._ended:  # it has said all, and only wants no more of the request
            return
        if by_peer and code == REFUSED_STREAM:
            self._fail(GatewayError(502, "the server refused the stream", retry="always"))
        else:
            by = "the server reset the stream" if by_peer else "the stream was reset for a mistake of the server"
            self._fail(GatewayError(502, f"{by}: {error_name(code)}"))

    def lost(self, error: GatewayError) -> None:
        """The connection is gone. What has come and waits to be taken is still given."""
        if not self._stream.remote_ended:
            self._fail(GatewayError(error.status, str(error), side=error.side, retry=error.retry))

    def expire(self) -> None:
        """The response head did not come in time."""
        self._give_up(CANCEL, GatewayError(504, "the server did not answer in time"))

    def give_up(self, error: GatewayError) -> None:
        """Carry on no longer: whoever waits for the rest gets this error."""
        self._give_up(CANCEL, error)

    def shut(self) -> None:
        if self._state == CLAIMED:
            self._connection.unclaim()
            self._leave(CANCEL)
        elif self._state != OVER:
            self._give_up(CANCEL, GatewayError(502, "the stream was closed here", side="internal"))

    def _bad(self, why: str) -> None:
        self._give_up(PROTOCOL_ERROR, GatewayError(502, f"the server's answer is not HTTP: {why}"))

    def _give_up(self, code: int, error: GatewayError) -> None:
        if self._stream is not None:
            self._stream.reset(code)
        self._fail(error)

    def _fail(self, error: GatewayError) -> None:
        """Nothing more comes, and whoever waits learns why."""
        if self._state == OVER:
            return
        forwarding = self.forwarding
        told = self._state == BODY and self._response is None
        self._response = None
        self._pieces = []
        body, self._body = self._body, NOTHING
        self._leave(CANCEL)
        if forwarding is not None and not told:
            forwarding.failed(self, error)
        body.orphan()
        if body is not NOTHING:
            body.fail(error)

    def _leave(self, code: int) -> None:
        """This exchange is over; what is still to be sent or to come is given up."""
        self._state = OVER
        self._calm()
        if self._stream is not None:
            self._stream.reset(code)
            self._stream.receiver = NOBODY  # they must not keep each other alive
        forwarding, self.forwarding = self.forwarding, None
        if forwarding is not None:
            forwarding.over()
        self._connection.left()

    def _calm(self) -> None:
        self.deadline = NEVER
        if self._watched:
            self._connection.owner.deadlines.forget(self)

    def __repr__(self) -> str:
        return f"<Http2Stream of {self._connection.pool.name} {('claimed', 'head', 'body', 'over')[self._state]}>"


def _length_of(fields: HeaderList) -> int | None:
    """What Content-Length says. BadMessage for one that is no number, or two."""
    length: int | None = None
    for name, value in fields:
        if name == b"content-length":
            if length is not None:
                raise BadMessage("more than one Content-Length")
            length = content_length(value)
    return length
