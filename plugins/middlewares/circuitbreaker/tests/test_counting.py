"""Windows of counts, and quantiles over places."""

import math
from collections import Counter, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman_circuitbreaker.latencies import LONGEST_US, longest, place, quantile_us
from pointsman_circuitbreaker.window import Window


def test_what_is_older_than_the_window_is_forgotten():
    window = Window(10, 1.0)
    window.add(200, 100.9)
    window.add(502, 101.0)

    window.turn(109.99)
    assert window.totals == {200: 1, 502: 1}
    window.turn(110.0)
    assert window.totals == {502: 1}
    window.turn(5000)
    assert window.totals == {}


@given(
    st.lists(st.tuples(st.sampled_from([200, 404, 502]), st.sampled_from([0.0, 0.25, 0.5, 1, 3, 9, 10, 40])), max_size=60)
)
def test_it_counts_what_a_list_of_all_events_says(steps):
    window, events, now = Window(10, 1.0), deque(), 0.0
    for key, later in steps:
        now += later
        window.add(key, now)
        events.append((key, math.floor(now)))
        assert window.totals == Counter(key for key, second in events if second > math.floor(now) - 10)


def exact(samples, percent):
    return sorted(samples)[max(1, int(percent / 100 * len(samples) + 0.5)) - 1]


@given(
    st.lists(st.integers(1, LONGEST_US), min_size=1, max_size=200),
    st.sampled_from([0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 100.0]),
)
def test_a_quantile_is_within_one_percent_of_the_exact_one(samples, percent):
    counts = Counter(place((us + 0.5) / 1e6) for us in samples)

    assert exact(samples, percent) <= quantile_us(counts, percent) <= exact(samples, percent) * 1.01


@given(st.integers(1, LONGEST_US))
def test_the_longest_of_a_place_is_counted_there_and_the_next_is_not(us):
    here = place((us + 0.5) / 1e6)
    last = longest(here)

    assert us <= last
    assert place((last + 0.5) / 1e6) == here
    assert last >= LONGEST_US or place((last + 1.5) / 1e6) == here + 1


@pytest.mark.parametrize(("seconds", "same"), [(0, 1e-6), (-1, 1e-6), (1e9, 3600)])
def test_what_is_too_short_or_too_long_counts_as_the_ends_of_the_scale(seconds, same):
    assert place(seconds) == place(same) < 3328


def test_no_durations_have_no_quantile():
    assert quantile_us({}, 50.0) == 0
