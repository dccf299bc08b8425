"""Header names in a spelling of their own, on the way to a server."""

import pytest

from pointsman.api import Peer
from pointsman.message import Body, Headers, Request, Spelled
from pointsman.testing import a_request
from pointsman.upstream.http1_head import request_head
from pointsman.upstream.http2_head import request_fields

PEER = Peer("http://127.0.0.1:1", host="127.0.0.1", port=1)


def a_told_request(*lines: tuple[bytes, bytes], body: bytes = b"") -> Request:
    request = a_request(body=body)
    request.headers = Headers(lines)
    request.append_forwarded_for = False
    return request


@pytest.mark.parametrize("more", [(), ((b"te", b"trailers"),), ((b"content-length", b"3"),), ((b"connection", b"x"),)])
def test_a_server_of_http1_gets_a_spelled_name_as_it_is_spelled(more: tuple[tuple[bytes, bytes], ...]) -> None:
    request = a_told_request((b"x-a", b"1"), (Spelled("X-WebAuth-User"), b"ann"), *more, (b"x-b", b"2"))
    head = request_head(request, PEER, True)

    assert b"\r\nX-A: 1\r\nX-WebAuth-User: ann\r\n" in head
    assert b"\r\nX-B: 2\r\n" in head
    assert head.lower().count(b"x-webauth-user") == 1


def test_the_same_name_and_value_without_a_spelling_is_written_as_ever() -> None:
    for name in (b"x-webauth-user", b"user-agent"):
        spelling = name.upper().decode()
        spelled = request_head(a_told_request((Spelled(spelling), b"ann")), PEER, True)
        plain = request_head(a_told_request((name, b"ann")), PEER, True)
        assert plain.lower() == spelled.lower()
        assert spelling.encode() not in plain


def test_a_server_of_http2_gets_it_in_lower_case() -> None:
    assert (b"x-webauth-user", b"ann") in request_fields(a_told_request((Spelled("X-WebAuth-User"), b"ann")), PEER, True)


@pytest.mark.parametrize("name", ["Connection", "Host", "Content-Length", "Transfer-Encoding"])
def test_no_spelling_brings_a_header_through_that_is_not_sent_on(name: str) -> None:
    head = request_head(a_told_request((Spelled(name), b"x")), PEER, True)

    assert b": x\r\n" not in head


def test_a_spelled_name_is_its_lower_case_in_every_other_way() -> None:
    headers = Headers([(Spelled("X-WebAuth-User"), b"ann")])

    assert headers.get(b"x-webauth-user") == b"ann"
    assert headers.copy() == Headers([(b"x-webauth-user", b"ann")])
    headers.set(b"x-webauth-user", b"bob")
    assert headers.raw == [(b"x-webauth-user", b"bob")]


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", "ü"])
def test_what_is_no_name_has_no_spelling(name: str) -> None:
    with pytest.raises(ValueError, match="token"):
        Spelled(name)


def test_trailers_are_announced_where_there_are_chunks() -> None:
    for body, announced in ((Body(), True), (Body.of(b"x"), False)):
        request = a_told_request((b"trailer", b"x-sum"), (b"te", b"trailers"))
        request.body = body
        assert (b"\r\nTrailer: x-sum\r\n" in request_head(request, PEER, True)) is announced
