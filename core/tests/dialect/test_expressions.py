from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dialect.expressions import MAX_DEPTH, MAX_LENGTH, ExpressionError, Function, Kind, compile_expression

FUNCTIONS = {
    "Ratio": Function(Kind.NUMBER, lambda: lambda subject: subject["ratio"]),
    "CodeRatio": Function(
        Kind.NUMBER,
        lambda low, high: lambda subject: subject["codes"][low, high],
        (("from", Kind.WHOLE), ("to", Kind.WHOLE)),
    ),
    "Quantile": Function(Kind.NUMBER, lambda q: lambda subject: subject["ms"], (("quantile", Kind.FRACTION),)),
    "Attempts": Function(Kind.WHOLE, lambda: lambda subject: subject["attempts"]),
    "Method": Function(Kind.TEXT, lambda: lambda subject: subject["method"]),
    "Failed": Function(Kind.TRUTH, lambda: lambda subject: subject["failed"]),
}
SUBJECT = {"ratio": 0.5, "codes": {(500, 600): 0.25}, "ms": 150, "attempts": 2, "method": "GET", "failed": True}


def holds(text, **changes):
    return compile_expression(text, FUNCTIONS).holds(SUBJECT | changes)


def refusal(text):
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, FUNCTIONS)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ratio() > 0.4", True),
        ("Ratio() > 0.5", False),
        ("Ratio() >= 0.5", True),
        ("Ratio() < 0.5", False),
        ("Ratio() <= 5e-1", True),
        ("Ratio() == .5", True),
        ("Ratio() != 0.5", False),
        ("Ratio() > 0", True),
        ("Ratio()>1", False),
        ("Quantile(50.0) > 100", True),
        ("Quantile(50.) > 100.5", True),
        ("CodeRatio(500, 600) > 0.2", True),
        ("Attempts() <= 2", True),
        ('Method() == "GET"', True),
        ("Method() != `GET`", False),
        ('Method() == "G\\x45T"', True),
        ("Failed()", True),
        ("(Ratio()) > (0.4)", True),
        ("((Failed() && Attempts() < 3))", True),
        (" \n Ratio() > 0.4\n&& Failed()\t", True),
    ],
)
def test_a_comparison_holds_or_not(text, expected):
    assert holds(text) is expected


def test_and_binds_tighter_than_or():
    assert holds("Failed() || Ratio() > 1 && Attempts() > 9")
    assert not holds("(Failed() || Ratio() > 1) && Attempts() > 9")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the expression is empty; it may use Ratio(), CodeRatio(from, to)"),
        ("Raito() > 0.5", "unknown function 'Raito' at column 1; did you mean Ratio()?"),
        ("Ratio() > 0.5 && ratio() > 1", "unknown function 'ratio' at column 18; did you mean Ratio()?"),
        ("Foo() > 1", "unknown function 'Foo' at column 1; there are Ratio(), CodeRatio(from, to)"),
        ("CodeRatio(1) > 1", "CodeRatio() at column 1 got 1 argument; expected CodeRatio(from, to)"),
        ("CodeRatio() > 1", "CodeRatio() at column 1 got no arguments; expected CodeRatio(from, to)"),
        ("CodeRatio(1, 2.0) > 1", "argument 2 of CodeRatio() at column 14: expected a whole number, like 2, got 2.0"),
        ("Quantile(50) > 1", "argument 1 of Quantile() at column 10: expected a number with a point, like 50.0, got 50"),
        ("0.5 < Ratio()", "0.5 at column 1 is left of '<'; a function stands on the left"),
        ("!(Ratio() > 1)", "! is not supported (at column 1); turn the comparison round"),
        ("Ratio() > -1", "- is not supported (at column 11)"),
        ("Ratio()", "Ratio() at column 1 is a number, like 2 or 0.5, not a comparison; write Ratio() > 1, or the like"),
        ("Failed() && Ratio()", "Ratio() at column 13 is a number"),
        ("Ratio", "'Ratio' at column 1 is not called; write Ratio()"),
        ("Ratio() > Ratio()", "expected a number, like 2 or 0.5, at column 11, got Ratio()"),
        (
            "Attempts() < 1.5",
            "Attempts() at column 1 is a whole number, like 2; it cannot be compared with 1.5 at column 14",
        ),
        ('Attempts() < "2"', 'cannot be compared with "2" at column 14'),
        ("Method() == GET", "unknown function 'GET' at column 13"),
        ('Method() > "GET"', "strings are compared by == and !=, not by '>', at column 10"),
        ("Failed() == 1", "Failed() at column 1 is true or false already; leave out '=='"),
        ("Ratio() > 0.1 > 0.2", "a second comparison '>' at column 15; join two of them by '&&'"),
        ("0.5", "expected a comparison at column 1, got 0.5"),
        ("Ratio() > 0.5 and Failed()", "unexpected 'and' at column 15; did you mean '&&'?"),
        ("Ratio() = 0.5", "unexpected '=' at column 9; did you mean '=='?"),
        ("(Ratio() > 0.5", "the expression ends where ')' for the '(' at column 1 is expected"),
        ("Ratio() > 0.5)", "unexpected ')' at column 14; expected '&&' or '||'"),
        ("Ratio() > 0x10", "'0x10' at column 11 is no number; write it like 2 or 0.5"),
        ("Ratio() > 1e999", "'1e999' at column 11 is no number"),
        ("Attempts() < " + "9" * 30, "is no number"),
        ('Method() == "GET', 'the string opened by " at column 13 is never closed'),
        ('Method() == "\\q"', "unknown escape"),
        ("Ratio() >", "the expression ends where one of Ratio(), "),
        ("CodeRatio(1 2) > 1", "unexpected '2' at column 13; expected ',' or ')' in CodeRatio() at column 1"),
        ("CodeRatio(Ratio(), 2) > 1", "unexpected 'Ratio' at column 11; expected a number or a string in CodeRatio()"),
    ],
)
def test_a_mistake_is_named_with_its_column_and_the_way_out(text, message):
    assert message in refusal(text)


