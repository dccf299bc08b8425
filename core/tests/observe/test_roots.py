"""Roots of traces, drawn in advance."""

from itertools import islice

import pytest

from pointsman.observe.roots import Roots
from pointsman.spans import Passing


def test_no_id_comes_twice() -> None:
    told = list(islice(Roots(b"0" * 16).told, 1000))
    found = [Passing.of(each) for each in told if each is not None]
    assert len({each.trace_id for each in found if each}) == len({each.span_id for each in found if each}) == 1000


@pytest.mark.parametrize("least", [b"0" * 16, b"028f5c28f5c28f5c", b"4" + b"0" * 15, b"f" * 16])
def test_ids_below_the_bound_are_sampled_in_their_order(least: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[bytes]()

    def random(number: int) -> bytes:
        seen.append(bytes((7 * at * at + at // 3 + len(seen)) % 256 for at in range(number)))
        return seen[-1]

    monkeypatch.setattr("pointsman.observe.roots.os.urandom", random)
    roots = Roots(least)
    drawn = [(told, roots.sampled() if told is None else "") for told in islice(roots.told, 500)]

    batches = [(seen[at].hex(), seen[at + 1].hex()) for at in range(0, len(seen), 2)]
    ids = [(high + both[at : at + 16], both[at + 16 : at + 32]) for high, both in batches for at in range(0, len(both), 32)]
    below = [trace[16:].encode() < least for trace, _ in ids]
    assert any(below) == (least > b"0" * 16)
    assert [told is None for told, _ in drawn] == below[:500]
    for (told, sampled), (trace, span) in zip(drawn, ids, strict=False):
        assert sampled == trace if told is None else told == f"\r\nTraceparent: 00-{trace}-{span}-00".encode()


def test_what_a_server_is_told_says_the_ids() -> None:
    told = next(Roots(b"0" * 16).told)
    assert told is not None
    passing = Passing.of(told)
    assert passing is not None
    assert told == f"\r\nTraceparent: 00-{passing.trace_id}-{passing.span_id}-00".encode()


@pytest.mark.parametrize(
    "told", [b"", b"\r\nB3: 0", b"\r\nTraceparent: 00-ab-cd-00", b"\r\nTraceparent: 00-" + b"0" * 52 + b"\r\nB3: 0"]
)
def test_what_says_other_things_does_not(told: bytes) -> None:
    assert Passing.of(told) is None
