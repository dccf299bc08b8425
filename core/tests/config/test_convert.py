"""The converter: strict, every mistake at once, each with its path."""

from typing import Any, Literal, Optional

import pytest
from attrs import Factory, field, frozen
from attrs.validators import ge, matches_re
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.convert import misshapen, structure
from pointsman.config.plain import unstructure
from pointsman.errors import ConfigError, Problem
from pointsman.values import Duration, FileOrContent, Secret, Url, allow_empty, option


@frozen
class Inner:
    path: str = ""
    interval: Duration = Duration(30.0)


@frozen
class Outer:
    amount: int = field(default=1, validator=ge(1))
    max_body_size: int = field(default=1, validator=ge(1))
    ratio: float = 1.0
    enabled: bool = False
    block: Inner | None = None
    switch: Inner | None = allow_empty(default=None)
    always: Inner = Factory(Inner)
    words: list[str] = Factory(list)
    numbers: tuple[int, ...] = ()
    inners: list[Inner] = Factory(list)
    headers: dict[str, str] = Factory(dict)
    named: dict[str, Inner] = Factory(dict)
    token: Secret = field(default=Secret(""), validator=matches_re("[a-z]*"))
    tokens: dict[str, Secret] = Factory(dict)
    root_cas: list[FileOrContent] = option("rootCAs", factory=list)
    where: Url = field(default=Url(""))
    mode: Literal["keep", "drop"] = "keep"
    version: Literal[1, 2] = 2
    maybe: Optional[int] = None  # noqa: UP045 - the older spelling is understood too
    free: Any = None
    global_: int = 0


def made(raw: Any) -> Outer:
    value, problems = structure(Outer, raw, "http.x")
    assert problems == []
    assert value is not None
    return value


def problems(raw: Any) -> list[str]:
    value, found = structure(Outer, raw, "http.x")
    assert value is None
    assert all(type(problem) is Problem for problem in found)
    return [str(problem) for problem in found]


def test_keys_are_compared_without_case_and_camel_case_means_snake_case():
    assert made({"MAXBODYSIZE": 5, "rootcas": ["p"], "Global": 3}) == Outer(
        max_body_size=5, root_cas=[FileOrContent("p")], global_=3
    )


def test_map_keys_keep_their_case():
    assert list(made({"headers": {"X-Foo": "1", "x-foo": "2"}}).headers) == ["X-Foo", "x-foo"]


def test_snake_case_is_not_the_dialect_and_the_right_key_is_named():
    assert problems({"max_body_size": 5}) == [
        "http.x: unknown key 'max_body_size' (field not found, node: max_body_size); did you mean 'maxBodySize'?"
    ]


def test_one_key_in_two_spellings_is_refused():
    assert problems({"Amount": 2, "AMOUNT": 3}) == ["http.x.amount: is given twice, as 'Amount' and as 'AMOUNT'"]


def test_null_is_absent():
    assert made({"amount": None, "switch": None, "headers": {"a": None, "b": "c"}, "words": ["x", None]}) == Outer(
        headers={"b": "c"}, words=["x"]
    )


@pytest.mark.spec("O-12")
def test_an_empty_block_is_refused_where_it_may_not_be():
    (message,) = problems({"block": {}})
    assert message.startswith("http.x.block: block cannot be a standalone element")
    assert problems({"headers": {}})[0].startswith("http.x.headers: headers cannot be a standalone element")


@pytest.mark.spec("R-37", "O-11")
@pytest.mark.parametrize("raw", [{}, True, "true", "TRUE"])
def test_a_block_that_may_be_empty_is_switched_on(raw):
    assert made({"switch": raw}).switch == Inner()


@pytest.mark.spec("R-37", "O-11")
@pytest.mark.parametrize("raw", [False, "false", "no", None])
def test_a_block_that_may_be_empty_is_switched_off(raw):
    assert made({"switch": raw}).switch is None


