"""Patterns with groups: what they find is what RE2 finds, whatever the text, and what they cost has bounds."""

import re
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dialect.patterns import MAX_RESULT, Pattern, TooMuch, beginning


@pytest.mark.spec("M-50")
@pytest.mark.parametrize("source", ["^(?!x)", r"(a)\1", r"\Z", "a**", "(", "(?P<n>a)(?P<n>b)", "(?<n>a)|(?P<n>b)", r"\C"])
def test_what_go_refuses_is_refused_with_the_reason(source):
    with pytest.raises(ValueError, match="invalid regular expression"):
        Pattern(source)


@pytest.mark.parametrize("source", [r"\(?P<n>a\(?P<n>", "[(?<n>](?<n>a)", r"\Q(?<n>\E(?<n>a)", "(?P<n>a)(?<m>b)"])
def test_a_group_name_is_taken_once_where_it_is_a_group_name(source):
    Pattern(source)


def test_groups_are_known_by_number_and_by_name():
    assert Pattern("(?P<all>(a)|(?<b>b))").groups == {"0": 0, "1": 1, "2": 2, "3": 3, "all": 1, "b": 3}


@pytest.mark.parametrize(
    ("source", "text", "found"),
    [
        ("/api/[0-9]+", b"/api/12/x", b"/api/12"),
        ("/api/[0-9]+", b"/x/api/12/y", b"/api/12"),
        ("^/api", b"/x/api", None),
        ("a*", b"b", b""),
        ("a|ab", b"ab", b"a"),
        ("^..", "éè!".encode(), "éè".encode()),
        ("^..", b"\xff\xc3!", b"\xff\xc3"),
        (r"^\x{fffd}", b"\xed\xa0\x80", b"\xed"),
        ("^é", b"\xc3", None),
        ("^", b"", b""),
    ],
)
def test_the_first_match_is_the_leftmost(source, text, found):
    assert Pattern(source).first(text) == found


def marked(group):
    return b"<" + group(0) + b">"


@pytest.mark.parametrize(
    ("source", "text", "result"),
    [
        ("x*", b"/axb", b"<>/<>a<x>b<>"),
        ("a*", b"", b"<>"),
        ("a*", b"aa", b"<aa>"),
        ("^", b"ab", b"<>ab"),
        ("$", b"ab", b"ab<>"),
        ("^a", b"aa", b"<a>a"),
        (r"\b", b"ab c", b"<>ab<> <>c<>"),
        (r"\Ba", b"aaa", b"a<a><a>"),
        ("^a|b", b"abab", b"<a><b>a<b>"),
        ("x", b"abc", None),
        ("", "é".encode(), "<>é<>".encode()),
        ("", b"\xff\xfe", b"<>\xff<>\xfe<>"),
        ("é*", "aéb".encode(), "<>a<é>b<>".encode()),
        (".", b"\xf0\x9f\x98\x80\xf0", b"<\xf0\x9f\x98\x80><\xf0>"),
    ],
)
def test_every_match_is_replaced_but_empty_ones_behind_others(source, text, result):
    assert Pattern(source).replace(text, marked) == result


def test_groups_that_took_no_part_are_empty():
    pattern = Pattern("(a)|(b)|(é)")

    assert pattern.replace("abé".encode(), lambda group: b"[%b,%b,%b]" % (group(1), group(2), group(3))) == (
        "[a,,][,b,][,,é]".encode()
    )


def model(source, text, replacement):
    """Go's ReplaceAll over `re`, for expressions that mean the same there: its own loop, and its empty matches."""
    compiled, result, last, at = re.compile(source), b"", 0, 0
    while at <= len(text) and (match := compiled.search(text, at)) is not None:
        begin, end = match.span()
        result += text[last:begin]
        if end > last or begin == 0:
            result += replacement
        last = end
        at = at + 1 if at + 1 > end else end
    return result + text[last:]


SIMPLE = st.lists(st.sampled_from(["a", "b", "a*", "b?", "(a|b)", "(a)?", "/", "[^/]"]), min_size=1, max_size=4).map("".join)


@given(SIMPLE, st.text("ab/", max_size=12))
def test_replacing_is_what_gos_loop_does(source, text):
    text = text.encode()
    replaced = Pattern(source).replace(text, lambda group: b"-")

    assert (text if replaced is None else replaced) == model(source.encode(), text, b"-")


SOURCES = st.sampled_from(["", "a", "é", ".", "a*", ".*", "[^a]", r"\w+", "(a|é)+?", r"\x{fffd}", "^.", ".$", r"\b"])


@given(SOURCES, st.binary(max_size=12) | st.text("aé/", max_size=8).map(str.encode))
def test_what_is_put_back_as_it_was_leaves_the_text_alone(source, text):
    pattern = Pattern(source)
    first = pattern.first(text)

    assert first is None or first in text
    assert pattern.replace(text, lambda group: group(0)) in (None, text)


@pytest.mark.parametrize(
    ("source", "literal"),
    [
        ("^/foo/(.*)", b"/foo/"),
        (r"^http://rr\.t/", b"http://rr.t/"),
        ("^/foo?", b"/fo"),
        ("^/a{2}", b"/"),
        (r"^/a\.*", b"/a"),
        ("^", b""),
        ("^a?", b""),
        ("^(a)", b""),
        ("^a|b", None),
        ("(?i)^a", None),
        ("^(?m)a", None),
        ("a", None),
        ("^*a", None),
        (r"^\Qa\E", b""),
    ],
)
def test_a_plain_beginning_is_read_off_the_expression(source, literal):
    assert beginning(source) == literal


PIECES = st.lists(st.sampled_from(["a", "/", r"\.", "*", "+?", "?", "{2}", "|", "(a)", "(?i)", "$", r"\b", "^"]), max_size=6)


@given(PIECES.map(lambda pieces: "^" + "".join(pieces)), st.text("aA/.", max_size=6).map(str.encode))
def test_what_the_beginning_spares_makes_no_difference(source, text):
    try:
        unguarded = Pattern(f"(?:{source})")
    except ValueError:
        return
    assert Pattern(source).first(text) == unguarded.first(text)
    assert Pattern(source).replace(text, marked) == unguarded.replace(text, marked)


@pytest.mark.parametrize(
    ("source", "text"), [("a.*b|a", b"a" * 1_000_000), ("x*", b"a" * 100_000), ("é", b"\xc3\xa9" * 50_000)]
)
def test_a_text_with_too_many_matches_is_refused_soon(source, text):
    begin = perf_counter()
    with pytest.raises(TooMuch) as refused:
        Pattern(source).replace(text, lambda group: b"")

    assert (refused.value.status, refused.value.side) == (414, "client")
    assert perf_counter() - begin < 2  # it takes 20 ms; unbounded it would be minutes


def group_twice(group):
    return group(0) + group(0)


def test_a_result_that_is_too_long_is_refused():
    with pytest.raises(TooMuch):
        Pattern("a").replace(b"a" * 100, lambda group: b"x" * (MAX_RESULT // 50))
    with pytest.raises(TooMuch):
        Pattern("^a").replace(b"a" * (MAX_RESULT + 1), group_twice)
    assert Pattern("^b").replace(b"a" * (MAX_RESULT + 1), lambda group: b"") is None
