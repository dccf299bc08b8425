"""What has come since, and single values in place of histograms."""

import asyncio
from bisect import bisect_left
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dialect.differences import Differences, quantile, spread
from pointsman.dialect.pushing import BOUNDARIES
from pointsman.measures import Distribution, Metric, Sample

BOUNDS = (0.1, 1.0, 5.0)


def counter(*values, name="traefik_a_total"):
    return Metric(name, "", "counter", ("a",), [Sample((str(at),), value) for at, value in enumerate(values)])


def histogram(counts, total):
    return Metric("traefik_h_seconds", "", "histogram", (), [Sample((), Distribution(BOUNDS, counts, total))])


def gauge(value):
    return Metric("traefik_g", "", "gauge", (), [Sample((), value)])


async def test_only_what_has_come_is_told():
    differences = Differences()

    assert await differences.since([counter(3, 0), gauge(7)]) == [counter(3, 0), gauge(7)]
    assert await differences.since([counter(3, 2), gauge(7)]) == [
        Metric("traefik_a_total", "", "counter", ("a",), [Sample(("1",), 2)]),
        gauge(7),
    ]
    assert await differences.since([counter(3, 2)]) == []


async def test_histograms_are_told_by_place():
    differences = Differences()
    await differences.since([histogram((1, 0, 2, 0), 7.0)])

    assert await differences.since([histogram((1, 1, 2, 1), 20.5)]) == [histogram((0, 1, 0, 1), 13.5)]
    assert await differences.since([histogram((1, 1, 2, 1), 20.5)]) == []


async def test_what_has_gone_and_comes_again_is_told_from_the_beginning():
    differences = Differences()
    await differences.since([counter(9), histogram((5, 0, 0, 0), 0.2)])
    await differences.since([])

    assert await differences.since([counter(4)]) == [counter(4)]
    assert await differences.since([counter(3)]) == [counter(3)]


def counted(values, bounds=BOUNDARIES):
    counts = [0] * (len(bounds) + 1)
    for value in values:
        counts[bisect_left(bounds, value)] += 1
    return Distribution(bounds, tuple(counts), sum(values))


observations = st.lists(st.floats(1e-6, 200.0, allow_nan=False), min_size=1, max_size=60)


@given(observations)
def test_values_are_inside_their_places_and_have_the_sum_that_was_measured(values):
    found = counted(values)
    told = spread(found)

    assert sum(value * count for value, count in told) == pytest.approx(found.sum)
    assert [count for _, count in told] == [count for count in found.counts if count]
    assert all(one[0] <= other[0] for one, other in pairwise(told))
    places = [
        (BOUNDARIES[at - 1] if at else 0.0, BOUNDARIES[at] if at < len(BOUNDARIES) else 1e9)
        for at, count in enumerate(found.counts)
        if count
    ]
    assert all(low * (1 - 1e-9) <= value <= high * (1 + 1e-9) for (value, _), (low, high) in zip(told, places, strict=True))


@given(st.floats(1e-6, 200.0))
def test_a_single_observation_is_told_as_it_was(value):
    ((told, count),) = spread(counted([value]))

    assert (told, count) == (pytest.approx(value), 1)


@given(observations, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_a_quantile_is_in_the_place_where_it_was(values, share):
    exact = sorted(values)[max(0, -(-len(values) * share // 1).__int__() - 1)]
    told = quantile(spread(counted(values)), share)

    at = bisect_left(BOUNDARIES, exact)
    assert (BOUNDARIES[at - 1] if at else 0.0) * (1 - 1e-9) <= told
    assert at == len(BOUNDARIES) or told <= BOUNDARIES[at] * (1 + 1e-9)


async def test_others_have_their_turn_meanwhile():
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count())
    await Differences().since([counter(*range(2000))])
    other.cancel()

    assert turns >= 9
