"""When which server is probed, and what is known of it (routing.md §5.4), on a clock that the test moves."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.http_model import HealthCheck
from pointsman.control.checks import Check
from pointsman.control.rounds import Rounds
from pointsman.upstream.transport import TransportSettings
from pointsman.values import Duration

A, B = "http://a.example", "http://b.example"


def check(*urls: str, service: str = "s@file", interval: float = 10.0, **options: Any) -> Check:
    config = HealthCheck(interval=Duration(interval), **options)
    return Check(service, urls or (A,), config, TransportSettings())


def urls(rounds: Rounds, now: float) -> list[str]:
    return [server.url for server in rounds.due(now)]


@pytest.mark.spec("R-48")
def test_a_server_begins_up_and_is_probed_one_interval_after_it_came():
    rounds = Rounds()
    rounds.put(check(), 100.0)
    assert rounds.states == {"s@file": {A: True}}
    assert rounds.next_at == 110.0
    assert urls(rounds, 109.9) == []
    assert urls(rounds, 110.0) == [A]
    assert rounds.next_at is None, "no second probe while the first is under way"


@pytest.mark.spec("R-48")
def test_one_failed_probe_is_down_and_one_good_one_is_up():
    rounds = Rounds()
    rounds.put(check(), 0.0)
    [server] = rounds.due(10.0)
    assert rounds.done(server, False, 11.0)
    assert rounds.states == {"s@file": {A: False}}
    assert rounds.next_at == 20.0, "intervals are counted from probe to probe"
    [server] = rounds.due(20.0)
    assert not rounds.done(server, False, 20.0), "no change, no news"
    [server] = rounds.due(30.0)
    assert rounds.done(server, True, 30.0)
    assert rounds.states == {"s@file": {A: True}}


def after_probes(rounds: Rounds, *outcomes: bool, begin: float = 0.0) -> list[bool]:
    """Whether the only server is up after each of these probes, one every ten seconds."""
    states = []
    for number, up in enumerate(outcomes, 1):
        now = begin + 10.0 * number
        [server] = rounds.due(now)
        before = server.up
        assert rounds.done(server, up, now) is (server.up is not before)
        states.append(server.up)
    return states


def test_as_many_probes_in_a_row_as_the_thresholds_say_turn_a_server():
    rounds = Rounds()
    rounds.put(check(healthy_threshold=2, unhealthy_threshold=3), 0.0)
    probes = (False, False, True, False, False, False, True, False, True, True)
    assert after_probes(rounds, *probes) == [True] * 5 + [False] * 4 + [True]


@given(st.integers(-1, 4), st.integers(-1, 4), st.lists(st.booleans(), max_size=40))
def test_a_server_is_as_the_last_long_enough_row_of_probes_said(healthy: int, unhealthy: int, probes: list[bool]):
    rounds = Rounds()
    rounds.put(check(healthy_threshold=healthy, unhealthy_threshold=unhealthy), 0.0)
    expected, up, row = [], True, 0
    for place, probe in enumerate(probes):
        row = row + 1 if place and probes[place - 1] is probe else 1
        if row >= max(1, healthy if probe else unhealthy):
            up = probe
        expected.append(up)
    assert after_probes(rounds, *probes) == expected


def test_a_server_short_of_its_threshold_is_probed_as_what_it_is():
    rounds = Rounds()
    rounds.put(check(unhealthy_threshold=2, unhealthy_interval=Duration(1.0)), 0.0)
    assert after_probes(rounds, False) == [True]
    assert rounds.next_at == 20.0
    assert after_probes(rounds, False, begin=10.0) == [False]
    assert rounds.next_at == 21.0


@pytest.mark.spec("R-108")
def test_a_reload_does_not_begin_to_count_anew():
    rounds = Rounds()
    rounds.put(check(A, unhealthy_threshold=3), 0.0)
    assert after_probes(rounds, False, False) == [True, True]
    rounds.put(check(A, B, unhealthy_threshold=3), 25.0)
    [server] = rounds.due(30.0)
    assert rounds.done(server, False, 30.0)
    assert rounds.states == {"s@file": {A: False, B: True}}
    rounds.put(check(A, unhealthy_threshold=2), 31.0)
    assert rounds.states == {"s@file": {A: True}}, "another check begins anew"


def test_a_server_that_flaps_is_counted():
    rounds = Rounds()
    rounds.put(check(), 0.0)
    after_probes(rounds, *[False, True] * 5)
    [server] = rounds.due(110.0)
    assert repr(server) == "<Server http://a.example of s@file UP, 10 changes>"


def test_a_server_that_is_down_is_probed_at_its_own_interval():
    rounds = Rounds()
    rounds.put(check(unhealthy_interval=Duration(2.0)), 0.0)
    [server] = rounds.due(10.0)
    rounds.done(server, False, 10.0)
    assert rounds.next_at == 12.0
    [server] = rounds.due(12.0)
    rounds.done(server, True, 12.0)
    assert rounds.next_at == 22.0


def test_a_probe_that_takes_longer_than_the_interval_is_followed_by_the_next_at_once():
    rounds = Rounds()
    rounds.put(check(interval=1.0), 0.0)
    [server] = rounds.due(1.0)
    rounds.done(server, False, 6.0)
    assert rounds.next_at == 6.0


@pytest.mark.parametrize("interval", [0.0, -3.0])
def test_an_interval_that_is_none_is_30_seconds_and_a_timeout_5(interval: float):
    rounds = Rounds()
    odd = check(interval=interval, timeout=Duration(interval), unhealthy_interval=Duration(interval))
    rounds.put(odd, 0.0)
    assert rounds.next_at == 30.0
    assert odd.interval(False) == 30.0
    assert odd.timeout == 5.0


@pytest.mark.spec("R-108")
def test_a_check_that_comes_again_keeps_what_is_known_and_when_to_ask():
    rounds = Rounds()
    rounds.put(check(A), 0.0)
    [server] = rounds.due(10.0)
    rounds.done(server, False, 10.0)
    assert rounds.put(check(A, B), 15.0) == []
    assert rounds.states == {"s@file": {A: False, B: True}}
    assert urls(rounds, 20.0) == [A]
    assert urls(rounds, 25.0) == [B]


def test_a_check_that_changed_begins_anew():
    rounds = Rounds()
    rounds.put(check(A, B), 0.0)
    for server in rounds.due(10.0):
        rounds.done(server, server.url == B, 10.0)
    assert rounds.put(check(A, B, status=204), 12.0) == [A], "and who was down is so no more"
    assert rounds.states == {"s@file": {A: True, B: True}}
    assert rounds.next_at == 22.0


def test_who_leaves_is_forgotten():
    rounds = Rounds()
    rounds.put(check(A, B), 0.0)
    for server in rounds.due(10.0):
        rounds.done(server, False, 10.0)
    assert rounds.put(check(B), 11.0) == [A]
    assert rounds.drop("s@file") == [B]
    assert rounds.states == {}
    assert rounds.next_at is None
    assert rounds.put(check(A), 12.0) == []
    assert rounds.states == {"s@file": {A: True}}


def test_the_outcome_of_a_probe_that_a_reload_overtook_does_not_count():
    rounds = Rounds()
    rounds.put(check(), 0.0)
    [server] = rounds.due(10.0)
    rounds.put(check(status=204), 11.0)
    assert not rounds.done(server, False, 12.0)
    assert rounds.states == {"s@file": {A: True}}
    assert rounds.next_at == 21.0


def test_a_server_of_two_services_is_known_to_each_by_its_own_check():
    rounds = Rounds()
    rounds.put(check(service="s@file"), 0.0)
    rounds.put(check(service="t@file", status=204), 0.0)
    for server in rounds.due(10.0):
        rounds.done(server, server.check.service == "s@file", 10.0)
    assert rounds.states == {"s@file": {A: True}, "t@file": {A: False}}
    assert repr(rounds) == f"<Rounds 2 services, 0 under way, down: {A}>"


def test_no_more_probes_run_at_once_than_allowed_and_the_others_follow():
    rounds = Rounds(limit=2)
    rounds.put(check(*(f"http://{number}.example" for number in range(5))), 0.0)
    running = rounds.due(10.0)
    assert len(running) == 2
    assert rounds.next_at is None
    rounds.done(running.pop(), True, 10.5)
    assert rounds.next_at == 10.0
    assert len(rounds.due(10.5)) == 1


def test_many_reloads_leave_nothing_behind():
    rounds = Rounds()
    for number in range(5000):
        rounds.put(check(status=200 + number % 2), float(number) / 1000)
    assert len(rounds._queue) < 1100
    assert len(rounds.due(100.0)) == 1


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=60))
def test_whatever_happens_every_server_is_asked_again(steps: list[tuple[int, int, bool]]):
    rounds, running, now = Rounds(limit=2), [], 0.0
    for what, which, flag in steps:
        now += 3.0
        service = f"s{which}@file"
        if what == 0:
            rounds.put(check(*((A, B) if flag else (A,)), service=service, status=200 + which), now)
        elif what == 1:
            rounds.drop(service)
        elif what == 2:
            running += rounds.due(now)
        elif running:
            rounds.done(running.pop(which % len(running)), flag, now)
        assert len(running) <= 2
    for server in running:
        rounds.done(server, True, now)
    wanted = sorted((service, url) for service, states in rounds.states.items() for url in states)
    asked = []
    while due := rounds.due(now + 30):
        asked += [(server.check.service, server.url) for server in due]
        for server in due:
            rounds.done(server, True, now + 30)
    assert sorted(asked) == wanted
