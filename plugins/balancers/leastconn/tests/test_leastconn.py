"""The server with the fewest requests in flight for its weight gets the next one; equals share by weight."""

from collections import Counter, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Peer
from pointsman.testing import a_request, build
from pointsman_leastconn import LeastConnections

REQUEST = a_request()


def peers_of(*busy, weights=()):
    weights = weights or (1,) * len(busy)
    peers = [Peer(f"http://p{number}", host=f"p{number}", port=80, weight=weight) for number, weight in enumerate(weights)]
    for peer, count in zip(peers, busy, strict=True):
        peer.in_flight = count
    return peers


def over(peers):
    return build(LeastConnections).over(peers)


def shares(pick, times, tried=()):
    picked = [pick(REQUEST, tried) for _ in range(times)]
    return Counter(peer.host if peer else "nobody" for peer in picked)


def test_the_least_busy_server_is_taken():
    assert shares(over(peers_of(3, 1, 2)), 20) == {"p1": 20}


def test_a_heavier_server_may_be_busier():
    assert shares(over(peers_of(5, 2, weights=(3, 1))), 20) == {"p0": 20}
    assert shares(over(peers_of(7, 2, weights=(3, 1))), 20) == {"p1": 20}


def test_equals_take_turns_by_their_weights():
    pick = over(peers_of(2, 2, 2))
    assert [pick(REQUEST, ()).host for _ in range(6)] == ["p0", "p1", "p2"] * 2
    assert shares(over(peers_of(0, 0, weights=(3, 1))), 24) == {"p0": 18, "p1": 6}


def test_who_was_busy_for_long_is_not_flooded_when_it_is_an_equal_again():
    peers = peers_of(0, 0, 9)
    pick = over(peers)
    assert shares(pick, 300) == {"p0": 150, "p1": 150}
    peers[2].in_flight = 0

    share = shares(pick, 30)
    assert all(9 <= share[f"p{number}"] <= 11 for number in range(3))


def test_a_server_without_weight_is_never_taken():
    assert shares(over(peers_of(9, 0, 0, weights=(1, 0, -1))), 5) == {"p0": 5}
    assert shares(over(peers_of(0, weights=(0,))), 1) == {"nobody": 1}
    assert shares(over([]), 1) == {"nobody": 1}


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(1, 40), st.integers(0, 200))
def test_with_so_many_requests_at_once_each_server_has_its_part_of_them(weights, at_once, more):
    peers = peers_of(*(0 for _ in weights), weights=weights)
    pick, running = over(peers), deque()
    for _ in range(at_once + more):
        if len(running) == at_once:
            running.popleft().in_flight -= 1
        peer = pick(REQUEST, ())
        peer.in_flight += 1
        running.append(peer)
    for peer in peers:
        assert peer.in_flight - 1 <= at_once * peer.weight / sum(weights) + 1e-9, "nobody has more than one too many"


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 5), st.booleans(), st.booleans()), max_size=6))
def test_only_servers_that_are_ready_and_untried_are_taken(states):
    peers = peers_of(*(busy for _, busy, _, _ in states), weights=[weight for weight, _, _, _ in states])
    tried = set()
    for peer, (_, _, ready, was_tried) in zip(peers, states, strict=True):
        peer.ready = ready
        if was_tried:
            tried.add(peer)
    free = {peer.host for peer in peers if peer.ready and peer.weight > 0 and peer not in tried}

    assert set(shares(over(peers), 8, tried)) <= (free or {"nobody"})


@pytest.mark.parametrize("times", [1, 7])
def test_who_was_tried_is_passed_over_until_none_is_left(times):
    peers = peers_of(0, 1, 2)
    pick = over(peers)
    assert shares(pick, times, {peers[0]}) == {"p1": times}
    assert shares(pick, times, peers) == {"nobody": times}
