"""HTTP/1.1 framing: what is one unambiguous message, and what is refused."""

import re
from contextlib import suppress
from itertools import pairwise
from typing import Any

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pointsman import wire
from pointsman.spelling import HOP_BY_HOP, PREFIXES, Prefixes
from pointsman.wire import BadMessage, Chunked


def refusal(call: Any, *arguments: Any) -> int:
    with pytest.raises(BadMessage) as caught:
        call(*arguments)
    return caught.value.status


def read(head: bytes) -> tuple[bytes, bytes, int, list[tuple[bytes, bytes]]]:
    method, target, minor, block = wire.split_request(head)
    return method, target, minor, [line[0] for line in wire.request_lines(block)]


def framing_of(block: bytes, minor: int = 1) -> tuple[int | None, bool]:
    return wire.framing([line[1] for line in wire.request_lines(block) if line[1] is not None], minor)


# request lines


@pytest.mark.parametrize("method", [b"GET", b"FOO", b"M-SEARCH", b"get", b"!#$%&'*+-.^_`|~09Az"])
def test_any_token_is_a_method(method: bytes) -> None:
    assert wire.split_request(method + b" /x HTTP/1.1\r\nHost: a")[:3] == (method, b"/x", 1)


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1 ",
        b" GET / HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET  HTTP/1.1",
        b"GET /  HTTP/1.1",
        b"GET /\tHTTP/1.1",
        b"GET\t/ HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET / http/1.1",
        b"GET / HTTP/1.1\n",
        b"GET / HTTP/1.1\r",
        b"GET / HTTP/1.1\x00",
        b"GET /\x00 HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
        b"GET /\x1f HTTP/1.1",
        b"G@T / HTTP/1.1",
        b"G\xc3\x89T / HTTP/1.1",
        b" / HTTP/1.1",
        b"GET /",
        b"GET",
        b"",
        b"/ HTTP/1.1",
        b"GET / HTTX/1.1",
        b"GET / HTTP/+1.1",
    ],
)
def test_what_is_no_request_line_gets_a_400(line: bytes) -> None:
    assert refusal(wire.split_request, line + b"\r\nHost: a") == 400


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/3.0", b"HTTP/1.2", b"HTTP/0.9", b"HTTP/2", b"HTTP/11"])
def test_another_version_gets_a_505(version: bytes) -> None:
    assert refusal(wire.split_request, b"GET / " + version + b"\r\nHost: a") == 505


def test_http_1_0_is_known_by_its_minor_version() -> None:
    assert wire.split_request(b"GET / HTTP/1.0") == (b"GET", b"/", 0, b"")


# header lines


def test_names_are_lower_case_and_values_lose_the_blanks_around_them() -> None:
    assert read(b"GET / HTTP/1.1\r\nHost:a\r\nX-Foo: \t b c\t \r\nEmpty:\r\nX-Foo:\xe9")[3] == [
        (b"host", b"a"),
        (b"x-foo", b"b c"),
        (b"empty", b""),
        (b"x-foo", b"\xe9"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        b" folded",
        b"\tfolded",
        b" Folded: x",
        b"Name : x",
        b"Name\t: x",
        b"Transfer-Encoding : chunked",
        b": x",
        b":",
        b"no colon",
        b"nocolon",
        b"",
        b"Na me: x",
        b"Na(me: x",
        b"N\xc3\xa4me: x",
        b"Name: a\nb",
        b"Name: a\rb",
        b"Name: a\r",
        b"\rName: a",
        b"Name: a\x00b",
        b"Name: a\x01b",
        b"Name: a\x7fb",
        b"Name: a\x0bb",
        b"Na\x00me: a",
        b'"Name": x',
    ],
)
def test_a_line_that_is_not_strict_is_refused(line: bytes) -> None:
    for block in (line, b"Host: a\r\n" + line, line + b"\r\nHost: a", b"A: 1\r\n" + line + b"\r\nB: 2"):
        if block:
            assert refusal(wire.request_lines, block) == 400
    assert refusal(wire.ResponseHead, b"HTTP/1.1 200 OK\r\n" + line) == 400