def test_other_blocks_have_no_switch():
    assert problems({"block": True}) == ["http.x.block: expected a block of options, got true"]


def test_map_entries_may_be_empty():
    assert made({"named": {"a": {}}}).named == {"a": Inner()}


def test_the_outermost_block_may_be_empty_unless_told():
    assert structure(Outer, {}, "x") == (Outer(), [])
    assert structure(Outer, True, "x") == (Outer(), [])
    assert structure(Outer, False, "x") == (None, [])
    value, found = structure(Outer, {}, "http.middlewares.m.retry", allow_empty=False)
    assert value is None
    assert "cannot be a standalone element" in found[0].message


@pytest.mark.spec("O-16")
def test_a_scalar_list_is_split_on_commas_and_items_of_a_list_are_not():
    assert made({"words": "10.0.0.1, 10.0.0.2"}).words == ["10.0.0.1", "10.0.0.2"]
    assert made({"words": ["a,b"]}).words == ["a,b"]
    assert made({"words": 5}).words == ["5"]
    assert made({"words": ""}).words == []
    assert made({"numbers": "1, 2"}).numbers == (1, 2)


def test_a_list_of_blocks_is_not_text():
    assert problems({"inners": "a"}) == ["http.x.inners: expected a list of blocks, got text"]
    assert problems({"inners": {"path": "x"}}) == ["http.x.inners: expected a list, got a block"]


def test_every_mistake_is_told_with_its_path():
    assert problems(
        {
            "amount": 0,
            "maxBodySize": -1,
            "enabled": "yes",
            "block": {"interval": "5x", "pth": "/"},
            "inners": [{}, {"interval": 1.5}],
            "named": {"One": {"paht": 1}},
            "headers": {"a": []},
            "mode": "dorp",
            "version": "3",
        }
    ) == [
        "http.x.enabled: expected true or false, got 'yes'",
        "http.x.block.interval: expected a duration such as 10s or 1h2m3.5s, got '5x'",
        "http.x.block: unknown key 'pth' (field not found, node: pth); did you mean 'path'?",
        "http.x.inners[1].interval: expected a duration such as 10s or 1h2m3.5s, got 1.5",
        "http.x.named.One: unknown key 'paht' (field not found, node: paht); did you mean 'path'?",
        "http.x.headers.a: expected text, got a list",
        "http.x.mode: expected one of keep, drop, got 'dorp'; did you mean 'drop'?",
        "http.x.version: expected one of 1, 2, got '3'",
        "http.x.amount: 'amount' must be >= 1: 0",
        "http.x.maxBodySize: 'maxBodySize' must be >= 1: -1",
    ]


@pytest.mark.parametrize("raw", [1, "1"])
def test_a_literal_may_be_written_as_its_text(raw):
    assert made({"version": raw}).version == 1


def test_a_literal_is_not_a_boolean_in_disguise():
    assert problems({"version": True})


def test_secrets_are_in_no_message():
    value = "Tr0ub4dor&3"
    found = problems({"token": value, "tokens": {"a": [value]}, "rootCAs": [{value: value}], "amount": "x"})
    assert len(found) == 4
    assert all(value not in message for message in found)
    assert "REDACTED" in " ".join(found)
    assert all(value not in message for message in problems({"tokens": value, "block": value}))


def test_only_shape_is_told_where_only_shape_matters():
    raw = {"amount": 0, "mode": "dorp", "foo": 1, "enabled": "yes"}
    assert [problem.path for problem in misshapen(Outer, raw, "x")] == ["x", "x.enabled"]
    assert misshapen(Outer, {"amount": 0, "mode": "dorp"}, "x") == []


@frozen
class Required:
    amount: int = field(validator=ge(1))
    limit: int = 1

    def __attrs_post_init__(self) -> None:
        if self.limit > 9:
            raise ConfigError(Problem("limit", "is too high"))
        if self.limit > 5:
            raise ZeroDivisionError("odd")


