"""Hashes of many texts at once are those of each."""

from hypothesis import given
from hypothesis import strategies as st

from pointsman.rendezvous import Lanes, fnv1a


@given(st.integers(0, 12).flatmap(lambda size: st.lists(st.binary(min_size=size, max_size=size), min_size=1)), st.binary())
def test_lanes_are_the_hashes_of_their_texts(texts: list[bytes], before: bytes) -> None:
    assert list(Lanes(texts).after(fnv1a(before))) == [fnv1a(before + text) for text in texts]
