"""Asking a server: what it is told, what its answers do, and that everything else is a no."""

import asyncio
from typing import Any

import pytest

from pointsman import Body, Response, Url
from pointsman.errors import ClientGone, ConfigError, GatewayError
from pointsman.testing import FakeContext, a_request, answering, build, eventually
from pointsman_forwardauth.config import ForwardAuthConfig
from pointsman_forwardauth.forwardauth import READ_AT_MOST, ForwardAuth

AUTH = "http://auth.test:9000/verify?a=b"


def door(auth: Any, **options: Any) -> ForwardAuth:
    return build(ForwardAuth, {"address": AUTH, **options}, FakeContext(servers={AUTH: auth}))


class Source:
    """Where the body of an answer comes from, a piece at a time."""

    def __init__(self, length: int | None = None) -> None:
        self.abandoned = 0
        self.body = Body(self, length)

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def abandon(self) -> None:
        self.abandoned += 1


def streaming(status: int, source: Source) -> Any:
    return lambda request: Response(status, [(b"x-auth-user", b"bob")], source.body)


def failing(error: Exception) -> Any:
    def fail(request: Any) -> Response:
        raise error

    return fail


# yes and no


async def test_a_yes_puts_its_headers_in_place_of_the_clients_also_where_it_has_none():
    auth, service = answering(200, {"X-Auth-User": "bob"}), answering(200, {}, b"served")
    request = a_request(headers={"X-Auth-User": "eve", "X-Missing": "eve", "X-Other": "1"})
    response = await door(auth, authResponseHeaders=["X-Auth-User", "X-Missing"])(request, service)
    assert response.content == b"served"
    seen = service.last.headers
    assert seen.get_all(b"x-auth-user") == [b"bob"]
    assert (seen.get(b"x-missing"), seen.get(b"x-other")) == (None, b"1")


async def test_the_question_is_a_get_to_the_address_of_the_same_client_and_leaves_the_request_alone():
    auth, service = answering(200), answering()
    request = a_request("POST", "http://a.example/shop?x=1", {"X-A": "1", "Cookie": "c"}, b"body", client="10.0.0.9")
    await door(auth)(request, service)
    assert (auth.last.method, auth.last.path, auth.last.query) == (b"GET", b"/verify", b"a=b")
    assert auth.last.body.length == 0
    assert auth.last.headers.get(b"cookie") == b"c"
    assert auth.last.exchange is not request.exchange
    assert not auth.last.append_forwarded_for
    assert (request.method, request.path, request.headers.raw) == (b"POST", b"/shop", [(b"x-a", b"1"), (b"cookie", b"c")])
    assert await service.last.body.read(10) == b"body"


async def test_the_method_may_be_the_clients():
    auth = answering(200)
    await door(auth, preserveRequestMethod=True)(a_request("DELETE"), answering())
    assert auth.last.method == b"DELETE"


async def test_any_other_answer_is_the_clients_and_its_location_is_absolute():
    auth = answering(302, {"Location": "/login", "Set-Cookie": "a=b"}, b"go there")
    response = await door(auth)(a_request(), failing(AssertionError("not to be reached")))
    assert (response.status, response.content) == (302, b"go there")
    assert response.headers.get(b"location") == b"http://auth.test:9000/login"
    assert response.headers.get(b"set-cookie") == b"a=b"


async def test_its_location_may_stay_as_it_is():
    response = await door(answering(302, {"Location": "/login"}), preserveLocationHeader=True)(a_request(), answering())
    assert response.headers.get(b"location") == b"/login"


@pytest.mark.parametrize(
    ("location", "seen"),
    [
        ("next", "http://auth.test:9000/next"),
        ("?x", "http://auth.test:9000/verify?x"),
        ("//b.test/x", "http://b.test/x"),
        ("https://c.test/x?y#z", "https://c.test/x?y#z"),
        ("app://open", "app://open"),
        ("", ""),
    ],
)
async def test_locations_are_seen_from_the_address(location: str, seen: str):
    response = await door(answering(403, {"Location": location}))(a_request(), answering())
    assert response.headers.get(b"location") == seen.encode()


