"""Rates of windows, from running sums: what leaves a window is not in it any more."""

from hypothesis import given
from hypothesis import strategies as st

from pointsman.inspection.history import STEP_SECONDS, STEPS, History, quantile

BOUNDS = (0.01, 0.1, 1.0)
SHOP = ("shop@file",)


def total(requests, errors=0, places=None):
    return [requests, errors, 0, requests * 10, requests * 100, *(places or [requests, 0, 0, 0])]


def steps(history, *totals, name=SHOP):
    for counted in totals:
        history.begin()
        if counted is not None:
            history.note(name, counted)
        list(history.end({name}))


def test_rates_are_those_of_their_window():
    history = History(BOUNDS)
    steps(history, total(50, 5), *[None] * 11)
    told = history.told(SHOP, 3)

    assert told["1m"]["requestsPerSecond"] == round(50 / 60, 3)
    assert told["1m"]["errorRate"] == 0.1
    assert told["1m"]["bytesOutPerSecond"] == round(5000 / 60, 1)
    assert told["history"]["requests"] == [0, 0, 0]

    steps(history, None)
    told = history.told(SHOP, 13)
    assert told["1m"]["requestsPerSecond"] == 0
    assert told["5m"]["requestsPerSecond"] == round(50 / (13 * STEP_SECONDS), 3)
    assert told["history"]["requests"] == [50, *[0] * 12]


def test_a_gateway_that_has_just_begun_is_not_said_to_be_idle():
    history = History(BOUNDS)
    steps(history, total(50))

    assert history.told(SHOP, 0)["15m"]["requestsPerSecond"] == 10


def test_what_is_counted_anew_is_not_taken_for_less_than_nothing():
    history = History(BOUNDS)
    steps(history, total(50), total(7))

    assert history.told(SHOP, 2)["history"]["requests"] == [50, 7]


def test_a_series_that_had_nothing_for_long_makes_room_and_does_not_count_twice_when_it_is_back():
    history = History(BOUNDS, most=1)
    steps(history, total(50))
    history.begin()
    history.note(("other@file",), total(1))
    list(history.end({SHOP, ("other@file",)}))
    assert history.crowded_out == 1

    steps(history, *[None] * (STEPS - 1))
    assert len(history) == 0
    steps(history, total(53))
    assert history.told(SHOP, 1)["history"]["requests"] == [3]


def test_the_busiest_come_first():
    history = History(BOUNDS)
    history.begin()
    for number in range(5):
        history.note((f"r{number}",), total(number + 1))
    list(history.end({(f"r{number}",) for number in range(5)}))

    assert history.busiest(2, lambda name: True) == [("r4",), ("r3",)]
    assert history.busiest(9, lambda name: name == ("r1",)) == [("r1",)]


def test_quantiles_are_read_between_bounds():
    assert quantile(BOUNDS, [10, 0, 0, 0], 0.5) == 0.005
    assert quantile(BOUNDS, [5, 5, 0, 0], 0.9) == 0.082
    assert quantile(BOUNDS, [0, 0, 0, 3], 0.99) == 1.0
    assert quantile(BOUNDS, [0, 0, 0, 0], 0.99) == 0.0


@given(st.lists(st.integers(0, 50), min_size=1, max_size=400))
def test_running_sums_are_those_of_the_steps_in_the_window(counts):
    history = History(BOUNDS)
    so_far = 0
    for count in counts:
        so_far += count
        steps(history, total(so_far) if count else None)

    if len(history):
        told = history.told(SHOP, STEPS)
        for window, length in (("1m", 12), ("5m", 60), ("15m", 180)):
            seconds = min(length, len(counts)) * STEP_SECONDS
            assert told[window]["requestsPerSecond"] == round(sum(counts[-length:]) / seconds, 3)
        assert told["history"]["requests"] == counts[-STEPS:]
    else:
        assert sum(counts[-STEPS:]) == 0
