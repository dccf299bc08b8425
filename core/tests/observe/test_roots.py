"""Roots of traces, drawn in advance."""

import re

import pytest

from pointsman.observe.roots import Roots
from pointsman.spans import Passing

TOLD = re.compile(rb"\r\nTraceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-00")


def drawn(roots: Roots, number: int) -> list[bytes | str]:
    return [roots.drawn.pop() if roots.drawn else roots.draw() for _ in range(number)]


@pytest.mark.parametrize(("bound", "least", "most"), [("0" * 16, 0, 0), ("4" + "0" * 15, 800, 1200), ("g", 4000, 4000)])
def test_as_many_are_sampled_as_the_bound_says(bound: str, least: int, most: int) -> None:
    found = drawn(Roots(bound), 4000)
    chosen = [each for each in found if isinstance(each, str)]
    assert least <= len(chosen) <= most
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) and each[16:] < bound for each in chosen)
    told = [match for each in found if isinstance(each, bytes) and (match := TOLD.fullmatch(each))]
    assert len(chosen) + len(told) == len(found)
    assert all(match[1][16:].decode() >= bound for match in told)


def test_no_id_comes_twice() -> None:
    told = [TOLD.fullmatch(each) for each in drawn(Roots("0" * 16), 1000) if isinstance(each, bytes)]
    traces, spans = {each[1] for each in told if each}, {each[2] for each in told if each}
    assert (len(traces), len(spans)) == (1000, 1000)


def test_what_a_server_is_told_says_the_ids() -> None:
    (told,) = drawn(Roots("0" * 16), 1)
    assert isinstance(told, bytes)
    passing = Passing.of(told)
    assert passing is not None
    assert told == f"\r\nTraceparent: 00-{passing.trace_id}-{passing.span_id}-00".encode()


@pytest.mark.parametrize(
    "told", [b"", b"\r\nB3: 0", b"\r\nTraceparent: 00-ab-cd-00", b"\r\nTraceparent: 00-" + b"0" * 52 + b"\r\nB3: 0"]
)
def test_what_says_other_things_does_not(told: bytes) -> None:
    assert Passing.of(told) is None
