"""Of two servers taken at random the less busy one gets the request (routing.md §5.1)."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pointsman import Peer
from pointsman.testing import a_request, build
from pointsman_p2c import PowerOfTwo

REQUEST = a_request()


def peers_of(*busy, weight=1):
    peers = [Peer(f"http://p{number}", host=f"p{number}", port=80, weight=weight) for number in range(len(busy))]
    for peer, count in zip(peers, busy, strict=True):
        peer.in_flight = count
    return peers


def shares(peers, times, tried=()):
    pick = build(PowerOfTwo).over(peers)
    picked = [pick(REQUEST, tried) for _ in range(times)]
    return Counter(peer.host if peer else "nobody" for peer in picked)


def test_of_two_servers_the_less_busy_one_is_taken():
    assert shares(peers_of(3, 1), 50) == {"p1": 50}
    assert shares(peers_of(0, 1), 50) == {"p0": 50}


def test_the_busiest_of_many_is_never_taken_and_all_others_are():
    assert set(shares(peers_of(0, 0, 9, 0), 500)) == {"p0", "p1", "p3"}


def test_equally_busy_servers_share():
    share = shares(peers_of(2, 2, 2), 3000)

    assert all(800 < share[f"p{number}"] < 1200 for number in range(3))


def test_weights_have_no_effect():
    assert PowerOfTwo.weighs is False
    assert set(shares(peers_of(0, 0, weight=0), 100)) == {"p0", "p1"}


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), max_size=6))
def test_only_servers_that_are_ready_and_untried_are_taken(states):
    peers = peers_of(*(busy for busy, _, _ in states))
    tried = set()
    for peer, (_, ready, was_tried) in zip(peers, states, strict=True):
        peer.ready = ready
        if was_tried:
            tried.add(peer)
    free = {peer.host for peer in peers if peer.ready and peer not in tried}

    assert set(shares(peers, 5, tried)) <= (free or {"nobody"})


def test_the_only_server_left_is_taken_however_busy():
    peers = peers_of(9, 0)
    peers[1].ready = False

    assert shares(peers, 3) == {"p0": 3}