def test_more_than_a_thousand_lines_are_refused_with_431() -> None:
    assert len(wire.request_lines(b"\r\n".join([b"A: 1"] * 1000))) == 1000
    assert refusal(wire.request_lines, b"\r\n".join([b"A: 1"] * 1100)) == 431


# framing


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"Host: a", (None, False)),
        (b"Content-Length: 5", (5, False)),
        (b"Content-Length:0", (0, False)),
        (b"content-length: 007", (7, False)),
        (b"Transfer-Encoding: chunked", (None, True)),
        (b"TRANSFER-ENCODING: Chunked", (None, True)),
    ],
)
def test_the_framing_of_a_message_is_read(block: bytes, expected: tuple[int | None, bool]) -> None:
    assert framing_of(block) == expected


@pytest.mark.parametrize(
    "block",
    [
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5\r\nContent-Length: 5",
        b"Content-Length: 5, 5",
        b"Content-Length: +5",
        b"Content-Length: -5",
        b"Content-Length: 5_0",
        b"Content-Length: 5 0",
        b"Content-Length: 0x5",
        b"Content-Length: 5.0",
        b"Content-Length: ",
        b"Content-Length: \xb2",
        b"Content-Length: " + b"9" * 19,
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 0",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ],
)
def test_framing_that_can_be_read_in_two_ways_is_refused(block: bytes) -> None:
    assert refusal(framing_of, block) == 400


@pytest.mark.parametrize(
    "coding",
    [
        b"gzip, chunked",
        b"chunked, chunked",
        b"xchunked",
        b"chunked;q=1",
        b"identity",
        b"",
        b"chunked,",
        b'"chunked"',
        b"\x0b",
    ],
)
def test_a_coding_other_than_chunked_is_not_implemented(coding: bytes) -> None:
    assert refusal(framing_of, b"Transfer-Encoding: " + coding) in ((400,) if coding == b"\x0b" else (501,))


def test_transfer_encoding_in_http_1_0_is_refused() -> None:
    assert refusal(framing_of, b"Transfer-Encoding: chunked", 0) == 400


# responses


def test_a_response_head_says_how_its_body_ends_and_whether_the_connection_stays() -> None:
    head = wire.ResponseHead(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-a-B: c")
    assert (head.status, head.length, head.chunked, head.keep) == (200, 5, False, True)
    assert head.parsed.wire == b"\r\nX-A-B: c"
    assert wire.ResponseHead(b"HTTP/1.1 299 ").status == 299
    assert wire.ResponseHead(b"HTTP/1.1 200").status == 200
    assert wire.ResponseHead(b"HTTP/1.0 200 OK").keep is False
    assert wire.ResponseHead(b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive").keep is True


@pytest.mark.parametrize("lines", [b"Connection: close\r\nConnection: keep-alive", b"Connection: Close, keep-alive"])
def test_close_wins_over_keep_alive(lines: bytes) -> None:
    assert wire.ResponseHead(b"HTTP/1.1 200 OK\r\n" + lines).keep is False


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 99 x",
        b"HTTP/1.1 1000 x",
        b"HTTP/1.1  200 x",
        b"HTTP/2 200",
        b"HTTP/1.1 2xx",
        b"ICY 200 OK",
        b"HTTP/1.1 +20 x",
    ],
)
def test_what_is_no_status_line_is_refused(line: bytes) -> None:
    assert refusal(wire.ResponseHead, line) == 400


def test_hop_by_hop_and_nominated_response_headers_are_not_sent_on() -> None:
    head = wire.ResponseHead(
        b"HTTP/1.1 200 OK\r\nConnection: x-hop, date\r\nX-Hop: 1\r\nKeep-Alive: 3\r\nProxy-Authenticate: x\r\n"
        b"Upgrade: x\r\nTe: x\r\nProxy-Connection: x\r\nDate: never\r\nX-End: 2\r\nTransfer-Encoding: chunked"
    )
    assert head.parsed.wire == b"\r\nX-End: 2"
    assert not head.parsed.seen & wire.DATE, "the gateway is to write a Date"


# the caches


def test_a_line_means_the_same_whether_it_is_remembered_or_not() -> None:
    for line in (b"X-A: 1", b"Content-Length: 5", b"Host: a", b"x_forwarded_for: 1", b"X-Forwarded-For: 2"):
        fresh = wire._WireLines(Prefixes(HOP_BY_HOP | {b"host", b"content-length", b"x-forwarded-for"}))
        assert wire.REQUEST_LINES[line] == wire.REQUEST_LINES[line] == fresh[line]


def test_a_response_line_is_not_taken_for_a_request_line() -> None:
    line = b"X-Forwarded-For: 1.2.3.4"
    assert wire.RESPONSE_LINES[line][2] == b"\r\nX-Forwarded-For: 1.2.3.4"
    assert wire.REQUEST_LINES[line][2] == b""
    assert wire.RESPONSE_LINES[b"Host: x"][2] == b"\r\nHost: x"
    assert wire.REQUEST_LINES[b"Host: x"][2] == b""


def test_the_caches_are_bounded_and_go_on_learning() -> None:
    for number in range(10_000):
        wire.REQUEST_LINES[b"X-Flood-%d: 1" % number]
        PREFIXES[b"x-flood-%d" % number]
    assert len(wire.REQUEST_LINES) <= 4096
    assert len(wire.NAMES) <= 4096
    assert len(PREFIXES) <= 4096
    assert len(wire.REQUEST_PREFIXES) <= 4096
    assert wire.NAMES[b"Content-LENGTH"] == (b"content-length", wire.LENGTH)
    assert b"Content-LENGTH" in wire.NAMES
    assert wire.REQUEST_PREFIXES[b"host"] == b"", "forgetting keeps what is never copied"
    assert wire.REQUEST_PREFIXES[b"transfer-encoding"] == b""


@pytest.mark.parametrize(
    "name",
    [b"Cookie", b"Set-Cookie", b"Authorization", b"Proxy-Authorization", b"X-Api-Key", b"X-Auth-Token", b"X-CSRF-Token"],
)
def test_lines_that_hold_secrets_are_not_remembered(name: bytes) -> None:
    for lines in (wire.REQUEST_LINES, wire.RESPONSE_LINES):
        line = name + b": hush"
        assert lines[line][0][1] == b"hush"
        assert line not in lines
        assert not any(b"hush" in kept for kept in lines)


def test_long_lines_and_names_are_not_remembered() -> None:
    long = b"X-Long: " + b"x" * 200
    wire.REQUEST_LINES[long]
    assert long not in wire.REQUEST_LINES
    wire.NAMES[b"y" * 100]
    assert b"y" * 100 not in wire.NAMES
    with pytest.raises(wire.BadMessage):
        wire.ResponseHead(b"HTTP/1.1 200 " + b"y" * 100 + b"\r\nno header")
    assert not any(len(line) > 100 for line in wire._STATUSES)


def test_a_name_that_is_long_takes_no_memory_once_its_line_is_read() -> None:
    for lines in (wire.REQUEST_LINES, wire.RESPONSE_LINES):
        before = len(lines._chances)
        for number in range(10):
            name = b"x-%d-" % number + b"y" * 100_000
            assert lines[name + b": 1"][0] == (name, b"1")
        assert len(lines._chances) == before


# the chunked coding

CODED = b'5;name=value;n="\\"; v"\r\nhello\r\n006 ; x\r\n world\r\n0\r\nX-Sum: 1\r\nEtag: x\r\n\r\nGET /next'


def undo(pieces: list[bytes]) -> tuple[bytes, bytes | None, list[tuple[bytes, bytes]]]:
    decoder, content, rest = Chunked(), b"", None
    for number, piece in enumerate(pieces):
        chunks, rest = decoder.feed(piece)
        content += b"".join(chunks)
        if rest is not None:
            rest += b"".join(pieces[number + 1 :])
            break
    return content, rest, decoder.trailers


@given(st.lists(st.integers(0, len(CODED)), max_size=20))
@example(list(range(len(CODED))))
def test_however_chunks_are_cut_they_say_the_same(cuts: list[int]) -> None:
    places = [0, *sorted(set(cuts)), len(CODED)]
    pieces = [CODED[start:end] for start, end in pairwise(places)]
    assert undo(pieces) == (b"hello world", b"GET /next", [(b"x-sum", b"1"), (b"etag", b"x")])


BAD_CHUNKS = [
    b"x\r\n",
    b"0x5\r\nhello\r\n",
    b"+5\r\nhello\r\n",
    b"-5\r\nhello\r\n",
    b"5_0\r\nhello\r\n",
    b" 5\r\nhello\r\n",
    b"5 \r\nhello\r\n",
    b"\r\nhello\r\n",
    b";x\r\nhello\r\n",
    b"fffffffffffffffff\r\n",
    b"5\nhello\n0\n\n",
    b"5\r\nhello0\r\n\r\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"5\r\nhello!\r\n0\r\n\r\n",
    b"5\r\nhello\r0\r\n\r\n",
    b"5;a\nb\r\nhello\r\n",
    b"5;a\rb\r\nhello\r\n",
    b"5;a\x00b\r\nhello\r\n",
    b"5;\r\nhello\r\n",
    b"5;a b\r\nhello\r\n",
    b"5;a=\r\nhello\r\n",
    b'5;a="b\r\nhello\r\n',
    b"5;a \r\nhello\r\n",
    b"0\r\nNo colon\r\n\r\n",
    b"0\r\nA: b\nC: d\r\n\r\n",
    b"0\r\n folded: x\r\n\r\n",
    b"0\r\nA : x\r\n\r\n",
    b"0\r\nA: \x00\r\n\r\n",
    b"\xef\xbc\x95\r\nhello\r\n",
]


@pytest.mark.parametrize("coded", BAD_CHUNKS)
def test_bad_chunks_are_refused_whole_and_one_byte_at_a_time(coded: bytes) -> None:
    assert refusal(undo, [coded]) == 400
    assert refusal(undo, [coded[at : at + 1] for at in range(len(coded))]) == 400


def test_extensions_and_trailers_are_bounded() -> None:
    assert refusal(undo, [b"5;" + b"x" * 5000]) == 400
    assert refusal(undo, [b"5;" + b"x" * 5000 + b"\r\nhello\r\n"]) == 400
    assert refusal(undo, [b"0\r\n" + b"A: %s\r\n" % (b"x" * 4000) * 5]) == 431
    assert refusal(undo, [b"0\r\n" + b"A: b\r\n" * 10_000]) == 431
    assert refusal(undo, [(b"1;" + b"x" * 4000 + b"\r\na\r\n") * 10]) == 400, "more extensions than content"
    assert undo([b"1\r\na\r\n" * 100_000 + b"0\r\n\r\n"])[0] == b"a" * 100_000


def test_trailers_that_frame_route_or_vouch_are_not_sent_on() -> None:
    names = (
        b"content-length transfer-encoding host te trailer connection authorization cookie set-cookie content-type expect"
    )
    managed = b"x-forwarded-for x_forwarded_for x-real-ip forwarded"
    trailers = [(name, b"x") for name in (names + b" " + managed).split()]
    assert wire.last_chunk([*trailers, (b"grpc-status", b"0")]) == b"0\r\nGrpc-Status: 0\r\n\r\n"


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=10), st.integers(1, 50))
def test_what_we_code_we_read(chunks: list[bytes], step: int) -> None:
    coded = b"".join(map(wire.chunk, chunks)) + wire.last_chunk([(b"x-a", b"1")])
    pieces = [coded[at : at + step] for at in range(0, len(coded), step)]
    assert undo(pieces) == (b"".join(chunks), b"", [(b"x-a", b"1")])


