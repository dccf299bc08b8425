import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dialect.instances.constraints import compile_constraints

LABELS = {"tier": "front", "env": "production", "Tier": "back", "quote": 'a"b', "empty": ""}
TAGS = ("public", "traefik.http.routers.r.rule=Host(`a`)", "v2")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        (" \n", True),
        ("Label(`tier`, `front`)", True),
        ("Label(`tier`,`Front`)", False),
        ("Label(`TIER`,`front`)", False),
        ("Label(`Tier`,`back`)", True),
        ("Label(`missing`,``)", True),
        ("Label(`empty`,``)", True),
        ("Label(`missing`,`x`)", False),
        ('Label("quote", "a\\"b")', True),
        ('Label("t\\x69er", "fr\\u006fnt")', True),
        ("LabelRegex(`env`, `duct`)", True),
        ("LabelRegex(`env`, `^dev`)", False),
        ("LabelRegex(`missing`, `^$`)", True),
        ("!Label(`tier`,`front`)", False),
        ("!!Label(`tier`,`front`)", True),
        ("Label(`tier`,`x`) || Label(`tier`,`front`)", True),
        ("Label(`tier`,`front`) || Label(`a`,`x`) && Label(`b`,`x`)", True),
        ("(Label(`tier`,`front`) || Label(`a`,`x`)) && Label(`b`,`x`)", False),
        ("!Label(`tier`,`x`) && !(Label(`a`,`b`) || Label(`env`,`dev`))", True),
    ],
)
def test_labels_are_judged(text, expected):
    assert compile_constraints(text, by_tags=False)(LABELS) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tag(`public`)", True),
        ("Tag(`pub`)", False),
        ("TagRegex(`^pub`)", True),
        ("TagRegex(`^lic`)", False),
        ("TagRegex(`rule=Host`)", True),
        ("Tag(`public`) && !Tag(`v1`) && TagRegex(`^v[0-9]$`)", True),
    ],
)
def test_tags_are_judged_those_that_configure_too(text, expected):
    assert compile_constraints(text, by_tags=True)(TAGS) is expected


def test_no_tags_have_no_tag():
    assert compile_constraints("!Tag(`a`) && !TagRegex(`.*`)", by_tags=True)(()) is True


@pytest.mark.parametrize(
    ("text", "by_tags", "parts"),
    [
        ("Foo(`a`)", False, ["unsupported function: 'Foo'", "column 1", "Label(`key`, `value`)"]),
        ("Lable(`a`, `b`)", False, ["did you mean Label(`key`, `value`)?"]),
        ("label(`a`, `b`)", False, ["did you mean Label(`key`, `value`)?"]),
        ("Label(`a`, `b`) && Tag(`c`)", False, ["'Tag'", "column 20", "there are Label"]),
        ("Label(`a`, `b`)", True, ["'Label'", "there are Tag(`tag`) and TagRegex(`regex`)"]),
        ("Label(`a`)", False, ["Label() at column 1 got 1 arguments", "write Label(`key`, `value`)"]),
        ("Tag(`a`, `b`)", True, ["got 2 arguments"]),
        ("Label(`a`, `b`) || LabelRegex(`a`, `(`)", False, ["invalid regular expression '('", "column 20"]),
        ("TagRegex(`(?=a)`)", True, ["invalid regular expression"]),
        ("Label(`a`, `b`) and Label(`c`, `d`)", False, ["did you mean '&&'?", "column 17"]),
        ("Label(`a`, b)", False, ["'b'", "column 12"]),
        ("Label(`a`, `b`", False, ["the expression ends"]),
        ("Label(`a`, `b`) &&", False, ["the expression ends where Label(`tier`, `front`) is expected"]),
        ("&& Tag(`a`)", True, ["expected Tag(`public`)"]),
        ("(" * 99, False, ["more than 64 parentheses"]),
        ("Label(`a`, `b)", False, ["never closed"]),
        ('Label("\\q", `b`)', False, ["unknown escape"]),
        (" " * 70_000 + "Tag(`a`)", True, ["the expression is longer than"]),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text, by_tags, parts):
    with pytest.raises(ValueError) as caught:
        compile_constraints(text, by_tags=by_tags)
    for part in parts:
        assert part in str(caught.value)


names = st.sampled_from("abc")
leaves = st.one_of(
    st.tuples(st.just("Label"), names, names),
    st.tuples(st.just("LabelRegex"), names, st.sampled_from(("a", "^b", "c$", "^$", "[ab]"))),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(st.tuples(st.just("!"), inner), st.tuples(st.sampled_from(("&&", "||")), inner, inner)),
    max_leaves=12,
)


def written(tree):
    match tree:
        case ("!", inner):
            return f"!({written(inner)})"
        case ("&&" | "||" as sign, left, right):
            return f"({written(left)}) {sign} ({written(right)})"
        case (name, key, value):
            return f'{name}(`{key}`, "{value}")'


def judged(tree, labels):
    match tree:
        case ("!", inner):
            return not judged(inner, labels)
        case ("&&", left, right):
            return judged(left, labels) and judged(right, labels)
        case ("||", left, right):
            return judged(left, labels) or judged(right, labels)
        case ("Label", key, value):
            return labels.get(key, "") == value
        case (_, key, value):
            return re.search(value, labels.get(key, "")) is not None


@given(trees, st.dictionaries(names, st.text("abc", max_size=2)))
def test_an_expression_says_what_python_says(tree, labels):
    assert compile_constraints(written(tree), by_tags=False)(labels) is judged(tree, labels)


@given(st.lists(st.tuples(st.booleans(), names), min_size=1, max_size=6), st.data())
def test_and_binds_tighter_than_or(parts, data):
    signs = [data.draw(st.sampled_from(("&&", "||"))) for _ in parts[1:]]
    text, said = "", ""
    for sign, (negated, tag) in zip(["", *signs], parts, strict=True):
        text += f" {sign} {'!' * negated}Tag(`{tag}`)"
        said += f" {'and' if sign == '&&' else 'or' if sign else ''} {'not ' * negated}('{tag}' in tags)"
    tags = data.draw(st.lists(names))
    assert compile_constraints(text, by_tags=True)(tags) is eval(said.strip(), {"tags": tags})


@given(st.text(max_size=40) | st.text('LabelTagRegex(`a", )&|!', max_size=60))
def test_any_text_is_an_expression_or_a_value_error(text):
    with suppress(ValueError):
        compile_constraints(text, by_tags=False)({})
