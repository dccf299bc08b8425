"""Ranges of addresses, and which address is the client's."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.convert import structure
from pointsman.dialect.addresses import IPStrategyConfig, Ranges, ip_of, selector
from pointsman.testing import a_request


def selected(strategy, *forwarded, client="127.0.0.1"):
    config, problems = structure(IPStrategyConfig, strategy)
    assert problems == []
    lines = [(b"x-forwarded-for", line.encode("latin-1")) for line in forwarded]
    return selector(config)(a_request(headers=lines, client=client))


def test_ranges_say_what_the_standard_library_says():
    texts = ["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/32", "192.0.2.128/25", "2001:db8::/33", "::ffff:203.0.113.0/120"]
    ranges = Ranges(texts)
    networks = [ipaddress.ip_network(text) for text in texts[:-1]] + [ipaddress.ip_network("203.0.113.0/24")]
    for text in (
        "10.1.2.3",
        "9.9.9.9",
        "0.0.0.0",
        "192.0.2.127",
        "192.0.2.128",
        "203.0.113.9",
        "2001:db8::1",
        "2001:db8:8000::",
    ):
        ip = ipaddress.ip_address(text)
        assert (ip in ranges) is any(ip in network for network in networks), text


def test_a_range_of_everything_takes_everybody():
    assert ipaddress.ip_address("192.0.2.1") in Ranges(["0.0.0.0/0"])
    assert ipaddress.ip_address("::1") not in Ranges(["0.0.0.0/0"])


def test_host_bits_of_a_range_do_not_matter():
    assert ipaddress.ip_address("10.200.0.1") in Ranges(["10.1.2.3/8"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:80", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:1", "192.0.2.1"),
        *((text, None) for text in ("", "unknown", "[192.0.2.1]", "192.0.2.1:", "192.0.2.1:http", "192.0.2.1:٣", "[::1")),
        *((text, None) for text in ("fe80::1%eth0", "[::1]x", "[::1]:", "192.0.2.256", "192.0.2.1:123456", "1", "[]:80")),
    ],
)
def test_an_entry_is_an_address_with_or_without_a_port_or_nothing(text, expected):
    assert (None if ip_of(text) is None else str(ip_of(text))) == expected


@given(st.text(max_size=40) | st.text("0123456789abcdef:.[]%", max_size=40))
def test_any_text_is_an_address_or_none(text):
    ip = ip_of(text)
    assert ip is None or ip_of(str(ip)) == ip


def test_without_a_strategy_it_is_the_other_end_of_the_connection():
    assert selected({}, "1.1.1.1", client="192.0.2.9") == "192.0.2.9"
    assert selector()(a_request(client="192.0.2.9")) == "192.0.2.9"


@pytest.mark.parametrize(
    ("depth", "forwarded", "expected"),
    [
        (1, ["9.9.9.9, 1.1.1.1"], "1.1.1.1"),
        (2, ["9.9.9.9, 1.1.1.1"], "9.9.9.9"),
        (3, ["9.9.9.9, 1.1.1.1"], ""),
        (2, ["9.9.9.9", "1.1.1.1"], "9.9.9.9"),
        (1, [], ""),
        (2, [], ""),
        (1, ["a, \t::FFFF:1.1.1.1 "], "1.1.1.1"),
        (1, ["1.1.1.1:8080"], "1.1.1.1"),
        (1, ["1.1.1.1, unknown"], "unknown"),
        (1, ["1.1.1.1,"], ""),
        (1, ["\xe9"], "\xe9"),
    ],
)
def test_depth_counts_from_the_right(depth, forwarded, expected):
    assert selected({"depth": depth}, *forwarded) == expected


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        (["1.1.1.1, 10.2.3.4"], "1.1.1.1"),
        (["2.2.2.2, 1.1.1.1, 10.2.3.4, 10.1.1.1:4711"], "1.1.1.1"),
        (["10.1.1.1"], ""),
        ([], ""),
        (["1.1.1.1, , 10.2.3.4,"], "1.1.1.1"),
        (["1.1.1.1, unknown, 10.2.3.4"], "unknown"),
        (["1.1.1.1", "10.2.3.4"], "1.1.1.1"),
        (["1.1.1.1, ::ffff:10.0.0.1"], "1.1.1.1"),
    ],
)
def test_the_first_from_the_right_that_is_not_excluded(forwarded, expected):
    assert selected({"excludedIPs": ["10.0.0.0/8"]}, *forwarded) == expected


def test_depth_wins_over_excluded_addresses():
    assert selected({"depth": 1, "excludedIPs": ["10.0.0.0/8"]}, "1.1.1.1, 10.0.0.1") == "10.0.0.1"


def test_addresses_of_a_subnet_are_one_source():
    by_depth = {"depth": 1, "ipv6Subnet": 64}
    assert selected(by_depth, "2001:db8::5") == selected(by_depth, "[2001:db8::9]:1") == "2001:db8::"
    assert selected(by_depth, "1.1.1.1") == "1.1.1.1"
    assert selected(by_depth, "x::y") == "x::y"
    assert selected({"ipv6Subnet": 64}, client="2001:db8:0:1:2::5") == "2001:db8:0:1::"
    assert selected({"ipv6Subnet": 128}, client="2001:db8::5") == "2001:db8::5"
    assert selected({"ipv6Subnet": 64}, client="192.0.2.1") == "192.0.2.1"
    assert selected({"excludedIPs": ["10.0.0.1"], "ipv6Subnet": 64}, "2001:db8::5") == "2001:db8::5"


@pytest.mark.parametrize(
    ("strategy", "path", "message"),
    [
        ({"ipv6Subnet": 0}, "s.ipv6Subnet", "invalid IPv6 subnet 0 value"),
        ({"ipv6Subnet": 129}, "s.ipv6Subnet", "invalid IPv6 subnet 129 value"),
        ({"depth": -1}, "s.depth", "'depth' must be >= 0: -1"),
        ({"excludedIPs": ["10.0.0.300"]}, "s.excludedIPs", "'10.0.0.300' is neither an IP address nor a CIDR range"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(strategy, path, message):
    (problem,) = structure(IPStrategyConfig, strategy, "s")[1]
    assert (problem.path, message in problem.message) == (path, True), problem
