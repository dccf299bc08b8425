"""Slow start: who has come back gets a share that grows to its weight, whatever the strategy."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.api import Peer, Pick
from pointsman.builtin.roundrobin import RoundRobin, RoundRobinConfig
from pointsman.deadlines import Deadlines
from pointsman.testing import a_request
from pointsman.upstream.forward import Forwarder
from pointsman.upstream.health import mark
from pointsman.upstream.slowstart import SlowStart
from pointsman.upstream.transport import Transport, TransportSettings, peer_from

REQUEST = a_request()


def round_robin(peers: list[Peer]) -> Pick:
    return RoundRobin(RoundRobinConfig(), None).over(peers)


def idlest(peers: list[Peer]) -> Pick:
    """A strategy that sends everything to whoever has the least to do, such as somebody who has just come back."""

    def pick(request: Any, tried: Any) -> Peer | None:
        return min(
            (peer for peer in peers if peer.ready and peer not in tried), key=lambda peer: peer.in_flight, default=None
        )

    return pick


class Stand:
    """Servers, and a forwarder whose servers start slowly in 100 s."""

    def __init__(self, *weights: int, strategy: Callable[[list[Peer]], Pick] = round_robin, first: int = 0) -> None:
        self.peers = [peer_from(f"http://p{number}", weight=each) for number, each in enumerate(weights, first)]
        self.plain = strategy(self.peers)
        self.forwarder = Forwarder("s@file", self.plain, Transport(TransportSettings(), Deadlines()))
        self.slow = SlowStart(self.forwarder, [peer for peer in self.peers if peer.weight > 0], 100.0)

    def turn(self, number: int, up: bool) -> None:
        mark([self.peers[number]], {self.peers[number].url: up})

    def shares(self, times: int) -> Counter[str]:
        picked = [self.forwarder.pick(REQUEST, ()) for _ in range(times)]
        return Counter(peer.host if peer else "nobody" for peer in picked)


async def test_as_long_as_nobody_is_warming_up_the_strategy_picks_alone(clock: Any):
    stand = Stand(3, 1)
    assert stand.forwarder.pick is stand.plain
    assert stand.shares(24) == {"p0": 18, "p1": 6}
    stand.turn(1, False)
    assert stand.forwarder.pick is stand.plain
    stand.turn(1, True)
    stand.shares(10)
    assert stand.forwarder.pick is not stand.plain
    await clock.advance(100)
    stand.shares(1)
    assert stand.forwarder.pick is stand.plain
    assert stand.shares(24) == {"p0": 18, "p1": 6}


@pytest.mark.parametrize("strategy", [round_robin, idlest])
async def test_a_server_that_comes_back_gets_a_share_that_grows_to_its_own(clock: Any, strategy: Any):
    stand = Stand(1, 1, 1, strategy=strategy)
    for peer in stand.peers[:2]:
        peer.in_flight = 50
    stand.turn(2, False)
    await clock.advance(1000)
    stand.turn(2, True)
    found = []
    for _ in range(4):
        found.append(stand.shares(1000)["p2"])
        await clock.advance(25)
    for share, part in zip(found, (0.1, 0.25, 0.5, 0.75), strict=True):
        assert abs(share - 1000 * part / (2 + part)) < 5, found


async def test_weights_count(clock: Any):
    stand = Stand(3, 1)
    stand.turn(0, False)
    stand.turn(0, True)
    await clock.advance(50)
    share = stand.shares(1000)
    assert abs(share["p0"] - 600) < 10, "1.5 to 1"


async def test_its_requests_are_spread_evenly(clock: Any):
    stand = Stand(1, 1)
    stand.turn(1, False)
    stand.turn(1, True)
    await clock.advance(50)
    row = [peer.host for peer in (stand.forwarder.pick(REQUEST, ()) for _ in range(300)) if peer]
    gaps = "".join(host[1] for host in row).strip("0").split("1")[1:-1]
    assert {len(gap) for gap in gaps} <= {1, 2, 3}


async def test_servers_that_come_back_together_share_as_ever(clock: Any):
    stand = Stand(3, 1)
    for up in (False, True):
        mark(stand.peers, {peer.url: up for peer in stand.peers})
    assert stand.shares(24) == {"p0": 18, "p1": 6}


async def test_the_only_server_gets_everything_however_cold(clock: Any):
    stand = Stand(1, 1)
    stand.turn(0, False)
    stand.turn(1, False)
    assert stand.shares(3) == {"nobody": 3}
    stand.turn(1, True)
    assert stand.shares(20) == {"p1": 20}
    stand.turn(0, True)
    await clock.advance(50)
    stand.shares(100)
    stand.turn(1, False)
    assert stand.shares(20) == {"p0": 20}


async def test_who_goes_again_begins_anew(clock: Any):
    stand = Stand(1, 1)
    stand.turn(1, False)
    stand.turn(1, True)
    await clock.advance(90)
    stand.turn(1, False)
    stand.turn(1, True)
    assert stand.shares(110)["p1"] < 15
    assert repr(stand.slow) == "<SlowStart s@file: http://p1 warming up>"


async def test_a_server_that_was_tried_is_not_taken_again(clock: Any):
    stand = Stand(1, 1)
    stand.turn(1, False)
    stand.turn(1, True)
    for _ in range(50):
        assert stand.forwarder.pick(REQUEST, [stand.peers[0]]) is stand.peers[1]
        assert stand.forwarder.pick(REQUEST, stand.peers) is None


async def test_who_is_new_in_a_running_service_starts_slowly_and_who_was_warming_up_goes_on(clock: Any):
    before, after = Stand(1, 1), Stand(1, 1, first=1)
    before.turn(1, False)
    before.turn(1, True)
    await clock.advance(50)
    after.slow.take_over(before.peers, before.slow)
    parts = {peer.host: after.slow._part(peer, asyncio.get_running_loop().time()) for peer in after.peers}
    assert parts == pytest.approx({"p1": 0.5, "p2": 0.1}, abs=0.01)
    same = Stand(1, 1)
    same.slow.take_over(before.peers, None)
    assert same.forwarder.pick is same.plain, "nobody is new"


async def test_where_all_servers_are_new_they_share_as_ever(clock: Any):
    stand = Stand(3, 1)
    stand.slow.take_over([], None)
    assert stand.shares(24) == {"p0": 18, "p1": 6}


@settings(max_examples=60, deadline=None)
@given(
    weights=st.lists(st.integers(0, 4), min_size=1, max_size=5),
    steps=st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 60)), max_size=30),
)
def test_somebody_is_always_picked_who_is_ready_and_in_the_end_all_is_as_before(
    house_on: Any, weights: list[int], steps: list[tuple[int, bool, int]]
):
    async def story() -> None:
        clock = house_on(asyncio.get_running_loop()).clock
        stand = Stand(*weights)
        for number, up, seconds in steps:
            stand.turn(number % len(weights), up)
            await clock.advance(seconds)
            ready = {peer.host for peer in stand.peers if peer.ready and peer.weight > 0}
            assert set(stand.shares(7)) <= (ready or {"nobody"})
        await clock.advance(101)
        stand.shares(1)
        assert stand.forwarder.pick is stand.plain

    asyncio.run(story())
