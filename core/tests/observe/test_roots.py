"""Roots of traces, drawn in advance."""

from itertools import groupby, islice

import pytest

from pointsman.observe.roots import Roots
from pointsman.spans import Passing


def test_no_id_comes_twice() -> None:
    told = list(islice(Roots(0.0).told, 100_000))
    found = [passing for each in told if each is not None and (passing := Passing.of(each))]
    assert len({each.trace_id for each in found}) == 100_000
    assert len({each.trace_id[16:] for each in found}) > 99_990, "nor half an id, which is all that some have"
    assert len({each.span_id for each in found}) > 700


@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.01, 0.3, 0.99])
def test_as_many_are_sampled_as_was_asked_for(rate: float) -> None:
    roots = Roots(rate)
    told = list(islice(roots.told, 50_000))
    sampled = told.count(None)
    assert abs(sampled - 50_000 * rate) <= 6 * (50_000 * rate * (1 - rate)) ** 0.5
    gaps = [len(list(group)) for is_sampled, group in groupby(told, lambda each: each is None) if not is_sampled]
    bound = f"{int(rate * 2**64):016x}"
    assert not any(passing.trace_id[16:] < bound for each in told if each is not None and (passing := Passing.of(each)))
    if sampled:
        ids = [roots.sampled() for _ in range(1000)]
        assert all(len(each) == 32 and each[16:] < bound for each in ids)
        assert len(set(ids)) == 1000
    assert len(set(gaps)) > 50 or rate != 0.01, "they come by chance, not by the clock"


def test_what_a_server_is_told_says_the_ids() -> None:
    told = next(Roots(0.0).told)
    assert told is not None
    passing = Passing.of(told)
    assert passing is not None
    assert told == f"\r\nTraceparent: 00-{passing.trace_id}-{passing.span_id}-00".encode()


@pytest.mark.parametrize(
    "told", [b"", b"\r\nB3: 0", b"\r\nTraceparent: 00-ab-cd-00", b"\r\nTraceparent: 00-" + b"0" * 52 + b"\r\nB3: 0"]
)
def test_what_says_other_things_does_not(told: bytes) -> None:
    assert Passing.of(told) is None
