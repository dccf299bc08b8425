"""What a worker knows of its servers: told, or seen in the answers (routing.md §5.4, §5.5)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api import Peer
from pointsman.upstream.health import Down, Passive, mark
from pointsman.upstream.status import PeersHealth
from pointsman.upstream.transport import peer_from

A, B = "http://a.example", "http://b.example"


def passive(*peers: Peer, window: float = 10.0, attempts: int = 2, probed: bool = False) -> Passive:
    return Passive("s@file", peers, window_seconds=window, attempts=attempts, probed=probed)


def test_marking_turns_whom_the_news_name_and_nobody_else():
    a, b = peer_from(A), peer_from(B)
    mark([a, b], {A: False, "http://gone.example": False})
    assert (a.up, a.ready, b.up, b.ready) == (False, False, True, True)
    mark([a, b], {A: True})
    assert (a.up, a.ready) == (True, True)


def test_peers_with_equal_urls_share_what_is_known():
    peers = [peer_from(A), peer_from(A, weight=2)]
    mark(peers, {A: False})
    assert not any(peer.ready for peer in peers)


@given(st.lists(st.tuples(st.sampled_from("st"), st.sampled_from("ab"), st.booleans())))
def test_who_hears_all_news_at_once_knows_what_the_one_knows_who_heard_each(heard: list[tuple[str, str, bool]]):
    down, last = Down(), {}
    for service, url, up in heard:
        down.learn({service: {url: up}})
        last[service, url] = up
    known = {(service, url) for service, states in down.news.items() for url in states}
    assert known == {place for place, up in last.items() if not up}
    late = Down()
    late.learn(down.news)
    assert late.news == down.news


@pytest.mark.spec("R-54")
async def test_failures_in_a_row_put_a_server_out_for_the_window_and_then_it_begins_anew(clock: Any):
    peer, other = peer_from(A), peer_from(B)
    judge = passive(peer, other)
    judge.judge(peer, 500)
    assert peer.ready
    judge.judge(peer, 500)
    assert not peer.ready
    assert other.ready
    assert repr(judge) == "<Passive s@file: http://a.example out>"
    await clock.advance(9.9)
    assert not peer.ready
    await clock.advance(0.2)
    assert peer.ready, "without a probe"
    judge.judge(peer, 500)
    assert peer.ready, "and it has failed once"
    judge.judge(peer, 500)
    assert not peer.ready


async def test_an_answer_below_500_clears_the_count(clock: Any):
    peer = peer_from(A)
    judge = passive(peer)
    for failed in (True, False, True, False, True):
        judge.judge(peer, 500 if failed else 499)
    assert peer.ready


async def test_failures_further_apart_than_the_window_do_not_add_up(clock: Any):
    peer = peer_from(A)
    judge = passive(peer, attempts=3)
    for _ in range(6):
        judge.judge(peer, 500)
        await clock.advance(6)
    assert peer.ready
    judge.judge(peer, 500)
    judge.judge(peer, 500)
    assert not peer.ready


async def test_answers_to_requests_begun_before_do_not_lengthen_the_time_out(clock: Any):
    peer = peer_from(A)
    judge = passive(peer, attempts=1)
    judge.judge(peer, 500)
    await clock.advance(9)
    judge.judge(peer, 500)
    await clock.advance(1.1)
    assert peer.ready


async def test_where_a_probe_looks_after_it_a_server_comes_back_by_a_probe_only(clock: Any):
    peer = peer_from(A)
    judge = passive(peer, attempts=1, probed=True)
    judge.judge(peer, 500)
    await clock.advance(3600)
    assert not peer.ready
    mark([peer], {A: True})
    assert peer.ready


async def test_peers_with_equal_urls_fail_together(clock: Any):
    one, two = peer_from(A), peer_from(A, weight=2)
    judge = passive(one, two)
    judge.judge(one, 500)
    judge.judge(two, 500)
    assert not one.ready
    assert not two.ready
    await clock.advance(10.1)
    assert one.ready
    assert two.ready


async def test_what_answers_say_does_not_count_for_the_services_above(clock: Any):
    peer = peer_from(A)
    health = PeersHealth([peer])
    passive(peer, attempts=1, probed=True).judge(peer, 500)
    assert not peer.ready
    assert health.up
    mark([peer], {A: False})
    assert not health.up


async def test_of_a_forwarding_every_end_is_judged_once(house: Any):
    judged: list[int] = []

    class Judge:
        def judge(self, peer: Peer, status: int) -> None:
            judged.append(status)

    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    async def ends(*answer: bytes) -> list[int]:
        judged.clear()
        await house.ask(request)
        for data in answer:
            house.server.receive(data)
        await house.settle()
        return judged.copy()

    house.forwarder.judge = Judge()
    assert await ends(b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") == [200]
    assert await ends(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") == [404]
    assert await ends(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") == [500]
    assert await ends(b"HTTP/9 what\r\n\r\n") == [502]
    house.refuse = ConnectionRefusedError("no")
    assert await ends() == [502]


async def test_a_client_that_leaves_says_nothing_about_the_server(house: Any):
    judged: list[int] = []

    class Judge:
        def judge(self, peer: Peer, status: int) -> None:
            judged.append(status)

    house.forwarder.judge = Judge()
    gone = await house.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    gone.break_off()
    await house.settle()
    broken = await house.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    broken.break_off()
    await house.settle()
    assert judged == []
