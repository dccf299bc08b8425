"""The pauses between tries (middlewares.md §3.22)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman_retry.backoff import AT_MOST_SECONDS, Backoff

ATTEMPTS = st.integers(2, 1000)
INTERVALS = st.floats(0.001, 1000)
CHANCES = st.floats(0, 1, exclude_max=True)


@given(ATTEMPTS, INTERVALS)
def test_pauses_grow_from_the_interval_and_never_exceed_twice_that(attempts, interval):
    backoff = Backoff(attempts, interval, 0)
    pauses = [backoff.pause(tries, 0.5) for tries in range(1, attempts)]

    assert pauses[0] == pytest.approx(interval)
    assert pauses == sorted(pauses)
    assert max(pauses) <= interval * 2


@given(ATTEMPTS, INTERVALS, CHANCES, st.data())
def test_a_pause_is_at_most_half_shorter_or_longer(attempts, interval, chance, data):
    backoff, tries = Backoff(attempts, interval, 0), data.draw(st.integers(1, attempts - 1))
    exact = backoff.pause(tries, 0.5)

    assert exact * 0.499 <= backoff.pause(tries, chance) <= exact * 1.501


def test_three_pauses_of_200_ms_are_these():
    backoff = Backoff(4, 0.2, 0)

    assert [backoff.pause(tries, 0.5) for tries in (1, 2, 3)] == pytest.approx([0.2, 0.252, 0.3175], abs=1e-3)


@given(ATTEMPTS, CHANCES)
def test_without_an_interval_there_is_no_pause(attempts, chance):
    assert Backoff(attempts, 0, 0).pause(1, chance) == 0


@given(st.floats(0, 10_000), st.floats(0, 10_000), st.floats(0, 10_000))
def test_no_try_begins_after_the_timeout_or_fifteen_minutes(timeout, elapsed, pause):
    limit = min(timeout or AT_MOST_SECONDS, AT_MOST_SECONDS)

    assert Backoff(2, 1, timeout).allows(elapsed, pause) == (elapsed + pause <= limit)
