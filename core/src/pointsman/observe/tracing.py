"""Traces: the spans of every exchange on a route, and the headers that tell servers of them (operations.md §5).

Theory of operation. A server span begins with the exchange, a client span with every attempt at a server; at detailed
verbosity there is one more for each step between. `exchange.span` is the innermost that is under way: what begins next goes
below it, also for requests beside the client's. All spans of one request have a `Trace` in common, which says what becomes
of them: recorded and exported, or only propagated. One object for each such fate is made beforehand, but for requests whose
fate is sealed at their end (`sampleErrors`, `sampleSlow`): their spans are held until then.
"""

from collections.abc import Callable
from functools import partial
from itertools import repeat
from time import monotonic
from typing import Any

from pointsman.message import Exchange, Headers, Request
from pointsman.observe.formats import Remote
from pointsman.observe.ids import Ids
from pointsman.observe.observer import Attempt, Silent, Watched
from pointsman.observe.propagation import Propagation
from pointsman.observe.roots import Roots
from pointsman.observe.sampling import Sampling, Trace
from pointsman.observe.span_attributes import MAX_KEPT, Descriptions, kept, without_user_info
from pointsman.spans import CLIENT, INTERNAL, SERVER, Attributes, Passing, Span

METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")}


class Tracing:
    """The signal. `done` takes spans that are to be exported."""

    key = "tracing"

    def __init__(
        self,
        propagation: Propagation,
        sampling: Sampling,
        descriptions: Descriptions,
        done: Callable[[Span], None],
        *,
        add_internals: bool = False,
    ) -> None:
        self.add_internals = add_internals
        self.propagation = propagation
        self.sampling = sampling
        self.descriptions = descriptions
        self.done = done
        self.ids = Ids()
        self.bound = "g" if sampling.rate >= 1 else f"{int(max(0.0, sampling.rate) * 2**64):016x}"
        """What the last 16 digits of trace ids are compared with, as text: those below are sampled."""
        is_plain = sampling.wanted is None and not (sampling.waits or sampling.short_ids)
        is_told = is_plain and propagation.is_default and sampling.rate < 1
        self.roots = Roots(sampling.rate) if is_told else None
        """Those of new traces, where they can be drawn in advance."""
        self.epoch_ns = 0
        """When `time.monotonic` was 0, in nanoseconds since 1970: asked again now and then, for the clock may be set."""

    def watch(self, watched: Watched) -> "TraceWatch":
        return TraceWatch(self, watched)

    def over(self, span: Span, end: float) -> None:
        """A span of a request that is recorded is over."""
        span.end = end
        trace: Trace = span.trace
        if trace.held is not None:
            trace.held.append(span)
        elif trace.recording:
            self.done(span)

    def step(self, request: Request, name: str, attributes: Attributes) -> None:
        """A step of the request begins, below the one that is under way, until the request is over or rewound."""
        exchange = request.exchange
        above: Span = exchange.span
        span = exchange.span = self.below(above, name, INTERNAL, monotonic())
        span.describes, span.described = _as_they_are, attributes
        request.on_done(partial(self._step_over, exchange, span))

    def below(self, above: Span, name: str, kind: int, start: float) -> Span:
        span = Span(name, kind, above.trace_id, self.ids.take(16), above.span_id)
        span.start = start
        span.epoch_ns = above.epoch_ns
        span.trace_state = above.trace_state
        span.trace = above.trace
        span.parent = above
        return span

    def _step_over(self, exchange: Exchange, span: Span) -> None:
        if exchange.span is span:
            exchange.span = span.parent
        self.over(span, monotonic())


