"""What is counted of requests and attempts, and how it is told."""

import time
from weakref import WeakKeyDictionary

import pytest

from pointsman.api import Peer
from pointsman.errors import NoServer
from pointsman.measures import Needs
from pointsman.message import OVER, Response
from pointsman.observe.meter import MAX_VARIETY, Meter, Recording
from pointsman.observe.observer import Observer, Watched
from pointsman.observe.series import kind_of, united
from pointsman.testing import a_request
from pointsman.upstream.composite_failover import FailoverByStatus

SHOP = Peer("http://10.0.0.1:80", host="10.0.0.1", port=80)
BOUNDS = (0.1, 1.0)
OBSERVERS = WeakKeyDictionary()
"""Of one route, for each meter."""


def a_meter(**needs):
    meter = Meter(Recording(united([Needs(boundaries=BOUNDS, **needs)])))
    OBSERVERS[meter] = Observer([meter.watch(Watched("web", "r@file", "s@file"))], time.monotonic)
    return meter


def told(meter, family="routes"):
    return [row for news in meter.news() for row in news.get(family, ())]


def exchanged(meter, request=None, *, status=200, seconds=0.5, attempts=(200,), retries=0, **answer):
    """One exchange from its beginning to its end, as a cycle tells of it."""
    request = request or a_request()
    observer = OBSERVERS[meter]
    exchange = request.exchange
    observer.begin(exchange)
    for each in attempts:
        attempt = observer.attempt(request, "leaf@file", SHOP)
        attempt.version = answer.get("version", 11)
        exchange.response = Response(each, answer.get("headers"))
        attempt.respond(exchange.response)
    exchange.status, exchange.retries = status, retries
    exchange.trailers = answer.get("trailers")
    exchange.error = answer.get("error")
    exchange.bytes_in, exchange.bytes_out = 3, 5
    exchange.started, exchange.finished = 10.0, 10.0 + seconds
    request.finish()
    observer.finish(exchange)


def test_a_request_is_a_row_and_rows_are_told_once():
    meter = a_meter()
    exchanged(meter)
    exchanged(meter, seconds=0.05)
    exchanged(meter, seconds=2.0)
    exchanged(meter, status=404)

    first, second = told(meter)
    assert first == ["web", "r@file", "s@file", "200", "GET", "http", 3, pytest.approx(2.55), [1, 1, 1], 9, 15]
    assert second[3] == "404"
    assert told(meter) == []
    exchanged(meter)
    assert [row[6] for row in told(meter)] == [1]


def test_each_attempt_is_a_row_of_the_service_that_was_asked():
    meter = a_meter()
    exchanged(meter, attempts=(503, 503, 200), retries=2)

    news = list(meter.news())
    rows = [row for each in news for row in each.get("attempts", ())]
    assert [(row[0], row[1], row[2], row[5], row[9]) for row in rows] == [
        ("leaf@file", SHOP.url, "503", 2, 0),
        ("leaf@file", SHOP.url, "200", 1, 5),
    ]
    assert [row for each in news for row in each.get("retries", ())] == [["leaf@file", 2]]


def test_an_answer_that_was_edited_counts_as_the_server_gave_it():
    meter = a_meter()
    request = a_request()
    observer = OBSERVERS[meter]
    observer.begin(request.exchange)
    attempt = observer.attempt(request, "leaf@file", SHOP)
    response = Response(500)
    attempt.respond(response)
    response.status = 200
    request.finish()

    assert [row[2] for row in told(meter, "attempts")] == ["500"]


def test_a_service_without_a_server_counts_a_503():
    meter = a_meter()
    exchanged(meter, status=503, attempts=(), error=NoServer())

    assert [row[:5] for row in told(meter, "attempts")] == [["s@file", "", "503", "GET", "http"]]


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({}, "http"),
        ({"Accept": "text/html, text/event-stream"}, "sse"),
        ({"Content-Type": "application/grpc+proto"}, "grpc"),
        ({"Content-Type": "application/grpc-web"}, "grpc-web"),
        ({"Content-Type": "application/json", "Accept": "*/*"}, "http"),
        ({"Accept": "text/event-stream", "Content-Type": "application/grpc"}, "sse"),
    ],
)
def test_the_protocol_is_the_first_that_fits(headers, kind):
    assert kind_of(a_request(headers=headers)) == kind


