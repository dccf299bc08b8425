"""Sending a request once more: at another server, and within what its service allows."""

from typing import Any

import pytest

from pointsman.api import Handler, Peer
from pointsman.builtin.roundrobin import RoundRobin, RoundRobinConfig
from pointsman.config.http_model import Cookie
from pointsman.deadlines import Deadlines
from pointsman.errors import GatewayError
from pointsman.message import NOTHING, Body, Request, Response
from pointsman.testing import a_request
from pointsman.upstream.attentive import AttentiveForwarder
from pointsman.upstream.forward import Forwarder
from pointsman.upstream.retry_budget import RetryBudget
from pointsman.upstream.sticky import Sticky, current_value
from pointsman.upstream.transport import Transport, TransportSettings

DOWN = GatewayError(502, "it is down", retry="always")


class Server:
    """A server, its pool and its connection: it answers at once, with a body that is still coming, or fails."""

    def __init__(self, outcome: int | GatewayError = 200) -> None:
        self.outcome = outcome
        self.asked = 0
        self.abandoned = 0
        self.forwarding: Any = None
        self.deadline = 0.0
        self.reused = False
        self.heard = False

    def take(self) -> "Server":
        return self

    def begin(self, forwarding: Any, peer: Peer, alone: bool) -> None:
        self.asked += 1
        self.forwarding = forwarding
        forwarding.over()
        if isinstance(self.outcome, GatewayError):
            forwarding.failed(self, GatewayError(self.outcome.status, str(self.outcome)))
        else:
            forwarding.answered(Response(self.outcome, None, Body(self)))

    def abandon(self) -> None:
        self.abandoned += 1

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


def a_service(
    servers: dict[str, Server], budget: RetryBudget | None = None, sticky: bool = False
) -> tuple[Handler, dict[str, Peer]]:
    peers = {name: Peer(f"http://{name}", host=name, port=80) for name in servers}
    for name, peer in peers.items():
        peer.pool = servers[name]
        peer.retries = budget
    pick = RoundRobin(RoundRobinConfig(), None).over(list(peers.values()))
    transport = Transport(TransportSettings(), Deadlines())
    if budget is None and not sticky:
        return Forwarder("s@file", pick, transport), peers
    cookie = Sticky(Cookie("n"), "s@file", [(peer.url, peer) for peer in peers.values()]) if sticky else None
    return AttentiveForwarder("s@file", pick, transport, retries=budget, sticky=cookie), peers


async def retried(request: Request, service: Handler, attempts: int) -> Response:
    """A retry middleware, as short as it can be."""
    for _ in range(attempts - 1):
        try:
            response = await service(request)
        except GatewayError:
            if not request.exchange.retry():
                raise
            continue
        if response.status < 500 or not request.exchange.retry():
            return response
    return await service(request)


def asking(**headers: str) -> Request:
    request = a_request(headers=headers)
    request.body = NOTHING
    return request


async def test_a_request_that_is_sent_again_goes_to_servers_that_were_not_tried() -> None:
    servers = {"a": Server(DOWN), "b": Server(503), "c": Server()}
    service, peers = a_service(servers)
    request = asking()
    response = await retried(request, service, 3)
    assert response.status == 200
    assert [server.asked for server in servers.values()] == [1, 1, 1]
    assert request.exchange.peer == "http://c"
    assert request.exchange.tried == (peers["a"], peers["b"])


async def test_when_all_were_tried_any_of_them_is_tried_again() -> None:
    servers = {"a": Server(DOWN), "b": Server(DOWN)}
    service, _ = a_service(servers)
    with pytest.raises(GatewayError):
        await retried(asking(), service, 4)
    assert servers["a"].asked + servers["b"].asked == 4


async def test_the_answer_of_an_earlier_attempt_is_given_up() -> None:
    servers = {"a": Server(500), "b": Server(200)}
    service, _ = a_service(servers)
    await retried(asking(), service, 2)
    assert (servers["a"].abandoned, servers["b"].abandoned) == (1, 0)


async def test_an_answer_that_nobody_reads_is_given_up_even_if_nobody_says_that_this_is_a_retry() -> None:
    servers = {"a": Server(500), "b": Server(200)}
    service, _ = a_service(servers)
    request = asking()
    await service(request)
    await service(request)
    assert (servers["a"].abandoned, servers["b"].abandoned) == (1, 0)


async def test_a_cookie_does_not_lead_back_to_a_server_that_was_tried() -> None:
    servers = {"a": Server(DOWN), "b": Server()}
    service, peers = a_service(servers, sticky=True)
    request = asking(Cookie=f"n={current_value(peers['a'].url).decode()}")
    response = await retried(request, service, 2)
    assert request.exchange.peer == "http://b"
    assert b"n=" in (response.headers.get(b"set-cookie") or b"")


async def test_where_a_budget_is_used_up_the_request_ends_with_what_it_has(clock: Any) -> None:
    servers = {"a": Server(DOWN), "b": Server(DOWN)}
    service, _ = a_service(servers, RetryBudget(20, 0))

    async def one() -> None:
        with pytest.raises(GatewayError):
            await retried(asking(), service, 4)

    for _ in range(100):
        await one()
    asked = servers["a"].asked + servers["b"].asked
    assert asked == 120
    await clock.advance(60)
    await one()
    assert servers["a"].asked + servers["b"].asked == asked + 1, "a fifth of one request is no retry"


async def test_a_budget_allows_a_share_of_the_requests_of_the_last_ten_seconds(clock: Any) -> None:
    budget = RetryBudget(20, 0)
    assert not budget.withdraw()
    for _ in range(10):
        budget.deposit()
    assert [budget.withdraw() for _ in range(3)] == [True, True, False]
    await clock.advance(5)
    for _ in range(5):
        budget.deposit()
    assert [budget.withdraw() for _ in range(2)] == [True, False]
    await clock.advance(6)
    assert (budget.requests, budget.retries) == (15, 3)
    assert not budget.withdraw(), "now only five requests and their retry count"
    assert (budget.requests, budget.retries) == (5, 1)


async def test_a_budget_allows_some_retries_whatever_the_traffic_is(clock: Any) -> None:
    budget = RetryBudget(0, 0.5)
    assert [budget.withdraw() for _ in range(6)] == [True] * 5 + [False]
    await clock.advance(11)
    assert budget.withdraw()
    assert repr(budget) == "<RetryBudget 1 of 5>"


async def test_in_ten_thousand_requests_that_all_fail_retries_stay_within_their_share(clock: Any) -> None:
    servers = {"a": Server(503)}
    service, _ = a_service(servers, RetryBudget(10, 0))
    for number in range(10_000):
        await retried(asking(), service, 3)
        if number % 500 == 499:
            await clock.advance(1)
    assert 10_900 <= servers["a"].asked <= 11_000
