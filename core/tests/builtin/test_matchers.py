"""The HTTP matchers (routing.md §3.3) and those of v2 (§3.5)."""

import pytest

from pointsman.api import Predicate
from pointsman.builtin.matchers import MATCHERS
from pointsman.plugins import load_registry
from pointsman.routing.rules import parse
from pointsman.routing.syntax import RuleError
from pointsman.routing.v2 import parse_v2
from pointsman.testing import a_request

KNOWN = {matcher.name: matcher for matcher in MATCHERS}


def rule(text: str) -> Predicate:
    return parse(text, KNOWN).predicate


def on(host: str) -> str:
    return f"http://{host}/"


def test_the_matchers_come_by_their_hook():
    assert set(load_registry(entry_point_plugins=False).matchers) >= KNOWN.keys()


@pytest.mark.parametrize("text", ["Host(`a.ex`)", "Host(`A.EX`)", "Host(`a.ex.`)", "Host(`a.ex`) || Path(`/nope`)"])
def test_a_host_is_compared_without_case_and_trailing_dot(text: str):
    assert rule(text)(a_request(url=on("a.ex")))
    assert rule(text)(a_request(url=on("a.ex.")))
    assert not rule(text)(a_request(url=on("b.ex")))
    assert not rule(text)(a_request(url=on("x.a.ex")))


@pytest.mark.spec("R-14")
@pytest.mark.parametrize(
    ("host", "matches"),
    [("a.ex.test", True), ("a.ex.test.", True), ("ex.test", False), ("a.b.ex.test", False), (".ex.test", False)],
)
def test_a_wildcard_host_is_exactly_one_label(host: str, matches: bool):
    request = a_request()
    request.host = host.encode()
    assert rule("Host(`*.ex.test`)")(request) is matches


@pytest.mark.spec("R-15")
def test_a_bare_star_is_every_host_and_none():
    for host in (b"a", b"", b"::1"):
        request = a_request()
        request.host = host
        assert rule("Host(`*`)")(request)


@pytest.mark.parametrize("name", ["h:8080", "[::1]", "*x.y", "a*.x", "*."])
def test_odd_host_names_parse_and_never_match(name: str):
    assert not rule(f"Host(`{name}`)")(a_request(url="http://h:8080/"))


def test_an_ipv6_host_is_written_without_brackets():
    assert rule("Host(`::1`)")(a_request(url="http://[::1]:80/"))


@pytest.mark.spec("R-21")
def test_a_host_pattern_sees_the_lower_case_host():
    assert not rule("HostRegexp(`EX`)")(a_request(url=on("ex.test")))
    assert rule("HostRegexp(`^ex\\.`)")(a_request(url=on("ex.test")))
    with pytest.raises(RuleError, match="not ASCII"):
        rule("HostRegexp(`é`)")


@pytest.mark.spec("R-16")
@pytest.mark.parametrize(
    ("path", "matches"), [("/p", True), ("/%70", True), ("//p", True), ("/a/../p", True), ("/p/", False), ("/P", False)]
)
def test_a_path_is_compared_in_its_canonical_form(path: str, matches: bool):
    assert rule("Path(`/p`)")(a_request(url=f"http://a{path}")) is matches


@pytest.mark.spec("R-17")
def test_reserved_characters_stay_encoded_and_others_do_not():
    assert rule("Path(`/a%2Fb`)")(a_request(url="http://a/a%2fb"))
    assert not rule("Path(`/a%2Fb`)")(a_request(url="http://a/a/b"))
    assert not rule("Path(`/a%2fb`)")(a_request(url="http://a/a%2fb"))
    assert rule("Path(`/foo bar`)")(a_request(url="http://a/foo%20bar"))
    assert not rule("Path(`/foo%20bar`)")(a_request(url="http://a/foo%20bar"))
    assert rule("Path(`/é`)")(a_request(url="http://a/%C3%A9"))


@pytest.mark.spec("R-18")
def test_a_prefix_knows_no_segments():
    assert rule("PathPrefix(`/pp`)")(a_request(url="http://a/ppx"))
    assert not rule("PathPrefix(`/pp`)")(a_request(url="http://a/p"))


def test_a_path_pattern_does_not_see_the_query():
    assert rule("PathRegexp(`^/a$`)")(a_request(url="http://a/a?b"))


def test_a_method_is_upper_case_on_the_wire():
    assert rule("Method(`get`)")(a_request("GET"))
    assert not rule("Method(`GET`)")(a_request("get"))


@pytest.mark.spec("R-19")
def test_a_header_line_is_compared_whole():
    test = rule("Header(`x-foo`,`bar`)")
    assert test(a_request(headers={"X-FOO": "bar"}))
    assert not test(a_request(headers={"X-Foo": "a, bar"}))
    assert not test(a_request(headers={"X-Foo": "Bar"}))
    assert test(a_request(headers={"X-Foo": ["z", "bar"]}))


@pytest.mark.parametrize("text", ["Header(`Host`,`a`)", "HeaderRegexp(`host`,`.*`)"])
def test_the_host_is_no_header(text: str):
    assert not rule(text)(a_request(headers={"Host": "a"}))


