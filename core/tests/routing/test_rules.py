"""The rule language (routing.md §3.1): what is a rule, what is not, and what the refusal says."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api import Matcher
from pointsman.builtin.matchers import MATCHERS
from pointsman.routing.rules import parse
from pointsman.routing.syntax import MAX_DEPTH, MAX_LENGTH, And, Call, Not, Or, RuleError, parse_tree

KNOWN = {matcher.name: matcher for matcher in MATCHERS}


def refusal(text: str) -> RuleError:
    with pytest.raises(RuleError) as caught:
        parse(text, KNOWN)
    return caught.value


def test_and_binds_tighter_than_or():
    assert parse_tree("Path(`/1`) || Path(`/2`) && Host(`h`)") == Or(
        (Call("Path", ("/1",), 1), And((Call("Path", ("/2",), 15), Call("Host", ("h",), 28))))
    )


def test_a_negated_group_is_a_tree_of_its_own():
    assert parse_tree("!(Host(`x`) || Path(`/q`))") == Not(Or((Call("Host", ("x",), 3), Call("Path", ("/q",), 13))))


def test_two_negations_are_none():
    assert parse_tree("!!Host(`x`)") == parse_tree("Host(`x`)")
    assert parse_tree("!! !Host(`x`)") == parse_tree("!Host(`x`)")


@pytest.mark.parametrize(
    "text",
    [
        "Host(`a`,)",
        "( ( Host(`a`) ) )",
        "/* why */ Host( // here\n`a`\n)",
        "\tHost(`a`)\r\n",
        'Host("a")',
        'Host("\\x61")',
        'Host("\\u0061")',
        'Host("\\141")',
        'Host("\\U00000061")',
    ],
)
def test_blanks_comments_parentheses_and_escapes_do_not_change_a_rule(text: str):
    assert parse_tree(text) == Call("Host", ("a",), 1)


def test_a_raw_string_keeps_backslashes_and_lines():
    assert parse_tree("PathRegexp(`^/\\d+\n`)") == Call("PathRegexp", ("^/\\d+\n",), 1)


@pytest.mark.spec("R-25")
def test_a_line_may_begin_or_end_with_an_operator():
    ends = parse_tree("Host(`a`) &&\nPath(`/`) ||\nPath(`/b`)")
    begins = parse_tree("Host(`a`)\n&& Path(`/`)\n|| Path(`/b`)")
    assert ends == begins


@pytest.mark.spec("R-24")
@pytest.mark.parametrize("name", ["PathPrefix", "pathprefix", "PATHPREFIX", "Pathprefix"])
def test_a_matcher_has_four_spellings(name: str):
    assert parse(f"{name}(`/a`)", KNOWN).keys == ((None, ("path_prefix", b"/a")),)


@pytest.mark.spec("R-24")
def test_any_other_spelling_is_an_unsupported_function_and_the_right_one_is_named():
    error = refusal("pathPrefix(`/a`)")
    assert "unsupported function" in str(error)
    assert "unknown matcher 'pathPrefix' at column 1; did you mean 'PathPrefix'?" in str(error)


@pytest.mark.spec("R-23")
def test_single_quotes_are_no_string():
    error = refusal("Host('x')")
    assert str(error).startswith("error while parsing rule: unsupported function argument type: 'CHAR' at column 6")
    assert error.column == 6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hots(`a`)", "unknown matcher 'Hots' at column 1; did you mean 'Host'?"),
        ("Nothing(`a`)", "there are ClientIP, Header"),
        ("Host()", "no args for matcher 'Host' at column 1"),
        ("Query(`a`,``)", "empty args for matcher 'Query'"),
        ("Host(`a`, `b`)", "unexpected number of parameters; got 2, expected one of [1]"),
        ("Query(`a`,`b`,`c`)", "unexpected number of parameters; got 3, expected one of [1 2]"),
        ("Host(1)", "unsupported function argument type: 'INT'"),
        ("Host(x)", "unsupported function argument type: 'x'"),
        ("Host", "'Host' at column 1 has no arguments; write Host(`…`)"),
        ("Host == `a`", "'Host' at column 1 has no arguments"),
        ("a.Host(`x`)", "unsupported function: 'a.' at column 1"),
        ("Host(`a`) and Path(`/`)", "unexpected 'and' at column 11; did you mean '&&'?"),
        ("Host(`a`) | Path(`/`)", "unexpected '|' at column 11; did you mean '||'?"),
        ("Host(`a`) + Path(`/`)", "unexpected '+' at column 11"),
        ("Host(`a`) Path(`/`)", "unexpected 'Path' at column 11; expected '&&' or '||'"),
        ("Host(`a`) &&", "the rule ends where a matcher such as Host(`example.com`) is expected"),
        ("(Host(`a`)", "the rule ends where ')' for the '(' at column 1 is expected"),
        ("Host(`a`", "the rule ends where ',' or ')'"),
        ("Host(`a)", "the string opened by ` at column 6 is never closed"),
        ("Host(`a`) /* oh", "the comment opened at column 11 is never closed"),
        ('Host("\\q")', "unknown escape \\q at column 7"),
        ('Host("\\ud800")', "unknown escape \\ud800"),
        ("Host(`\ud800`)", "a lone surrogate at column 7"),
        ("Host(`é`)", "write international names in punycode"),
        ("Path(`a`)", "does not start with a '/'"),
        ("PathPrefix(`*`)", "does not start with a '/'"),
        ("ClientIP(`300.1.1.1`)", "neither an IP address nor a CIDR range"),
        ("PathRegexp(`(?=a)`)", "invalid perl operator: (?="),
        ("", "the rule is empty"),
        (" \n", "the rule is empty"),
    ],
)
def test_a_refusal_says_what_and_where(text: str, words: str):
    assert words in str(refusal(text))


def test_a_rule_is_bounded_in_length_depth_and_size():
    assert "longer than" in str(refusal(" " * MAX_LENGTH + "Host(`a`)"))
    assert "parentheses inside each other" in str(refusal("(" * 5000 + "Host(`a`)" + ")" * 5000))
    assert "matchers in one rule" in str(refusal("||".join(["Host(`a`)"] * 5000)))
    assert "arguments for 'Host'" in str(refusal("Host(" + "`a`," * 5000 + ")"))
    assert parse("!" * 5000 + "Host(`a`)", KNOWN).hosts == ("a",)
    assert parse("(" * MAX_DEPTH + "Host(`a`)" + ")" * MAX_DEPTH, KNOWN).hosts == ("a",)


def test_the_default_priority_is_the_length_in_bytes_as_written():
    assert parse(" Path(`/é`)\n", KNOWN).default_priority == len(" Path(`/é`)\n") + 1


def test_hosts_are_the_names_that_are_not_negated():
    rule = parse("(Host(`A.x`) || Host(`*.b`)) && !(Host(`c`) || !Host(`d`)) && HostRegexp(`e`)", KNOWN)
    assert rule.hosts == ("a.x", "*.b", "d")


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Host(`a`)", {(("host", b"a"), None)}),
        ("Host(`*.a`)", {(("host_suffix", b".a"), None)}),
        ("Host(`*`)", {(None, None)}),
        ("Host(`a`) && Path(`/`)", {(("host", b"a"), ("path", b"/"))}),
        ("Host(`a`) || Path(`/`)", {(("host", b"a"), None), (None, ("path", b"/"))}),
        ("Host(`a`) || Method(`GET`)", {(None, None)}),
        ("!Host(`a`)", {(None, None)}),
        ("!(!Host(`a`) || !Path(`/`))", {(("host", b"a"), ("path", b"/"))}),
        ("PathPrefix(`/a`) && PathPrefix(`/ab`)", {(None, ("path_prefix", b"/ab"))}),
        ("PathPrefix(`/abc`) && Path(`/a`)", {(None, ("path", b"/a"))}),
        ("(Host(`a`) || Host(`b`)) && Method(`GET`)", {(("host", b"a"), None), (("host", b"b"), None)}),
    ],
)
def test_a_rule_is_indexed_by_what_must_hold(text: str, keys: set[object]):
    assert set(parse(text, KNOWN).keys) == keys


def test_a_large_product_of_alternatives_keeps_a_small_index():
    hosts = " || ".join(f"Host(`h{n}`)" for n in range(100))
    paths = " || ".join(f"Path(`/p{n}`)" for n in range(50))
    assert len(parse(f"({hosts}) && ({paths})", KNOWN).keys) == 50


def test_whatever_a_plugins_matcher_raises_is_a_rule_error():
    def fail(text: str):
        raise RuntimeError("boom")

    one = range(1, 2)
    for odd in (Matcher("Odd", one, fail), Matcher("Odd", one, lambda text: lambda request: True, fail)):
        with pytest.raises(RuleError, match=r"RuntimeError: boom, in Odd\(`a`\) at column 1"):
            parse("Odd(`a`)", {"Odd": odd})


def test_an_index_of_a_kind_nobody_knows_is_none():
    odd = Matcher("Odd", range(1, 2), lambda text: lambda request: True, lambda text: ("colour", b"red"))
    assert parse("Odd(`a`)", {"Odd": odd}).keys == ((None, None),)


PIECES = st.sampled_from(
    [
        *"()!,`\"'\\ \n&|/",
        "&&",
        "||",
        "Host",
        "Path",
        "(`a`)",
        "(`/a`)",
        "Host(`a`)",
        "/*",
        "*/",
        "//",
        "and",
        "1",
        "é",
        '"\\u00"',
    ]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=20).map("".join)))
def test_the_parser_raises_nothing_but_rule_errors(text: str):
    with suppress(RuleError):
        parse(text, KNOWN)


NAMES = st.sampled_from(["Host", "Path", "Method"])
ARGS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=3).map(tuple)
TREES = st.recursive(
    st.builds(Call, NAMES, ARGS, st.just(1)),
    lambda inner: st.one_of(
        inner.filter(lambda part: not isinstance(part, Not)).map(Not),
        st.lists(inner.filter(lambda part: not isinstance(part, And)), min_size=2, max_size=3).map(
            lambda parts: And(tuple(parts))
        ),
        st.lists(inner.filter(lambda part: not isinstance(part, Or)), min_size=2, max_size=3).map(
            lambda parts: Or(tuple(parts))
        ),
    ),
    max_leaves=8,
)


@given(TREES)
def test_a_tree_written_out_parses_to_itself(tree: Call | Not | And | Or):
    assert parse_tree(str(tree)) == tree
