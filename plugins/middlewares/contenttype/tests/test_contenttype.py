import pytest

from pointsman import Body, Response
from pointsman.testing import a_request, answering, build
from pointsman_contenttype import ContentType


async def through(response, config=None, method="GET"):
    return await build(ContentType, config)(a_request(method), lambda request: response)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"hello", b"text/plain; charset=utf-8"),
        (b"\x89PNG\r\n\x1a\n\0", b"image/png"),
        (b"a\0", b"application/octet-stream"),
    ],
)
async def test_an_answer_without_a_type_gets_one_by_its_first_bytes(body, kind):
    response = await through(Response(200, [], body))

    assert (response.headers.raw, response.content) == ([(b"content-type", kind)], body)


async def test_a_body_that_is_still_coming_is_waited_for_and_left_whole():
    async def chunks():
        yield b"<html>"
        yield b"more"

    response = await through(Response(200, [], Body.stream(chunks())))

    assert response.headers.get(b"content-type") == b"text/html; charset=utf-8"
    assert await response.body.read(100) == b"<html>more"


@pytest.mark.parametrize("line", [(b"content-type", b"x/y"), (b"content-type", b""), (b"content-encoding", b"gzip")])
async def test_what_is_said_stays_and_what_is_encoded_is_not_looked_at(line):
    assert (await through(Response(200, [line], b"hello"))).headers.raw == [line]


@pytest.mark.parametrize(
    ("response", "method"),
    [
        (Response(200), "GET"),
        (Response(304), "GET"),
        (Response(204), "GET"),
        (Response(101), "GET"),
        (Response(200, [], b"x"), "HEAD"),
    ],
)
async def test_where_there_is_no_body_nothing_is_said(response, method):
    assert (await through(response, method=method)).headers.raw == []


async def test_auto_detect_is_deprecated_and_false_does_nothing(caplog):
    off, upstream = build(ContentType, {"autoDetect": False}), answering(200, {}, b"hello")

    assert (await off(a_request(), upstream)).headers.raw == []
    assert off.bind(upstream) is upstream
    assert "autoDetect is deprecated" in caplog.text
    assert (await through(Response(200, [], b"x"), {"autoDetect": True})).headers.get(b"content-type")