def test_an_upgrade_to_websocket_goes_before_all():
    request = a_request(headers={"Accept": "text/event-stream"})
    request.upgrade = b"WebSocket"

    assert kind_of(request) == "websocket"


@pytest.mark.parametrize(
    ("headers", "trailers", "code"),
    [
        ([], None, "2"),
        ([], [(b"grpc-status", b"0")], "0"),
        ([(b"grpc-status", b"14")], None, "14"),
        ([(b"grpc-status", b"14")], [(b"grpc-status", b"0")], "14"),
        ([], [(b"grpc-status", b"99999")], "2"),
        ([(b"grpc-status", b"x" * 100)], None, "2"),
    ],
)
def test_grpc_is_counted_by_its_own_status(headers, trailers, code):
    meter = a_meter()
    exchanged(meter, a_request("POST", headers={"Content-Type": "application/grpc"}), headers=headers, trailers=trailers)

    assert [row[3:6] for row in told(meter)] == [[code, "POST", "grpc"]]


@pytest.mark.parametrize("method", ["FOO", "get", "A" * 1000])
def test_methods_that_nobody_knows_are_one(method):
    meter = a_meter()
    exchanged(meter, a_request(method))

    assert [row[4] for row in told(meter)] == ["EXTENSION_METHOD"]


def test_values_of_headers_are_told_and_what_is_held_of_them_is_bounded():
    meter = a_meter(header_labels={"x-tenant": "x-tenant", "ua": "user-agent"})
    exchanged(meter, a_request(headers={"X-Tenant": "a", "User-Agent": "b\xff"}))
    exchanged(meter)
    assert [row[6:8] for row in told(meter)] == [["b\ufffd", "a"], ["", ""]]

    watch = meter.watch(Watched("web", "r@file", "s@file"))
    for number in range(MAX_VARIETY * 2):
        request = a_request(headers={"X-Tenant": str(number)})
        watch.begin(request.exchange)
        watch.finish(request.exchange)
    assert len(watch._series) <= MAX_VARIETY + 1
    assert sum(row[8] for row in told(meter)) == MAX_VARIETY * 2


def test_long_values_of_headers_are_nobodys_in_particular():
    meter = a_meter(header_labels={"ua": "user-agent"}, semantic=True)
    exchanged(meter, a_request(headers={"User-Agent": "a" * 256}))
    exchanged(meter, a_request(headers={"User-Agent": "a" * 257}))
    exchanged(meter, a_request(url=f"http://{'a' * 300}:80/"))

    news = {family: rows for each in meter.news() for family, rows in each.items()}
    assert [row[6] for row in news["routes"]] == ["a" * 256, "_other", ""]
    assert news["server"][-1][5:7] == ["_other", ""]


def test_what_opentelemetry_calls_durations_is_counted_where_it_is_asked_for():
    meter = a_meter(semantic=True)
    exchanged(meter, a_request(url="http://a.example:8080/"), status=502)
    exchanged(meter, version=20)
    exchanged(meter, version=0)

    news = {family: rows for each in meter.news() for family, rows in each.items()}
    assert news["server"][0][:8] == ["502", "GET", "502", "http", "1.1", "a.example", "8080", "http"]
    spoken = ("1.1", "2", "")
    assert [row[:8] for row in news["client"]] == [
        ["", "GET", "200", "http", each, "10.0.0.1", "80", "http"] for each in spoken
    ]


def test_the_needs_of_several_are_met_together():
    both = united(
        [
            Needs(routers=True, boundaries=(0.1, 5.0), header_labels={"ua": "User-Agent"}),
            Needs(entry_points=False, services=False, boundaries=(0.1, 1.0), header_labels={"agent": "user-agent"}),
        ]
    )

    assert (both.entry_points, both.routers, both.services, both.servers) == (True, True, True, False)
    assert both.boundaries == (0.1, 1.0, 5.0)
    assert both.header_labels == {"user-agent": "user-agent"}


def test_refusals_are_told_by_router_and_reason():
    meter = a_meter()
    request = a_request()
    request.exchange.observer = OBSERVERS[meter]
    request.exchange.observer.begin(request.exchange)
    request.exchange.refuse("Too many requests")
    request.exchange.refuse("Too many requests")

    assert told(meter, "refusals") == [["r@file", "Too many requests", 2]]


POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Type: %b\r\nContent-Length: 4\r\n\r\nbody"
FIRST, STAND_IN = "first@file", "standin@file"


def failing_over(house, meter):
    """A house whose service asks another one when the first says 503."""
    first, stand_in = (type(house.forwarder)(name, house.forwarder.pick, house.transport) for name in (FIRST, STAND_IN))
    service = FailoverByStatus("f@file", first, stand_in, None, None, statuses={502, 503})
    house.set_up(observer=OBSERVERS[meter], handler=service)


def bytes_of(meter):
    """In and out, of the routes and of each service with its status."""
    news = {family: rows for each in meter.news() for family, rows in each.items()}
    return [row[-2:] for row in news["routes"]], [(row[0], row[2], *row[-2:]) for row in news.get("attempts", ())]


@pytest.mark.parametrize("answers", [(200,), (503, 200)])
async def test_bytes_count_for_the_service_of_a_failover_that_answered(house, answers):
    meter = a_meter()
    failing_over(house, meter)
    client = await house.ask(POST % b"a/b")
    for status in answers:
        house.server.receive(b"HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n" % status)
        await house.settle()
    house.server.receive(b"6\r\nanswer\r\n0\r\n\r\n")
    await house.settle()

    assert client.sent.endswith(b"6\r\nanswer\r\n0\r\n\r\n")
    names = (STAND_IN,) if len(answers) == 2 else (FIRST,)
    given_up = [(FIRST, "503", 4, 0)] if len(answers) == 2 else []
    assert bytes_of(meter) == ([[4, 6]], [*given_up, *((name, "200", 4, 6) for name in names)])


async def test_nobodys_answer_in_the_place_of_both_services_of_a_failover_counts_for_neither(house):
    meter = a_meter()
    failing_over(house, meter)
    await house.ask(POST % b"a/b")
    house.refuse = ConnectionRefusedError()
    house.server.receive(b"HTTP/1.1 503 X\r\nContent-Length: 7\r\nConnection: close\r\n\r\nfailure")
    await house.settle()

    (route,), attempts = bytes_of(meter)
    assert route[1] > 0
    assert attempts == [(FIRST, "503", 4, 7), (STAND_IN, "502", 4, 0)]


async def test_a_client_that_leaves_a_failover_leaves_its_server(house):
    meter = a_meter()
    failing_over(house, meter)
    client = await house.ask(POST % b"a/b")
    client.break_off()
    await house.settle()

    assert bytes_of(meter) == ([[4, 0]], [(FIRST, "499", 4, 0)])
    assert house.requests[0].exchange is OVER


async def test_grpc_through_a_failover_is_counted_by_its_trailers(house):
    meter = a_meter()
    failing_over(house, meter)
    await house.ask(POST % b"application/grpc")
    house.server.receive(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGrpc-Status: 0\r\n\r\n")
    await house.settle()

    assert bytes_of(meter) == ([[4, 0]], [(FIRST, "0", 4, 0)])


async def another(request, call_next):
    (await call_next(request)).abandon()
    return Response(200, [], b"ours, not theirs")


async def wrapped(request, call_next):
    response = await call_next(request)
    return Response(200, list(response.headers), response.body)


async def edited(request, call_next):
    response = await call_next(request)
    response.headers.set(b"x-ours", b"1")
    return response


@pytest.mark.parametrize(("around", "sent"), [(another, 16), (wrapped, 6), (edited, 6)])
@pytest.mark.parametrize("whole", [False, True])
async def test_what_a_middleware_answers_in_the_place_of_a_server_is_not_the_servers(house, around, sent, whole):
    meter = a_meter()
    house.set_up(observer=OBSERVERS[meter], around=around)
    await house.ask(POST % b"a/b")
    house.server.receive(b"HTTP/1.1 200 X\r\nContent-Length: 6\r\n\r\n" + (b"answer" if whole else b""))
    await house.settle()
    house.server.offer(b"" if whole else b"answer")
    await house.settle()

    came = 6 if whole or around is not another else 0
    assert bytes_of(meter) == ([[4, sent]], [("s@file", "200", 4, came)])