@pytest.mark.parametrize("status", [304, 400, 401, 403, 404, 500, 503])
async def test_whatever_is_not_2xx_is_a_no(status: int):
    service = answering()
    assert (await door(answering(status))(a_request(), service)).status == status
    assert service.requests == []


async def test_a_401_may_become_a_redirect_and_a_403_not():
    with_signin = {"authSigninURL": "http://login/"}
    response = await door(answering(401, {"WWW-Authenticate": "x"}, b"no"), **with_signin)(a_request(), answering())
    assert (response.status, response.headers.raw, response.content) == (302, [(b"location", b"http://login/")], b"")
    assert (await door(answering(403), **with_signin)(a_request(), answering())).status == 403


@pytest.mark.parametrize("status", [200, 403])
async def test_the_user_is_who_the_answer_says_whether_yes_or_no(status: int):
    request = a_request()
    auth = answering(status, {"X-User": "bob"})
    await door(auth, headerField="X-User")(request, answering())
    assert request.exchange.user == b"bob"
    assert b"x-user" not in request.headers


# everything else is a no


@pytest.mark.parametrize("error", [GatewayError(502), GatewayError(504), GatewayError(408, side="client")])
async def test_a_server_that_cannot_be_asked_is_an_empty_500(error: Exception, caplog: pytest.LogCaptureFixture):
    one, service = door(failing(error)), answering()
    for _ in range(3):
        response = await one(a_request(), service)
        assert (response.status, response.content, response.headers.raw) == (500, b"", [])
    assert service.requests == []
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1, "the log is not flooded"


async def test_a_client_that_has_left_is_not_answered():
    with pytest.raises(ClientGone):
        await door(failing(ClientGone()))(a_request(), answering())


async def test_an_error_of_the_service_stays_its_own():
    with pytest.raises(GatewayError):
        await door(answering(200))(a_request(), failing(GatewayError(502)))


async def test_a_yes_that_breaks_off_is_a_no():
    source, service = Source(10), answering()
    task = asyncio.ensure_future(_of(door(streaming(200, source))(a_request(), service)))
    await asyncio.sleep(0)
    source.body.feed(b"12345")
    source.body.fail(GatewayError(502, "closed"))
    assert (await task).status == 500
    assert service.requests == []


async def test_a_yes_is_waited_for_up_to_a_mebibyte():
    for size, abandoned in ((READ_AT_MOST, 0), (READ_AT_MOST + 1, 1)):
        source, service = Source(), answering(204)
        task = asyncio.ensure_future(_of(door(streaming(200, source))(a_request(), service)))
        await eventually(lambda source=source: source.body.attached)
        source.body.feed(b"x" * size)
        if not abandoned:
            assert service.requests == []
            source.body.end()
        assert (await task).status == 204
        assert source.abandoned == abandoned


async def test_a_no_streams():
    source = Source()
    response = await door(streaming(403, source))(a_request(), answering())
    assert response.body is source.body
    assert not response.body.attached


@pytest.mark.parametrize("status", [200, 403])
async def test_answers_have_a_limit_that_they_may_reach(status: int):
    limited = {"maxResponseBodySize": 50}
    response = await door(answering(status, {}, b"x" * 50), **limited)(a_request(), answering(200))
    assert response.status == status
    response = await door(answering(status, {}, b"x" * 51), **limited)(a_request(), answering(200))
    assert (response.status, response.content) == (401, b"")
    declared = Source(100)
    assert (await door(streaming(status, declared), **limited)(a_request(), answering(200))).status == 401
    assert declared.abandoned == 1
    source = Source()
    task = asyncio.ensure_future(_of(door(streaming(status, source), **limited)(a_request(), answering(200))))
    await eventually(lambda: source.body.attached)
    source.body.feed(b"x" * 51)
    assert (await task).status == 401
    assert source.abandoned == 1


# the request's body


