"""Forwarding that heeds a cookie and measures times, over connections that answer at once (routing.md §5.1, §5.3)."""

from typing import Any

import pytest

from pointsman.api import Peer
from pointsman.builtin.roundrobin import RoundRobin, RoundRobinConfig
from pointsman.config.http_model import Cookie
from pointsman.deadlines import Deadlines
from pointsman.errors import NoServer
from pointsman.message import NOTHING, Request, Response
from pointsman.testing import a_request
from pointsman.upstream.attentive import AttentiveForwarder
from pointsman.upstream.health import settle
from pointsman.upstream.sticky import Sticky, current_value
from pointsman.upstream.transport import Transport, TransportSettings


class Connection:
    """A connection to a server, and its pool, that answers as soon as it begins to carry a request."""

    def __init__(self, name: str) -> None:
        self.name = name.encode()
        self.carried: list[Request] = []

    def take(self) -> "Connection":
        return self

    def begin(self, forwarding: Any, peer: Peer, alone: bool) -> None:
        self.forwarding = forwarding
        self.carried.append(forwarding.request)
        self.forwarding.over()
        self.forwarding.answered(Response(200, [(b"x-from", self.name), (b"set-cookie", b"own=1")]))


def a_service(sticky: bool = True, timed: Any = None, fenced: str = "") -> tuple[AttentiveForwarder, dict[str, Peer]]:
    peers = {name: Peer(f"http://{name}", host=name, port=80) for name in "ab"}
    for name, peer in peers.items():
        peer.pool = Connection(name)
    pick = RoundRobin(RoundRobinConfig(), None).over([peer for name, peer in peers.items() if name != fenced])
    cookie = Sticky(Cookie("n"), "s@file", [(peer.url, peer) for peer in peers.values()]) if sticky else None
    transport = Transport(TransportSettings(), Deadlines())
    return AttentiveForwarder("s@file", pick, transport, sticky=cookie, timed=timed), peers


def asking(cookie: str = "") -> Request:
    request = a_request(headers={"Cookie": cookie} if cookie else {})
    request.body = NOTHING
    return request


def cookie_of(peer: Peer) -> str:
    return f"n={current_value(peer.url).decode()}"


async def answered(service: AttentiveForwarder, cookie: str = "") -> tuple[str, list[str]]:
    """Who answers, and the cookies the client gets."""
    response = await service(asking(cookie))
    given = [value.decode().removesuffix("; Path=/") for value in response.headers.get_all(b"set-cookie")]
    return (response.headers.get(b"x-from") or b"").decode(), given


@pytest.mark.spec("R-41", "R-42")
async def test_whoever_comes_with_a_cookie_gets_its_server_and_no_other_cookie():
    service, peers = a_service()
    assert [await answered(service) for _ in range(2)] == [
        (name, [cookie_of(peer), "own=1"]) for name, peer in peers.items()
    ]
    for _ in range(3):
        assert await answered(service, cookie_of(peers["b"])) == ("b", ["own=1"])
    assert peers["b"].pool.carried[-1].headers.get(b"cookie") == cookie_of(peers["b"]).encode()


@pytest.mark.spec("R-47")
async def test_a_server_that_is_not_ready_is_left_for_another_with_a_new_cookie():
    service, peers = a_service()
    peers["b"].ready = False
    assert await answered(service, cookie_of(peers["b"])) == ("a", [cookie_of(peers["a"]), "own=1"])
    peers["b"].ready = True
    assert await answered(service, cookie_of(peers["b"])) == ("b", ["own=1"])


async def test_a_fenced_server_keeps_its_clients_and_gets_nobody_new():
    service, peers = a_service(fenced="b")
    assert {(await answered(service))[0] for _ in range(4)} == {"a"}
    assert await answered(service, cookie_of(peers["b"])) == ("b", ["own=1"])
    assert await answered(service, f"n={peers['b'].url}") == ("b", [cookie_of(peers["b"]), "own=1"])


async def test_an_ejected_server_is_left_with_a_new_cookie_also_by_who_forged_one_and_a_fenced_one_too():
    service, peers = a_service(fenced="b")
    peers["b"].ejected = True
    settle(peers["b"])
    for forged in (cookie_of(peers["b"]), f"n={peers['b'].url}", f"n={current_value('http://elsewhere').decode()}", "n="):
        assert await answered(service, forged) == ("a", [cookie_of(peers["a"]), "own=1"])
    peers["b"].ejected = False
    settle(peers["b"])
    assert await answered(service, cookie_of(peers["b"])) == ("b", ["own=1"])


async def test_no_server_is_503_with_a_cookie_too():
    service, peers = a_service()
    for peer in peers.values():
        peer.ready = False
    with pytest.raises(NoServer):
        await service(asking(cookie_of(peers["a"])))


async def test_a_strategy_is_told_the_times_of_those_it_chose_and_of_no_others():
    told: list[tuple[str, bool]] = []
    service, peers = a_service(timed=lambda peer, seconds: told.append((peer.host, 0 <= seconds < 5)))
    await answered(service)
    await answered(service, cookie_of(peers["a"]))
    await answered(service, f"n={peers['a'].url}")
    await answered(service, "n=bogus")
    assert told == [("a", True), ("b", True)]


async def test_times_are_told_without_a_cookie_too():
    told: list[str] = []
    service, _ = a_service(sticky=False, timed=lambda peer, seconds: told.append(peer.host))
    assert await answered(service, "n=http://b") == ("a", ["own=1"])
    assert told == ["a"]
