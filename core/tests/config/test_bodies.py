"""Documents that come as text over HTTP."""

import json

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.bodies import known_part, read_json, read_yaml
from pointsman.config.dynamic import structure_document
from pointsman.errors import ConfigError


@frozen
class Inner:
    wall_seconds: int = 0


@frozen
class GateConfig:
    open: bool = True
    inner: Inner | None = None
    rows: list[Inner] = field(factory=list)
    named: dict[str, Inner] = field(factory=dict)
    free: dict[str, str] = field(factory=dict)


class Gate:
    name = "gateKeeper"
    Config = GateConfig


KINDS = {"gateKeeper": Gate}


def known(document):
    return known_part(document, KINDS, {})


@pytest.mark.parametrize(
    ("data", "document"),
    [
        (b"", {}),
        (b"# nothing\n", {}),
        (b"\xef\xbb\xbfhttp: {routers: {}}", {"http": {"routers": {}}}),
        (b'{"http": {"routers": {}}}', {"http": {"routers": {}}}),
        (b'{"http": {"routers": {}},}', {"http": {"routers": {}}}),
        (b"{http: {routers: {}}} # flow", {"http": {"routers": {}}}),
    ],
)
def test_yaml_and_json_are_read_alike(data, document):
    assert read_yaml(data, "x") == document


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"http: [}", "http://a/x:1:8"),
        (b'{"http": [}', "http://a/x:1:11"),
        (b"\xff", "http://a/x"),
        (b"a: \x00", "http://a/x"),
    ],
)
def test_a_mistake_is_named_by_where_it_came_from(data, place):
    with pytest.raises(ConfigError) as caught:
        read_yaml(data, "http://a/x")

    assert [problem.path for problem in caught.value.problems] == [place]


@given(st.binary())
def test_any_bytes_are_a_document_or_a_mistake(data):
    for read in (lambda: read_yaml(data, "x"), lambda: read_json(data)):
        try:
            known(read())
        except ConfigError:
            continue


@pytest.mark.parametrize(
    ("document", "kept"),
    [
        ({"x": 1, "http": {}}, {"http": {}}),
        ({"http": {"x": 1, "routers": {}}}, {"http": {"routers": {}}}),
        ({"HTTP": {"Routers": {"r": {"RULE": "a", "x": 1}}}}, {"HTTP": {"Routers": {"r": {"RULE": "a"}}}}),
        (
            {"http": {"services": {"s": {"loadBalancer": {"servers": [{"url": "http://a", "x": 1}], "x": 1}}}}},
            {"http": {"services": {"s": {"loadBalancer": {"servers": [{"url": "http://a"}]}}}}},
        ),
        ({"tls": {"certificates": [{"certFile": "a", "x": 1}]}}, {"tls": {"certificates": [{"certFile": "a"}]}}),
        ({"http": {"middlewares": {"m": {"nobodys": {"x": 1}}}}}, {"http": {"middlewares": {"m": {"nobodys": {"x": 1}}}}}),
        (
            {"http": {"middlewares": {"m": {"GateKeeper": {"x": 1, "inner": {"wallSeconds": 1, "x": 1}}}}}},
            {"http": {"middlewares": {"m": {"GateKeeper": {"inner": {"wallSeconds": 1}}}}}},
        ),
        (
            {"http": {"middlewares": {"m": {"plugin": {"gateKeeper": {"x": 1, "rows": [{"x": 1}], "open": True}}}}}},
            {"http": {"middlewares": {"m": {"plugin": {"gateKeeper": {"rows": [{}], "open": True}}}}}},
        ),
        (
            {"http": {"middlewares": {"m": {"gateKeeper": {"named": {"any": {"x": 1}}, "free": {"any": "y"}}}}}},
            {"http": {"middlewares": {"m": {"gateKeeper": {"named": {"any": {}}, "free": {"any": "y"}}}}}},
        ),
        (5, 5),
        ({"http": 5, "tcp": None}, {"http": 5, "tcp": None}),
        ({"http": {"routers": [1], "middlewares": {"m": 5}}}, {"http": {"routers": [1], "middlewares": {"m": 5}}}),
    ],
)
def test_what_nobody_knows_is_left_out_and_what_is_wrong_stays(document, kept):
    assert known(document) == kept


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["http", "routers", "services", "middlewares", "gateKeeper", "rows", "x", "rule", "tls"]), inner
        )
    ),
    max_leaves=20,
)


@given(PLAIN)
def test_no_unknown_key_is_left_in_any_document(document):
    _, problems = structure_document(known(document), KINDS)

    assert not [problem for problem in problems if "unknown key" in problem.message]


@given(PLAIN)
def test_json_is_read_as_it_was_written(document):
    assert read_json(json.dumps(document).encode()) == (document if document is not None else {})