def test_what_a_function_says_of_its_arguments_is_passed_on():
    def read(q):
        raise ValueError("there is no such quantile")

    with pytest.raises(ExpressionError, match=r"Q\(\) at column 1: there is no such quantile"):
        compile_expression("Q(1.0) > 1", {"Q": Function(Kind.NUMBER, read, (("q", Kind.FRACTION),))})


def test_length_and_depth_are_bounded():
    assert holds("(" * MAX_DEPTH + "Failed()" + ")" * MAX_DEPTH)
    assert f"more than {MAX_DEPTH} parentheses" in refusal("(" * 4000)
    assert f"longer than {MAX_LENGTH}" in refusal("Failed() || " * 1000)
    assert holds(" && ".join(["Failed()"] * 300))


def test_it_explains_itself_by_the_values_of_its_calls():
    expression = compile_expression("Ratio() > 0.25 && (Quantile(99.0) > 100 || Ratio() > 0.9)", FUNCTIONS)

    assert expression.explain(SUBJECT | {"ratio": 1 / 3}) == "Ratio() = 0.3333, Quantile(99.0) = 150"
    assert expression.functions == {"Ratio", "Quantile"}


@given(st.text(max_size=60) | st.text(alphabet='Ratio()Attempts<>=!&|" .50-`\\,\n', max_size=60))
def test_garbage_is_refused_in_words_or_means_something(text):
    with suppress(ExpressionError):
        assert compile_expression(text, FUNCTIONS).holds(SUBJECT) in (True, False)


def comparisons():
    def comparison(ratio, sign):
        return f"Ratio() {sign} {ratio}", f"(0.5 {sign} {ratio})"

    return st.builds(comparison, st.sampled_from(["0.25", "0.5", "1"]), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))


def joined(parts):
    def join(left, sign, right):
        word = {"&&": "and", "||": "or"}[sign]
        return f"{left[0]} {sign} {right[0]}", f"{left[1]} {word} {right[1]}"

    return st.builds(join, parts, st.sampled_from(["&&", "||"]), parts) | parts.map(lambda it: (f"({it[0]})", f"({it[1]})"))


@given(st.recursive(comparisons(), joined, max_leaves=12))
def test_it_means_what_the_same_words_mean_in_python(written):
    """`&&` and `||` bind as `and` and `or` do."""
    text, python = written

    assert holds(text) is eval(python)
