"""Replacement templates as Go expands them (middlewares.md §2.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dialect.templates import Replacement, Template

GROUPS = {"0": 0, "1": 1, "2": 2, "name": 1, "_x9": 2}


def expanded(text, groups=GROUPS):
    return Template.read(text, groups).expand(lambda number: b"<%d>" % number)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$1", b"<1>"),
        ("${1}x", b"<1>x"),
        ("$0!", b"<0>!"),
        ("$name/${name}", b"<1>/<1>"),
        ("$_x9", b"<2>"),
        ("$1x", b""),
        ("$1x/${1}x", b"/<1>x"),
        ("$01", b""),
        ("${01}", b""),
        ("$3", b""),
        ("$99999999999999999999", b""),
        ("$nobody", b""),
        ("$$", b"$"),
        ("$$1", b"$1"),
        ("$$$1", b"$<1>"),
        ("$", b"$"),
        ("a$", b"a$"),
        ("$-1", b"$-1"),
        ("$ 1", b"$ 1"),
        ("${1", b"${1"),
        ("${}", b"${}"),
        ("${ 1}", b"${ 1}"),
        ("${1x}", b""),
        ("${1}${2}", b"<1><2>"),
        ("$1$2", b"<1><2>"),
        ("$1-$2", b"<1>-<2>"),
        ("$1é-", b"-"),
        ("$1²$1Ⅷ", "<1>²<1>Ⅷ".encode()),
        (r"\1\$1\\", rb"\1\<1>\\"),
        (r"\g<1>", rb"\g<1>"),
        ("é$1", "é<1>".encode()),
        ("", b""),
    ],
)
def test_expanded_as_go_does(text, result):
    assert expanded(text) == result


def model(text):
    """The rules of the table, one character after another."""
    result, position = b"", 0
    while position < len(text):
        if text[position] != "$":
            result, position = result + text[position].encode(), position + 1
            continue
        rest = text[position + 1 :]
        if rest.startswith("$"):
            result, position = result + b"$", position + 2
            continue
        brace = rest.startswith("{")
        name = ""
        for character in rest[brace:]:
            if not (character.isalpha() or character.isdecimal() or character == "_"):
                break
            name += character
        if not name or (brace and rest[1 + len(name) : 2 + len(name)] != "}"):
            result, position = result + b"$", position + 1
            continue
        if name in GROUPS:
            result += b"<%d>" % GROUPS[name]
        position += 1 + len(name) + 2 * brace
    return result


@given(st.text("$${}01290_nameéx²-\\", max_size=16))
def test_expanded_as_the_rules_say(text):
    assert expanded(text) == model(text)


@given(st.text(max_size=16))
def test_a_template_without_a_dollar_is_itself(text):
    text = text.replace("$", "")
    assert expanded(text) == text.encode()


def test_literals_are_what_no_group_changes():
    assert Template.read("/a$$b$9c/$1/%4$2", GROUPS).literals == (b"/a$b/", b"/%4")
    assert Template.read("$1", GROUPS).literals == ()


@pytest.mark.parametrize(
    ("regex", "replacement", "text", "result"),
    [
        ("x*", "-", b"/axb", b"-/-a-b-"),
        ("^/foo/(.*)", "/bar/$1", b"/foo/a%2fb", b"/bar/a%2fb"),
        ("^/foo/(.*)", "/bar/$1x/${1}x", b"/foo/a", b"/bar//ax"),
        ("(?P<x>a)(b)?", "[${x}$2]", b"aab", b"[a][ab]"),
        ("(.)", "$1$1", "é\xff".encode("latin-1"), b"\xe9\xe9\xff\xff"),
        ("^/foo", "/bar", b"/x", None),
    ],
)
def test_a_replacement_is_a_pattern_and_its_template(regex, replacement, text, result):
    assert Replacement(regex, replacement)(text) == result


@given(st.binary(max_size=24).filter(lambda text: not set(text) & {*range(32), 127}))
def test_a_replacement_makes_no_control_bytes_of_none(text):
    for regex, replacement in (("(.)(.)?", "$2$1"), ("", "$0-"), ("[^a]*", "${0}$0"), ("(é|%0)", "$$1")):
        made = Replacement(regex, replacement)(text)
        assert not set(made or b"") & {*range(32), 127}
