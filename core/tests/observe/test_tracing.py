"""Spans of exchanges and of attempts at servers, and the headers that servers get (operations.md §5)."""

import re
from collections.abc import Awaitable
from typing import Any

import pytest

from pointsman.api import Handler
from pointsman.logs.lines import Common, Json, fields_of
from pointsman.message import Headers, Request, Response
from pointsman.observe.logexport import LogRelay
from pointsman.observe.observer import Observer, Watched
from pointsman.observe.propagation import Propagation
from pointsman.observe.sampling import Sampling
from pointsman.observe.span_attributes import Descriptions
from pointsman.observe.steps import attempts, step
from pointsman.observe.tracing import TraceWatch, Tracing
from pointsman.spans import Span, root_of
from pointsman.upstream.forward import Forwarder

GET = b"GET /a?ok=1&secret=2 HTTP/1.1\r\nHost: a.test:8000\r\nUser-Agent: curl\r\nX-Team: blue\r\n%b\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nX-Kind: tea\r\nContent-Length: 2\r\n\r\nok"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
OTHER = "4bf92f3577b34da6a3ce929d0e0e4736"


class Traced:
    """What is traced of a house, as an exporter would get it."""

    def __init__(
        self,
        house: Any,
        *formats: str,
        verbose: bool = False,
        around: Any = None,
        rule: str = "PathPrefix(`/`)",
        url: str = "http://10.0.0.1:9000",
        **settings: Any,
    ) -> None:
        self.spans: list[Span] = []
        descriptions = Descriptions(["X-Team", "User-Agent"], ["X-Kind"], ["ok"])
        formats = formats or ("tracecontext", "baggage")
        self.tracing = Tracing(Propagation(formats), Sampling(**settings), descriptions, self.spans.append)
        self.tracing.epoch_ns = 1_700_000_000_000_000_000
        watched = Watched("web", "r@file", "s@file", "PathPrefix(`/`)", verbose)
        self.house = house
        house.set_up(observer=Observer([self.tracing.watch(watched)], house.loop.time), around=around, rule=rule, url=url)

    async def ask(self, *lines: str, answer: bytes = OK) -> bytes:
        """One request that the server answers; what the server got."""
        await self.house.ask(GET % "".join(f"{line}\r\n" for line in lines).encode())
        sent: bytes = self.house.server.take()
        self.house.server.receive(answer)
        await self.house.settle()
        return sent

    @property
    def server(self) -> Span:
        (span,) = (each for each in self.spans if each.kind == 2)
        return span

    @property
    def client(self) -> Span:
        (span,) = (each for each in self.spans if each.kind == 3)
        return span

    def tree(self) -> list[str]:
        """Names, indented below their parents, in order of their beginnings."""
        by_id = {span.span_id: span for span in self.spans}

        def depth(span: Span) -> int:
            return 1 + depth(by_id[span.parent_id]) if span.parent_id in by_id else 0

        spans = sorted(self.spans, key=lambda span: (span.start, depth(span)))
        return [f"{'  ' * depth(span)}{span.name}" for span in spans]


@pytest.mark.spec("O-69")
async def test_a_proxied_request_is_two_spans_parent_and_child(house: Any) -> None:
    traced = Traced(house)
    sent = await traced.ask()
    server, client = traced.server, traced.client

    assert traced.tree() == ["GET", "  ReverseProxy"]
    assert (server.parent_id, client.parent_id) == ("", server.span_id)
    assert server.trace_id == client.trace_id
    assert f"\r\nTraceparent: 00-{client.trace_id}-{client.span_id}-01\r\n".encode() in sent
    assert 1_700_000_000_000_000_000 < server.start_ns <= client.start_ns <= client.end_ns <= server.end_ns
    assert (server.status, client.status) == (0, 0)


