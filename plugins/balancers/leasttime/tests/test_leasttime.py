"""The server that answers soonest gets the request; equals share by weight (routing.md §5.1)."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pointsman import Peer
from pointsman.testing import a_request, build
from pointsman_leasttime import LeastTime

REQUEST = a_request()


def balanced(*weights):
    """A balancer, its peers, and its way of picking."""
    peers = [Peer(f"http://p{number}", host=f"p{number}", port=80, weight=weight) for number, weight in enumerate(weights)]
    balancer = build(LeastTime)
    return balancer, peers, balancer.over(peers)


def shares(pick, times, tried=()):
    picked = [pick(REQUEST, tried) for _ in range(times)]
    return Counter(peer.host if peer else "nobody" for peer in picked)


def test_the_fastest_server_is_taken():
    balancer, peers, pick = balanced(1, 1, 1)
    for peer, seconds in zip(peers, (0.030, 0.010, 0.020), strict=True):
        balancer.answered(peer, seconds)

    assert shares(pick, 20) == {"p1": 20}


def test_a_fast_server_that_is_busy_gives_way_to_a_slower_one():
    balancer, peers, pick = balanced(1, 1)
    balancer.answered(peers[0], 0.010)
    balancer.answered(peers[1], 0.035)
    peers[0].in_flight = 2
    assert shares(pick, 5) == {"p0": 5}

    peers[0].in_flight = 3
    assert shares(pick, 5) == {"p1": 5}


def test_a_weight_makes_up_for_time():
    balancer, peers, pick = balanced(3, 1)
    balancer.answered(peers[0], 0.020)
    balancer.answered(peers[1], 0.010)

    assert shares(pick, 5) == {"p0": 5}


def test_a_server_nobody_knows_is_tried_first():
    balancer, peers, pick = balanced(1, 1)
    balancer.answered(peers[0], 0.005)

    assert shares(pick, 3) == {"p1": 3}


def test_servers_that_answer_at_once_share_by_their_weights():
    balancer, peers, pick = balanced(3, 1)
    for peer in peers:
        balancer.answered(peer, 0.0009)

    assert shares(pick, 24) == {"p0": 18, "p1": 6}


def test_who_was_slow_for_long_is_not_flooded_when_it_is_an_equal_again():
    balancer, peers, pick = balanced(1, 1, 1)
    balancer.answered(peers[2], 0.050)
    assert shares(pick, 300) == {"p0": 150, "p1": 150}
    for _ in range(100):
        balancer.answered(peers[2], 0.0)

    share = shares(pick, 30)
    assert all(9 <= share[f"p{number}"] <= 11 for number in range(3))


def test_only_the_latest_hundred_answers_count():
    balancer, peers, pick = balanced(1, 1)
    balancer.answered(peers[0], 60.0)
    balancer.answered(peers[1], 0.011)
    for _ in range(99):
        balancer.answered(peers[0], 0.010)
    assert shares(pick, 1) == {"p1": 1}

    balancer.answered(peers[0], 0.010)
    assert shares(pick, 1) == {"p0": 1}


def test_a_server_without_weight_is_never_taken_and_its_times_do_not_matter():
    balancer, peers, pick = balanced(1, 0, -1)
    balancer.answered(peers[1], 0.0)

    assert shares(pick, 5) == {"p0": 5}
    assert shares(balanced(0)[2], 1) == {"nobody": 1}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40), st.booleans(), st.booleans()), max_size=6))
def test_only_servers_that_are_ready_and_untried_are_taken(states):
    balancer, peers, pick = balanced(*(weight for weight, _, _, _ in states))
    tried = set()
    for peer, (_, milliseconds, ready, was_tried) in zip(peers, states, strict=True):
        balancer.answered(peer, milliseconds / 1000)
        peer.ready = ready
        if was_tried:
            tried.add(peer)
    free = {peer.host for peer in peers if peer.ready and peer.weight > 0 and peer not in tried}

    assert set(shares(pick, 8, tried)) <= (free or {"nobody"})
