"""Failover (routing.md §5.8): by health, by status, and what the fallback gets to see."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from pointsman.api import Peer
from pointsman.dialect.statuses import statuses
from pointsman.errors import ClientGone, GatewayError, NoServer
from pointsman.message import Body, Headers, Request, Response
from pointsman.testing import a_request, answering
from pointsman.upstream import replay
from pointsman.upstream.composite_failover import Failover, FailoverByStatus
from pointsman.upstream.status import Health, PeersHealth


def health(up: bool) -> Health:
    peer = Peer("http://a", host="a", port=80)
    peer.up = up
    return PeersHealth([peer])


class Reading:
    """A service that reads the body it gets, and answers or raises what it is told."""

    def __init__(self, outcome: int | Exception = 200) -> None:
        self.outcome = outcome
        self.bodies: list[bytes] = []
        self.requests: list[Request] = []

    async def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        self.bodies.append(await request.body.read(1 << 30))
        request.exchange.attempts += 1
        request.exchange.server = Peer("http://a", host="a", port=80)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        response = Response(self.outcome, None, b"x")
        request.exchange.upstream = response.body
        return response


def by_status(main: Any, fallback: Any, *texts: str, limit: int = -1, up: Sequence[Any] = (None, None)) -> FailoverByStatus:
    return FailoverByStatus("f@file", main, fallback, *up, statuses=statuses(texts), limit=limit)


@pytest.mark.spec("R-59")
@pytest.mark.parametrize(("main", "fallback", "status"), [(True, True, 201), (True, False, 201), (False, True, 202)])
async def test_the_first_service_answers_while_it_is_up_and_else_the_fallback(main: bool, fallback: bool, status: int):
    service = Failover("f@file", answering(201), answering(202), health(main), health(fallback))
    assert (await service(a_request())).status == status


@pytest.mark.spec("R-59")
async def test_both_down_is_503_service_unavailable():
    service = Failover("f@file", answering(201), answering(202), health(False), health(False))
    with pytest.raises(GatewayError, match="f@file") as caught:
        await service(a_request())
    assert (caught.value.status, caught.value.body) == (503, b"Service Unavailable\n")


async def test_a_fallback_whose_state_nobody_knows_answers_for_itself():
    service = Failover("f@file", answering(201), answering(503), health(False), None)
    assert (await service(a_request())).status == 503


@pytest.mark.spec("R-57")
async def test_a_listed_status_hands_the_same_body_to_the_fallback():
    main, fallback = Reading(404), Reading(200)
    service = by_status(main, fallback, "500-503", "404")
    response = await service(a_request("POST", body=b"abc"))
    assert response.status == 200
    assert main.bodies == fallback.bodies == [b"abc"]


@pytest.mark.spec("R-57")
async def test_a_status_that_is_not_listed_passes():
    main, fallback = Reading(504), Reading(200)
    request = a_request("POST", body=b"abc")
    response = await by_status(main, fallback, "500-503", "404")(request)
    assert response.status == 504
    assert fallback.requests == []
    assert request.exchange.upstream is response.body
    assert (request.exchange.attempts, request.exchange.peer) == (1, "http://a")


@pytest.mark.parametrize("error", [NoServer(), GatewayError(502), GatewayError(503)])
async def test_the_gateways_own_errors_for_the_first_service_count(error: Exception):
    fallback = Reading(200)
    assert (await by_status(Reading(error), fallback, "502", "503")(a_request())).status == 200
    assert len(fallback.requests) == 1


@pytest.mark.parametrize("error", [ClientGone(), GatewayError(504), GatewayError(502, side="client"), RuntimeError("bug")])
async def test_other_errors_pass(error: Exception):
    fallback = Reading(200)
    with pytest.raises(type(error)):
        await by_status(Reading(error), fallback, "499", "502")(a_request())
    assert fallback.requests == []


async def test_whatever_the_fallback_answers_is_final():
    assert (await by_status(Reading(500), Reading(500), "500")(a_request())).status == 500


async def test_what_the_first_service_did_to_the_request_does_not_show_in_the_second():
    async def meddling(request: Request) -> Response:
        request.headers.set(b"x-mark", b"1")
        request.rewrite(b"/other")
        request.state["seen"] = True
        request.exchange.interim(103, Headers())
        return Response(500)

    fallback = Reading(200)
    request = a_request(headers={"X-Mark": "0"})
    await by_status(meddling, fallback, "500")(request)
    assert fallback.requests == [request]
    assert request.headers.get(b"x-mark") == b"0"
    assert request.path == b"/path"
    assert request.state == {}


@pytest.mark.spec("R-58")
@pytest.mark.parametrize("length", [5, None])
async def test_a_body_above_the_limit_is_413_even_if_the_first_service_is_fine(length: int | None):
    main = Reading(200)
    request = a_request("POST", body=b"abcde")
    request.body.length = length
    with pytest.raises(GatewayError) as caught:
        await by_status(main, Reading(200), "500", limit=4)(request)
    assert (caught.value.status, caught.value.body) == (413, b"Request body too large\n")
    assert main.requests == []


@pytest.mark.spec("R-58")
async def test_a_body_at_the_limit_is_kept():
    main, fallback = Reading(500), Reading(200)
    assert (await by_status(main, fallback, "500", limit=4)(a_request("POST", body=b"abcd"))).status == 200
    assert fallback.bodies == [b"abcd"]


async def test_without_a_limit_a_huge_body_reaches_the_first_service_only(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pointsman.upstream.composite_failover.AT_MOST", 4)
    main, fallback = Reading(500), Reading(200)
    request = a_request("POST")
    body = request.body = Body()
    for chunk in (b"abc", b"def", b"ghi"):
        body.feed(chunk)
    body.end([(b"x-t", b"1")])
    assert (await by_status(main, fallback, "500")(request)).status == 500
    assert main.bodies == [b"abcdefghi"]
    assert main.requests[0].body.trailers == [(b"x-t", b"1")]
    assert fallback.requests == []


async def test_a_body_that_is_still_coming_is_waited_for():
    body = Body()
    keeping = asyncio.ensure_future(replay.keep(body, 6))
    await asyncio.sleep(0)
    body.feed(b"abc")
    await asyncio.sleep(0)
    assert not keeping.done()
    body.feed(b"def")
    body.end([(b"x-t", b"1")])
    assert await keeping == replay.Kept(b"abcdef", None, [(b"x-t", b"1")])


async def test_a_body_that_breaks_off_is_an_error_and_reaches_nobody():
    main = Reading(200)
    request = a_request("POST")
    request.body = Body()
    request.body.fail(ClientGone())
    with pytest.raises(ClientGone):
        await by_status(main, Reading(200), "500")(request)
    assert main.requests == []


async def test_both_down_by_health_is_503_with_statuses_too():
    with pytest.raises(GatewayError, match="down"):
        await by_status(Reading(200), Reading(200), "500", up=(health(False), health(False)))(a_request())
