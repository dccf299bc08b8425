"""Which answers are replaced, by what, and what the service with the pages is asked."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Body, Response
from pointsman.errors import ClientGone, ConfigError, GatewayError, NoServer
from pointsman.testing import FakeContext, a_request, answering, build
from pointsman_errors.config import by_status
from pointsman_errors.errors import Errors
from pointsman_errors.target import Query


def errors(service: Any = None, **options: Any) -> Errors:
    named = {"service": "pages"} if service is not None else {}
    return build(Errors, {**named, **options}, FakeContext(services={"pages": service} if service is not None else {}))


def failing(error: Exception) -> Callable[[Any], Response]:
    def fail(request: Any) -> Response:
        raise error

    return fail


class Source:
    def __init__(self) -> None:
        self.abandoned = 0

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def abandon(self) -> None:
        self.abandoned += 1


# which, and by what


async def test_the_page_is_asked_for_with_what_was_asked_and_answered_and_sent_with_the_status_it_becomes():
    pages = answering(200, {"Content-Type": "text/html"}, b"page")
    one = errors(
        pages,
        status=["500-599", "418"],
        statusRewrites={"418": 404, "502-504": 500},
        query="/{status}.html?o={originalStatus}&u={url}",
    )
    request = a_request("POST", "http://h/p?q=a%20b", {"X-A": "1"}, b"body")
    response = await one(request, answering(418, {"X-Lost": "1"}, b"tea"))
    assert (response.status, response.content, response.headers.raw) == (404, b"page", [(b"content-type", b"text/html")])
    asked = pages.last
    assert (asked.method, asked.path, asked.query) == (b"GET", b"/404.html", b"o=418&u=http%3A%2F%2Fh%2Fp%3Fq%3Da%2520b")
    assert (asked.authority, asked.body.length) == (b"h", 0)


async def test_other_answers_pass_as_they_are():
    service, source = answering(200), Source()
    passed = Response(404, [(b"x-a", b"1")], Body(source))
    assert await errors(service, status=["500-599"])(a_request(), lambda request: passed) is passed
    assert not passed.body.attached
    assert service.requests == []


async def test_without_statuses_nothing_is_replaced():
    assert (await errors(answering(200))(a_request(), answering(404, {}, b"x"))).content == b"x"


async def test_errors_of_the_gateway_are_replaced_and_others_raised_as_they_are():
    one = errors(answering(200, {}, b"page"), status=["502-503"])
    for error in (GatewayError(502), NoServer()):
        response = await one(a_request(), failing(error))
        assert (response.status, response.content) == (error.status, b"page")
    with pytest.raises(GatewayError):
        await one(a_request(), failing(GatewayError(504)))
    with pytest.raises(ClientGone):
        await errors(answering(), status=["400-599"])(a_request(), failing(ClientGone()))
    with pytest.raises(KeyError):
        await errors(answering(), status=["500"])(a_request(), failing(KeyError("x")))


async def test_without_a_service_that_answers_there_is_a_word_with_the_original_status():
    response = await errors(failing(GatewayError(502)), status=["404"])(a_request(), answering(404, {}, b"x"))
    assert (response.status, response.content) == (404, b"Bad Gateway")


@pytest.mark.parametrize("status", [204, 304, 404, 500, 503])
async def test_the_status_of_the_page_does_not_matter(status: int):
    response = await errors(answering(status, {}, b"page"), status=["418"])(a_request(), answering(418))
    assert (response.status, response.content) == (418, b"page")


async def test_what_is_dropped_gives_its_connection_back_or_up():
    one = errors(answering(200), status=["404"])
    for length, abandoned in ((1000, 0), (1_000_000, 1)):
        source = Source()
        body = Body(source, length)
        await one(a_request(), lambda request, body=body: Response(404, None, body))
        assert (source.abandoned, body.attached) == (abandoned, not abandoned)


async def test_upgrades_and_grpc_clients_get_no_page():
    one = errors(answering(200, {}, b"page"), status=["100-599"])
    switched = Response(101)
    switched.tunnel = object()  # type: ignore[assignment]
    assert await one(a_request(), lambda request: switched) is switched
    grpc = {"Content-Type": "application/grpc+proto"}
    assert (await one(a_request(headers=grpc), answering(503, {}, b"x"))).content == b"x"
    with pytest.raises(GatewayError):
        await one(a_request(headers=grpc), failing(GatewayError(502)))


# the question


async def test_the_service_gets_the_clients_headers_but_none_that_would_spoil_the_page():
    pages = answering(200)
    spoiling = {"Content-Length": "4", "Transfer-Encoding": "chunked", "Upgrade": "websocket", "Expect": "100-continue"}
    spoiling |= {"If-None-Match": "x", "Range": "bytes=0-1"}
    request = a_request("POST", headers={"X-A": "1", "Cookie": "c", **spoiling}, body=b"body")
    await errors(pages, status=["404"])(request, answering(404))
    assert pages.last.headers.raw == [(b"x-a", b"1"), (b"cookie", b"c")]
    assert pages.last.append_forwarded_for
    assert pages.last.upgrade == b""
    assert len(request.headers) == 8


@pytest.mark.parametrize(("only", "seen"), [([], []), (["X-A"], [(b"x-a", b"1")]), (["x-a", "range"], [(b"x-a", b"1")])])
async def test_only_some_headers_may_be_passed_or_none(only: list[str], seen: Any):
    pages = answering(200)
    one = errors(pages, status=["404"], errorRequestHeaders=only)
    await one(a_request(headers={"X-A": "1", "X-B": "2", "Range": "x"}), answering(404))
    assert pages.last.headers.raw == seen


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("", b"/"),
        ("x.html", b"/x.html"),
        ("/x.html?a=b", b"/x.html?a=b"),
        ("/{status}/{originalStatus}", b"/503/502"),
        ("/a b/\u00e9/%41{x}", b"/a%20b/%C3%A9/%41%7Bx%7D"),
        ("/x#part", b"/x"),
        ("/p/{url}", b"/p/http%3A%2F%2Fh%2Fa%3Fb%3Dc%2B%2526"),
    ],
)
def test_the_target_is_one_whatever_is_written(query: str, target: bytes):
    assert Query(query).target(503, 502).of(a_request(url="http://h/a?b=c+%26")) == target


@given(st.binary(max_size=40))
def test_nothing_a_client_asks_for_breaks_the_target(asked: bytes):
    request = a_request()
    request.query = asked
    target = Query("/{status}?u={url}&x=1").target(404, 404).of(request)
    assert set(target) <= set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/%?=&+")
    assert target.startswith(b"/404?u=http%3A%2F%2Fa.example%2Fpath%3F")
    assert (target.count(b"&"), target.count(b"?")) == (1, 1)


# ranges


def test_a_status_alone_counts_before_ranges_and_narrow_ones_before_wide_ones():
    found = by_status("x", {"400-499": "wide", "404-410": "narrow", "404": "one", "405-411": "second"})
    assert [found[status] for status in (400, 404, 405, 410, 411)] == ["wide", "one", "narrow", "narrow", "second"]
    assert 500 not in found


RANGES = st.dictionaries(
    st.tuples(st.integers(100, 999), st.integers(0, 30)).map(lambda each: f"{each[0]}-{min(999, sum(each))}"), st.integers()
)


@given(RANGES)
def test_the_narrowest_range_counts(ranges: dict[str, int]):
    found = by_status("x", ranges)
    for status in range(100, 1000):
        holding = [
            (int(text[4:]) - int(text[:3]), place, value)
            for place, (text, value) in enumerate(ranges.items())
            if int(text[:3]) <= status <= int(text[4:])
        ]
        assert found.get(status) == (min(holding)[2] if holding else None)


# configuration


async def test_a_list_in_a_string_is_one_and_a_string_in_a_list_is_not():
    with pytest.raises(ConfigError, match=r"errors|status.*404,418"):
        errors(answering(), status=["404,418"])
    one = errors(answering(200, {}, b"page"), status="404,418")
    assert [(await one(a_request(), answering(status))).content for status in (404, 418)] == [b"page", b"page"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "service"),
        ({"status": ["404"]}, "service: is missing"),
        ({"service": "nope", "status": ["404"]}, "does not exist"),
        ({"pages": {"404": {"body": "x"}}, "status": ["403-404"]}, "status: there is no page for 403"),
        ({"pages": {"404": {}}}, "pages.404: give it either"),
        ({"pages": {"404": {"body": "x", "file": "y"}}}, "pages.404: give it either"),
        ({"pages": {"abc": {"body": "x"}}}, "pages.abc: 'abc' is no status"),
        ({"pages": {"404": {"file": "/nowhere"}}}, "pages.404.file: the file /nowhere cannot be read: No such file"),
        ({"pages": {"404": {"file": "/dev/null"}}}, "no regular file"),
        ({"pages": {"404": {"body": "x", "contentType": "a\r\nb"}}}, "pages.404.contentType"),
        ({"pages": {"404": {"body": "x"}}, "statusRewrites": {"404": 101}}, "statusRewrites.404"),
        ({"pages": {"404": {"body": "x"}}, "statusRewrites": {"4x": 404}}, "statusRewrites.4x"),
        ({"pages": {"404": {"body": "x"}}, "query": "/%zz"}, "query: in '/%zz'"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_loaded(options: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        build(Errors, options)


# as ingress-nginx asks


async def test_a_default_backend_is_told_what_went_wrong_and_says_the_status() -> None:
    pages = answering(418, {}, b"page")
    one = errors(
        pages, status=["404"], statusRewrites={"404": 500}, nginxHeaders={"X-Namespaces": ["ns"], "X-Pod": ["a", "b"]}
    )
    claims = {"Accept": "text/x", "X-Code": "9", "X_Original_Uri": "/fake", "X-Request-Id": "rid", "X-Pod": "mine"}
    request = a_request("POST", "http://h/p?q=1", claims)
    request.rewrite(b"/rewritten")
    response = await one(request, answering(404))

    assert (response.status, response.content) == (418, b"page")
    assert sorted(line for line in pages.last.headers if line[0].startswith(b"x")) == [
        (b"x-code", b"404"),
        (b"x-format", b"text/x"),
        (b"x-namespaces", b"ns"),
        (b"x-original-uri", b"/p?q=1"),
        (b"x-pod", b"a"),
        (b"x-pod", b"b"),
        (b"x-request-id", b"rid"),
    ]


async def test_an_error_of_the_gateway_is_told_too() -> None:
    pages = answering(200, {}, b"page")
    response = await errors(pages, status=["503"], nginxHeaders={})(a_request(), failing(NoServer()))

    assert (response.status, pages.last.headers.get(b"x-code")) == (200, b"503")


@pytest.mark.parametrize("headers", [{"X Y": ["1"]}, {"X-A": ["a\nb"]}])
def test_a_header_that_is_none_is_refused(headers: dict[str, list[str]]) -> None:
    with pytest.raises(ConfigError, match="nginxHeaders"):
        errors(answering(200), status=["404"], nginxHeaders=headers)