def test_a_header_pattern_needs_a_line():
    assert rule("HeaderRegexp(`X`,`^$`)")(a_request(headers={"X": ""}))
    assert not rule("HeaderRegexp(`X`,`^$`)")(a_request())
    assert rule("HeaderRegexp(`X`,`b`)")(a_request(headers={"X": ["a", "abc"]}))


@pytest.mark.spec("R-20")
@pytest.mark.parametrize(
    ("text", "query", "matches"),
    [
        ("Query(`a`)", "a", True),
        ("Query(`a`)", "a=", True),
        ("Query(`a`)", "a=1&a", True),
        ("Query(`a`)", "a=1", False),
        ("Query(`a`)", "", False),
        ("Query(`a`)", "A", False),
        ("Query(`a`,`1`)", "b=2&a=1", True),
        ("Query(`a`,`1`)", "a=2&a=1", True),
        ("Query(`a`,`1`)", "a=11", False),
        ("Query(`a`,`1 2`)", "a=1+2", True),
        ("Query(`a b`,`1/2`)", "a%20b=1%2F2", True),
        ("Query(`a`,`%zz`)", "a=%zz", False),
        ("Query(`a`) || Query(`b`,`1`)", "a=%zz&b=1", True),
        ("QueryRegexp(`a`)", "a", True),
        ("QueryRegexp(`a`)", "a=1", False),
        ("QueryRegexp(`a`,`^1`)", "a=2&a=12", True),
        ("QueryRegexp(`a`,`^$`)", "b", False),
    ],
)
def test_a_query_is_compared_by_decoded_pairs(text: str, query: str, matches: bool):
    assert rule(text)(a_request(url=f"http://a/?{query}")) is matches


def test_a_query_that_changes_is_read_again():
    request = a_request(url="http://a/?a=1")
    assert rule("Query(`a`,`1`)")(request)
    request.query = b"a=2"
    assert not rule("Query(`a`,`1`)")(request)


@pytest.mark.spec("R-22")
def test_a_client_is_its_connection_and_not_what_headers_say():
    assert rule("ClientIP(`127.0.0.1`)")(a_request(headers={"X-Forwarded-For": "9.9.9.9"}))


@pytest.mark.parametrize(
    ("text", "client", "matches"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.1.2.3/8", "10.9.9.9", True),
        ("10.0.0.0/8", "::ffff:10.1.2.3", True),
        ("::ffff:10.0.0.0/104", "10.1.2.3", True),
        ("::ffff:10.1.2.3", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("::/0", "10.1.2.3", False),
        ("fe80::/10", "fe80::1", True),
    ],
)
def test_a_client_lies_in_a_range(text: str, client: str, matches: bool):
    test = rule(f"ClientIP(`{text}`)")
    assert test(a_request(client=client)) is matches
    assert test(a_request(client=client)) is matches  # the remembered answer


@pytest.mark.parametrize("text", ["10.0.0.0/255.0.0.0", "10.0.0", "fe80::1%eth0", "10.0.0.0/33", "01.2.3.4", "/8"])
def test_what_is_no_address_is_refused(text: str):
    with pytest.raises(RuleError, match="neither an IP address nor a CIDR range"):
        rule(f"ClientIP(`{text}`)")


# --- v2 ---


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("Host(`a.test`, `b.test`)", True),
        ("HostHeader(`B.test`)", True),
        ("Host(`*.test`)", False),
        ("HostRegexp(`{name:[a-z]+}.test`)", True),
        ("HostRegexp(`{name}.test`)", True),
        ("HostRegexp(`{name}`)", False),
        ("HostRegexp(`x.test`, `{n:[a-z]{1}}.test`)", True),
        ("Path(`/users/{id:[0-9]+}`)", True),
        ("Path(`/users/{id:[0-9]{3}}`)", False),
        ("Path(`/{any}`)", False),
        ("Path(`/x`, `/users/12`)", True),
        ("PathPrefix(`/{any}`)", True),
        ("PathPrefix(`/users/`)", True),
        ("Path(`/users/1.`)", False),
        ("Method(`GET`, `POST`)", True),
        ("Headers(`X-A`, `1`)", True),
        ("HeadersRegexp(`X-A`, `[0-9]`)", True),
        ("Query(`a=1`)", True),
        ("Query(`a=1`, `b=3`)", False),
        ("Query(`b`)", True),
        ("ClientIP(`10.0.0.1`, `127.0.0.0/8`)", True),
        ("!Host(`a.test`) && (Method(`PUT`) || hostheader(`b.test`))", True),
    ],
)
def test_the_matchers_of_v2(text: str, matches: bool):
    request = a_request("GET", "http://b.test/users/12?a=1&b=2", {"X-A": "1"})
    assert parse_v2(text).predicate(request) is matches


@pytest.mark.parametrize(
    "text", ["Path(`/{a`)", "Path(`/a}`)", "Path(`/{}`)", "Path(`/{a:}`)", "Path(`/{a:(}`)", "Header(`a`,`b`)"]
)
def test_broken_templates_and_v3_matchers_are_refused_by_v2(text: str):
    with pytest.raises(RuleError):
        parse_v2(text)


def test_v2_rules_are_indexed_too():
    assert parse_v2("Host(`a.test`) && PathPrefix(`/a/{b}`)").keys == ((("host", b"a.test"), ("path_prefix", b"/a/")),)
    assert parse_v2("HostHeader(`A.test`)").hosts == ("a.test",)
