import ipaddress

import pytest

from pointsman import Address, Link
from pointsman.errors import ConfigError
from pointsman.testing import build
from pointsman_ipallowlist import TcpIPAllowList, TcpIPWhiteList
from pointsman_ipallowlist.ranges import Ranges


def coming_from(address):
    return Link(Address(address, 40000), Address("127.0.0.1", 443))


@pytest.mark.parametrize("kind", [TcpIPAllowList, TcpIPWhiteList])
def test_only_who_is_in_a_range_is_let_in(kind):
    gate = build(kind, {"sourceRange": ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]})

    for inside in ("10.255.0.1", "192.0.2.1", "2001:db8:1::1", "::ffff:10.0.0.1"):
        gate.admit(coming_from(inside))()
    for outside in ("11.0.0.1", "192.0.2.2", "2001:db9::1", "::1"):
        assert gate.admit(coming_from(outside)) is None


def test_a_list_may_be_one_string():
    assert build(TcpIPAllowList, {"sourceRange": "10.0.0.1,10.0.0.2"}).admit(coming_from("10.0.0.2"))


@pytest.mark.parametrize(("ranges", "reason"), [([], "sourceRange is empty"), (["10.0.0.0/33"], "neither an IP address")])
def test_a_list_that_says_nothing_is_refused(ranges, reason):
    with pytest.raises((ConfigError, ValueError), match=reason):
        build(TcpIPAllowList, {"sourceRange": ranges})


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
