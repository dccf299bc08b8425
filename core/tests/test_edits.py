"""Edits done once to headers that come again give what they give line by line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import wire
from pointsman.edits import MAX_KEPT, HeaderEdit
from pointsman.message import NOTHING, Address, Body, Headers, Link, Request
from pointsman.server.head import Block
from pointsman.server.settings import EntrySettings
from pointsman.upstream.http1_head import request_head
from pointsman.upstream.transport import peer_from

PLAIN = [b"x-a", b"x-b", b"x-forwarded-prefix", b"x-forwarded-proto", b"authorization", b"cookie", b"x-real-ip"]
APART = [b"te", b"trailer", b"expect", b"date", b"connection", b"content-length", b"x-forwarded-for", b"proxy-authorization"]
NAMES = st.sampled_from([*PLAIN, *APART])
VALUES = st.sampled_from([b"1", b"12", b"a b", b"", b"trailers"])
EDITS = st.lists(st.tuples(st.frozensets(NAMES, max_size=3), st.lists(st.tuples(NAMES, VALUES), max_size=2)), max_size=3)
LINES = st.lists(
    st.sampled_from(
        (
            b"X-A: 1,X-A: 12,x-b: 1,Te: trailers,Trailer: x-a,Cookie: a=b,Authorization: Basic eA==,Connection: x-a,"
            b"Expect: 100-continue,X-Forwarded-For: 9.9.9.9,Proxy-Authorization: x,Date: x"
        ).split(b",")
    ),
    max_size=6,
)
LINK = Link(Address("192.0.2.7", 1), Address("192.0.2.1", 80), b"http", "web")
PEER = peer_from("http://10.0.0.1:9000")


def sent(headers: Headers, body: Body = NOTHING, *, told: bool = False) -> list[bytes]:
    """The header lines that a server gets, sorted."""
    request = Request(b"GET", b"/", headers, body, b"a", b"a", LINK)
    request.told = b"\r\nX-A: told" if told else b""
    return sorted(request_head(request, PEER, True).split(b"\r\n"))


@given(LINES, EDITS, st.booleans(), st.booleans())
def test_a_block_is_edited_as_its_lines_are(lines: list[bytes], edits: list, trusted: bool, chunked: bool) -> None:  # type: ignore[type-arg]
    source = b"\r\n".join([b"Host: a", *([b"Transfer-Encoding: chunked"] if chunked else []), *lines])
    block = Block(source, 1, EntrySettings("web", server_name=b"gate"), LINK, trusted)
    made = [HeaderEdit(names, added) for names, added in edits]
    by_line = Headers(block.parsed.pairs())
    for edit in made:
        edit.apply(by_line)
    for _ in range(2):  # the second time it is kept
        headers = Headers((), block.parsed)
        for edit in made:
            edit.apply(headers)
        body = Body() if chunked else NOTHING
        assert sent(headers, body) == sent(Headers(by_line.raw.copy()), body)
        assert sorted(headers) == sorted(by_line)


@given(st.lists(st.sampled_from([b"X-A: 1", b"X-A: 12", b"Server: s", b"Date: x", b"Connection: close"])), EDITS)
def test_an_answer_is_edited_as_its_lines_are(lines: list[bytes], edits: list) -> None:  # type: ignore[type-arg]
    head = wire.ResponseHead(b"\r\n".join([b"HTTP/1.1 200 OK", *lines]))
    made = [HeaderEdit(names, added, response=True) for names, added in edits]
    headers, by_line = Headers((), head.parsed), Headers(head.parsed.pairs())
    for edit in made:
        edit.apply(headers)
        edit.apply(by_line)

    assert sorted(headers) == sorted(by_line)
    if headers.parsed is not None:
        wires = [wire.RESPONSE_WIRES[pair] or b"" for pair in by_line.raw]
        assert sorted(headers.parsed.wire.split(b"\r\n")) == sorted(b"".join(wires).split(b"\r\n"))


STEPS = st.lists(st.tuples(st.sampled_from(["add", "set", "remove"]), NAMES, VALUES), max_size=4)


@given(LINES, STEPS, st.booleans(), st.booleans())
def test_lines_are_added_to_a_block_as_to_lines(lines: list[bytes], steps: list, trusted: bool, told: bool) -> None:  # type: ignore[type-arg]
    source = b"\r\n".join([b"Host: a", *lines])
    block = Block(source, 1, EntrySettings("web", server_name=b"gate"), LINK, trusted)
    headers, by_line = Headers((), block.parsed), Headers(block.parsed.pairs())
    copied, before = headers.copy(), block.parsed.pairs()
    for what, name, value in steps:
        for each in (headers, by_line):
            each.remove(name) if what == "remove" else getattr(each, what)(name, value)

    assert list(headers) == list(by_line)
    assert sent(headers, told=told) == sent(by_line, told=told)
    assert list(copied) == list(before) == list(block.parsed.pairs())


@pytest.mark.parametrize("name", APART)
def test_a_line_that_says_how_to_send_takes_a_block_apart(name: bytes) -> None:
    headers = Headers((), Block(b"Host: a", 1, EntrySettings("web"), LINK, False).parsed)
    headers.add(b"x-a", b"1")
    assert headers.parsed is not None
    headers.add(name, b"1")
    assert headers.parsed is None
    assert headers.pairs()[-2:] == [(b"x-a", b"1"), (name, b"1")]


def test_a_block_is_not_added_to_without_end() -> None:
    headers = Headers((), Block(b"Host: a", 1, EntrySettings("web"), LINK, False).parsed)
    for number in range(100):
        headers.add(b"x-n", b"%d" % number)
    assert headers.parsed is None
    assert headers.get_all(b"x-n") == [b"%d" % number for number in range(100)]


def test_what_comes_again_is_edited_once_and_not_kept_without_end() -> None:
    block = Block(b"Host: a\r\nX-A: 1", 1, EntrySettings("web", server_name=b"gate"), LINK, False)
    edit = HeaderEdit([b"x-a"], [(b"x-a", b"2")])
    first, second = Headers((), block.parsed), Headers((), block.parsed)
    edit.apply(first)
    edit.apply(second)
    assert first.parsed is second.parsed is not block.parsed
    assert first.get(b"x-a") == b"2"
    assert block.parsed.pairs()[1] == (b"x-a", b"1"), "the block is as it came"

    for number in range(3 * MAX_KEPT):
        HeaderEdit([], [(b"x-n", b"%d" % number)]).apply(Headers((), block.parsed))
    assert block.parsed.edits is not None
    assert len(block.parsed.edits) <= MAX_KEPT


def test_a_line_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        HeaderEdit([], [(b"x-a", b"1\r\nX-B: 2")])
