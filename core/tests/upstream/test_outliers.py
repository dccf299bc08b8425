"""Outlier detection: who fails where others do not is ejected, never too many, and everybody returns."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.api import Peer
from pointsman.config.http_model import OutlierDetection
from pointsman.upstream.health import Judges, Passive, mark
from pointsman.upstream.outliers import Outliers
from pointsman.upstream.transport import peer_from
from pointsman.values import Duration


def servers(count: int) -> list[Peer]:
    return [peer_from(f"http://{number}.example") for number in range(count)]


def detection(**options: Any) -> OutlierDetection:
    times = {"base_ejection_time": 30.0, "max_ejection_time": 300.0, "interval": 10.0}
    wanted = {**times, "consecutive_5xx_errors": 2, "max_ejection_percent": 50, **options}
    return OutlierDetection(**{key: Duration(value) if key in times else value for key, value in wanted.items()})


def outliers(peers: list[Peer], picked: list[Peer] | None = None, **options: Any) -> Outliers:
    return Outliers("s@file", peers, peers if picked is None else picked, detection(**options))


def ready(peers: list[Peer]) -> list[bool]:
    return [peer.ready for peer in peers]


async def test_errors_in_a_row_eject_a_server_for_the_base_time(clock: Any, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO", "pointsman.health")
    peers = servers(2)
    judge = outliers(peers)
    for status in (500, 200, 503, 404, 500):
        judge.judge(peers[0], status)
    assert peers[0].ready, "any other answer clears the count"
    judge.judge(peers[0], 502)
    assert ready(peers) == [False, True]
    assert peers[0].up, "which services above do not learn of"
    assert repr(judge) == "<Outliers s@file: http://0.example out, 1 ejections, 0 refused>"
    await clock.advance(29.9)
    assert not peers[0].ready
    await clock.advance(0.2)
    assert peers[0].ready
    assert [record.getMessage() for record in caplog.records] == [
        "service s@file: server http://0.example is ejected for 30 s: 2 failed in a row",
        "service s@file: server http://0.example is not ejected any more",
    ]
    judge.judge(peers[0], 500)
    assert peers[0].ready, "and it begins anew"


async def ejected_for(clock: Any, judge: Outliers, peer: Peer) -> int:
    """Let a server fail until it is ejected; for how many tens of seconds it is."""
    while peer.ready:
        judge.judge(peer, 500)
    tens = 0
    while not peer.ready:
        await clock.advance(10.01)
        tens += 1
    return tens


async def test_each_ejection_is_longer_than_the_one_before_up_to_a_limit(clock: Any):
    peers = servers(2)
    judge = outliers(peers, max_ejection_time=100.0)
    assert [await ejected_for(clock, judge, peers[0]) for _ in range(5)] == [3, 6, 9, 10, 10]
    await clock.advance(25)
    assert await ejected_for(clock, judge, peers[0]) == 10, "five times, less two, and one more"
    await clock.advance(10.0 * 6)
    assert await ejected_for(clock, judge, peers[0]) == 3, "who behaves for long enough is as new"


async def test_a_limit_below_the_base_time_is_the_base_time(clock: Any):
    peers = servers(2)
    assert await ejected_for(clock, outliers(peers, max_ejection_time=1.0), peers[0]) == 3


async def test_gateway_errors_may_count_apart_from_what_the_application_says(clock: Any):
    peers = servers(2)
    judge = outliers(peers, consecutive_5xx_errors=0, consecutive_gateway_errors=2)
    for status in (500, 500, 500, 502, 500, 504):
        judge.judge(peers[0], status)
    assert peers[0].ready
    judge.judge(peers[0], 503)
    assert not peers[0].ready


async def test_a_part_of_the_requests_of_an_interval_may_be_the_limit(clock: Any):
    peers = servers(3)
    judge = outliers(peers, consecutive_5xx_errors=0, failure_percentage=40, request_volume=10)
    for status in [200] * 100 + [500, 200, 200, 200, 500, 500, 500, 500, 500]:
        judge.judge(peers[0], status)
    assert peers[0].ready, "nine requests are too few; those before the first error do not count"
    judge.judge(peers[0], 500)
    assert not peers[0].ready
    for number in range(30):
        judge.judge(peers[1], 500 if number % 3 == 0 else 200)
    assert peers[1].ready, "a third is less"
    for _ in range(30):
        judge.judge(peers[2], 500)
        await clock.advance(1.5)
    assert peers[2].ready, "never ten in one interval"


@pytest.mark.parametrize(
    ("count", "percent", "limit"), [(1, 100, 0), (2, 10, 1), (5, 50, 2), (5, 100, 4), (5, 0, 0), (0, 50, 0)]
)
def test_so_many_may_be_out_at_once(count: int, percent: int, limit: int):
    assert outliers(servers(count), max_ejection_percent=percent).limit == limit


async def test_who_would_be_one_too_many_stays_until_another_returns(clock: Any):
    peers = servers(4)
    judge = outliers(peers)
    for peer in peers:
        for _ in range(3):
            judge.judge(peer, 500)
    assert ready(peers) == [False, False, True, True]
    assert judge.refused == 4
    await clock.advance(30.1)
    judge.judge(peers[3], 500)
    assert ready(peers) == [True, True, True, False]


async def test_the_last_one_that_is_ready_is_not_ejected(clock: Any):
    peers = servers(3)
    judge = outliers(peers)
    mark(peers, {peers[1].url: False, peers[2].url: False})
    for _ in range(5):
        judge.judge(peers[0], 500)
    assert ready(peers) == [True, False, False]


async def test_where_nobody_else_is_left_an_ejection_ends(clock: Any):
    peers = servers(3)
    judge = outliers(peers)
    for _ in range(2):
        judge.judge(peers[0], 500)
    mark(peers, {peers[1].url: False})
    assert ready(peers) == [False, False, True]
    mark(peers, {peers[2].url: False})
    assert ready(peers) == [True, False, False]
    assert judge.out == 0
    await clock.advance(31)
    assert judge.out == 0, "and its alarm clock does not ring twice"


async def test_nobody_returns_from_an_ejection_who_is_known_to_be_down(clock: Any):
    peers = servers(2)
    judge = outliers(peers)
    for _ in range(2):
        judge.judge(peers[0], 500)
    mark(peers, {peer.url: False for peer in peers})
    assert ready(peers) == [False, False]
    await clock.advance(31)
    assert ready(peers) == [False, False]
    mark(peers, {peers[0].url: True})
    assert ready(peers) == [True, False]


async def test_a_good_probe_does_not_end_an_ejection(clock: Any):
    peers = servers(2)
    judge = outliers(peers)
    for _ in range(2):
        judge.judge(peers[0], 500)
    mark(peers, {peers[0].url: True})
    assert not peers[0].ready
    await clock.advance(30.1)
    assert peers[0].ready


async def test_with_a_passive_check_a_server_is_out_for_as_long_as_either_says(clock: Any):
    peers = servers(2)
    passive = Passive("s@file", peers, window_seconds=10.0, attempts=2)
    judge = Judges(passive, outliers(peers, base_ejection_time=20.0))
    assert repr(judge) == "<Judges <Passive s@file>, <Outliers s@file: none out, 0 ejections, 0 refused>>"
    for _ in range(2):
        judge.judge(peers[0], 500)
    assert (peers[0].failing, peers[0].ejected) == (True, False), "what began before it was out does not count twice"
    await clock.advance(10.1)
    assert peers[0].ready
    judge.judge(peers[0], 500)
    assert (peers[0].failing, peers[0].ejected, peers[0].ready) == (False, True, False)
    passive.judge(peers[0], 500)
    await clock.advance(20.1)
    assert peers[0].ready


async def test_servers_with_equal_urls_are_one(clock: Any):
    peers = [*servers(1), peer_from("http://0.example", weight=2), peer_from("http://other.example")]
    judge = outliers(peers)
    judge.judge(peers[0], 500)
    judge.judge(peers[1], 500)
    assert ready(peers) == [False, False, True]
    alone = outliers(twins := [*servers(1), *servers(1)])
    for _ in range(3):
        alone.judge(twins[0], 500)
    assert ready(twins) == [True, True]


async def test_whoever_takes_the_place_of_a_service_knows_who_is_out_and_how_often(clock: Any):
    before, after = servers(4), servers(6)[1:]
    old, new = outliers(before), outliers(after)
    for peer in before[:2]:
        for _ in range(2):
            old.judge(peer, 500)
    await clock.advance(20)
    new.take_over(old)
    assert ready(after) == [False, True, True, True, True]
    await clock.advance(10.1)
    assert ready(after) == [True] * 5
    assert new.ejections == 2
    assert await ejected_for(clock, new, after[0]) == 6, "it was its second time"
    assert not before[0].ready, "nobody looks after the old ones"
    for _ in range(3):
        old.judge(before[3], 500)
    assert before[3].ready


STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "ask", "ask", "time", "probe"]), st.integers(0, 5), st.sampled_from([200, 500, 502])),
    max_size=120,
)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 6), percent=st.integers(0, 100), steps=STEPS)
def test_never_more_than_the_share_is_ejected_never_the_last_and_all_return(
    house_on: Any, count: int, percent: int, steps: list[tuple[str, int, int]]
):
    async def story() -> None:
        loop = asyncio.get_running_loop()
        clock = house_on(loop).clock
        peers = servers(count)
        judge = outliers(peers, max_ejection_percent=percent)
        most = max(1, count * percent // 100) if percent else 0
        for what, which, status in steps:
            peer = peers[which % count]
            if what == "ask":
                judge.judge(peer, status)
            elif what == "time":
                await clock.advance(which * 10.0)
            else:
                mark(peers, {peer.url: status == 200})
            out = [peer for peer in peers if peer.ejected]
            assert len(out) == judge.out <= most
            assert any(peer.ready for peer in peers) or not any(peer.up for peer in peers)
        mark(peers, {peer.url: True for peer in peers})
        await clock.advance(301)
        assert ready(peers) == [True] * count
        assert judge.out == 0

    asyncio.run(story())
