import pytest

from pointsman.control.backoff import Backoff


def test_the_pause_grows_by_half_up_to_a_minute():
    backoff = Backoff(uniform=lambda low, high: 1.0)
    pauses = [backoff.next(0) for _ in range(20)]
    assert pauses[:4] == pytest.approx([0.5, 0.75, 1.125, 1.6875])
    assert pauses[-1] == 60


def test_the_pause_is_shaken_by_half_and_never_above_a_minute():
    low, high = Backoff(uniform=min), Backoff(uniform=max)
    assert (low.next(0), high.next(0)) == (0.25, 0.75)
    assert max(high.next(0) for _ in range(30)) == 60


def test_an_attempt_that_lived_half_a_minute_begins_anew():
    backoff = Backoff(uniform=lambda low, high: 1.0)
    for _ in range(5):
        backoff.next(29.9)
    assert backoff.next(30) == 0.5