class TraceWatch(Silent):
    """What is traced of one route on one entry point."""

    __slots__ = (
        "_bound",
        "_descriptions",
        "_entry_point",
        "_ids",
        "_propagation",
        "_reads",
        "_roots",
        "_sampling",
        "_told",
        "_traces",
        "_tracing",
        "_unsampled",
        "_wanted",
    )

    def __init__(self, tracing: Tracing, watched: Watched) -> None:
        self._tracing = tracing
        self._propagation = tracing.propagation
        self._reads = tracing.propagation.reads
        self._descriptions = tracing.descriptions
        self._ids = tracing.ids
        self._entry_point = watched.entry_point
        sampling = self._sampling = tracing.sampling
        self._wanted = sampling.wanted
        self._bound = tracing.bound
        self._roots = tracing.roots
        self._told = tracing.roots.told if tracing.roots is not None else repeat(None)
        detail = tracing if watched.verbose else None
        self._traces = {debug: Trace(True, True, detail, debug=debug) for debug in (False, True)}
        self._unsampled = Trace(False, False, detail) if not sampling.waits else None

    # the exchange

    def begin(self, exchange: Exchange) -> bool:
        request: Any = exchange.request
        parsed = request.headers.parsed
        if parsed is None or parsed.untraced is not self._reads:
            return self._look(exchange)
        told = next(self._told)  # the usual way
        if told is None:
            return self._root(exchange)
        request.told = told
        return True

    def _look(self, exchange: Exchange) -> bool:
        """Begin with what the client says of its trace, if it does."""
        request: Any = exchange.request
        headers: Headers = request.headers
        propagation = self._propagation
        if headers.parsed is not None and propagation.silent(headers.parsed):
            return self.begin(exchange)
        remote = propagation.extract(headers)
        if remote is not None:
            is_over = self._follow(exchange, remote)
        else:
            told = next(self._told)
            is_over = told is not None or self._root(exchange)
            request.told = told or request.told
        propagation.remove_from(headers)
        return is_over

    def _root(self, exchange: Exchange) -> bool:
        """A trace begins here, and if it is one of `Roots` it is sampled."""
        if self._roots is not None:
            return self._record(exchange, self._roots.sampled(), self._ids.take(16), "", self._traces[False])
        trace_id = self._new_trace()
        return self._begin(exchange, trace_id, self._ids.take(16), "", self._chosen(trace_id), False)

    def _follow(self, exchange: Exchange, remote: Remote) -> bool:
        trace_id, parent = remote.trace_id or self._new_trace(), remote.span_id
        own = ""
        if self._sampling.same_span and parent:
            own, parent = parent, remote.parent_id
        sampled = remote.sampled if remote.sampled is not None else self._chosen(trace_id)
        is_over = self._begin(exchange, trace_id, own or self._ids.take(16), parent, sampled, remote.debug)
        if not is_over:
            span: Span = exchange.span
            span.remote, span.trace_state = bool(remote.span_id), remote.state if len(remote.state) <= MAX_KEPT else ""
        return is_over

    def _begin(self, exchange: Exchange, trace_id: str, own: str, parent: str, sampled: bool, debug: bool) -> bool:
        if sampled or self._unsampled is None:
            return self._record(exchange, trace_id, own, parent, self._traces[debug] if sampled else self._waiting())
        exchange.span = Passing(trace_id, own, self._unsampled)
        request: Any = exchange.request
        request.told = self._propagation.told(trace_id, own, False, False)
        return True

    def _record(self, exchange: Exchange, trace_id: str, own: str, parent: str, trace: Trace) -> bool:
        request: Any = exchange.request
        span = Span(METHODS.get(request.method) or request.method.decode("latin-1"), SERVER, trace_id, own, parent)
        span.trace = trace
        span.start = exchange.started
        span.epoch_ns = self._tracing.epoch_ns
        span.described = (
            self._entry_point,
            request.method,
            request.target[:MAX_KEPT],
            request.version,
            request.body.length,
            kept(request.headers),
            request.link,
            request.authority,
        )
        exchange.span = span
        return False

    def _chosen(self, trace_id: str) -> bool:
        return trace_id[16:] < self._bound and (self._wanted is None or self._wanted(trace_id))

    def _new_trace(self) -> str:
        return self._ids.take(32) if not self._sampling.short_ids else "0" * 16 + self._ids.take(16)

    def _waiting(self) -> Trace:
        trace = Trace(False, True, self._traces[False].detail)
        trace.held = []
        return trace

    def finish(self, exchange: Exchange) -> None:
        span: Any = exchange.span
        if span is None or not span.trace.recording:
            return
        trace: Trace = span.trace
        while span.parent is not None:
            span = span.parent
        status = exchange.status
        if status >= 500 or status < 100:
            span.fail(_no_status(status))
        elif _broke_off(exchange):
            span.fail(without_user_info(str(exchange.error), exchange.peer)[:256])
        response = exchange.response if self._descriptions.wants_response else None
        span.described = span.described, status, kept(response.headers) if response is not None else None
        span.describes = self._descriptions.server
        self._tracing.over(span, monotonic())  # not before what is below it
        if trace.held is not None:
            self._seal(trace, exchange)

    def _seal(self, trace: Trace, exchange: Exchange) -> None:
        """It is known by now whether the request was worth to be traced."""
        held, trace.held = trace.held or [], None
        sampling = self._sampling
        failed = exchange.status >= 500 or _broke_off(exchange)
        slow = 0 < sampling.slow_seconds <= exchange.finished - exchange.started
        trace.recording = (failed and sampling.errors) or slow
        for span in held if trace.recording else ():
            self._tracing.done(span)

    # attempts at servers

    def attempt(self, attempt: Attempt) -> None:
        exchange = attempt.exchange
        above = exchange.span
        if above is None or type(above) is Passing:  # that one has told already
            return
        trace: Trace = above.trace
        request = attempt.request
        span_id = above.span_id
        if trace.recording:
            if trace.detail is not None and not attempt.span_name:
                above = self._service(above, attempt)
            span = attempt.span = self._tracing.below(above, attempt.span_name or "ReverseProxy", CLIENT, attempt.started)
            span_id = span.span_id
            path, query = request.path[:MAX_KEPT], request.query
            query = query[:MAX_KEPT] if query is not None else None
            span.described = (request.method, path, query, kept(request.headers), attempt.server)
        request.told = self._propagation.told(above.trace_id, span_id, trace.sampled, trace.debug)

    def _service(self, above: Span, attempt: Attempt) -> Span:
        span = self._tracing.below(above, "Service", INTERNAL, attempt.started)
        span.describes, span.described = _as_they_are, (("traefik.service.name", attempt.service),)
        return span

    def answered(self, attempt: Attempt) -> None:
        span: Span | None = attempt.span
        response = attempt.response
        if span is None or response is None:
            return
        status = response.status
        if status >= 400 or status < 100:
            span.fail(_no_status(status))
        answered = kept(response.headers) if self._descriptions.wants_response else None
        span.described = span.described, status, answered, attempt.version
        span.describes = self._descriptions.client

    def attempted(self, attempt: Attempt) -> None:
        span: Span | None = attempt.span
        if span is None:
            return
        if span.describes is None:
            span.described = span.described, attempt.status, None, attempt.version
            span.describes = self._descriptions.client
            if attempt.error is not None:
                span.fail(without_user_info(str(attempt.error), attempt.server.url)[:256])
        service = span.parent
        end = attempt.finished
        if attempt.span_name:
            end = attempt.answered or end  # the client's request goes on after that
        self._tracing.over(span, end)
        if service is not None and service.describes is _as_they_are and service.name == "Service":
            self._tracing.over(service, end)


def _broke_off(exchange: Exchange) -> bool:
    """Whether an answer that had begun ended too early, and not because the client left."""
    return exchange.status < 400 and exchange.error is not None and getattr(exchange.error, "side", "") != "client"


def _no_status(status: int) -> str:
    return "" if 100 <= status < 600 else f"{status} is no HTTP status"


def _as_they_are(described: Any) -> Attributes:
    attributes: Attributes = described
    return attributes
