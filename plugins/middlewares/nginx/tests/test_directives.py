"""Snippets taken apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import ConfigError
from pointsman_nginx.directives import read


def words(text):
    return [(each.name, *each.arguments) for each in read(text, "here")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  # only a comment", []),
        ("a b;c  d\n e;", [("a", "b"), ("c", "d", "e")]),
        ("a 'b c' \"d;e\";", [("a", "b c", "d;e")]),
        (r"""a "say \"hi\" \\ \n" 'it\'s';""", [("a", r"say \"hi\" \ \n".replace('\\"', '"'), "it's")]),
        (r"a b\ c \.png$;", [("a", r"b\ c", r"\.png$")]),
        ("a ${b};", [("a", "${b}")]),
        ("a b#c; # d\n", [("a", "b#c")]),
        ('a "x\ny";', [("a", "x\ny")]),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


def test_blocks_and_lines():
    outer, last = read('\na {\n  if ($b = "c") { d; }\n}\ne;', "here")

    assert (outer.name, outer.line, last.name, last.line) == ("a", 2, "e", 5)
    assert outer.block is not None
    assert outer.block[0].arguments == ("($b", "=", "c", ")")
    assert outer.block[0].line == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b", "line 1: 'a' is not ended; a ';' is missing"),
        ("a;\nb { c;", "line 2: the text ends within a block; a '}' is missing"),
        ("a;\n}", "line 2: '}' without a block that it ends"),
        (";", "line 1: ';' without a directive before it"),
        ("{ a; }", "line 1: '{' without a directive before it"),
        ('a;\n\na "b', 'line 3: a " is not closed'),
        ("a 'b\\", "line 1: a ' is not closed"),
        ('a "b"c;', "line 1: 'c' behind a closing \""),
        ("a { b }", "line 1: 'b' is not ended"),
        ("a {" * 9, "line 1: too many blocks within blocks"),
    ],
)
def test_what_is_no_directive_is_told_with_its_line(text, message):
    with pytest.raises(ConfigError) as error:
        read(text, "here")
    assert str(error.value).startswith(f"here: {message}")


def refusal(text):
    try:
        read(text, "here")
    except ConfigError as error:
        return str(error)
    return None


@given(st.text(alphabet="ab \n;{}\"'\\#$()"))
def test_every_text_is_read_or_refused(text):
    assert (refusal(text) or "here: line 1").startswith("here: line ")
