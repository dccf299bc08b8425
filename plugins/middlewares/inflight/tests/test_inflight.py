import pytest

from pointsman import Address, Link
from pointsman.errors import ConfigError
from pointsman.testing import build
from pointsman_inflight import InFlightConn


def coming_from(address, port=40000):
    return Link(Address(address, port), Address("127.0.0.1", 443))


def test_each_address_may_have_so_many_and_one_more_when_one_is_over():
    gate = build(InFlightConn, {"amount": 2})
    first, second = (gate.admit(coming_from("192.0.2.1", port)) for port in (1, 2))

    assert gate.admit(coming_from("192.0.2.1", 3)) is None
    assert gate.admit(coming_from("192.0.2.2", 1)) is not None
    assert gate.admit(coming_from("::ffff:192.0.2.1", 1)) is None, "it is the same client, whichever way it is written"

    first()
    assert gate.admit(coming_from("192.0.2.1", 4)) is not None
    second()


def test_none_may_come_where_none_is_allowed():
    assert build(InFlightConn, {"amount": 0}).admit(coming_from("192.0.2.1")) is None


def test_who_has_left_is_forgotten():
    gate = build(InFlightConn, {"amount": 1})
    gate.admit(coming_from("192.0.2.1"))()

    assert not gate._open


def test_two_instances_do_not_share_a_count():
    one, other = (build(InFlightConn, {"amount": 1}) for _ in range(2))

    assert one.admit(coming_from("192.0.2.1"))
    assert other.admit(coming_from("192.0.2.1"))


def test_a_negative_amount_is_refused():
    with pytest.raises(ConfigError, match="'amount' must be >= 0"):
        build(InFlightConn, {"amount": -1})
