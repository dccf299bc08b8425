"""Every client's server follows from its address and the servers' URLs, in every worker alike (routing.md §5.1)."""

import math
from collections import Counter

import pytest

from pointsman import Peer
from pointsman.testing import a_request, build
from pointsman_hrw import HighestRandomWeight

CLIENTS = [f"127.0.0.{number}" for number in range(1, 101)]


def a_peer(url, weight=1):
    return Peer(url, host="s", port=80, weight=weight)


def over(*peers, by=None):
    return build(HighestRandomWeight, {} if by is None else {"nginxUpstreamHashBy": by}).over(peers)


def choice(pick, client, tried=()):
    peer = pick(a_request(client=client), tried)
    return None if peer is None else peer.url


def by_the_formula(client, servers):
    """The reference's choice, written down independently: url -> weight."""

    def score(url):
        h = 14695981039346656037
        for byte in (client + url).encode():
            h = ((h ^ byte) * 1099511628211) % 2**64
        return servers[url] / -math.log(h / 2**64)

    return max(servers, key=score)


@pytest.mark.spec("R-40")
@pytest.mark.parametrize(
    "servers",
    [
        {"http://127.0.0.1:21100": 3, "http://127.0.0.1:21101": 1},
        {"http://blue.example": 3, "http://green.example": 1},
        {"http://a.example": 1, "http://b.example": 1, "https://c.example/base": 2},
    ],
)
def test_the_choice_of_a_hundred_clients_is_the_formulas(servers):
    pick = over(*(a_peer(url, weight) for url, weight in servers.items()))

    assert {client: choice(pick, client) for client in CLIENTS} == {
        client: by_the_formula(client, servers) for client in CLIENTS
    }


def test_a_client_keeps_its_server_whatever_the_order_of_the_servers():
    one, other = a_peer("http://blue.example"), a_peer("http://green.example")

    assert [choice(over(one, other), client) for client in CLIENTS] == [
        choice(over(other, one), client) for client in CLIENTS
    ]


def test_a_server_that_is_down_takes_only_its_own_clients_with_it():
    peers = [a_peer(f"http://{name}.example") for name in ("red", "green", "blue")]
    pick = over(*peers)
    before = {client: choice(pick, client) for client in CLIENTS}
    peers[0].ready = False
    after = {client: choice(pick, client) for client in CLIENTS}
    peers[0].ready = True

    assert {client for client in CLIENTS if before[client] != after[client]} == {
        client for client in CLIENTS if before[client] == peers[0].url
    }
    assert peers[0].url not in after.values()
    assert {client: choice(pick, client) for client in CLIENTS} == before


def test_one_that_was_tried_is_followed_by_the_next_until_none_is_left():
    peers = {peer.url: peer for peer in map(a_peer, ("http://red.example", "http://green.example"))}
    pick = over(*peers.values())
    first = choice(pick, "10.0.0.1")
    second = choice(pick, "10.0.0.1", {peers[first]})

    assert {first, second} == set(peers)
    assert choice(pick, "10.0.0.1", set(peers.values())) is None


def test_of_many_servers_each_is_somebodys_next():
    """Also those beyond the favourites that are kept."""
    servers = {f"http://{'x' * (number % 3)}{number}.example": 1 + number % 2 for number in range(30)}
    peers = {url: a_peer(url, weight) for url, weight in servers.items()}
    pick = over(*peers.values())

    for client in CLIENTS[:5]:
        tried, left = set(), dict(servers)
        while left:
            found = choice(pick, client, tried)
            assert found == by_the_formula(client, left)
            tried.add(peers[found])
            del left[found]
        assert choice(pick, client, tried) is None


def test_a_server_without_weight_is_never_picked():
    assert Counter(
        choice(over(a_peer("http://a.example"), a_peer("http://b.example", 0)), client) for client in CLIENTS
    ) == {"http://a.example": 100}
    assert choice(over(a_peer("http://a.example", -1)), "10.0.0.1") is None


def test_an_ipv4_client_on_an_ipv6_socket_is_the_same_client():
    pick = over(a_peer("http://red.example"), a_peer("http://green.example"))

    assert [choice(pick, f"::ffff:{client}") for client in CLIENTS] == [choice(pick, client) for client in CLIENTS]


def test_a_cookie_has_no_effect():
    assert HighestRandomWeight.sticky is False


THREE = {f"http://{name}.example": 1 for name in ("red", "green", "blue")}


@pytest.mark.parametrize(
    ("by", "key"),
    [
        ("$request_uri", "/x?n={}"),
        ("$host$uri", "a.test/x"),
        ("${http_x_tenant}-1", "t{}-1"),
        ("$remote_addr|$arg_n", "10.0.0.{}|{}"),
        ("$cookie_c", "c{}"),
    ],
)
def test_what_is_said_is_the_key_in_place_of_the_client(by, key):
    pick = over(*map(a_peer, THREE), by=by)

    for number in range(40):
        headers = {"X-Tenant": f"t{number}", "Cookie": f"c=c{number}"}
        request = a_request("GET", f"http://a.test/x?n={number}", headers, client=f"10.0.0.{number}")
        assert pick(request, ()).url == by_the_formula(key.format(number, number), THREE)


def test_a_request_without_a_key_goes_where_its_client_does():
    pick = over(*map(a_peer, THREE), by="$http_x_tenant")

    assert [choice(pick, client) for client in CLIENTS] == [choice(over(*map(a_peer, THREE)), client) for client in CLIENTS]


def test_a_long_key_counts_in_full():
    pick = over(*map(a_peer, THREE), by="$request_uri")
    found = Counter(pick(a_request("GET", f"http://a.test/{'x' * 5000}{number}"), ()).url for number in range(60))

    assert set(found) == set(THREE)
