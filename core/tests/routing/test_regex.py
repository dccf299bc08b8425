"""User regular expressions: RE2 decides, and whatever is faster must give the same answer."""

import re
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.routing.regex import compile_re2, compile_search
from pointsman.routing.regex_reader import read


@pytest.mark.parametrize(
    "pattern", ["(?=a)", "(?!a)", "(?<=a)b", r"(a)\1", r"\Z", r"\C", "a**", "(", "[", "a{1001}", "(?P<n", "\ud800"]
)
def test_what_go_refuses_is_refused(pattern: str):
    with pytest.raises(ValueError, match="invalid regular expression"):
        compile_search(pattern)


def test_a_quoted_backslash_c_is_only_text():
    assert compile_search(r"\Q\C\E")(b"\\C")


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("a$", b"a\n", False),
        ("a$", b"ba", True),
        (r"a\z", b"a\n", False),
        ("(?m)a$", b"a\nb", True),
        (r"^\d+$", "١".encode(), False),
        (r"^\w$", "é".encode(), False),
        (r"\s", b"\x0b", False),
        ("^.$", "é".encode(), True),
        ("^.$", b"\xff", True),
        ("^[^a]$", b"\xff", True),
        (r"^\pL$", "é".encode(), True),
        ("^[[:alpha:]]+$", b"abc", True),
        ("(?i)ABC", b"xabcx", True),
        ("(?i)[^a]", b"A", False),
        ("^/api/(v1|v2)/", b"/api/v2/x", True),
        ("^/[0-9]{4}$", b"/2024", True),
        ("^/[0-9]{4}$", b"/202", False),
        ("EX", b"ex.test", False),
        ("", b"", True),
        ("^$", b"", True),
        ("^$", b"a", False),
        (r"^.+\.example\.com$", b"a.example.com", True),
        (r"^.+\.example\.com$", b".example.com", False),
        ("^(a)?b", b"b", True),
        ("^a?b$", b"aab", False),
    ],
)
def test_found_as_go_finds_it(pattern: str, text: bytes, found: bool):
    assert compile_search(pattern)(text) is found


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "^(a+)+$",
        "^(a|a)*$",
        "^a*a*$",
        "^.*.*x",
        "^.*x.*y",
        "x[a-z]+y",
        "^(a|ab)c",
        "^(?P<n>a)",
        "^a+?",
        "é",
        "^a|b",
    ],
)
def test_what_could_backtrack_or_is_not_understood_is_left_to_re2(pattern: str):
    assert read(pattern) is None


@pytest.mark.parametrize(
    "pattern", ["^/api/v[0-9]+/", "^(a|b)/[^/]+$", r"^.*\.json$", "(?i)^x", "^[a-z0-9-]+\\.example\\.com$", ".*x"]
)
def test_the_usual_patterns_are_fast(pattern: str):
    assert read(pattern) is not None


ATOMS = st.sampled_from(
    [*"abA1/-", ".", r"\.", r"\d", r"\w", r"\s", r"\S", "[a-c]", "[^a]", "[^a-c/]", "(a|b)", "(ab|ba)", "(?:ab)", "x"]
)
TIMES = st.sampled_from(["", "", "", "", "*", "+", "?", "{2}"])
PATTERNS = st.builds(
    lambda flag, begin, parts, end: flag + begin + "".join(a + b for a, b in parts) + end,
    st.sampled_from(["", "", "(?i)"]),
    st.sampled_from(["", "^"]),
    st.lists(st.tuples(ATOMS, TIMES), max_size=6),
    st.sampled_from(["", "$"]),
)
TEXTS = st.one_of(st.text("abcABx1/-.\n \x0b", max_size=12).map(str.encode), st.binary(max_size=8))


@given(PATTERNS, st.lists(TEXTS, min_size=1, max_size=10))
def test_the_fast_way_and_re2_give_the_same_answer(pattern: str, texts: list[bytes]):
    try:
        slow = compile_re2(pattern)
    except ValueError:
        with pytest.raises(ValueError):
            compile_search(pattern)
        return
    quick = compile_search(pattern)
    for text in texts:
        assert quick(text) is slow(text)


@given(PATTERNS)
def test_a_pattern_that_re_may_run_cannot_be_made_slow(pattern: str):
    known = read(pattern)
    if known is None:
        return
    compiled = re.compile(known.source)
    find = compiled.match if known.begins else compiled.search
    for text in (b"a" * 512, b"ab" * 256, b"/" * 512, b"1" * 512):
        begin = perf_counter()
        find(text)
        assert perf_counter() - begin < 0.25  # what backtracks takes hours; what is linear takes microseconds
