import pytest

from pointsman import Address, Link
from pointsman.errors import ConfigError
from pointsman.testing import a_chain, a_request, answering, build
from pointsman_ipallowlist import IPAllowList, IPWhiteList, TcpIPAllowList, TcpIPWhiteList

RANGES = ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]
INSIDE = ("10.255.0.1", "192.0.2.1", "2001:db8:1::1", "::ffff:10.0.0.1")
OUTSIDE = ("11.0.0.1", "192.0.2.2", "2001:db9::1", "::1")


def coming_from(address):
    return Link(Address(address, 40000), Address("127.0.0.1", 443))


async def asked(gate, client="127.0.0.1", forwarded_for=None):
    headers = {} if forwarded_for is None else {"X-Forwarded-For": forwarded_for}
    bound = await a_chain([gate], answering(200))(a_request(client=client, headers=headers))
    called = await gate(a_request(client=client, headers=headers), answering(200))
    assert bound.status == called.status, "bound or not, the answer is the same"
    return bound


@pytest.mark.parametrize("kind", [IPAllowList, IPWhiteList])
async def test_only_requests_from_a_range_are_let_in(kind):
    gate = build(kind, {"sourceRange": RANGES})

    assert [(await asked(gate, client)).status for client in (*INSIDE, *OUTSIDE)] == [200] * 4 + [403] * 4


async def test_a_refusal_is_the_status_in_its_own_words():
    refusal = await asked(build(IPAllowList, {"sourceRange": "10.0.0.1"}))
    assert (refusal.status, refusal.content, refusal.headers.raw) == (403, b"Forbidden", [])

    gate = build(IPAllowList, {"sourceRange": "10.0.0.1", "rejectStatusCode": 404})
    assert ((await asked(gate)).status, (await asked(gate)).content) == (404, b"Not Found")
    assert (await asked(build(IPAllowList, {"sourceRange": "10.0.0.1", "rejectStatusCode": 204}))).content == b""


@pytest.mark.parametrize(
    ("strategy", "allowed", "refused"),
    [
        ({"depth": 1}, ["9.9.9.9, 10.1.1.1", "10.1.1.1:80"], ["10.1.1.1, 9.9.9.9", "", None, "junk", "10.1.1.1,"]),
        ({"excludedIPs": ["10.0.0.0/8"]}, ["192.0.2.1, 10.2.3.4"], ["10.1.1.1", None, "192.0.2.1, x, 10.1.1.1"]),
        ({"depth": 1, "ipv6Subnet": 64}, ["2001:db8::5"], ["2001:db9::5"]),
    ],
)
async def test_a_strategy_chooses_the_address(strategy, allowed, refused):
    gate = build(IPAllowList, {"sourceRange": RANGES, "ipStrategy": strategy})

    assert {(await asked(gate, "10.0.0.1", value)).status for value in allowed} == {200}
    assert {(await asked(gate, "10.0.0.1", value)).status for value in refused} == {403}


async def test_a_strategy_of_defaults_is_none():
    gate = build(IPAllowList, {"sourceRange": RANGES, "ipStrategy": {}})
    assert (await asked(gate, "10.0.0.1", "9.9.9.9")).status == 200


@pytest.mark.parametrize("status", [599, 99, 199, 299, 1000, 0])
def test_a_status_without_a_name_is_refused(status):
    with pytest.raises(ConfigError, match=f"rejectStatusCode: invalid HTTP status code {status}"):
        build(IPAllowList, {"sourceRange": RANGES, "rejectStatusCode": status})


def test_the_old_name_knows_no_status():
    with pytest.raises(ConfigError, match="rejectStatusCode"):
        build(IPWhiteList, {"sourceRange": RANGES, "rejectStatusCode": 404})


@pytest.mark.parametrize("kind", [TcpIPAllowList, TcpIPWhiteList])
def test_only_connections_from_a_range_are_let_in(kind):
    gate = build(kind, {"sourceRange": RANGES})

    for inside in INSIDE:
        gate.admit(coming_from(inside))()
    for outside in OUTSIDE:
        assert gate.admit(coming_from(outside)) is None


def test_a_list_may_be_one_string():
    assert build(TcpIPAllowList, {"sourceRange": "10.0.0.1,10.0.0.2"}).admit(coming_from("10.0.0.2"))


@pytest.mark.parametrize("kind", [IPAllowList, IPWhiteList, TcpIPAllowList, TcpIPWhiteList])
@pytest.mark.parametrize(("ranges", "reason"), [([], "sourceRange is empty"), (["10.0.0.0/33"], "neither an IP address")])
def test_a_list_that_says_nothing_is_refused(kind, ranges, reason):
    with pytest.raises((ConfigError, ValueError), match=reason):
        build(kind, {"sourceRange": ranges})
