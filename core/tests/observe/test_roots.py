"""Roots of traces, drawn in advance."""

import re

import pytest

from pointsman.observe.roots import TOLD, Root, Roots
from pointsman.spans import Passing


def drawn(number: int) -> list[Root]:
    roots = Roots()
    return [next(roots.drawn, None) or roots.draw() for _ in range(number)]


def test_no_id_comes_twice() -> None:
    found = drawn(1000)
    assert len({high + low for high, low, _ in found}) == len({span for _, _, span in found}) == 1000
    assert all(re.fullmatch(rb"[0-9a-f]{48}", b"".join(root)) for root in found)


def test_what_a_server_is_told_says_the_ids() -> None:
    (root,) = drawn(1)
    told = TOLD % root
    passing = Passing.of(told)
    assert passing is not None
    assert (passing.trace_id, passing.span_id) == ((root[0] + root[1]).decode(), root[2].decode())
    assert told == f"\r\nTraceparent: 00-{passing.trace_id}-{passing.span_id}-00".encode()


@pytest.mark.parametrize(
    "told", [b"", b"\r\nB3: 0", b"\r\nTraceparent: 00-ab-cd-00", b"\r\nTraceparent: 00-" + b"0" * 52 + b"\r\nB3: 0"]
)
def test_what_says_other_things_does_not(told: bytes) -> None:
    assert Passing.of(told) is None
