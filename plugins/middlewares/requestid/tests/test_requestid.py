"""Who names a request, and who is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import ConfigError, GatewayError
from pointsman.testing import a_chain, a_request, answering, build
from pointsman_requestid import RequestId


def a_trusted_request(**headers):
    request = a_request(headers=headers)
    request.link.trusted = True
    return request


async def test_server_client_and_exchange_have_the_same_name():
    server, request = answering(200, {"X-Request-Id": ["the", "server's"]}), a_request()
    response = await build(RequestId, {})(request, server)

    (name,) = response.headers.get_all(b"x-request-id")
    assert len(name) == 36
    assert server.last.headers.get_all(b"x-request-id") == [name]
    assert request.exchange.request_id == name


async def test_each_request_has_its_own():
    named, server = build(RequestId, {}), answering(200)
    for _ in range(100):
        await named(a_request(), server)

    assert len({request.exchange.request_id for request in server.requests}) == 100


@pytest.mark.parametrize(
    ("accept", "trusted", "kept"),
    [("trusted", True, True), ("trusted", False, False), ("always", False, True), ("never", True, False)],
)
async def test_a_clients_name_is_taken_over_from_those_who_are_believed(accept, trusted, kept):
    server, request = answering(200), a_request(headers={"X-Request-Id": "mine"})
    request.link.trusted = trusted
    response = await build(RequestId, {"accept": accept})(request, server)

    assert (request.exchange.request_id == b"mine") == kept
    assert server.last.headers.get_all(b"x-request-id") == [request.exchange.request_id]
    assert response.headers.get(b"x-request-id") == request.exchange.request_id


@pytest.mark.parametrize("name", ["", "a b", "a,b", 'a"', "<x>", "a\\n", "é", "x" * 129, ["a", "b"]], ids=repr)
async def test_what_is_no_name_is_replaced(name):
    server, request = answering(200), a_trusted_request(**{"X-Request-Id": name})
    await build(RequestId, {"format": "hex"})(request, server)

    assert len(request.exchange.request_id) == 32
    assert server.last.headers.get_all(b"x-request-id") == [request.exchange.request_id]


@given(st.binary(max_size=200))
def test_whatever_a_client_says_the_name_is_one_line_of_harmless_characters(said):
    server, request = answering(200), a_request(headers=[(b"x-request-id", said)])
    build(RequestId, {"accept": "always"})(request, server)

    (name,) = server.last.headers.get_all(b"x-request-id")
    assert 1 <= len(name) <= 128
    assert all(0x21 <= byte <= 0x7E and byte not in b"\"'<>\\,;%&" for byte in name)


async def test_the_first_name_is_kept():
    server, request = answering(200), a_request()
    outer, inner = build(RequestId, {}), build(RequestId, {"header": "X-Correlation-Id", "accept": "always"})
    response = await a_chain([outer, inner], server)(request)

    name = request.exchange.request_id
    assert server.last.headers.get(b"x-request-id") == server.last.headers.get(b"x-correlation-id") == name
    assert response.headers.get(b"x-request-id") == response.headers.get(b"x-correlation-id") == name


async def test_the_client_is_told_with_errors_too():
    def dead(request):
        raise GatewayError(502)

    with pytest.raises(GatewayError) as raised:
        await build(RequestId, {})(a_request(), dead)

    assert len(raised.value.amendments) == 1


async def test_the_client_need_not_be_told():
    server = answering(200, {"X-Request-Id": "the server's"})
    response = await build(RequestId, {"response": False})(a_request(), server)

    assert response.headers.get_all(b"x-request-id") == [b"the server's"]


@pytest.mark.parametrize("name", ["", "a b", "X:Y", "Host", "content-length", "Set-Cookie"])
def test_a_header_that_is_none_or_says_something_else_is_refused(name):
    with pytest.raises(ConfigError) as raised:
        build(RequestId, {"header": name})
    assert raised.value.problems[0].path.endswith("header")


@pytest.mark.parametrize("options", [{"accept": "maybe"}, {"format": "uuid1"}])
def test_what_cannot_be_meant_is_a_configuration_error(options):
    with pytest.raises(ConfigError):
        build(RequestId, options)
