"""The loader: YAML as people mean it, TOML, and hostile text."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config import composer
from pointsman.config.load import MAX_DEPTH, dump_yaml, load_file, load_text
from pointsman.errors import ConfigError


def problem_of(text: str, name: str = "x.yml"):
    with pytest.raises(ConfigError) as caught:
        load_text(text, name)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "y", "N", "YES", "Off"])
def test_the_booleans_of_yaml_1_1_stay_text(word):
    assert load_text(f"a: {word}", "x.yml") == {"a": word}


@pytest.mark.parametrize(
    "word",
    ["1:30", "190:20:30", "2001-01-01", "2001-12-14t21:59:43.10-05:00", "010", "0x1F", "0o17", "1_000", "+5", "1.50", "1e3"],
)
def test_what_is_not_a_number_in_plain_decimal_form_stays_text_as_written(word):
    assert load_text(f"a: {word}", "x.yml") == {"a": word}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("0", 0),
        ("-7", -7),
        ("1.5", 1.5),
        ("-0.25", -0.25),
        ("", None),
        ("~", None),
        ("null", None),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(text, value):
    assert load_text(f"a: {text}", "x.yml") == {"a": value}
    assert type(load_text(f"a: {text}", "x.yml")["a"]) is type(value)


def test_quoted_words_are_text():
    assert load_text("""{a: "true", b: '5', c: "null", d: !!str 7}""", "x.yml") == {
        "a": "true",
        "b": "5",
        "c": "null",
        "d": "7",
    }


def test_keys_are_text_as_written():
    assert load_text("on: a\nno: b\n1: c\n01: d\ntrue: e\n~: f\n1.50: g", "x.yml") == {
        "on": "a", "no": "b", "1": "c", "01": "d", "true": "e", "~": "f", "1.50": "g",
    }  # fmt: skip


def test_a_key_given_twice_is_a_mistake_with_its_line():
    problem = problem_of("a:\n  b: 1\n  c: 2\n  b: 3\n")
    assert problem.path == "x.yml:4:3"
    assert "'b' is given twice" in problem.message


def test_anchors_and_merge_keys_work_and_own_keys_win():
    text = "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nmerged:\n  <<: [*b, *o]\n  x: 9\nsame: *b"
    assert load_text(text, "x.yml")["merged"] == {"x": 9, "y": 2, "z": 4}
    assert load_text(text, "x.yml")["same"] == {"x": 1, "y": 2}


def test_a_quoted_merge_key_is_a_key():
    assert load_text('"<<": 1', "x.yml") == {"<<": 1}


def test_a_bomb_of_aliases_is_refused():
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]" for n in range(20)]
    assert "aliases expand to more than" in problem_of("\n".join(lines)).message


def test_a_bomb_of_merges_is_refused(monkeypatch):
    monkeypatch.setattr(composer, "MAX_ALIASED", 100)
    text = "a: &a {" + ",".join(f"k{n}: 1" for n in range(60)) + "}\nb: {<<: *a}\nc: {<<: *a}"
    assert "more than 100 values" in problem_of(text).message


def test_an_alias_to_what_is_not_complete_is_refused():
    assert problem_of("a: &x [*x]").message == "the alias '*x' names nothing that is complete above it"


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "\n".join("  " * n + "a:" for n in range(500)), "- " * 5000])
def test_deep_nesting_is_refused(text):
    assert f"deeper than {MAX_DEPTH} levels" in problem_of(text).message


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: b: c", "x.yml:1:5", "a ':' stands where no key can be"),
        ("a:\n\tb: 1", "x.yml:2:1", "tabs do not indent"),
        ("a: 'x", "x.yml:1:6", "a closing quote is missing"),
        ("a: [1, 2", "x.yml:2:1", "a '[' list is not closed"),
        ("a: @x", "x.yml:1:4", "quote it"),
        ("a: !thing x", "x.yml:1:4", "the tag '!thing' means nothing here"),
        ("? [a]\n: b", "x.yml:1:3", "a key must be text"),
        ("a: 1\n---\nb: 2", "x.yml:3:1", "a second document begins here"),
        ("<<: 5", "x.yml:1:5", "merges a block"),
    ],
)
def test_a_syntax_error_tells_line_column_and_cause_in_plain_words(text, place, words):
    problem = problem_of(text)
    assert problem.path == place
    assert words in problem.message


def test_characters_that_no_text_holds_are_refused():
    assert "is not text that YAML allows" in problem_of("a: \x00").message
    assert "UTF-8" in problem_of("a: \ud800").message


@pytest.mark.parametrize("text", ["", "\n# only a comment\n", "---\n", "---\n---\n"])
def test_an_empty_text_is_none(text):
    assert load_text(text, "x.yaml") is None


@pytest.mark.parametrize("name", ["x.YML", "x.Yaml", "x.json", "x.JSON"])
@pytest.mark.spec("O-10")
def test_the_extension_decides_whatever_its_case(name):
    assert load_text('{"a": [1, true, null, "x"]}', name) == {"a": [1, True, None, "x"]}


@pytest.mark.parametrize("name", ["x.conf", "x", "x.yml.bak"])
@pytest.mark.spec("O-10")
def test_another_extension_is_refused(name):
    assert "unsupported file extension" in problem_of("a: 1", name).message


def test_toml_gives_the_same_tree_and_its_dates_stay_text():
    text = '[http.routers.r]\nrule = "x"\nday = 2001-01-01\nratio = 0.5\npi = 1.50\n[[list]]\na = 1\n[[list]]\na = 2\n'
    assert load_text(text, "x.toml") == {
        "http": {"routers": {"r": {"rule": "x", "day": "2001-01-01", "ratio": 0.5, "pi": "1.50"}}},
        "list": [{"a": 1}, {"a": 2}],
    }


@pytest.mark.parametrize(
    ("text", "place"), [("a = 1\nb = \n", "x.toml:2:5"), ("a = ", "x.toml:1:5"), ("a = 1\na = 2", "x.toml:2:6")]
)
def test_a_toml_error_tells_line_and_column(text, place):
    assert problem_of(text, "x.toml").path == place


@pytest.mark.parametrize("text", ["a = " + "[" * 20000, "a = " + "[" * 300 + "]" * 300, "a = " + "9" * 10000])
def test_hostile_toml_is_refused(text):
    assert problem_of(text, "x.toml").path.startswith("x.toml")


def test_a_file_is_read_as_utf_8_with_or_without_a_mark(tmp_path):
    file = tmp_path / "a.yml"
    file.write_bytes(b"\xef\xbb\xbfa: \xc3\xa9")
    assert load_file(file) == {"a": "é"}
    file.write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_file(file)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_file(tmp_path / "none.yml")


yaml_like = st.text(alphabet=st.sampled_from(list("ab01.:-,[]{}#&*!|>'\"%@`~?<\\ \n\t\x00é")), max_size=60) | st.text(
    max_size=60
)


@given(yaml_like)
def test_no_text_raises_anything_but_a_config_error(text):
    for name in ("x.yml", "x.toml"):
        with contextlib.suppress(ConfigError):
            load_text(text, name)


def test_json_may_be_written_as_yaml_allows_and_a_double_key_is_still_a_mistake():
    assert load_text('{"a": 1, # why not\n}', "x.json") == {"a": 1}
    assert "given twice" in problem_of('{"a": 1, "a": 2}', "x.json").message
    assert "levels" in problem_of("[" * 200 + "]" * 200, "x.json").message
    assert load_text('{"a": 1.50, "b": 9999999999999999999999}', "x.json") == {"a": "1.50", "b": "9999999999999999999999"}


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_json_is_read_as_json_reads_it(data):
    assert load_text(json.dumps(data), "x.json") == data


@given(plain)
def test_what_is_dumped_loads_as_itself(data):
    assert load_text(dump_yaml(data), "x.yml") == data
