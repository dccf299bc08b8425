"""What the table cannot say: places and words of errors, data, limits, and that nothing else ever comes out."""

import os
import re
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.dialect.gotemplate import FILE_FUNCTIONS, RULE_FUNCTIONS, Record, StringMap, Template, TemplateError, limits
from pointsman.dialect.gotemplate.lexer import Kind, tokens
from pointsman.dialect.gotemplate.printing import formatted, real_text, shown
from pointsman.dialect.gotemplate.values import Int64, Ints, Strings, identity, type_name


def made(text, data=False, functions=FILE_FUNCTIONS):
    return Template.parse(text, name="t.yml", functions=functions).render(data)


def wrong(text, data=False, functions=FILE_FUNCTIONS):
    with pytest.raises(TemplateError) as caught:
        made(text, data, functions)
    return str(caught.value)


def test_tokens_have_kinds_texts_and_places():
    found = [(token.kind, token.text, token.offset) for token in tokens("t", 'a {{- $x.b := 1.5 | f ".}}" -}} \n c')]

    assert found == [
        (Kind.TEXT, "a", 0),
        (Kind.LEFT, "{{", 2),
        (Kind.VARIABLE, "$x", 6),
        (Kind.FIELD, ".b", 8),
        (Kind.SPACE, " ", 10),
        (Kind.DECLARE, ":=", 11),
        (Kind.SPACE, " ", 13),
        (Kind.NUMBER, "1.5", 14),
        (Kind.SPACE, " ", 17),
        (Kind.PIPE, "|", 18),
        (Kind.SPACE, " ", 19),
        (Kind.WORD, "f", 20),
        (Kind.SPACE, " ", 21),
        (Kind.STRING, '".}}"', 22),
        (Kind.RIGHT, " -}}", 27),
        (Kind.TEXT, "c", 34),
        (Kind.END, "", 35),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\n\tb: {{ nope }}", "t.yml:2:8: the function 'nope' is not known; see the list of functions for its spelling"),
        ("été {{ $x }}", "t.yml:1:8: the variable $x is not defined here; declare it with ':='"),
        ("x\n{{ if true }}\ny\n", "t.yml:4:1: a block is not closed; end it with '{{end}}'"),
        ("{{ upper 5 }}", "t.yml:1:10: argument 1 of upper: wrong type: expected string, got int"),
        ("{{ 5 | upper }}", "t.yml:1:8: upper: wrong type: expected string, got int"),
        ("\n{{ index (list 1) 3 }}", "t.yml:2:4: index: index out of range: 3, of 1"),
        ('{{ template "b" }}{{ define "a" }}{{ end }}', "t.yml:1:4: the template 'b' is not defined; there are: 'a'"),
        ("{{ upper }}", "t.yml:1:4: upper: wrong number of arguments for upper: want 1, got 0"),
        ("{{/* x }}", "t.yml:1:1: the comment is not closed; end it with '*/}}'"),
        ("{{ (print 1 }}", "t.yml:1:13: a parenthesis is not closed; add ')'"),
        ("{{ print", "t.yml:1:1: the action is not closed; end it with '}}'"),
        ('{{ fail "no HOST" }}', "t.yml:1:4: fail: no HOST"),
        (
            "{{ range 1.5 }}{{ end }}",
            "t.yml:1:4: range can't iterate over 1.5 of type float64; give it a list, a dict or a number",
        ),
    ],
)
def test_an_error_says_where_it_stands_and_what_would_be_right(text, expected):
    assert wrong(text) == expected


def test_an_action_may_go_over_several_lines():
    assert made('{{ print\n  "a"\n  "b" }}') == "ab"