@pytest.mark.spec("O-70")
async def test_spans_say_what_was_asked_and_no_secrets_of_queries(house: Any) -> None:
    traced = Traced(house)
    await traced.ask()
    assert dict(traced.server.attributes) == {
        "entry_point": "web",
        "http.request.method": "GET",
        "network.protocol.version": "1.1",
        "http.request.body.size": 0,
        "url.path": "/a",
        "url.query": "ok=1&secret=REDACTED",
        "url.scheme": "http",
        "user_agent.original": "curl",
        "server.address": "a.test:8000",
        "network.peer.address": "192.0.2.7",
        "network.peer.port": 40000,
        "client.address": "192.0.2.7",
        "client.port": 40000,
        "http.response.status_code": 200,
        "http.request.header.x-team": ("blue",),
        "http.response.header.x-kind": ("tea",),
    }
    assert dict(traced.client.attributes) == {
        "http.request.method": "GET",
        "network.protocol.version": "1.1",
        "url.full": "http://10.0.0.1:9000/a?ok=1&secret=REDACTED",
        "url.scheme": "http",
        "user_agent.original": "curl",
        "network.peer.address": "10.0.0.1",
        "network.peer.port": 9000,
        "server.address": "10.0.0.1",
        "server.port": 9000,
        "http.response.status_code": 200,
        "http.request.header.x-team": ("blue",),
        "http.response.header.x-kind": ("tea",),
    }


def held(thing: Any) -> int:
    """Bytes of what clients say."""
    if isinstance(thing, list | tuple):
        return sum(map(held, thing))
    return len(thing) if isinstance(thing, bytes | str) else len(getattr(thing, "wire", ""))


@pytest.mark.parametrize("touched", [False, True])
async def test_spans_that_wait_hold_little_of_a_large_request(house: Any, touched: bool) -> None:
    def around(request: Request, call_next: Handler) -> Awaitable[Response]:
        request.headers.set(b"x-touched", b"1")
        return call_next(request)

    traced = Traced(house, around=around if touched else None)
    target = f"/{'p' * 20_000}?{'&'.join(['q=1'] * 10_000)}"
    head = f"GET {target} HTTP/1.1\r\nHost: a.test\r\nX-Team: blue\r\nX-Large: {'x' * 200_000}\r\n"
    head += f"traceparent: 00-{'a' * 32}-{'b' * 16}-01\r\ntracestate: {'s' * 50_000}\r\nUser-Agent: curl\r\n\r\n"
    await house.ask(head.encode())
    assert b"s" * 50_000 in house.server.take()
    house.server.receive(OK)
    await house.settle()
    for span in traced.spans:
        assert held(span.described) + held(span.trace_state) < 4 * 16 * 1024
        found = dict(span.attributes)
        assert (found["user_agent.original"], found["http.request.header.x-team"]) == ("curl", ("blue",))


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (b"", ""),
        (b"ok=1", "ok=1"),
        (b"a", "a=REDACTED"),
        (b"o%6B=1&&x=y=z", "o%6B=1&&x=REDACTED"),
        (b"ok=1;x=y", "ok=REDACTED"),
        (None, ""),
    ],
)
def test_values_that_nobody_called_safe_are_redacted(query: bytes | None, shown: str) -> None:
    assert Descriptions([], [], ["ok"]).query(query) == shown


@pytest.mark.spec("O-74")
@pytest.mark.parametrize(("status", "server", "client"), [(200, 0, 0), (302, 0, 0), (404, 0, 2), (503, 2, 2)])
async def test_errors_of_clients_and_servers_are_told_apart(house: Any, status: int, server: int, client: int) -> None:
    traced = Traced(house)
    await traced.ask(answer=b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)
    assert (traced.server.status, traced.client.status) == (server, client)


async def test_a_server_that_cannot_be_reached_is_an_error_of_both(house: Any) -> None:
    traced = Traced(house)
    house.refuse = ConnectionRefusedError()
    await house.ask(GET % b"")
    assert (traced.server.status, traced.client.status) == (2, 2)
    assert traced.client.error
    assert dict(traced.client.attributes)["http.response.status_code"] == 502
    assert dict(traced.client.attributes)["network.protocol.version"] == "1.1", "as the reference says, whatever was spoken"


