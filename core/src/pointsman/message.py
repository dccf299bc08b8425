"""What travels: headers, bodies, requests, responses, and the exchange they belong to. Slots, no I/O.

Wire data stays `bytes`; header names are lower case. A body is pushed by its source (a connection) into its sink (another
connection) without a copy in between; whoever cannot take more pauses it, and pauses are counted.
"""

import asyncio
import ipaddress
import re
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Final, Protocol

from pointsman import paths
from pointsman.errors import BodyTooLarge
from pointsman.spelling import APART, LONG_NAME, PREFIXES

HeaderList = list[tuple[bytes, bytes]]

_MAX_ADDED: Final = 48
"""How many lines are added to headers that are as they were read, before these are taken apart."""
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_SOUND: Final[set[bytes]] = set()
"""Names that were looked at and found to be tokens."""
_MAX_SOUND: Final = 1024
_BAD_VALUE = re.compile(rb"[\r\n\0]")
HIGH_WATER = 64 * 1024
"""Bytes a body without a sink may hold before its source is paused."""

SMALL_PIECE = 1024
"""Held pieces are joined up to this size."""

REASONS: dict[int, bytes] = {status.value: status.phrase.encode() for status in HTTPStatus}
REASONS |= {
    413: b"Request Entity Too Large",
    414: b"Request URI Too Long",
    416: b"Requested Range Not Satisfiable",
    422: b"Unprocessable Entity",
    418: b"I'm a teapot",
    499: b"Client Closed Request",
}


def reason(status: int) -> bytes:
    """The standard reason phrase; `status code 999` for one nobody registered (routing.md §6.5)."""
    return REASONS.get(status) or b"status code %d" % status


class Headers:
    """An ordered multi-map of header lines. Names are lower-case bytes; `raw` is the list itself.

    Headers that came over the wire keep the parsed form until somebody looks at them, and are sent on from it if nobody
    does: `parsed` is that form, or None once `raw` has been made.
    """

    __slots__ = ("parsed", "raw")
    raw: HeaderList

    def __init__(self, raw: Iterable[tuple[bytes, bytes]] = (), parsed: "Parsed | None" = None) -> None:
        self.parsed = parsed
        if parsed is None:
            self.raw = raw if type(raw) is list else list(raw)

    def __getattr__(self, name: str) -> Any:  # only called while `raw` has not been made
        parsed = self.parsed
        if name != "raw" or parsed is None:
            raise AttributeError(name)
        self.parsed = None
        self.raw = list(parsed.pairs())
        return self.raw

    def get(self, name: bytes, default: bytes | None = None) -> bytes | None:
        """The first value of `name`."""
        for key, value in self.pairs():
            if key == name:
                return value
        return default

    def get_all(self, name: bytes) -> list[bytes]:
        """Every value of `name`, in order."""
        return [value for key, value in self if key == name]

    def add(self, name: bytes, value: bytes) -> None:
        """Append a line. ValueError if the name is not a lower-case token or the value holds CR, LF or NUL."""
        line = _checked(name, value)
        parsed = self.parsed
        if parsed is None or name in APART or type(name) is not bytes or len(parsed.added) >= _MAX_ADDED:
            self.raw.append(line)
        else:
            self.parsed = parsed.plus(line)

    def set(self, name: bytes, value: bytes) -> None:
        """Make `value` the only value of `name`. ValueError as for `add`."""
        if name not in self:
            self.add(name, value)
            return
        line = _checked(name, value)
        raw = self.raw
        for position, (key, _) in enumerate(raw):
            if key == name:
                raw[position] = line
                raw[position + 1 :] = [other for other in raw[position + 1 :] if other[0] != name]
                return

    def remove(self, name: bytes) -> None:
        """Drop every line of `name`, if any."""
        if name in self:
            self.raw[:] = [line for line in self.raw if line[0] != name]

    def copy(self) -> "Headers":
        return Headers(self.raw.copy()) if self.parsed is None else Headers(parsed=self.parsed)

    def pairs(self) -> Sequence[tuple[bytes, bytes]]:
        """The lines, to be looked at only: unlike `raw` this leaves them as they were read."""
        return self.raw if self.parsed is None else self.parsed.pairs()

    def __contains__(self, name: object) -> bool:
        for key, _ in self.pairs():  # noqa: SIM110  # a loop costs half of any() with a generator
            if key == name:
                return True
        return False

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(self.pairs())

    def __len__(self) -> int:
        return len(self.pairs())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and list(self) == list(other)

    def __repr__(self) -> str:
        lines = ", ".join(f"{name!r}: {value!r}" for name, value in self.pairs())
        return f"<Headers {lines}>"