RULE_DATA = Record("struct", {"Name": "My_App", "ContainerName": "c", "Labels": StringMap({"dom": "a.org", "n.x": "1"})})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Host(`{{ normalize .Name }}`)", "Host(`My-App`)"),
        ('Host(`{{ index .Labels "dom" | default .Name }}`)', "Host(`a.org`)"),
        ('Host(`{{ index .Labels "missing" | default .Name }}`)', "Host(`My_App`)"),
        ('{{ index .Labels "missing" }}|{{ .Labels.missing }}|{{ .Labels.dom }}', "|<no value>|a.org"),
        ('{{ index .Labels "n.x" }}', "1"),
        ('{{ (split "_" .Name)._0 }}', "My"),
        ('{{ hasKey .Labels "dom" }} {{ get .Labels "x" }}|{{ .Labels }}', "true |map[dom:a.org n.x:1]"),
        ("{{ range $k, $v := .Labels }}{{ $k }}={{ $v }};{{ end }}", "dom=a.org;n.x=1;"),
        ("{{ with .Labels }}{{ .dom }} {{ $.Name }}{{ end }}", "a.org My_App"),
        ("{{ . }}", "{My_App c map[dom:a.org n.x:1]}"),
        ('{{ printf "%+v" . }}', "{Name:My_App ContainerName:c Labels:map[dom:a.org n.x:1]}"),
    ],
)
def test_a_rule_sees_the_fields_of_its_data(text, expected):
    assert made(text, RULE_DATA, RULE_FUNCTIONS) == expected


def test_a_field_that_does_not_exist_is_an_error_and_so_is_a_missing_label_where_text_is_wanted():
    assert wrong("{{ .Nope }}", RULE_DATA, RULE_FUNCTIONS).startswith(
        "t.yml:1:4: there is no field .Nope here; there are .Name,"
    )
    assert "no value where a string is expected" in wrong("{{ upper .Labels.x }}", RULE_DATA, RULE_FUNCTIONS)
    assert "int is not the index type" in wrong("{{ index .Labels 1 }}", RULE_DATA, RULE_FUNCTIONS)


@pytest.mark.parametrize("name", ["__class__", "fields", "type", "keys", "items", "__getitem__", "_blocks"])
def test_nothing_of_python_is_within_reach(name):
    assert "there is no field" in wrong(f"{{{{ .{name} }}}}", RULE_DATA)
    assert made(f"{{{{ (dict).{name} }}}}") == "<no value>"
    assert "can't evaluate field" in wrong(f'{{{{ $x := "a" }}}}{{{{ $x.{name} }}}}')
    assert "can't evaluate field" in wrong(f"{{{{ (list 1).{name} }}}}")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, "1"),
        (1e6, "1e+06"),
        (999999.0, "999999"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (-0.0, "-0"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
        (5e-324, "5e-324"),
    ],
)
def test_floats_are_as_short_as_they_can_be(value, expected):
    assert real_text(value) == expected
    assert shown(value) == expected


def test_types_are_those_of_go():
    values = [None, True, 1, Int64(1), 1.0, "a", [], Strings(), Ints(), {}, StringMap()]
    assert [type_name(value) for value in values] == [
        "<nil>", "bool", "int", "int64", "float64", "string",
        "[]interface {}", "[]string", "[]int", "map[string]interface {}", "map[string]string",
    ]  # fmt: skip
    assert identity(1) != identity(True)
    assert identity([1]) == identity([1])
    assert identity([1]) != identity(Ints([1]))
    assert identity(float("nan")) != identity(float("nan"))


def test_bytes_that_are_cut_apart_come_together_again():
    assert made('{{ $a := trunc 1 "é" }}{{ $b := substr 1 2 "é" }}{{ $a }}{{ $b }}{{ printf "%q" $a }}') == 'é"\\xc3"'


def test_the_environment_is_asked_at_every_rendering(monkeypatch):
    template = Template.parse('{{ env "PM_HOST" }}', name="t", functions=FILE_FUNCTIONS)
    monkeypatch.setenv("PM_HOST", "a")
    assert template.render(False) == "a"
    monkeypatch.setenv("PM_HOST", "b")
    assert template.render(False) == "b"
    monkeypatch.delenv("PM_HOST")
    assert template.render(False) == ""