def test_a_required_field_is_named():
    assert structure(Required, {}, "x")[1] == [Problem("x.amount", "is required")]
    assert structure(Required, {"limit": "a"}, "x")[1] == [
        Problem("x.limit", "expected a whole number without a unit, got 'a'"),
        Problem("x.amount", "is required"),
    ]


def test_what_a_class_says_itself_is_told():
    assert structure(Required, {"amount": 1, "limit": 10}, "x")[1] == [Problem("x.limit", "is too high")]
    assert structure(Required, {"amount": 1, "limit": 6}, "x")[1] == [Problem("x", "ZeroDivisionError: odd")]


@frozen
class Tree:
    name: str = ""
    children: list["Tree"] = Factory(list)


def test_a_class_may_hold_itself():
    assert structure(Tree, {"children": [{"name": "a"}]}) == (Tree("", [Tree("a")]), [])


@frozen
class Odd:
    when: complex = 0j


def test_an_annotation_that_is_not_listed_is_the_class_s_mistake():
    with pytest.raises(TypeError, match="cannot be of type"):
        structure(Odd, {"when": 1})


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.binary(max_size=3)
    | st.just(object()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([each.name.replace("_", "") for each in Outer.__attrs_attrs__])
            | st.text(max_size=5)
            | st.none()
            | st.integers(),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(anything)
def test_no_data_makes_the_converter_raise(raw):
    value, found = structure(Outer, raw, "x")
    assert (value is None) or not found
    if value is not None:
        assert unstructure(value) is not None


def test_back_to_plain_data_in_the_dialect_s_spelling():
    outer = made(
        {"switch": {}, "token": "abc", "rootCAs": ["p"], "tokens": {"a": "b", "c": ""}, "inners": [{"interval": 90}]}
    )
    assert unstructure(outer) == {
        "amount": 1,
        "maxBodySize": 1,
        "ratio": 1.0,
        "enabled": False,
        "switch": {"path": "", "interval": "30s"},
        "always": {"path": "", "interval": "30s"},
        "words": [],
        "numbers": [],
        "inners": [{"path": "", "interval": "1m30s"}],
        "headers": {},
        "named": {},
        "token": "REDACTED",
        "tokens": {"a": "REDACTED", "c": ""},
        "rootCAs": ["REDACTED"],
        "where": "",
        "mode": "keep",
        "version": 2,
        "global": 0,
    }


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://a.test/x?y=1@2:3", "http://a.test/x?y=1@2:3"),
        ("http://bob@a.test/", "http://bob@a.test/"),
        ("http://bob:hush@a.test:80/", "http://bob:REDACTED@a.test:80/"),
        ("http://:hu@sh@a.test", "http://:REDACTED@a.test"),
        ("http://bob:hu/sh@a.test:80/", "http://bob:REDACTED@a.test:80/"),
        ("http://bob:hu?s#h@a.test", "http://bob:REDACTED@a.test"),
        ("http://a.test:80/x@y", "http://a.test:80/x@y"),
        ("http://[::1]:80/x:y@z", "http://[::1]:80/x:y@z"),
        ("http://a.test:/x@y", "http://a.test:/x@y"),
    ],
)
def test_a_url_is_shown_without_its_password(url, shown):
    assert unstructure(Outer(where=Url(url)))["where"] == shown


def test_empty_fields_may_be_left_out_and_blocks_stay():
    assert unstructure(Outer(switch=Inner(interval=Duration(0.0))), omit_empty=True) == {
        "amount": 1,
        "maxBodySize": 1,
        "ratio": 1.0,
        "switch": {},
        "always": {"interval": "30s"},
        "mode": "keep",
        "version": 2,
    }


def test_what_is_printed_reads_as_itself():
    outer = made(
        {"amount": 3, "words": ["a"], "headers": {"A": "b"}, "named": {"x": {"interval": "1m"}}, "free": {"a": [1]}}
    )
    printed = {key: value for key, value in unstructure(outer).items() if value != {}}
    assert made(printed) == outer
