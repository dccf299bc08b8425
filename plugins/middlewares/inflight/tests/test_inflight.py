import pytest

from pointsman import Address, Link
from pointsman.errors import ConfigError
from pointsman.testing import FakeContext, a_request, answering, build
from pointsman_inflight import InFlightConn, InFlightReq


def coming_from(address, port=40000):
    return Link(Address(address, port), Address("127.0.0.1", 443))


# requests


async def test_so_many_of_a_source_and_one_more_when_one_is_over():
    gate, upstream = build(InFlightReq, {"amount": 2}), answering(200)
    first, second = a_request(), a_request()

    assert [(await gate(request, upstream)).status for request in (first, second)] == [200, 200]
    refusal = await gate(a_request(), upstream)
    assert (refusal.status, refusal.content) == (429, b"max connections reached: 2")
    assert refusal.headers.raw == [(b"retry-after", b"1")]
    assert (await gate(a_request(url="http://b.example/"), upstream)).status == 200, "another host is another source"

    first.finish()
    assert (await gate(a_request(), upstream)).status == 200


async def test_who_is_refused_is_not_counted():
    gate, upstream = build(InFlightReq, {"amount": 1}), answering(200)
    first, refused = a_request(), a_request()
    await gate(first, upstream)
    await gate(refused, upstream)
    refused.finish()
    assert (await gate(a_request(), upstream)).status == 429


async def test_another_port_or_other_capitals_are_no_way_around():
    gate, upstream = build(InFlightReq, {"amount": 1, "sourceCriterion": {"requestHost": True}}), answering(200)
    statuses = [(await gate(a_request(url=f"http://{host}/"), upstream)).status for host in ("a.t", "A.t", "a.t:8080")]
    assert statuses == [200, 429, 429]


async def test_a_request_that_is_sent_once_more_is_counted_once():
    gate, upstream = build(InFlightReq, {"amount": 1}), answering(200)
    request = a_request()
    mark = request.mark()
    for _ in range(3):
        request.rewind(mark)
        assert (await gate(request, upstream)).status == 200
    assert (await gate(a_request(), upstream)).status == 429


async def test_workers_count_together():
    context = FakeContext()
    one, other = (build(InFlightReq, {"amount": 1}, context) for _ in range(2))

    assert (await one(a_request(), answering(200))).status == 200
    assert (await other(a_request(), answering(200))).status == 429


async def test_nobody_is_let_in_where_none_is_allowed():
    assert (await build(InFlightReq, {})(a_request(), answering(200))).status == 429


def test_two_criteria_are_refused():
    with pytest.raises(ConfigError, match="iPStrategy and RequestHost are mutually exclusive"):
        build(InFlightReq, {"amount": 1, "sourceCriterion": {"ipStrategy": {"depth": 1}, "requestHost": True}})


# connections


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


def test_two_instances_do_not_share_a_count_but_those_of_two_workers_do():
    one, other = (build(InFlightConn, {"amount": 1}) for _ in range(2))
    assert one.admit(coming_from("192.0.2.1"))
    assert other.admit(coming_from("192.0.2.1"))

    context = FakeContext()
    one, other = (build(InFlightConn, {"amount": 1}, context) for _ in range(2))
    assert one.admit(coming_from("192.0.2.1"))
    assert not other.admit(coming_from("192.0.2.1"))


@pytest.mark.parametrize("kind", [InFlightConn, InFlightReq])
def test_a_negative_amount_is_refused(kind):
    with pytest.raises(ConfigError, match="'amount' must be >= 0"):
        build(kind, {"amount": -1})
