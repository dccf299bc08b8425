"""What filters of the Gateway API do to requests and answers."""

import pytest

from pointsman import Response
from pointsman.errors import ConfigError
from pointsman.testing import a_request, answering, build
from pointsman_gatewayapi import RequestHeaderModifier, RequestRedirect, ResponseHeaderModifier, UrlRewrite

HEADERS = [(b"x-old", b"1"), (b"x-old", b"2"), (b"x-gone", b"3"), (b"x-both", b"4")]
SAID = {"set": {"X-Old": "new"}, "add": {"X-Both": "more", "X-New": "5"}, "remove": ["X-Gone"]}
MADE = [(b"x-both", b"4"), (b"x-old", b"new"), (b"x-both", b"more"), (b"x-new", b"5")]


async def test_request_headers_are_set_added_and_removed():
    request = a_request(headers=HEADERS)
    await build(RequestHeaderModifier, SAID)(request, answering(200))
    assert [line for line in request.headers if line[0].startswith(b"x-")] == MADE
    assert request.authority == b"a.example"


async def test_what_is_removed_is_gone_though_it_was_set():
    request = a_request()
    await build(RequestHeaderModifier, {"set": {"A": "1"}, "add": {"A": "2"}, "remove": ["a"]})(request, answering(200))
    assert b"a" not in request.headers


async def test_the_host_can_be_set_and_nothing_else_can_be_done_to_it(caplog):
    request = a_request()
    await build(RequestHeaderModifier, {"set": {"Host": "b.example"}, "remove": ["host"]})(request, answering(200))
    assert request.authority == b"b.example"
    assert "can be set, not added or removed" in caplog.text


async def test_response_headers_are_set_added_and_removed():
    async def upstream(request):
        return Response(200, list(HEADERS))

    answer = await build(ResponseHeaderModifier, SAID)(a_request(), upstream)
    assert list(answer.headers) == MADE


@pytest.mark.parametrize("kind", [RequestHeaderModifier, ResponseHeaderModifier])
@pytest.mark.parametrize(
    "said",
    [{"set": {"a b": "1"}}, {"add": {"a": "1\r\nb: 2"}}, {"set": {"Content-Length": "1"}}, {"remove": ["Connection"]}],
)
def test_what_is_no_header_or_about_the_connection_is_refused(kind, said):
    with pytest.raises(ConfigError, match=r"^(set|add|remove)\."):
        build(kind, said)


REPLACED = [
    ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
    ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
    ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
    ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
    ("/foo", "/foo", "/xyz", "/xyz"),
    ("/foo/", "/foo", "/xyz", "/xyz/"),
    ("/foo/bar", "/foo", "", "/bar"),
    ("/foo/", "/foo", "", "/"),
    ("/foo", "/foo", "", "/"),
    ("/foo/", "/foo", "/", "/"),
    ("/foo", "/foo", "/", "/"),
    ("/foo/bar/", "/foo", "/xyz", "/xyz/bar/"),
    ("/bar", "/", "/xyz", "/xyz/bar"),
    ("/f%6Fo%2Fx/a%2Fb", "/foo/x", "/xyz", "/xyz/a%2Fb"),
    ("/foobar", "/foo", "/xyz", "/foobar"),
    ("/other", "/foo", "/xyz", "/other"),
    ("/foo bar/x".replace(" ", "%20"), "/foo bar", "/ä", "/%C3%A4/x"),
]


@pytest.mark.parametrize(("path", "prefix", "new", "expected"), REPLACED)
async def test_a_prefix_of_the_path_is_replaced_as_the_gateway_api_has_it(path, prefix, new, expected):
    request = a_request(url=f"http://a.example{path}?q=1")
    await build(UrlRewrite, {"path": new, "pathPrefix": prefix})(request, answering(200))
    assert request.path.decode() == expected
    assert request.target.endswith(b"?q=1")


async def test_all_of_a_path_and_the_host_are_replaced():
    request = a_request(url="http://a.example/x/y?q=1")
    await build(UrlRewrite, {"hostname": "b.example", "path": "/z"})(request, answering(200))
    assert (request.authority, request.path) == (b"b.example", b"/z")


@pytest.mark.parametrize("said", [{}, {"pathPrefix": "/a"}, {"path": "a"}, {"hostname": "a/b"}, {"hostname": ""}])
def test_a_rewriting_of_nothing_or_to_nowhere_is_refused(said):
    with pytest.raises(ConfigError):
        build(UrlRewrite, said)


@pytest.mark.spec("K-57")
@pytest.mark.parametrize(
    ("said", "location"),
    [
        ({"scheme": "https", "port": ""}, "https://a.example/p/x?q=1"),
        ({"scheme": "https", "port": "443"}, "https://a.example/p/x?q=1"),
        ({"scheme": "https", "port": "8443"}, "https://a.example:8443/p/x?q=1"),
        ({"hostname": "b.example"}, "http://b.example:8080/p/x?q=1"),
        ({"port": "80"}, "http://a.example/p/x?q=1"),
        ({"path": "/new"}, "http://a.example:8080/new?q=1"),
        ({"path": "/new", "pathPrefix": "/p"}, "http://a.example:8080/new/x?q=1"),
        ({"hostname": "[::1]", "scheme": "https", "port": "1"}, "https://[::1]:1/p/x?q=1"),
    ],
)
async def test_clients_are_sent_elsewhere(said, location):
    answer = await build(RequestRedirect, said)(a_request(url="http://a.example:8080/p/x?q=1"), answering(200))
    assert (answer.status, answer.headers.get(b"location")) == (302, location.encode())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_the_status_is_that_which_was_said_for_every_method(status):
    answer = await build(RequestRedirect, {"statusCode": status})(a_request("POST"), answering(200))
    assert answer.status == status


@pytest.mark.parametrize(
    "said",
    [
        {"scheme": "ftp"},
        {"port": "0"},
        {"port": "x"},
        {"statusCode": 304},
        {"hostname": "a.example/x"},
        {"hostname": ""},
        {"path": "x"},
    ],
)
def test_a_redirection_to_nowhere_is_refused(said):
    with pytest.raises(ConfigError):
        build(RequestRedirect, said)


async def test_a_request_without_host_cannot_be_sent_back_to_it():
    request = a_request()
    request.authority = b""
    assert (await build(RequestRedirect, {"scheme": "https"})(request, answering(200))).status == 400
