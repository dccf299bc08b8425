"""What unit tests of plugins are made of behaves as the gateway does."""

import pytest
from attrs import field, frozen
from attrs.validators import ge

from pointsman import Response
from pointsman.errors import ConfigError
from pointsman.testing import FakeContext, a_chain, a_request, answering, build


@frozen
class LimitConfig:
    most_at_once: int = field(default=1, validator=ge(1))


class Limit:
    name = "limit"
    Config = LimitConfig

    def __init__(self, config, context):
        self.most, self.context = config.most_at_once, context


def test_build_converts_as_the_gateway_does_and_hands_over_the_context():
    context = FakeContext("mine@file")
    limit = build(Limit, {"mostAtOnce": "5"}, context)

    assert (limit.most, limit.context.name) == (5, "mine@file")
    assert build(Limit).most == 1


@pytest.mark.parametrize(
    ("raw", "path"), [({"mostAtOnce": 0}, "limit"), ({"nope": 1}, "limit"), ({"mostAtOnce": 1.5}, "limit.mostAtOnce")]
)
def test_build_refuses_what_the_gateway_refuses_and_says_where(raw, path):
    with pytest.raises(ConfigError) as caught:
        build(Limit, raw)

    assert caught.value.problems[0].path.startswith(path)


def test_a_request_has_what_the_server_fills_in():
    request = a_request("PUT", "https://A.example:8443/%61/../b%2fc//d?x=%2f", {"X-A": ["1", "2"]}, b"body", "10.0.0.7")

    assert (request.method, request.scheme, request.entry_point) == (b"PUT", b"https", "web")
    assert (request.target, request.query) == (b"/%61/../b%2fc//d?x=%2f", b"x=%2f")
    assert (request.path, request.routing_path) == (b"/b%2Fc/d", b"/b%2Fc/d")
    assert (request.authority, request.host) == (b"A.example:8443", b"a.example")
    assert (str(request.client.ip), request.local.port) == ("10.0.0.7", 8443)
    assert request.headers.get_all(b"x-a") == [b"1", b"2"]
    assert request.exchange.request is request


def test_a_request_without_a_query_has_none():
    assert a_request(url="http://a.example/").query is None
    assert a_request(url="http://a.example/?").query == b""


async def test_answering_gives_a_new_response_each_time_and_keeps_the_requests():
    handler, request = answering(201, {"X-A": "1"}, b"body"), a_request()
    first, second = await handler(request), await handler(a_request())
    first.headers.set(b"x-a", b"changed")

    assert handler.requests[0] is request
    assert (second.status, second.headers.get(b"x-a"), await second.body.read(10)) == (201, b"1", b"body")


async def test_a_chain_runs_outside_in_and_binds_those_that_can_be_bound():
    seen = []

    def plain(request, call_next):
        seen.append("plain")
        return call_next(request)

    class Bound:
        def __call__(self, request, call_next):
            raise AssertionError("is bound instead")

        def bind(self, call_next):
            return lambda request: seen.append("bound") or call_next(request)

    await a_chain([plain, Bound(), plain], lambda request: Response(200))(a_request())

    assert seen == ["plain", "bound", "plain"]


async def test_a_fake_context_knows_what_it_was_given_and_nothing_else():
    context = FakeContext(
        services={"shop": answering(204)}, middlewares={"a": lambda request, call_next: call_next(request)}
    )

    assert (await context.handler_for("shop")(a_request())).status == 204
    assert (await context.chain(["a", "a"])(answering(200))(a_request())).status == 200
    with pytest.raises(ConfigError, match="does not exist"):
        context.handler_for("nope")
    with pytest.raises(ConfigError, match="does not exist"):
        context.chain(["a", "nope"])