class Parsed:
    """Header lines as a connection read them: what they say, and how they are sent on.

    `lines` are (pair, special, wire form) of each, `wire` their wire forms joined, `seen` the bits of their meanings,
    `added` what the gateway says besides (its wire form is in `wire`), `chain` the X-Forwarded-For line with the client
    in it.
    """

    __slots__ = ("_pairs", "added", "chain", "edits", "lines", "seen", "untraced", "wire")

    def __init__(self, lines: list[Any], seen: int, wire: bytes) -> None:
        self.lines = lines
        self.seen = seen
        self.wire = wire
        self.added: HeaderList = []
        self.chain = b""
        self.edits: dict[Any, Parsed | None] | None = None
        """What edits made of it (`edits.py`)."""
        self.untraced: Any = None
        """Names of trace headers of which it is known that none is among the lines."""
        self._pairs: tuple[tuple[bytes, bytes], ...] | None = None

    def pairs(self) -> tuple[tuple[bytes, bytes], ...]:
        """All lines."""
        pairs = self._pairs
        if pairs is None:
            pairs = self._pairs = (*[line[0] for line in self.lines], *self.added)
        return pairs

    def plus(self, line: tuple[bytes, bytes]) -> "Parsed":
        """These lines and one more, whose name is none of `APART`."""
        made = Parsed(self.lines, self.seen, self.wire + PREFIXES[line[0]] + line[1])
        made.added = [*self.added, line]
        made.chain = self.chain
        return made


class Spelled(bytes):
    """A header name, lower case as all are, that servers of HTTP/1 get in a spelling of its own.

    For the rare server that compares names letter by letter: `headers.raw.append((Spelled("X-WebAuth-User"), user))`.
    """

    spelling: bytes

    def __new__(cls, spelling: str) -> "Spelled":
        """ValueError if it is no token (RFC 9110 section 5.1)."""
        name = super().__new__(cls, spelling.lower().encode())
        _checked(name, b"")
        name.spelling = spelling.encode()
        return name


