"""What TCP rules match, and what is refused (routing.md §3.5, §3.6)."""

import pytest

from pointsman.builtin.tcp_matchers import TCP_MATCHERS, TCP_MATCHERS_V2
from pointsman.message import Address, Facts
from pointsman.routing.rules import parse
from pointsman.routing.syntax import RuleError

KNOWN = {matcher.name: matcher for matcher in TCP_MATCHERS}
HERE = Address("127.0.0.1", 443)


def facts(name=b"", alpn=(), client="10.0.0.1"):
    return Facts(Address(client, 40000), HERE, name, tuple(alpn))


@pytest.mark.parametrize(
    ("rule", "name", "expected"),
    [
        ("HostSNI(`a.test`)", b"a.test", True),
        ("HostSNI(`A.Test.`)", b"a.test", True),
        ("HostSNI(`a.test`)", b"b.a.test", False),
        ("HostSNI(`a.test`)", b"", False),
        ("HostSNI(`*`)", b"", True),
        ("HostSNI(`*`)", b"any.test", True),
        ("HostSNI(`*.x.test`)", b"a.x.test", True),
        ("HostSNI(`*.x.test`)", b"a.b.x.test", False),
        ("HostSNI(`*.x.test`)", b"x.test", False),
        ("HostSNI(`*.x.test`)", b".x.test", False),
        ("HostSNIRegexp(`^a[0-9]+\\.test$`)", b"a12.test", True),
        ("HostSNIRegexp(`A`)", b"a.test", False),
        ("HostSNIRegexp(`^$`)", b"", True),
        ("!HostSNI(`a.test`)", b"b.test", True),
        ("HostSNI(`a.test`) || HostSNI(`b.test`)", b"b.test", True),
    ],
)
def test_a_server_name_is_matched(rule, name, expected):
    assert parse(rule, KNOWN).predicate(facts(name)) is expected


def test_addresses_and_protocols_are_matched():
    assert parse("ClientIP(`10.0.0.0/8`)", KNOWN).predicate(facts())
    assert not parse("ClientIP(`10.0.0.2`)", KNOWN).predicate(facts())
    assert parse("ClientIP(`10.0.0.1`)", KNOWN).predicate(facts(client="::ffff:10.0.0.1"))
    assert parse("ALPN(`h2`)", KNOWN).predicate(facts(alpn=[b"http/1.1", b"h2"]))
    assert not parse("ALPN(`h2`)", KNOWN).predicate(facts(alpn=[b"http/1.1"]))


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("HostSNI(`a_b!`)", "is not a valid hostname"),
        ("HostSNI(`*a.test`)", "is not a valid hostname"),
        ("HostSNI(`a.test`, `b.test`)", "unexpected number of parameters"),
        ("HostSNIRegexp(`é`)", "not ASCII"),
        ("HostSNIRegexp(`(`)", "missing"),
        ("ClientIP(`nobody`)", "neither an IP address nor a CIDR range"),
        ("ALPN(`acme-tls/1`)", "'acme-tls/1' is not allowed"),
        ("Host(`a.test`)", "did you mean 'HostSNI'"),
    ],
)
def test_what_cannot_be_meant_is_refused(rule, reason):
    with pytest.raises(RuleError, match=reason):
        parse(rule, KNOWN)


@pytest.mark.parametrize(
    ("rule", "name", "expected"),
    [
        ("HostSNI(`a.test`, `b.test`)", b"b.test", True),
        ("HostSNI(`a.test`, `*`)", b"", True),
        ("HostSNIRegexp(`{sub:[a-z]+}.test`)", b"abc.test", True),
        ("HostSNIRegexp(`{sub}.TEST`)", b"abc.test", True),
        ("HostSNIRegexp(`{sub}.test`)", b"a.b.test", False),
        ("HostSNIRegexp(`{sub}.test`)", b"abc.test.org", False),
    ],
)
def test_v2_has_lists_and_templates(rule, name, expected):
    assert parse(rule, TCP_MATCHERS_V2).predicate(facts(name)) is expected


def test_v2_has_no_wildcards():
    with pytest.raises(RuleError, match="is not a valid hostname"):
        parse("HostSNI(`*.a.test`)", TCP_MATCHERS_V2)


def test_each_says_what_the_connection_has_in_place_of_what_was_asked():
    said = [matcher.explain(facts(b"a.test", [b"h2"])) for matcher in TCP_MATCHERS]

    assert said[0] == "the client asks for 'a.test'"
    assert said[2:] == ["the client's address is '10.0.0.1'", "the client offers h2"]
    assert TCP_MATCHERS[0].explain(facts()) == "the client names no server"
