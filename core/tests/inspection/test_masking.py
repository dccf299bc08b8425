"""Whatever lets somebody in is masked; a dump for strangers says neither hosts nor addresses."""

import pytest

from pointsman.inspection.masking import anonymous, masked


@pytest.mark.parametrize(
    "name", ["Authorization", "Proxy-Authorization", "X-Api-Key", "x-auth-token", "Cookie", "Set-Cookie"]
)
def test_values_of_headers_that_let_somebody_in_are_masked(name):
    shown = masked({"headers": {"customRequestHeaders": {name: "hush", "X-Shop": "7"}}})

    assert shown == {"headers": {"customRequestHeaders": {name: "REDACTED", "X-Shop": "7"}}}


def test_options_that_only_sound_like_secrets_stay():
    plain = {"forwardAuth": {"authResponseHeaders": ["X-Auth-User"], "address": "http://a.test", "sessionTimeout": "1s"}}

    assert masked(plain) == plain


def test_an_emptied_header_is_shown_as_such():
    assert masked({"customRequestHeaders": {"Authorization": ""}}) == {"customRequestHeaders": {"Authorization": ""}}


def test_passwords_in_urls_are_masked():
    assert masked({"address": "http://me:hush@a.test:80/x@y"}) == {"address": "http://me:REDACTED@a.test:80/x@y"}
    assert masked({"address": "http://a.test/x@y"}) == {"address": "http://a.test/x@y"}


def test_a_dump_keeps_structure_numbers_durations_and_words_of_the_dialect():
    plain = {
        "loadBalancer": {"servers": [{"url": "http://10.0.0.1"}], "strategy": "wrr", "passHostHeader": True},
        "healthCheck": {"interval": "1m0s", "path": "/health", "port": 8080},
        "serverStatus": {"http://10.0.0.1": "UP"},
    }

    assert anonymous(plain) == {
        "loadBalancer": {"servers": [{"url": "xxxx"}], "strategy": "wrr", "passHostHeader": True},
        "healthCheck": {"interval": "1m0s", "path": "xxxx", "port": 8080},
        "serverStatus": {"xxxx": "UP"},
    }


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ("Host(`a.test`) && !PathPrefix(`/x`)", "Host(xxxx) && !PathPrefix(xxxx)"),
        ("Header('X-A', 'hush') || Host(\"b\")", "Header(xxxx, xxxx) || Host(xxxx)"),
        ("the rule Host(`a.test`) of shop.example", "xxxx"),
        ("shop.example", "xxxx"),
    ],
)
def test_of_a_rule_only_the_functions_stay(rule, shown):
    assert anonymous(rule) == shown