async def test_the_body_reaches_both_up_to_its_limit():
    auth, service = answering(200), answering()
    one = door(auth, forwardBody=True, maxBodySize=5)
    await one(a_request("POST", body=b"12345"), service)
    assert await auth.last.body.read(10) == await service.last.body.read(10) == b"12345"
    response = await one(a_request("POST", body=b"123456"), service)
    assert (response.status, response.content) == (401, b"")
    assert len(auth.requests) == len(service.requests) == 1


async def test_a_body_is_framed_for_both_as_it_came():
    auth, service, body = answering(200), answering(), Body()
    request = a_request("POST")
    request.body = body
    task = asyncio.ensure_future(_of(door(auth, forwardBody=True)(request, service)))
    await eventually(lambda: body.attached)
    body.feed(b"ab")
    body.end([(b"x-sum", b"1")])
    await task
    assert (auth.last.body.length, service.last.body.length) == (None, None)
    assert (await service.last.body.read(9), service.last.body.trailers) == (b"ab", [(b"x-sum", b"1")])


async def test_without_a_body_nothing_is_waited_for():
    auth = answering(200)
    response = door(auth, forwardBody=True, maxBodySize=0)(a_request(), answering(204))
    assert isinstance(response, Response)


# configuration


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"address": ""}, "no URL of a server"),
        ({"address": "auth.test"}, "no URL of a server"),
        ({"address": "ftp://auth.test"}, "no URL of a server"),
        ({"address": "http://"}, "no URL of a server"),
        ({"address": "http://[::1"}, "no URL of a server"),
        ({"address": "http://a:99999"}, "no URL of a server"),
        ({"address": "http://a b/"}, "space"),
        ({"timeout": 0}, "timeout"),
        ({"maxBodySize": -2}, "maxBodySize"),
        ({"maxResponseBodySize": -2}, "maxResponseBodySize"),
        ({"authResponseHeaders": ["X A"]}, "authResponseHeaders.*no header name"),
        ({"authRequestHeaders": ["X:A"]}, "authRequestHeaders.*no header name"),
        ({"headerField": "X\nA"}, "headerField.*no header name"),
        ({"authResponseHeadersRegex": "("}, "not an expression"),
        ({"authResponseHeadersRegex": "(?!x)"}, "not an expression"),
        ({"authSigninURL": "http://a\r\nx: y"}, "line break"),
        ({"tls": {"cert": "x.pem"}}, "both TLS cert and key must be defined"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_loaded(options: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        build(ForwardAuth, {"address": AUTH, **options})


def test_no_message_and_nothing_printed_holds_a_password_of_the_address():
    with pytest.raises(ConfigError) as raised:
        build(ForwardAuth, {"address": "http://bob:hush"})
    assert "hush" not in str(raised.value)
    assert "hush" not in repr(ForwardAuthConfig(Url("http://bob:hush@auth.test")))


def test_what_should_not_be_is_said(caplog: pytest.LogCaptureFixture):
    door(answering(), forwardBody=True, authResponseHeaders=["Connection"], tls={"caOptional": True})
    for word in ("trustForwardHeader is not set", "maxBodySize is not set", "connection has no effect", "caOptional"):
        assert word in caplog.text
    caplog.clear()
    door(answering(), trustForwardHeader=False)
    assert caplog.text == ""


async def test_a_user_in_the_address_is_shown_to_the_server_and_to_nobody_else():
    url = "http://bob:s%40cret@auth.test/x"
    auth = answering(302, {"Location": "/y"})
    one = build(ForwardAuth, {"address": url}, FakeContext(servers={"http://auth.test/x": auth}))
    response = await one(a_request(), answering())
    assert response.headers.get(b"location") == b"http://auth.test/y"
    assert auth.last.headers.get(b"authorization") == b"Basic Ym9iOnNAY3JldA=="
    await one(a_request(headers={"Authorization": "own"}), answering())
    assert auth.last.headers.get_all(b"authorization") == [b"own"]


async def _of(answer: Any) -> Response:
    response: Response = await answer
    return response


def test_traces_call_its_question_by_its_name() -> None:
    context = FakeContext()
    build(ForwardAuth, {"address": "http://127.0.0.1:9000/who"}, context)
    assert context.span_names == {"http://127.0.0.1:9000/who": "AuthRequest"}
