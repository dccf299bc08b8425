"""What plugins count."""

import pytest

from pointsman.observe.numbers import Numbers

HELP = "Requests refused"


def told(numbers):
    return [(name, *labels.values(), value) for name, _, _, labels, value in numbers.news()]


def counter(numbers, place, router="shop@file"):
    return numbers.number("counter", "pointsman_limit_refused_total", HELP, {"router": router}, place)


def gauge(numbers, place):
    return numbers.number("gauge", "pointsman_limit_waiting", HELP, {}, place)


def test_news_are_what_has_changed_since_it_was_asked_last_summed_over_places():
    numbers = Numbers()
    one, other = counter(numbers, ("1",)), counter(numbers, ("2",))
    waiting = gauge(numbers, ("1",))
    list(numbers.news())

    one.add()
    other.add(2)
    waiting.set(4)
    waiting.add(-1)
    assert list(numbers.news()) == [
        ["pointsman_limit_refused_total", "counter", HELP, {"router": "shop@file"}, 3.0],
        ["pointsman_limit_waiting", "gauge", HELP, {}, 3.0],
    ]
    assert list(numbers.news()) == []


def test_a_number_is_told_before_it_counts_anything_so_that_it_is_there_from_the_start():
    numbers = Numbers()
    counter(numbers, ("1",))

    assert told(numbers) == [("pointsman_limit_refused_total", "shop@file", 0.0)]


def test_a_new_instance_in_the_same_place_goes_on_counting_and_its_gauge_begins_anew():
    numbers = Numbers()
    counter(numbers, ("1",)).add(2)
    gauge(numbers, ("1",)).set(7)
    list(numbers.news())

    counter(numbers, ("1",)).add()
    gauge(numbers, ("1",))
    assert told(numbers) == [("pointsman_limit_refused_total", "shop@file", 1.0), ("pointsman_limit_waiting", 0.0)]


def test_what_was_counted_in_a_place_that_is_gone_is_told_and_its_gauge_goes():
    numbers = Numbers()
    counter(numbers, ("1",)).add(2)
    counter(numbers, ("2",), "other@file").add(4)
    gauge(numbers, ("1",)).set(7)
    list(numbers.news())
    counter(numbers, ("1",)).add(3)

    numbers.retain(lambda place: place == ("2",))
    assert told(numbers) == [("pointsman_limit_refused_total", "shop@file", 3.0), ("pointsman_limit_waiting", None)]
    assert told(numbers) == []


@pytest.mark.parametrize("name", ["requests_total", "pointsman_", "pointsman_Total", "pointsman_x\n"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="is no name of a metric here"):
        Numbers().number("counter", name, HELP, {})


def test_one_name_has_one_kind_and_one_set_of_labels():
    numbers = Numbers()
    counter(numbers, None)

    with pytest.raises(ValueError, match="is a counter with labels router already"):
        numbers.number("gauge", "pointsman_limit_refused_total", HELP, {"router": "x"})
    with pytest.raises(ValueError, match="labels are written in small letters"):
        numbers.number("gauge", "pointsman_limit_full", HELP, {"why-not": "x"})