async def test_a_user_and_a_password_of_a_server_are_shown_nowhere(house: Any) -> None:
    traced = Traced(house, url="http://me:secret@10.0.0.1:9000")
    house.refuse = ConnectionRefusedError()
    await house.ask(GET % b"")
    shown = f"{traced.client.error} {traced.server.error} {traced.client.attributes} {traced.server.attributes}"
    assert "http://REDACTED:REDACTED@10.0.0.1:9000" in str(traced.client.error)
    assert "http://REDACTED:REDACTED@10.0.0.1:9000/a?" in shown
    assert "secret@" not in shown
    assert "me:" not in shown


async def test_an_answer_that_breaks_off_is_an_error(house: Any) -> None:
    traced = Traced(house)
    await traced.ask(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    house.server.break_off()
    await house.settle()
    assert traced.server.status == 2


async def test_a_client_that_leaves_is_no_error(house: Any) -> None:
    traced = Traced(house)
    client = await house.ask(GET % b"")
    client.break_off()
    await house.settle()
    assert traced.server.status == 0
    assert dict(traced.server.attributes)["http.response.status_code"] == 499
    assert "http.response.status_code" not in dict(traced.client.attributes)
    assert dict(traced.client.attributes)["network.protocol.version"] == "1.1"


async def test_what_no_router_has_is_one_span(house: Any) -> None:
    traced = Traced(house, rule="Path(`/other`)")
    await house.ask(GET % b"")
    assert traced.tree() == ["GET"]
    assert dict(traced.server.attributes)["http.response.status_code"] == 404


# whose decision counts


@pytest.mark.spec("O-71")
@pytest.mark.parametrize(("flags", "rate", "exported"), [("00", 1.0, 0), ("01", 0.0, 2)])
async def test_the_clients_decision_counts_either_way(house: Any, flags: str, rate: float, exported: int) -> None:
    traced = Traced(house, rate=rate)
    sent = await traced.ask(f"traceparent: 00-{TRACE}-{PARENT}-{flags}", "tracestate: a=1,b=2")

    assert len(traced.spans) == exported
    assert sent.count(b"Traceparent") == 1
    assert f"\r\nTraceparent: 00-{TRACE}-".encode() in sent
    assert f"-{flags}\r\n".encode() in sent
    assert PARENT.encode() not in sent
    assert b"\r\nTracestate: a=1,b=2\r\n" in sent
    if exported:
        assert (traced.server.parent_id, traced.server.remote) == (PARENT, True)
        assert traced.server.trace_state == "a=1,b=2"


async def test_none_are_exported_at_a_rate_of_0_and_all_are_propagated(house: Any) -> None:
    traced = Traced(house, rate=0.0)
    sent = await traced.ask()
    assert traced.spans == []
    assert b"-00\r\n" in sent
    assert len(house.requests) == 1


def test_the_rate_is_a_share_of_trace_ids(house: Any) -> None:
    traced = Traced(house, rate=0.25)
    ids = [traced.tracing.ids.take(32) for _ in range(2000)]
    assert 350 < sum(each[16:] < traced.tracing.bound for each in ids) < 650


async def test_what_is_drawn_in_advance_becomes_of_requests(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    chances = iter([0.0])
    monkeypatch.setattr("pointsman.observe.roots.random", lambda: next(chances, 0.999))  # the first one is sampled
    traced = Traced(house, rate=0.5)

    sent = await traced.ask()
    trace_id = traced.server.trace_id
    assert (trace_id[16:] < traced.tracing.bound, traced.server.parent_id) == (True, "")
    assert traced.client.parent_id == traced.server.span_id
    assert f"\r\nTraceparent: 00-{trace_id}-{traced.client.span_id}-01\r\n".encode() in sent
    told = re.search(rb"\r\nTraceparent: 00-[0-9a-f]{16}([0-9a-f]{16})-[0-9a-f]{16}-00\r\n", await traced.ask())
    assert told is not None
    assert told[1].decode() >= traced.tracing.bound
    assert len(traced.spans) == 2


@pytest.mark.parametrize("form", ["tracecontext", "b3"])
@pytest.mark.parametrize("line", ["X-A: 1", "Traceparent: 00-nonsense", "B3: nonsense"])
async def test_what_is_not_sampled_is_followed_no_further(
    house: Any, monkeypatch: pytest.MonkeyPatch, form: str, line: str
) -> None:
    over, begin = list[bool](), TraceWatch.begin

    def seen(watch: TraceWatch, exchange: Any) -> bool:
        over.append(begin(watch, exchange))
        return over[-1]

    monkeypatch.setattr(TraceWatch, "begin", seen)
    traced = Traced(house, form, rate=0.0)
    sent = await traced.ask(line)
    assert over
    assert all(over)
    own = {"tracecontext": "Traceparent", "b3": "B3"}[form]
    assert (b"nonsense" in sent) == (not line.startswith(("X-A", own)))
    assert not traced.spans


@pytest.mark.parametrize(
    "settings", [{"rate": 1.0}, {"errors": True}, {"slow_seconds": 1.0}, {"wanted": bool}, {"short_ids": True}]
)
def test_what_cannot_be_decided_in_advance_is_not(house: Any, settings: dict[str, Any]) -> None:
    assert Traced(house, **{"rate": 0.5, **settings}).tracing.roots is None
    assert Traced(house, "b3", rate=0.5).tracing.roots is None


@pytest.mark.parametrize(
    ("status", "seconds", "settings", "exported"),
    [
        (200, 0.0, {"errors": True, "slow_seconds": 0.5}, 0),
        (503, 0.0, {"errors": True}, 2),
        (404, 0.0, {"errors": True}, 0),
        (503, 0.0, {"slow_seconds": 0.5}, 0),
        (200, 1.0, {"slow_seconds": 0.5}, 2),
    ],
)
async def test_a_request_that_was_not_chosen_may_turn_out_to_be_worth_it(
    house: Any, status: int, seconds: float, settings: dict[str, Any], exported: int
) -> None:
    traced = Traced(house, rate=0.0, **settings)
    await house.ask(GET % b"")
    sent = house.server.take()
    house.requests[0].exchange.started -= seconds
    house.server.receive(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)
    await house.settle()
    assert b"-00\r\n" in sent
    assert len(traced.spans) == exported
    assert traced.tree() == ["GET", "  ReverseProxy"][:exported]


async def test_an_exporter_may_choose_among_the_traces_that_begin_here(house: Any) -> None:
    asked: list[str] = []

    def wanted(trace_id: str) -> bool:
        asked.append(trace_id)
        return len(asked) == 2

    traced = Traced(house, wanted=wanted)
    assert b"-00\r\n" in await traced.ask()
    assert traced.spans == []
    assert b"-01\r\n" in await traced.ask()
    assert traced.server.trace_id == asked[1]
    assert b"-01\r\n" in await traced.ask(f"traceparent: 00-{TRACE}-{PARENT}-01")
    assert (len(traced.spans), len(asked)) == (4, 2)


@pytest.mark.parametrize("formats", [(), ("tracecontext", "b3")])
async def test_ids_of_requests_that_are_not_traced_are_known_to_logs(house: Any, formats: tuple[str, ...]) -> None:
    traced = Traced(house, *formats, rate=0.0)
    await house.ask(GET % b"")
    span = root_of(house.requests[0].exchange)
    assert span is not None
    assert f"00-{span.trace_id}-{span.span_id}-00".encode() in house.server.take()
    assert span.parent is None
    assert traced.spans == []


@pytest.mark.parametrize("rate", [0.0, 1.0])
async def test_the_log_says_to_which_trace_a_failure_belongs(
    house: Any, rate: float, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(request: Request, call_next: Any) -> Response:
        request.exchange.request_id = b"r-1"
        raise RuntimeError("not today")

    Traced(house, rate=rate, around=fail)
    client = await house.ask(GET % f"traceparent: 00-{TRACE}-{PARENT}-0{rate:.0f}\r\n".encode())
    assert b" 500 " in client.sent
    (record,) = (record for record in caplog.records if "not today" in record.getMessage())
    fields = fields_of(record)
    assert (fields["trace_id"], len(fields["span_id"]), fields["request_id"]) == (TRACE, 16, "r-1")
    assert f"trace_id={TRACE}" in Common(False).format(record)
    sent: list[Any] = []
    LogRelay(sent.append, lambda call, *given: call(*given)).emit(record)
    assert (sent[0].trace_id, sent[0].span_id, sent[0].sampled) == (TRACE, fields["span_id"], rate == 1.0)
    assert "trace_id" not in dict(sent[0].attributes)
    assert "sampled" not in Json().format(record)


async def test_old_exporters_may_ask_for_short_traces_and_shared_spans(house: Any) -> None:
    traced = Traced(house, "b3", short_ids=True, same_span=True)
    await traced.ask()
    assert traced.server.trace_id.startswith("0" * 16)
    traced.spans.clear()
    await traced.ask(f"b3: {TRACE}-{PARENT}-1-05e3ac9a4f6e3b90")
    assert (traced.server.span_id, traced.server.parent_id) == (PARENT, "05e3ac9a4f6e3b90")
    assert traced.client.parent_id == PARENT


# what servers get


@pytest.mark.spec("O-72")
async def test_headers_of_other_formats_pass_untouched(house: Any) -> None:
    traced = Traced(house, "b3multi")
    own = f"00-{TRACE}-{PARENT}-01"
    sent = await traced.ask(f"traceparent: {own}")
    client = traced.client
    assert client.trace_id != TRACE
    assert f"\r\nTraceparent: {own}\r\n".encode() in sent
    assert f"\r\nX-B3-Traceid: {client.trace_id}\r\nX-B3-Spanid: {client.span_id}\r\nX-B3-Sampled: 1\r\n".encode() in sent

    traced = Traced(house, "jaeger")
    sent = await traced.ask("uberctx-a: b")
    (line,) = (line for line in sent.split(b"\r\n") if line.startswith(b"Uber-Trace-Id: "))
    assert len(line.partition(b": ")[2].split(b":")) == 4
    assert b"\r\nUberctx-A: b\r\n" in sent


async def test_every_attempt_has_a_span_and_headers_of_its_own(house: Any) -> None:
    async def twice(request: Request, call_next: Handler) -> Response:
        mark = request.mark()
        (await call_next(request)).abandon()
        request.exchange.retry()
        request.rewind(mark)
        return await call_next(request)

    traced = Traced(house, around=twice)
    first = await traced.ask(f"traceparent: 00-{TRACE}-{PARENT}-01", answer=b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n")
    second = house.server.take()
    house.server.receive(OK)
    await house.settle()

    assert traced.tree() == ["GET", "  ReverseProxy", "  ReverseProxy"]
    clients = [span for span in traced.spans if span.kind == 3]
    assert [span.status for span in clients] == [2, 0]
    for sent, span in zip((first, second), clients, strict=True):
        assert sent.count(b"\r\nTraceparent: ") == 1
        assert span.span_id.encode() in sent


async def test_an_attempt_after_another_without_rewinding_replaces_what_was_said(house: Any) -> None:
    async def twice(request: Request, call_next: Handler) -> Response:
        (await call_next(request)).abandon()
        request.exchange.retry()
        return await call_next(request)

    traced = Traced(house, around=twice)
    await traced.ask(answer=b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n")
    assert house.server.take().count(b"Traceparent") == 1


@pytest.mark.parametrize("verbose", [False, True])
async def test_a_request_beside_is_a_client_span_called_as_who_asks_says(house: Any, verbose: bool) -> None:
    async def ask_first(request: Request, call_next: Handler) -> Response:
        beside = request.beside(b"GET", b"/check", Headers())
        url, plain = "http://10.0.0.1:9000", house.forwarder
        (await Forwarder(url, plain.pick, plain.transport, span_name="AuthRequest")(beside)).abandon()
        return await call_next(request)

    traced = Traced(house, around=ask_first, verbose=verbose)
    asked = await traced.ask(answer=b"HTTP/1.1 204 No Content\r\n\r\n")
    house.server.receive(OK)
    await house.settle()

    served = ["  Service", "    ReverseProxy"] if verbose else ["  ReverseProxy"]
    assert traced.tree() == ["GET", "  AuthRequest", *served]
    auth = next(span for span in traced.spans if span.name == "AuthRequest")
    assert auth.span_id.encode() in asked
    assert dict(auth.attributes)["http.response.status_code"] == 204


async def test_a_refusal_is_an_error_of_what_is_under_way(house: Any) -> None:
    def refuse(request: Request, call_next: Handler) -> Awaitable[Response]:
        request.exchange.refuse("Authentication failed")
        return Response(401)

    traced = Traced(house, around=refuse)
    await house.ask(GET % b"")
    assert (traced.server.status, traced.server.error) == (2, "Authentication failed")


# step by step


def _around(*layers: Any) -> Any:
    def around(request: Request, call_next: Handler) -> Awaitable[Response]:
        handler = call_next
        for layer in reversed(layers):
            handler = layer(handler)
        return handler(request)

    return around


def _bound(call_next: Handler) -> Handler:
    async def twice(request: Request) -> Response:
        mark = request.mark()
        response = await call_next(request)
        if response.status != 503:
            return response
        response.abandon()
        request.exchange.retry()
        request.rewind(mark)
        return await call_next(request)

    return twice


STEPS = (
    lambda inner: step(inner, "Router", (("traefik.router.name", "r@file"),)),
    lambda inner: step(inner, "Headers", (("traefik.middleware.name", "h@file"),)),
    attempts(_bound, "Retry", (("traefik.middleware.name", "again@file"),)),
    lambda inner: step(inner, "AddPrefix", (("traefik.middleware.name", "p@file"),)),
)


async def test_in_detail_every_step_is_a_span_below_the_one_before(house: Any) -> None:
    traced = Traced(house, verbose=True, around=_around(*STEPS))
    await traced.ask(answer=b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n")
    house.server.receive(OK)
    await house.settle()

    tried = ["      Retry", "        AddPrefix", "          Service", "            ReverseProxy"]
    assert traced.tree() == ["GET", "  Router", "    Headers", *tried, *tried]
    retries = [dict(span.attributes) for span in traced.spans if span.name == "Retry"]
    assert retries == [
        {"traefik.middleware.name": "again@file"},
        {"traefik.middleware.name": "again@file", "http.request.resend_count": 1},
    ]
    assert {span.kind for span in traced.spans if span.name not in ("GET", "ReverseProxy")} == {1}
    service = next(span for span in traced.spans if span.name == "Service")
    assert dict(service.attributes) == {"traefik.service.name": "s@file"}


@pytest.mark.parametrize(("verbose", "rate"), [(False, 1.0), (True, 0.0)])
async def test_steps_of_requests_that_are_not_traced_so_are_none(house: Any, verbose: bool, rate: float) -> None:
    traced = Traced(house, verbose=verbose, rate=rate, around=_around(*STEPS))
    await traced.ask()
    assert traced.tree() == (["GET", "  ReverseProxy"] if rate else [])


async def test_a_refusal_in_detail_is_an_error_of_its_middleware(house: Any) -> None:
    def refuse(request: Request) -> Awaitable[Response]:
        request.exchange.refuse("No")
        return Response(403)

    traced = Traced(house, verbose=True, around=_around(lambda _: step(refuse, "IPAllowLister", ())))
    await house.ask(GET % b"")
    assert [(span.name, span.error) for span in traced.spans] == [("IPAllowLister", "No"), ("GET", None)]