# against another reader


class Llhttp:
    """What llhttp makes of some bytes: whole messages with their bodies, and whether one is open."""

    def __init__(self, data: bytes) -> None:
        self.messages: list[tuple[bytes, list[tuple[bytes, bytes]], bytes]] = []
        self.url, self.body, self.headers = b"", b"", []
        self.open = False
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.url, self.body, self.headers, self.open = b"", b"", [], True

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.messages.append((self.url, self.headers, self.body))
        self.open = False


def ours(data: bytes) -> tuple[bytes, list[tuple[bytes, bytes]], bytes] | None:
    """The one whole message that `data` is, as we read it."""
    head, mark, rest = data.partition(b"\r\n\r\n")
    if not mark:
        return None
    try:
        _, target, minor, block = wire.split_request(head)
        lines = wire.request_lines(block)
        length, chunked = wire.framing([line[1] for line in lines if line[1] is not None], minor)
        if chunked:
            body, after, _ = undo([rest])
            if after is None:
                return None
        else:
            body, after = rest[: length or 0], rest[length or 0 :]
            if len(body) < (length or 0):
                return None
    except BadMessage:
        return None
    return None if after else (target, [line[0] for line in lines], body)


LINES = st.sampled_from(
    [
        b"Content-Length: 5",
        b"Content-Length: 5, 5",
        b"Content-Length:5",
        b"Content-Length: +5",
        b"Content-Length: 0",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: Chunked",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding:\tchunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: xchunked",
        b" folded",
        b"X: y",
        b"X_y: z\xe9",
        b"X:",
    ]
)
BODIES = st.sampled_from(
    [b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", b"0\r\n\r\n", b"5\nhello\n0\n\n"]
)
MANGLED = st.lists(
    st.tuples(st.integers(0, 200), st.sampled_from([b"\r", b"\n", b" ", b"\t", b"\x00", b":", b",", b"0", b""])), max_size=2
)


_WHITE_EXTENSION = re.compile(rb"\r\n[0-9A-Fa-f]+[ \t]*;[^\r\n]*[ \t]|\r\n[0-9A-Fa-f]+[ \t]+;")


@settings(max_examples=400)
@given(st.sampled_from([b"GET", b"POST"]), st.lists(LINES, max_size=4), BODIES, MANGLED)
def test_what_we_take_for_one_request_another_reader_does_too(
    method: bytes, lines: list[bytes], body: bytes, mangled: list[tuple[int, bytes]]
) -> None:
    data = b"\r\n".join([method + b" /x?y HTTP/1.1", b"Host: a", *lines]) + b"\r\n\r\n" + body
    for place, what in mangled:
        at = place % len(data)
        data = data[:at] + what + data[at + 1 :]
    mine = ours(data)
    if mine is None:
        return
    method_read = data.split(b" ")[0]
    if method_read not in (b"GET", b"POST") or not mine[0].startswith(b"/"):
        return  # llhttp knows a list of methods, and targets are read in server/head.py
    if _WHITE_EXTENSION.search(data):
        return  # llhttp refuses the white space that RFC 9112 section 7.1.1 has recipients take
    theirs = Llhttp(data)
    assert not theirs.open
    assert len(theirs.messages) == 1
    url, headers, content = theirs.messages[0]
    assert (url, content) == (mine[0], mine[2])
    assert headers[: len(mine[1])] == mine[1]


@given(st.binary(max_size=200))
def test_garbage_raises_nothing_but_bad_message(data: bytes) -> None:
    for call in (wire.split_request, wire.request_lines, wire.ResponseHead, lambda data: undo([data])):
        with suppress(BadMessage):
            call(data)


def test_the_date_is_a_header_line_of_its_own() -> None:
    assert re.fullmatch(rb"\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", wire.date_line())