def _checked(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    if name not in _SOUND:
        if not _NAME.fullmatch(name):
            raise ValueError(f"header name {name!r} is not a lower-case token (RFC 9110 section 5.1)")
        if len(_SOUND) < _MAX_SOUND and len(name) <= LONG_NAME:
            _SOUND.add(bytes(name))
    if _BAD_VALUE.search(value):
        raise ValueError(f"the value of header {name!r} holds CR, LF or NUL (RFC 9110 section 5.5)")
    return name, value


class Sink(Protocol):
    """Where a body goes. After `end` or `fail` nothing more comes."""

    def write(self, chunk: bytes, /) -> None: ...
    def end(self, trailers: HeaderList, /) -> None: ...
    def fail(self, error: Exception, /) -> None: ...


class Source(Protocol):
    """Where a body comes from, as far as the body needs to know."""

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def abandon(self) -> None:
        """Nobody wants the rest."""


class Body:
    """Chunks on their way from one source to one sink.

    The source calls `feed`, then `end` or `fail`. Until a sink is attached chunks are held, and the source is paused above
    HIGH_WATER. `wanted` is called when a sink is first attached: a server sends its 100 Continue then. `length` is the
    number of bytes if it is known beforehand. Read it once: by `attach`, `async for`, or `read`.
    """

    __slots__ = ("_chunks", "_held", "_pauses", "_sink", "_source", "ended", "error", "length", "trailers", "wanted")

    def __init__(self, source: Source | None = None, length: int | None = None) -> None:
        self._source = source
        self._sink: Sink | None = None
        self._chunks: list[bytes] = []
        self._held = 0
        self._pauses = 0
        self.length = length
        self.ended = False
        self.error: Exception | None = None
        self.trailers: HeaderList = []
        self.wanted: Callable[[], None] | None = None

    @classmethod
    def of(cls, content: bytes) -> "Body":
        """A body that is all there."""
        body = cls(length=len(content))
        if content:
            body._chunks.append(content)
        body.ended = True
        return body

    @classmethod
    def stream(cls, chunks: AsyncIterable[bytes], length: int | None = None) -> "Body":
        """A body whose chunks are taken from `chunks` as fast as the sink takes them."""
        pump = _Pump(chunks)
        body = cls(pump, length)
        body.wanted = pump.starter(body)
        return body

    @property
    def attached(self) -> bool:
        """True once somebody reads it."""
        return self._sink is not None and type(self._sink) is not _Lookout

    @property
    def paused(self) -> bool:
        """True while somebody wants no more for now."""
        return self._pauses > 0

    # the source's side

    def feed(self, chunk: bytes) -> None:
        if self._sink is not None:
            self._sink.write(chunk)
            return
        chunks = self._chunks
        if chunks and len(chunk) + len(chunks[-1]) <= SMALL_PIECE:
            chunks[-1] += chunk  # a thousand bytes that come one by one cost no more than a thousand bytes
        else:
            chunks.append(chunk)
        self._held += len(chunk)
        if self._held - len(chunk) < HIGH_WATER <= self._held:
            self.pause()

    def end(self, trailers: HeaderList | None = None) -> None:
        self.ended = True
        if trailers:
            self.trailers = trailers
        sink = self._sink
        if sink is not None:
            self._sink = _DONE
            sink.end(self.trailers)

    def fail(self, error: Exception) -> None:
        if self.ended or self.error is not None:
            return
        self.error = error
        sink = self._sink
        if sink is not None:
            self._sink = _DONE
            sink.fail(error)

    # the sink's side

    def attach(self, sink: Sink) -> None:
        """Send everything, held and coming, to `sink`."""
        if self._sink is not None and type(self._sink) is not _Lookout:
            raise RuntimeError("this body is already being read")
        self._sink = sink
        if self.wanted is not None:
            self._want()
        if self._chunks:
            held, self._chunks = self._chunks, []
            for chunk in held:
                sink.write(chunk)
            size, self._held = self._held, 0
            if size >= HIGH_WATER:
                self.resume()
        if self._sink is not sink:
            return  # it failed while it was being told
        if self.ended:
            self._sink = _DONE
            sink.end(self.trailers)
        elif self.error is not None:
            self._sink = _DONE
            sink.fail(self.error)

    def _want(self) -> None:
        wanted, self.wanted = self.wanted, None
        if wanted is not None:
            wanted()

    @property
    def arrived(self) -> bool:
        """True once there is something to see: bytes, the end or a failure."""
        return bool(self._chunks) or self.ended or self.error is not None

    def on_arrival(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, as soon as there is something to see; nothing of the body is taken by that."""
        if self.arrived:
            callback()
            return
        self._sink = _Lookout(self, callback)
        self._want()

    def glimpse(self, limit: int) -> bytes:
        """The first bytes, at most `limit`, of what has come and nobody has read."""
        chunks = self._chunks
        return chunks[0][:limit] if chunks and len(chunks[0]) >= limit else b"".join(chunks)[:limit]

    def take(self) -> bytes:
        """The content of a body that has ended before anybody read it."""
        self._sink = _DONE
        chunks, self._chunks = self._chunks, []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def pause(self) -> None:
        """Ask the source to stop. Counted: as many `resume` calls set it going again."""
        self._pauses += 1
        if self._pauses == 1 and self._source is not None:
            self._source.pause_reading()

    def resume(self) -> None:
        self._pauses -= 1
        if self._pauses == 0 and self._source is not None:
            self._source.resume_reading()

    def orphan(self) -> None:
        """The source is gone, or has turned to something else: nobody is to be paused any more."""
        self._source = None

    def cut(self, error: Exception) -> None:
        """Have it end here, for whoever reads it and for its source alike; an ended body does not mind."""
        source = self._source
        if not self.ended and self.error is None:
            self.fail(error)
            if source is not None:
                source.abandon()

    def abandon(self) -> None:
        """Say that the rest is not wanted; an ended body does not mind."""
        if not self.ended and self.error is None and self._source is not None:
            self._source.abandon()

    def discard(self, limit: int) -> None:
        """Say that it is not wanted, but let up to `limit` bytes of it come, so that its connection can be used again."""
        if self.ended or self.error is not None:
            return
        if self._sink is not None or (self.length is not None and self.length > limit):
            self.abandon()
        else:
            self.attach(_Discarding(self, limit))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        reader = _Reader(self)
        self.attach(reader)
        while chunk := await reader.next():
            yield chunk

    async def read(self, limit: int) -> bytes:
        """The whole body. BodyTooLarge (413) above `limit` bytes."""
        if self.length is not None and self.length > limit:
            raise BodyTooLarge(limit)
        chunks: list[bytes] = []
        size = 0
        async for chunk in self:
            size += len(chunk)
            if size > limit:
                raise BodyTooLarge(limit)
            chunks.append(chunk)
        return b"".join(chunks)

    def __repr__(self) -> str:
        state = "failed" if self.error else "ended" if self.ended else "open"
        return f"<Body {state}, {self._held} bytes held, {self._pauses} pauses>"


class _Done:
    """The sink of a body that is over: it lets the real one go."""

    __slots__ = ()

    def write(self, chunk: bytes) -> None:
        pass

    def end(self, trailers: HeaderList) -> None:
        pass

    def fail(self, error: Exception) -> None:
        pass


_DONE: Final = _Done()


class _Discarding(_Done):
    """A sink that nobody looks into, for a while."""

    __slots__ = ("_body", "_left")

    def __init__(self, body: Body, limit: int) -> None:
        self._body = body
        self._left = limit

    def write(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        if self._left < 0:
            self._body.abandon()


class _Lookout:
    """In the place of a sink, until something comes for one."""

    __slots__ = ("_body", "_callback")

    def __init__(self, body: Body, callback: Callable[[], None]) -> None:
        self._body = body
        self._callback = callback

    def write(self, chunk: bytes) -> None:
        self._body._sink = None
        self._body.feed(chunk)
        self._callback()

    def end(self, trailers: HeaderList) -> None:
        self._body._sink = None
        self._callback()

    def fail(self, error: Exception) -> None:
        self._body._sink = None
        self._callback()


class _Nothing(Body):
    """The body of a message that has none: one object for all of them."""

    __slots__ = ()

    def attach(self, sink: Sink) -> None:
        sink.end([])

    def take(self) -> bytes:
        return b""

    def pause(self) -> None:
        pass

    resume = abandon = pause


NOTHING: Final[Body] = _Nothing(length=0)
NOTHING.ended = True


class _Reader:
    """A sink that hands chunks to a coroutine."""

    __slots__ = ("_body", "_chunks", "_error", "_held", "_over", "_waiter")

    def __init__(self, body: Body) -> None:
        self._body = body
        self._chunks: list[bytes] = []
        self._held = 0
        self._over = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def write(self, chunk: bytes) -> None:
        if not chunk:
            return
        self._chunks.append(chunk)
        self._held += len(chunk)
        if self._held - len(chunk) < HIGH_WATER <= self._held:
            self._body.pause()
        self._wake()

    def end(self, trailers: HeaderList) -> None:
        self._over = True
        self._wake()

    def fail(self, error: Exception) -> None:
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self) -> bytes:
        """The bytes that have come, or b"" at the end."""
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self._over:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        chunk = b"".join(self._chunks)
        self._chunks.clear()
        size, self._held = self._held, 0
        if size >= HIGH_WATER:
            self._body.resume()
        return chunk


class _Pump:
    """A source that pulls an async iterable once a sink is there."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = chunks
        self._going = asyncio.Event()
        self._going.set()
        self._task: asyncio.Task[None] | None = None

    def starter(self, body: Body) -> Callable[[], None]:
        def start() -> None:
            self._task = asyncio.ensure_future(self._run(body))

        return start

    async def _run(self, body: Body) -> None:
        try:
            try:
                async for chunk in self._chunks:
                    if chunk:
                        body.feed(chunk)
                        await self._going.wait()
            finally:
                close = getattr(self._chunks, "aclose", None)  # a generator's own `finally` must not wait for the collector
                if close is not None:
                    await close()
        except Exception as error:
            body.fail(error)
        else:
            body.end()

    def pause_reading(self) -> None:
        self._going.clear()

    def resume_reading(self) -> None:
        self._going.set()

    def abandon(self) -> None:
        if self._task is not None:
            self._task.cancel()


class Address:
    """One end of a connection. `ip` is parsed on first use; an IPv4-mapped IPv6 address counts, and is written, as IPv4."""

    __slots__ = ("_ip", "host", "port")

    def __init__(self, host: str, port: int) -> None:
        host = host.partition("%")[0]
        self.host = host[7:] if host.startswith("::ffff:") and "." in host else host
        self.port = port
        self._ip: ipaddress.IPv4Address | ipaddress.IPv6Address | None = None

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        if self._ip is None:
            ip = ipaddress.ip_address(self.host or "0.0.0.0")
            mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
            self._ip = mapped or ip
        return self._ip

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"<Address {self}>"


Mark = tuple[Any, ...]
"""What a request was like, for `Request.rewind`."""


class Request:
    """One request as rules, middlewares and the upstream see it.

    `target` is the request target as received, for logs. `path` is the canonical path, `routing_path` the form of it that
    rules compare (routing.md §3.2), `query` what follows `?`, or None. Change them by `rewrite`, never one alone.
    `authority` is the Host as received, `host` lower-cased without port. `state` is free for plugins that work together.
    """

    __slots__ = (
        "_done",
        "_state",
        "append_forwarded_for",
        "authority",
        "body",
        "exchange",
        "headers",
        "host",
        "link",
        "method",
        "path",
        "query",
        "routing_path",
        "target",
        "told",
        "upgrade",
        "version",
        "withheld",
    )

    def __init__(
        self,
        method: bytes,
        target: bytes,
        headers: Headers,
        body: Body,
        authority: bytes = b"",
        host: bytes = b"",
        link: "Link | None" = None,
        upgrade: bytes = b"",
    ) -> None:
        self.method = method
        self.target = self.path = self.routing_path = target
        self.query: bytes | None = None
        self.headers = headers
        self.body = body
        self.authority = authority
        self.host = host
        self.link = link or NOWHERE
        """The client's connection."""
        self.upgrade = upgrade
        """The protocol the client asks to switch to, b"" if none."""
        self.version = 11
        """10 or 11 for HTTP/1, 20 for HTTP/2."""
        self.append_forwarded_for = True
        """False: the client's address is not added to X-Forwarded-For on the way upstream."""
        self.told = b""
        """Header lines that the gateway adds at last, in place of any of these names: each begun by CRLF."""
        self.withheld: tuple[Callable[[bytes], bool], ...] = ()
        """Each says of a name whether trailers that are called so stay here: some servers take them for headers."""
        self.exchange: Exchange = OVER
        self._done: list[Callable[[], None]] | None = None
        self._state: dict[str, Any] | None = None

    @property
    def client(self) -> Address:
        """Who asks: the other end of the connection, or what the PROXY protocol says of it."""
        return self.link.client

    @property
    def local(self) -> Address:
        """The address that the client connected to."""
        return self.link.local

    @property
    def scheme(self) -> bytes:
        """http or https, as the client's connection is."""
        return self.link.scheme

    @property
    def entry_point(self) -> str:
        return self.link.entry_point

    @property
    def state(self) -> dict[str, Any]:
        if self._state is None:
            self._state = {}
        return self._state

    @property
    def decoded_path(self) -> bytes:
        """The path with every escape decoded: what prefixes and path regexes of middlewares compare."""
        return paths.decoded(self.path)

    def rewrite(self, path: bytes) -> None:
        """Give the request another canonical path (percent-encoded); the empty one becomes `/`. The query stays."""
        self.path = path or b"/"
        self.routing_path = paths.routing_form(self.path)

    @classmethod
    def own(cls, method: bytes, target: bytes, headers: Headers, body: bytes = b"") -> "Request":
        """A request that no client made, for the handler of `ExporterContext.server`. Call `finish` at the end.

        `target` is a path, canonical, and maybe a query.
        """
        path, mark, query = target.partition(b"?")
        request = cls(method, target, headers, Body.of(body) if body else NOTHING)
        request.rewrite(path)
        request.query = query if mark else None
        request.append_forwarded_for = False
        request.exchange = Exchange()
        return request

    def apart(self, method: bytes, target: bytes, headers: Headers, body: Body, link: "Link | None" = None) -> "Request":
        """A request of the same client with an exchange of its own: nothing done to it shows on this one."""
        twin = Request(method, target, headers, body, self.authority, self.host, link or self.link)
        twin.version = self.version
        twin.append_forwarded_for = self.append_forwarded_for
        twin.told = self.told
        twin.withheld = self.withheld
        first, exchange = self.exchange, Exchange()
        exchange.router, exchange.service, exchange.started = first.router, first.service, first.started
        exchange.observer, exchange.span = first.observer, first.span
        twin.exchange = exchange
        return twin

    def beside(self, method: bytes, target: bytes, headers: Headers, body: Body | None = None) -> "Request":
        """A middleware's own request on behalf of this client, for another handler than the next.

        `target` is a path, canonical, and maybe a query. It is over with this one, or before that by `finish`: what nobody
        has read of its answer is given up then. 1xx answers to it reach nobody.
        """
        link = self.link
        if link.private is not None:  # what the client says on its connection is meant for servers of that alone
            link = link.apart()
        path, mark, query = target.partition(b"?")
        twin = self.apart(method, target, headers, NOTHING if body is None else body, link)
        twin.rewrite(path)
        twin.query = query if mark else None
        self.on_done(twin.finish)
        if link is not self.link:
            twin.on_done(link.release)
        return twin

    def on_done(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, when the exchange is over: answered to the last byte, failed or cancelled."""
        if self._done is None:
            self._done = [callback]
        else:
            self._done.append(callback)

    def mark(self) -> Mark:
        """What the request is like now; `rewind` makes it so again, before it is sent once more."""
        headers = self.headers
        return (
            headers.parsed or headers.raw.copy(),
            self.method,
            self.path,
            self.routing_path,
            self.query,
            self.authority,
            self.host,
            self.upgrade,
            self.append_forwarded_for,
            self.withheld,
            self.body,
            len(self._done) if self._done is not None else 0,
        )

    def rewind(self, mark: Mark) -> None:
        """Forget what was done to it since, so that middlewares further in meet it as they did before.

        Their `on_done` callbacks are called now: what they wait for, this attempt's end, has come. A body that has been read
        is not unread by this.
        """
        headers, self.method, self.path, self.routing_path, self.query, *rest, done = mark
        self.authority, self.host, self.upgrade, self.append_forwarded_for, self.withheld, self.body = rest
        self.headers = Headers((), headers) if type(headers) is Parsed else Headers(headers.copy())
        if self._done is not None and len(self._done) > done:
            callbacks = self._done[done:]
            del self._done[done:]
            self._call(callbacks)

    def finish(self) -> None:
        """The exchange is over; only its owner calls this. Runs the `on_done` callbacks, last registered first.

        What a server is still saying is given up.
        """
        upstream = self.exchange.upstream
        if upstream is not None:
            self.exchange.upstream = None
            upstream.abandon()
        callbacks, self._done = self._done, None
        try:
            self._call(callbacks or ())
        finally:
            self.exchange = OVER

    @staticmethod
    def _call(callbacks: Sequence[Callable[[], None]]) -> None:
        error: Exception | None = None
        for callback in reversed(callbacks):
            try:
                callback()
            except Exception as problem:  # the others must run
                error = problem
        if error is not None:
            raise error

    def __repr__(self) -> str:
        return f"<Request {self.method.decode('latin-1')} {self.authority.decode('latin-1')}{self.target.decode('latin-1')}>"


class Secured(Protocol):
    """What the handshake of a TLS connection agreed on."""

    options: str
    """The name of the TLS options in force, `default` or `strict@file`; "" once they demand something else."""

    @property
    def server_name(self) -> bytes:
        """What the client asked for (SNI), lower case; b"" if it did not say."""

    @property
    def alpn(self) -> bytes:
        """The protocol agreed on, b"" for none."""

    @property
    def version(self) -> str:
        """`TLSv1.3`"""

    @property
    def cipher(self) -> str: ...

    def certificates(self) -> Sequence[bytes]:
        """The client's certificate in DER, then as much of its chain as is known; empty if it sent none."""


class Link:
    """What all requests of one client connection share."""

    __slots__ = ("client", "entry_point", "local", "private", "scheme", "tls", "trusted")

    def __init__(
        self, client: Address, local: Address, scheme: bytes = b"http", entry_point: str = "", tls: "Secured | None" = None
    ) -> None:
        self.client = client
        self.local = local
        self.scheme = scheme
        self.entry_point = entry_point
        self.tls = tls
        """What TLS agreed on; None for a plaintext connection."""
        self.trusted = False
        """Whether what it says of others is believed (`forwardedHeaders` of its entry point)."""
        self.private: dict[Any, Any] | None = None
        """Pools of connections to servers that only this client may use (routing.md §6.8), by the pool they stand in for.

        None until a client authenticates its connection; closed with it.
        """

    def apart(self) -> "Link":
        """The same client, with private pools of its own, for requests that are not to meet those of this link."""
        link = Link(self.client, self.local, self.scheme, self.entry_point, self.tls)
        link.private = {}
        link.trusted = self.trusted
        return link

    def release(self) -> None:
        """Close the connections that only this client may use."""
        for pool in (self.private or {}).values():
            for connection in pool.close():
                connection.shut()


NOWHERE: Final = Link(Address("", 0), Address("", 0))


class Facts:
    """What TCP rules are asked about: nothing but addresses of a plaintext connection, the ClientHello of a TLS one.

    `server_name` is the SNI, lower case and without a trailing dot, b"" if there is none; `alpn` is what the client offers,
    in its order.
    """

    __slots__ = ("alpn", "client", "local", "server_name")

    def __init__(self, client: Address, local: Address, server_name: bytes = b"", alpn: tuple[bytes, ...] = ()) -> None:
        self.client = client
        self.local = local
        self.server_name = server_name
        self.alpn = alpn

    def __repr__(self) -> str:
        return f"<Facts {self.client} {self.server_name.decode('latin-1') or '-'}>"


class Tunnel(Protocol):
    """One end of a byte pipe, as the other end sees it."""

    def open(self, other: "Tunnel", /) -> None:
        """From now on what arrives here goes to `other`."""

    def write(self, data: bytes, /) -> None: ...
    def write_eof(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def close(self) -> None: ...


class Response:
    """A status, headers and a body. Awaiting one gives itself, so a plain-function middleware may return it."""

    __slots__ = ("_body", "content", "flush_seconds", "headers", "status", "tunnel")

    def __init__(
        self, status: int, headers: Headers | HeaderList | None = None, body: Body | bytes | AsyncIterable[bytes] = b""
    ) -> None:
        self.status = status
        self.headers = headers if type(headers) is Headers else Headers(headers or [])
        self.content: bytes | None = None
        """The whole body, for as long as nobody asks for `body`; None for one that is still coming."""
        self._body: Body | None = None
        if type(body) is bytes:
            self.content = body
        elif isinstance(body, Body):
            self._body = body
        elif isinstance(body, bytes | bytearray | memoryview):
            self.content = bytes(body)
        else:
            self._body = Body.stream(body)
        self.flush_seconds = 0.0
        """How long bytes of a body of known length may be collected before they are sent; 0: not at all; inf: until full."""
        self.tunnel: Tunnel | None = None
        """Set on a 101: the other end of the byte pipe that the two connections become."""

    @property
    def body(self) -> Body:
        body = self._body
        if body is None:
            content, self.content = self.content, None
            body = self._body = Body.of(content) if content else NOTHING
        return body

    @body.setter
    def body(self, body: Body) -> None:
        self._body = body
        self.content = None

    def glimpse(self, limit: int) -> bytes:
        """The first bytes of the body, at most `limit`, as far as they are here."""
        content = self.content
        return content[:limit] if content is not None else self.body.glimpse(limit)

    def __await__(self) -> Generator[Any, None, "Response"]:
        return self
        yield

    def abandon(self) -> None:
        """Nobody takes this response."""
        if self._body is not None:
            self._body.abandon()
        if self.tunnel is not None:
            self.tunnel.close()

    _TEXT: ClassVar[HeaderList] = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"x-content-type-options", b"nosniff"),
    ]

    @classmethod
    def text(cls, status: int, text: str) -> "Response":
        """A refusal with a plain word, typed as text and not to be sniffed (middlewares.md §1.3)."""
        return cls(status, cls._TEXT.copy(), text.encode())

    @classmethod
    def plain(cls, status: int, text: bytes | None = None) -> "Response":
        """A refusal that says its reason phrase, or `text`, without a Content-Type (middlewares.md §1.3)."""
        return cls(status, None, reason(status) if text is None else text)

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


class Exchange:
    """One request and its response, as logs, metrics and traces will see it. Times are of `time.monotonic`, in seconds."""

    __slots__ = (
        "attempt",
        "attempts",
        "bytes_in",
        "bytes_out",
        "error",
        "finished",
        "kind",
        "noted",
        "observer",
        "origin_bytes",
        "request",
        "request_id",
        "response",
        "retries",
        "router",
        "server",
        "service",
        "span",
        "started",
        "status",
        "tentative",
        "trailers",
        "tried",
        "upstream",
        "user",
    )

    def __init__(self) -> None:
        self.request: Request | None = None
        self.upstream: Body | None = None
        """The body of the last response that a server gave; abandoned with the exchange if nobody read it."""
        self.router = ""
        self.service = ""
        self.server: Any = None
        """The `Peer` that was chosen last."""
        self.tried: tuple[Any, ...] = ()
        """Those that were chosen before, and to be passed over."""
        self.status = 0
        self.started = 0.0
        self.finished = 0.0
        self.bytes_in = 0
        self.bytes_out = 0
        self.origin_bytes = 0
        """What the answer's body was before a middleware encoded it, as far as it has come; 0 if none did."""
        self.attempts = 0
        """How often the request was sent to a server."""
        self.retries = 0
        """How often a middleware asked for another attempt."""
        self.user: bytes | None = None
        """Who asked, as far as a middleware that authenticates knows; also if it refused. b"" for an empty name."""
        self.request_id = b""
        """What the request is called in logs and traces, here and elsewhere; b"" if nobody named it."""
        self.tentative = 0
        """How many middlewares may still replace the answer by that of another attempt: 1xx go to nobody while any may."""
        self.error: BaseException | None = None
        self.observer: Any = None
        """Who follows it (`observe/observer.py`); None if nobody does, and then nothing below is kept either."""
        self.kind = ""
        """What metrics call its protocol, once they have looked."""
        self.attempt: Any = None
        """The latest attempt at a server."""
        self.noted: Any = None
        """The access log's: what the request was like before middlewares."""
        self.span: Any = None
        """The `Span` that further work belongs below, if it is traced; a `Passing` if the trace is only passed on."""
        self.response: Response | None = None
        """What the client was answered."""
        self.trailers: HeaderList | None = None
        """What the client was told after the body."""

    @property
    def peer(self) -> str:
        """The URL of the server that was chosen last, "" if none was."""
        return self.server.url if self.server is not None else ""

    def retry(self) -> bool:
        """Ask this right before sending the request once more: whether its service has retries left; counted if so.

        Then the latest answer is given up, and another server is chosen next, if the service has one that was not tried.
        The request needs its body anew, for what was read of it is gone.
        """
        server = self.server
        if server is not None:
            if server.retries is not None and not server.retries.withdraw():
                return False
            self.tried = (*self.tried, server)
        self.retries += 1
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.abandon()
        return True

    def refuse(self, why: str) -> None:
        """Say why a middleware does not let it pass, for traces and metrics: in a few words, and always in the same."""
        if self.span is not None:
            self.span.fail(why)
        if self.observer is not None:
            self.observer.refused(self, why)

    def interim(self, status: int, headers: Headers) -> None:
        """Pass a 1xx answer on to the client, at once and beside the middlewares (middlewares.md §1.3)."""


class _Over(Exchange):
    """Nobody's: what is done to it is forgotten."""

    __slots__ = ()

    def __init__(self) -> None:
        blank = Exchange()
        for name in Exchange.__slots__:
            object.__setattr__(self, name, getattr(blank, name))

    def __setattr__(self, name: str, value: object) -> None:
        pass


OVER: Final = _Over()
"""What a request points to once its exchange is over: the two must not keep each other alive."""
