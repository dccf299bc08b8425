"""What requests are counted under."""

import pytest

from pointsman.config.convert import structure
from pointsman.dialect.sources import SourceCriterionConfig, remote_address, request_host, source
from pointsman.errors import ConfigError
from pointsman.testing import a_request


def by(criterion, default=remote_address):
    config, problems = structure(SourceCriterionConfig, criterion)
    assert problems == []
    return source(config, default)


def test_the_default_is_whoever_says_so():
    assert source(None, remote_address)(a_request(client="192.0.2.1")) == b"192.0.2.1"
    assert source(None, request_host)(a_request(url="http://a.example/")) == b"a.example"
    assert by({"requestHost": False}, request_host) is request_host


def test_a_host_is_one_source_however_it_is_written():
    keys = {by({"requestHost": True})(a_request(url=url)) for url in ("http://A.example", "http://a.example:8080")}
    assert keys == {b"a.example"}


def test_the_first_value_of_a_header_and_all_without_it_are_one_source():
    key = by({"requestHeaderName": "X-Who"})
    assert key(a_request(headers={"X-Who": ["a", "b"]})) == b"a"
    assert key(a_request()) == key(a_request(headers={"X-Who": ""})) == b""
    assert by({"requestHeaderName": "host"})(a_request(url="http://a.example/")) == b"a.example"


def test_the_address_that_a_strategy_chooses():
    headers = {"X-Forwarded-For": "1.1.1.1, 2.2.2.2"}
    assert by({"ipStrategy": {"depth": 2}})(a_request(headers=headers)) == b"1.1.1.1"
    assert by({"ipStrategy": {}}, request_host)(a_request(client="192.0.2.1")) == b"192.0.2.1"
    assert by({"ipStrategy": {"depth": 1}})(a_request(headers=[(b"x-forwarded-for", b"\xff")])) == b"\xff"


@pytest.mark.parametrize(
    ("criterion", "names"),
    [
        ({"ipStrategy": {"depth": 1}, "requestHost": True}, "iPStrategy and RequestHost"),
        ({"ipStrategy": {"depth": 1}, "requestHeaderName": "X"}, "iPStrategy and RequestHeaderName"),
        ({"requestHost": True, "requestHeaderName": "X"}, "requestHost and requestHeaderName"),
    ],
)
def test_there_is_one_criterion(criterion, names):
    with pytest.raises(ConfigError, match=f"{names} are mutually exclusive"):
        by(criterion)


def test_a_header_has_a_name():
    with pytest.raises(ConfigError, match="no name of a header"):
        by({"requestHeaderName": "X Who"})
