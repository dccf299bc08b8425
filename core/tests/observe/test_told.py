"""What servers are told of traces, whatever clients send and middlewares do: once, over HTTP/1 and HTTP/2 alike."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pointsman.api import Handler
from pointsman.edits import HeaderEdit
from pointsman.message import HeaderList, Request, Response
from pointsman.observe.observer import Observer, Silent, Watched
from pointsman.observe.propagation import Propagation
from pointsman.observe.sampling import Sampling
from pointsman.observe.span_attributes import Descriptions
from pointsman.observe.tracing import Tracing
from pointsman.spans import Span, log_fields
from pointsman.upstream.composite_failover import FailoverByStatus
from pointsman.upstream.composite_mirror import Mirror, Mirroring
from pointsman.upstream.http1_head import request_head
from pointsman.upstream.http2_head import request_fields
from pointsman.upstream.transport import peer_from

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
NAME, SAID = "traceparent", f"00-{TRACE}-{PARENT}"
YES, NO = f"{NAME}: {SAID}-01", f"{NAME}: {SAID}-00"
STATE = "tracestate: a=1"
CLIENTS: dict[str, tuple[list[str], str, bytes | None]] = {
    "silent": ([], "", None),
    "yes": ([YES], "01", None),
    "no": ([NO], "00", None),
    "spelled": ([YES.title().replace(SAID.title(), SAID)], "01", None),
    "nonsense": ([f"{NAME}: nonsense"], "", None),
    "empty": ([f"{NAME}:"], "", None),
    "two": ([YES, NO], "", None),
    "twice": ([YES, YES], "", None),
    "longer": ([f"{YES}x", YES], "", None),
    "version": ([f"{NAME}: cc{SAID[2:]}-01-what"], "01", None),
    "hop": ([f"Connection: {NAME}", YES], "", None),
    "hop and close": ([YES, f"Connection: close, {NAME}"], "", None),
    "state": ([YES, STATE], "01", b"a=1"),
    "state without a trace": ([STATE], "", None),
    "hop of the state": (["Connection: tracestate", YES, STATE], "01", None),
    "other format": ([f"b3: {TRACE}-{PARENT}-1"], "", None),
}
"""What they send; the flags of those whose word counts; the state that servers get."""
TOLD = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])")
ADD = HeaderEdit([], [(b"x-new", b"1")])
FORGE = HeaderEdit([NAME.encode()], [(NAME.encode(), b"forged")])

Around = Callable[[Request, Handler], Awaitable[Response]]


def editing(edit: Callable[[Request], object]) -> Around:
    async def around(request: Request, call_next: Handler) -> Response:
        edit(request)
        return await call_next(request)

    return around


async def again(request: Request, call_next: Handler) -> Response:
    mark = request.mark()
    (await call_next(request)).abandon()
    assert request.exchange.retry()
    request.rewind(mark)
    return await call_next(request)


async def again_as_it_is(request: Request, call_next: Handler) -> Response:
    (await call_next(request)).abandon()
    assert request.exchange.retry()
    ADD.apply(request.headers)
    return await call_next(request)


async def asking(request: Request, call_next: Handler) -> Response:
    (await call_next(request.beside(b"GET", b"/may", request.headers.copy()))).abandon()
    return await call_next(request)


async def failing_over(request: Request, call_next: Handler) -> Response:
    return await FailoverByStatus("f@file", call_next, call_next, None, None, statuses={200})(request)


async def mirrored(request: Request, call_next: Handler) -> Response:
    return await Mirroring("m@file", call_next, [Mirror("c@file", call_next, 100)])(request)


ONCE = {
    "untouched": editing(lambda request: None),
    "taken apart": editing(lambda request: request.headers.raw),
    "added to": editing(lambda request: request.headers.add(b"x-new", b"1")),
    "edited": editing(lambda request: ADD.apply(request.headers)),
    "forged": editing(lambda request: request.headers.set(NAME.encode(), b"forged")),
    "forged beside": editing(lambda request: request.headers.add(NAME.encode(), b"forged")),
    "forged by an edit": editing(lambda request: FORGE.apply(request.headers)),
    "removed": editing(lambda request: request.headers.remove(NAME.encode())),
}
TWICE: dict[str, Around] = {
    "again": again,
    "again as it is": again_as_it_is,
    "asking": asking,
    "failing over": failing_over,
    "mirrored": mirrored,
}


class Told:
    """What the server of a house is told, in both versions of HTTP, and what becomes of that."""

    def __init__(self, house: Any, around: Around, sampling: Sampling, alone: bool) -> None:
        self.spans: list[Span] = []
        self.heads: list[tuple[HeaderList, HeaderList]] = []
        self.logged: dict[str, Any] = {}
        self._peer = peer_from("http://10.0.0.1:9000")
        tracing = Tracing(Propagation(), sampling, Descriptions([], [], []), self.spans.append)
        watches = [tracing.watch(Watched("web", "r@file", "s@file")), *([] if alone else [Noting()])]

        async def first(request: Request, call_next: Handler) -> Response:
            self.logged = log_fields(request.exchange)
            return await around(request, call_next)

        house.set_up(observer=Observer(watches, house.loop.time), around=first, handler=self._last)

    async def _last(self, request: Request) -> Response:
        observer = request.exchange.observer
        attempt = observer.attempt(request, "s@file", self._peer) if observer is not None else None
        lines = request_head(request, self._peer, True).split(b"\r\n")[1:-2]
        pairs = [(name.lower(), value) for name, _, value in (line.partition(b": ") for line in lines)]
        self.heads.append((pairs, request_fields(request, self._peer, True)))
        response = Response(200)
        if attempt is not None:
            attempt.respond(response)
        return response

    def check(self, times: int, flags: str, state: bytes | None) -> None:
        found = []
        for head in self.heads:
            for pairs in head:
                (said,) = (value for name, value in pairs if name == NAME.encode())
                assert [value for name, value in pairs if name == b"tracestate"] == ([state] if state else [])
                match = TOLD.fullmatch(said)
                assert match is not None
                found.append([each.decode() for each in match.groups()])
        assert len(found) == 2 * times
        ((trace, sampled),) = {(trace, sampled) for trace, _, sampled in found}
        assert (trace == TRACE, sampled) == (bool(flags), flags or sampled)
        assert (self.logged["trace_id"], self.logged["trace_sampled"]) == (trace, sampled == "01")
        clients = {span.span_id for span in self.spans if span.kind == 3}
        assert len(self.spans) == (1 + times if sampled == "01" else 0)
        assert {span for _, span, _ in found} == clients or not clients
        assert PARENT not in {span for _, span, _ in found}


class Noting(Silent):
    """Another watch, so that the exchange is followed either way."""

    def finish(self, exchange: Any, /) -> None:
        pass


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("sampling", [Sampling(0.0), Sampling(0.5), Sampling(1.0), Sampling(0.0, errors=True)], ids=str)
@pytest.mark.parametrize("around", [*ONCE, *TWICE])
async def test_servers_are_told_once_and_the_same_thing(house: Any, around: str, sampling: Sampling, alone: bool) -> None:
    told = Told(house, {**ONCE, **TWICE}[around], sampling, alone)
    client = house.client()
    for lines, flags, state in [*CLIENTS.values()] * 2:  # and again, as clients repeat themselves
        client = house.client() if client.closing else client
        told.heads.clear()
        told.spans.clear()
        await house.ask("".join(f"{line}\r\n" for line in ("GET / HTTP/1.1", "Host: a", *lines, "")).encode(), client)
        assert client.take().startswith(b"HTTP/1.1 200 ")
        told.check(2 if around in TWICE else 1, flags, state)
