"""Weighted round robin (routing.md §5.1): exact shares, nobody starved, nobody who is down."""

from collections import Counter
from math import gcd

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api import Peer, Pick
from pointsman.builtin.roundrobin import RoundRobin, RoundRobinConfig
from pointsman.plugins import load_registry
from pointsman.testing import a_request

REQUEST = a_request()


def peers_of(*weights: int) -> list[Peer]:
    return [Peer(f"http://p{n}", host=f"p{n}", port=80, weight=weight) for n, weight in enumerate(weights)]


def over(peers: list[Peer]) -> Pick:
    return RoundRobin(RoundRobinConfig(), None).over(peers)


def shares(pick: Pick, times: int) -> Counter[str]:
    picked = [pick(REQUEST, ()) for _ in range(times)]
    return Counter(peer.host if peer else "nobody" for peer in picked)


def test_it_comes_by_its_hook():
    assert load_registry(entry_point_plugins=False).balancers["wrr"] is RoundRobin


@pytest.mark.spec("R-38")
def test_weights_3_and_1_share_24_requests_18_to_6():
    assert shares(over(peers_of(3, 1)), 24) == {"p0": 18, "p1": 6}


@pytest.mark.spec("R-39")
def test_a_weight_of_zero_or_less_is_never_picked():
    assert shares(over(peers_of(3, 1, 0)), 40) == {"p0": 30, "p1": 10}
    assert shares(over(peers_of(0, -1)), 3) == {"nobody": 3}
    assert shares(over([]), 1) == {"nobody": 1}


@given(st.lists(st.integers(0, 12), min_size=1, max_size=6), st.integers(1, 3))
def test_every_cycle_is_exact_and_evenly_spread(weights: list[int], cycles: int):
    peers = peers_of(*weights)
    pick = over(peers)
    common = gcd(*weights) or 1
    for _ in range(cycles):
        share = shares(pick, sum(weights) // common)
        assert share == {f"p{n}": weight // common for n, weight in enumerate(weights) if weight > 0}


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.data())
def test_those_who_are_left_share_by_their_weights(weights: list[int], data: st.DataObject):
    peers = peers_of(*weights)
    pick = over(peers)
    shares(pick, data.draw(st.integers(0, 30)))
    down = data.draw(st.sets(st.sampled_from(peers), max_size=len(peers) - 1))
    for peer in down:
        peer.ready = False
    left = [peer for peer in peers if peer.ready]
    times = 20 * sum(peer.weight for peer in left)
    share = shares(pick, times)
    for peer in left:
        assert abs(share[peer.host] - 20 * peer.weight) <= len(peers)
    assert set(share) == {peer.host for peer in left}


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.data())
def test_those_already_tried_are_passed_over_until_none_is_left(weights: list[int], data: st.DataObject):
    peers = peers_of(*weights)
    pick = over(peers)
    shares(pick, data.draw(st.integers(0, 10)))
    tried: set[Peer] = set()
    for _ in peers:
        peer = pick(REQUEST, tried)
        assert peer is not None
        assert peer not in tried
        tried.add(peer)
    assert pick(REQUEST, tried) is None


def test_who_comes_back_is_not_flooded():
    peers = peers_of(5, 1)
    pick = over(peers)
    peers[0].ready = False
    assert shares(pick, 100) == {"p1": 100}
    peers[0].ready = True
    assert shares(pick, 60) == {"p0": 50, "p1": 10}


def test_all_down_is_nobody_and_recovers():
    for weights in ((1,), (1, 1), (2, 1)):
        peers = peers_of(*weights)
        pick = over(peers)
        for peer in peers:
            peer.ready = False
        assert shares(pick, 5) == {"nobody": 5}
        peers[-1].ready = True
        assert shares(pick, 5) == {peers[-1].host: 5}
