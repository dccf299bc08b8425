"""The arithmetic, against exact fractions."""

import math
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman.testing import build
from pointsman_ratelimit import RateLimit
from pointsman_ratelimit.bucket import WAITING, Bucket
from pointsman_ratelimit.words import in_go


def limit(**options):
    return build(RateLimit, options)._limit


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Source:
    """One source, at a clock that the test moves."""

    def __init__(self, **options):
        self.clock = Clock()
        self.bucket = Bucket(limit(**options), self.clock)
        self.pair = None

    def ask(self, after=0.0):
        """What becomes of the next request: 0 for at once, the wait, or -1 for refused."""
        self.clock.now += after
        self.pair = self.bucket.take(self.pair)
        return -1 if self.bucket.refused else self.bucket.wait


@pytest.mark.parametrize(
    ("options", "delay"),
    [
        ({"average": 1, "period": "2s"}, 0.5),
        ({"average": 1}, 0.5),
        ({"average": 3, "period": "2s"}, 0.5),
        ({"average": 2}, 0.25),
        ({"average": 100}, 0.005),
        ({"average": 7}, 0.071428571),
        ({"average": 10**9}, 0.0),
    ],
)
def test_the_longest_wait_is_half_the_time_between_two_tokens(options, delay):
    assert limit(**options).max_delay == delay


def test_no_average_is_no_limit_and_a_period_of_0_is_a_second():
    assert limit() is None
    assert limit(average=5, period=0).rate == 5
    assert limit(average=5, burst=-3).burst == 1
    assert limit(average=6, period="1m").rate == 0.1


def test_one_a_second():
    source = Source(average=1)
    assert source.ask() == 0
    assert source.ask(0.002) == -1
    assert source.bucket.wait == pytest.approx(0.998)
    assert source.ask(0.598) == pytest.approx(0.4)
    assert source.ask(0.4) == -1, "the token that came then was taken before"
    assert source.ask(1.0) == 0


def test_a_burst_then_refusals():
    source = Source(average=10, burst=5)
    assert [source.ask() for _ in range(7)] == [0] * 5 + [-1] * 2
    assert source.ask(0.1) == 0


def test_a_refusal_takes_nothing():
    source = Source(average=1, period="1m", burst=2)
    source.ask()
    source.ask()
    for _ in range(50):
        assert source.ask() == -1
        assert source.bucket.wait == 60
    assert source.ask(60) == 0


def test_a_bucket_is_forgotten_only_when_it_is_full_anyway():
    for options in (
        {"average": 1, "period": "2s", "burst": 5},
        {"average": 6, "period": "1m", "burst": 2},
        {"average": 1000},
    ):
        source = Source(**options)
        for _ in range(20):
            source.ask()
        assert source.bucket.limit.seconds >= 2
        assert source.pair[1] + source.bucket.limit.seconds * source.bucket.limit.rate >= source.bucket.limit.burst


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing():
    source = Source(average=1, burst=2)
    source.ask()
    assert source.ask(-50) == 0
    assert source.ask() == -1
    assert source.ask(1) == 0


def test_when_too_many_wait_nobody_else_does():
    source = Source(average=1)
    source.ask()
    source.bucket.waiting = WAITING
    assert source.ask(0.7) == -1
    source.bucket.waiting -= 1
    assert source.ask() == pytest.approx(0.3)


STEPS = st.lists(st.integers(0, 3_000_000), min_size=1, max_size=60)


@given(st.integers(1, 2000), st.integers(1, 120), st.integers(1, 50), STEPS)
@example(1, 1, 1, [0, 600_000, 400_000])
def test_it_is_what_exact_numbers_say(average, period, burst, steps):
    """Steps are microseconds between requests. Where exactly half a delay decides, either is right."""
    source = Source(average=average, period=f"{period}s", burst=burst)
    source.clock.now = 0.0
    rate = Fraction(average, period)
    most = Fraction(1, 2) if rate < 1 else Fraction(10**9 // (2 * math.floor(rate)), 10**9)
    now, last, tokens = 0, 0, Fraction(burst)
    for step in steps:
        now += step
        source.clock.now = now / 1e6
        tokens = min(Fraction(burst), tokens + Fraction(now - last, 10**6) * rate)
        last = now
        wait = max(Fraction(0), (1 - tokens) / rate)
        got = source.ask()
        if abs(wait - most) < Fraction(1, 10**9):
            tokens -= got >= 0
            continue
        assert (got == -1) is (wait > most), (float(wait), float(most))
        assert source.bucket.wait == pytest.approx(float(wait), abs=1e-6)
        tokens -= wait <= most


@given(st.integers(1, 50), st.integers(1, 20), STEPS)
def test_never_more_are_let_in_than_the_rate_and_the_burst_say(average, burst, steps):
    source = Source(average=average, burst=burst)
    admitted = [at for at in _times(steps) if _let_in(source, at)]
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            seconds = (admitted[last] - admitted[first]) / 1e6
            assert last - first + 1 <= burst + seconds * average + 1 + 1e-6


def _times(steps):
    now = 0
    for step in steps:
        now += step
        yield now


def _let_in(source, at):
    source.clock.now = at / 1e6
    return source.ask() >= 0


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (997_649_000, "997.649ms"),
        (997_649_123, "997.649123ms"),
        (1_000_000, "1ms"),
        (9_990_000_000, "9.99s"),
        (1_000_000_000, "1s"),
        (60_000_000_000, "1m0s"),
        (61_500_000_000, "1m1.5s"),
        (3_600_000_000_000, "1h0m0s"),
        (90_061_000_000_001, "25h1m1.000000001s"),
    ],
)
def test_a_span_of_time_is_written_as_go_writes_it(nanoseconds, text):
    assert in_go(nanoseconds) == text