def test_what_is_drawn_is_of_its_alphabet_and_never_the_same():
    assert re.fullmatch("[a-zA-Z0-9]{40}", made("{{ randAlphaNum 40 }}"))
    assert re.fullmatch("[0-9]{40}", made("{{ randNumeric 40 }}"))
    assert made("{{ uuidv4 }}") != made("{{ uuidv4 }}")
    assert made("{{ randAlpha 40 }}") != made("{{ randAlpha 40 }}")
    assert sorted(made('{{ shuffle "abc" }}')) == ["a", "b", "c"]


def test_now_is_now():
    assert abs(int(made("{{ now | unixEpoch }}")) - time.time()) < 5
    assert made("{{ ago now }}") == "0s"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? [+-]\d{4} \S+", made("{{ now }}"))


def test_passwords_are_hashed_with_bcrypt():
    bcrypt = pytest.importorskip("bcrypt")
    user, _, hashed = made('{{ htpasswd "joe" "secret" }}').partition(":")
    assert user == "joe"
    assert bcrypt.checkpw(b"secret", hashed.encode())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{ range until 100000 }}{{ range until 100000 }}a{{ end }}{{ end }}", "more than 1000000 steps"),
        ("{{ range 999999999999 }}{{ end }}", "more than 1000000 steps"),
        ('{{ $x := repeat 1000000 "a" }}{{ range 100 }}{{ $x }}{{ end }}', "grows beyond 16 Mi"),
        ('{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}', "a template that uses itself must end"),
        (
            '{{ define "a" }}{{ with 1 }}{{ range 1 }}{{ template "a" }}{{ end }}{{ end }}{{ end }}{{ template "a" }}',
            "must end",
        ),
        ('{{ $x := "aaaaaaaa" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}', "a value has more than 4 Mi"),
        ('{{ repeat 999999999 "a" }}', "a value has more than 4 Mi"),
        ('{{ indent 999999999 "a" }}', "a value has more than 4 Mi"),
        ('{{ nindent 9999 (repeat 9999 "\\n") }}', "a value has more than 4 Mi"),
        ('{{ replace "a" (repeat 9999 "b") (repeat 9999 "a") }}', "a value has more than 4 Mi"),
        ('{{ regexReplaceAll "a" (repeat 9999 "a") (repeat 9999 "b") }}', "a value has more than 4 Mi"),
        ("{{ until 100001 }}", "100001 elements are too many; 100000 are allowed"),
        ("{{ until -100001 }}", "are too many"),
        ("{{ seq 1 100001 }}", "are too many"),
        ("{{ untilStep 0 999999999999 1 }}", "are too many"),
        ("{{ randAlphaNum 100001 }}", "are too many"),
        ("{{ randBytes 100001 }}", "are too many"),
        ('{{ splitList "," (repeat 100001 ",") }}', "are too many"),
        ('{{ regexFindAll "a" (repeat 100001 "a") -1 }}', "takes too long"),
        ('{{ regexReplaceAll "a.*b|a" (repeat 100000 "a") "" }}', "takes too long"),
        ('{{ printf "%.9999d" (until 1000) }}', "a value has more than 4 Mi"),
        ("{{ $x := list 1 }}{{ range 10000 }}{{ $x = list $x }}{{ end }}", "more than 64 levels"),
        ('{{ $d := dict }}{{ $_ := set $d "a" $d }}{{ $d }}', "contains itself"),
        ("{{ " + "(" * 61 + "1" + ")" * 61 + " }}", "more than 60 blocks or parentheses"),
        ("{{ if true }}" * 61 + "{{ end }}" * 61, "more than 60 blocks or parentheses"),
    ],
)
def test_what_would_eat_the_machine_is_an_error(text, complaint):
    begin = time.monotonic()
    assert complaint in wrong(text)
    assert time.monotonic() - begin < 10


