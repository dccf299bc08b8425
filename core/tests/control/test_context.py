"""What providers may ask of the kernel."""

import pytest

from pointsman.control.context import Context
from pointsman.errors import ConfigError


def context():
    return Context("here", {})


def test_a_document_of_yaml_has_all_sections_so_that_what_is_missing_is_cleared():
    document, problems = context().from_yaml(b"HTTP: {Routers: {r: {rule: x}}}", "there")

    assert document["http"]["routers"] == {"r": {"rule": "x"}}
    assert document["tls"]["certificates"] == []
    assert document["udp"]["services"] == {}
    assert problems == []


def test_of_yaml_unknown_keys_refuse_all_and_of_json_they_are_left_out():
    with pytest.raises(ConfigError) as caught:
        context().from_yaml(b"http: {routers: {r: {rule: x, foo: 1}}}", "there")
    assert [problem.path for problem in caught.value.problems] == ["there: http.routers.r"]

    assert context().from_json(b'{"http": {"routers": {"r": {"rule": "x", "foo": 1}}}}') == (
        {"http": {"routers": {"r": {"rule": "x"}}}},
        [],
    )


def test_wrong_types_refuse_all():
    with pytest.raises(ConfigError, match=r"^there: http: expected a block"):
        context().from_yaml(b"http: 5", "there")
    with pytest.raises(ConfigError, match=r"^http: expected a block"):
        context().from_json(b'{"http": 5}')
    with pytest.raises(ConfigError, match=r"^there: expected a block"):
        context().from_yaml(b"[1]", "there")


def test_a_name_with_an_at_sign_is_a_warning():
    document, (problem,) = context().from_yaml(b"http: {routers: {a@b: {rule: x}}}", "there")
    assert (problem.path, problem.warning) == ("there: http.routers.a@b", True)
    assert document["http"]["routers"] == {}

    _, (problem,) = context().from_json(b'{"http": {"routers": {"a@b": {"rule": "x"}}}}')
    assert (problem.path, problem.warning) == ("http.routers.a@b", True)
