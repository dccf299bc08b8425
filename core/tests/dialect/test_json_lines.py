"""Streams of JSON, line by line, however they are cut."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.dialect.json_lines import JsonLines

values = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@settings(max_examples=40)
@given(st.lists(values, max_size=5), st.lists(st.integers(0, 200), max_size=9))
def test_the_cuts_make_no_difference(sent, cuts):
    stream = b"".join(json.dumps(value).encode() + b"\n" for value in sent)
    lines, got = JsonLines(1_000_000), []
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in pairwise(places):
        got += lines.feed(stream[start:end])

    assert got == sent


def test_empty_lines_are_no_values():
    assert JsonLines(10).feed(b"\n \r\n1\r\n\n") == [1]


@pytest.mark.parametrize("chunks", [[b"12345678"], [b"1234", b"5678"], [b"1\n", b"12345678\n"], [b"1\n12345678"]])
def test_a_line_that_is_too_long_is_an_error(chunks):
    lines = JsonLines(7)
    *first, last = chunks
    for chunk in first:
        lines.feed(chunk)
    with pytest.raises(ValueError, match="more than 7 bytes"):
        lines.feed(last)


@pytest.mark.parametrize("line", [b"<html>\n", b"\xff\n", b"[" * 100_000 + b"\n"])
def test_what_is_no_json_is_an_error(line):
    with pytest.raises(ValueError):
        JsonLines(1_000_000).feed(line)
