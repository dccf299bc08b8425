"""Pages that stand in the configuration: what is put in, how it is escaped, and when which is sent."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Response, TextFile
from pointsman.errors import ConfigError, GatewayError
from pointsman.testing import FakeContext, a_request, answering, build
from pointsman_errors.errors import Errors

ODD = "http://a.example/x?q=\"><script>alert('1')</script>"


def errors(pages: dict[str, Any], **options: Any) -> Errors:
    return build(Errors, {"pages": pages, **options}, FakeContext(services={"pages": answering(200, {}, b"of the service")}))


async def shown(one: Errors, status: int = 404, url: str = "http://a.example/x", **headers: str) -> Response:
    return await one(a_request(url=url), answering(status, headers, b"dropped"))


async def test_a_page_needs_no_service_and_no_list_of_statuses():
    one = errors({"404": {"body": "<h1>{status} {reason}</h1>{ this stays }"}})
    response = await shown(one)
    assert (response.status, response.content) == (404, b"<h1>404 Not Found</h1>{ this stays }")
    assert response.headers.raw == [(b"content-type", b"text/html; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
    assert (await shown(one, 403)).content == b"dropped"
    assert (await one(a_request(), answering(200))).status == 200


async def test_errors_of_the_gateway_get_one_too():
    def fail(request: Any) -> Response:
        raise GatewayError(502)

    response = await errors({"500-599": {"body": "{status} {reason}"}})(a_request(), fail)
    assert (response.status, response.content) == (502, b"502 Bad Gateway")


async def test_a_page_is_for_what_a_status_becomes_or_else_for_what_it_was():
    pages = {"404": {"body": "{originalStatus} {status}"}, "418": {"body": "tea"}}
    one = errors(pages, status=["403"], statusRewrites={"403": 404, "418": 499})
    response = await shown(one, 403)
    assert (response.status, response.content) == (404, b"403 404")
    response = await shown(one, 418)
    assert (response.status, response.content) == (499, b"tea")


async def test_a_page_goes_before_the_service():
    one = errors({"404": {"body": "mine"}}, service="pages", status=["400-499"])
    assert [(await shown(one, status)).content for status in (404, 403)] == [b"mine", b"of the service"]


async def test_what_a_client_needs_to_do_better_stays():
    headers = {"WWW-Authenticate": "Basic", "Retry-After": "3", "Allow": "GET"}
    dropped = {"Set-Cookie": "a=b", "Content-Encoding": "gzip"}
    response = await errors({"401": {"body": "x"}})(a_request(), answering(401, headers | dropped))
    assert sorted(name for name, _ in response.headers) == [
        b"allow",
        b"content-type",
        b"retry-after",
        b"www-authenticate",
        b"x-content-type-options",
    ]


@pytest.mark.parametrize(
    ("content_type", "seen"),
    [
        ("text/html", "/x?q=&quot;&gt;&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;"),
        ("application/xhtml+xml; x=y", "/x?q=&quot;&gt;&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;"),
        ("application/problem+json", "/x?q=\\\"><script>alert('1')</script>"),
        ("text/plain; charset=utf-8", "/x?q=\"><script>alert('1')</script>"),
        ("text/javascript", "/x%3Fq%3D%22%3E%3Cscript%3Ealert%28%271%27%29%3C/script%3E"),
    ],
)
async def test_what_was_asked_for_is_escaped_as_the_type_asks_for(content_type: str, seen: str):
    response = await shown(errors({"404": {"body": "{url}", "contentType": content_type}}), url=ODD)
    assert response.content is not None
    assert response.content.decode().endswith(seen)


@given(st.binary(max_size=60))
def test_nothing_a_client_asks_for_becomes_markup(query: bytes):
    request = a_request()
    request.query = query
    answer: Any = errors({"404": {"body": "<p>{url}</p>"}})(request, answering(404))
    assert answer.content.count(b"<") == answer.content.count(b">") == 2
    assert b'"' not in answer.content


async def test_it_may_name_the_request():
    request = a_request()
    request.exchange.request_id = b"<42>"
    response = await errors({"404": {"body": "{requestId}"}})(request, answering(404))
    assert response.content == b"&lt;42&gt;"


async def test_a_page_may_stand_in_a_file(tmp_path: Any):
    path = tmp_path / "sorry.html"
    path.write_text("sorr\u00fd: {status}")
    response = await shown(errors({"400-499": {"file": str(path)}}), 410)
    assert response.content == "sorr\u00fd: 410".encode()


async def test_the_text_of_a_file_may_have_been_read_already():
    response = await shown(errors({"404": {"file": TextFile("/nowhere", "read: {status}")}}))
    assert response.content == b"read: 404"


@pytest.mark.parametrize(("text", "word"), [("x" * (1 << 20) + "x", "larger"), ("\ufffd", "UTF-8")], ids=["large", "bytes"])
def test_the_configuration_refuses_a_text_that_is_no_page(text: str, word: str):
    with pytest.raises(ConfigError, match=word) as refused:
        errors({"404": {"file": TextFile("/nowhere", text)}})
    assert [problem.path for problem in refused.value.problems] == ["errors.pages.404.file"]


def test_a_file_that_is_too_large_or_no_text_is_refused(tmp_path: Any):
    path = tmp_path / "big.html"
    for content, word in ((b"x" * (1 << 20) + b"x", "larger"), (b"\xff", "UTF-8")):
        path.write_bytes(content)
        with pytest.raises(Exception, match=word):
            errors({"404": {"file": str(path)}})