def test_what_takes_too_long_is_an_error(monkeypatch):
    monkeypatch.setattr(limits, "MAX_SECONDS", 0.0)
    assert "takes longer than 0 s" in wrong("{{ range 100 }}{{ end }}")


def test_what_moves_too_much_about_is_an_error(monkeypatch):
    monkeypatch.setattr(limits, "MAX_WORK", 1000)
    assert "moves more than" in wrong('{{ $x := repeat 100 "a" }}{{ range 100 }}{{ $y := upper $x }}{{ end }}')


def test_long_chains_of_else_and_many_definitions_are_fine():
    assert made("{{ if false }}" + "{{ else if false }}" * 2000 + "{{ else }}x{{ end }}") == "x"
    assert (
        made('{{ define "a" }}{{ if gt . 0 }}.{{ template "a" (sub . 1) }}{{ end }}{{ end }}{{ template "a" 140 }}')
        == "." * 140
    )


WORDS = r"""
{{ }} {{- -}} ( ) | := = , . $ $x .a .a.b "s" " `r` 'c' 1 -1 1.5 1e3 0x1F i if else end range with define template block
break continue nil true /* */ list dict print printf index len add join upper until eq and or default text \ é"""
MORE = [" ", "\n", "\0", "\udcff", "$i, $e := ", "{{ if 1 }}", "{{ end }}", '{{ define "x" }}', '{{ template "x" . }}']
PIECES = st.sampled_from([*WORDS.split(), *MORE])


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map("".join), st.lists(PIECES, max_size=25).map(" ".join))
)
def test_any_text_is_a_template_or_a_template_error(text):
    with suppress(TemplateError):
        assert isinstance(made(text), str)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


SLOW = {"getHostByName", "bcrypt", "htpasswd"}


@settings(max_examples=60, deadline=None)
@given(st.data())
@pytest.mark.parametrize("name", sorted(set(RULE_FUNCTIONS) - SLOW))
def test_a_function_gives_a_value_or_a_template_error_whatever_it_gets(name, data):
    """That nothing but TemplateError comes out holds by construction; here that it is not our fault."""
    function = RULE_FUNCTIONS[name]
    most = len(function.parameters) + (2 if function.rest else 0)
    kinds = [function.kind(place) for place in range(data.draw(st.integers(len(function.parameters), most)))]
    plain = {"string": st.text(max_size=12), "int": st.integers(-30, 30), "bool": st.booleans(), "float": st.floats()}
    given_values = [data.draw(plain.get(kind, VALUES)) for kind in kinds]
    words = " ".join(f".v{number}" for number in range(len(kinds)))
    template = Template.parse(f"{{{{ {name} {words} }}}}", name="t", functions=RULE_FUNCTIONS)
    values = {f"v{number}": value for number, value in enumerate(given_values)}
    assert "cannot work on these arguments" not in outcome(template, values)


def outcome(template, values):
    """What it prints, or what is wrong."""
    try:
        text = template.render(values)
        text.encode("utf-8", "surrogateescape")
    except TemplateError as error:
        text = str(error)
    return text


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="%[]0123456789.*+-# dsvqxXtTfgeEcUbo!", max_size=12), st.lists(VALUES, max_size=3))
def test_printf_takes_any_format(text, values):
    assert isinstance(formatted(text, values), str)


def test_addresses_of_names_are_looked_up():
    assert made('{{ getHostByName "localhost" }}') in ("127.0.0.1", "::1")
    assert "no address is known" in wrong('{{ getHostByName "a..b" }}')


def test_expandenv_writes_values_in_place_of_names(monkeypatch):
    monkeypatch.setenv("PM_A", "1")
    monkeypatch.delenv("PM_B", raising=False)
    assert made('{{ expandenv "$PM_A-${PM_A}x$PM_B|$" }}') == "1-1x|$"
    assert "PM_B" not in os.environ
