"""The list of h2spec (its groups `generic`, `http2` and `hpack`), case by case, against `Http2Protocol`.

`CASES` is the table: h2spec's number, the section of RFC 9113 (or 7541) as it is counted now, what is sent, and what must
come of it. "Sends" is after the preface and SETTINGS unless the case is about those. Where the RFC leaves a choice between
a stream error and a connection error, the table holds ours.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import Factory, frozen
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

from pointsman.http2 import frames
from pointsman.http2.frames import (
    ACK,
    COMPRESSION_ERROR,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    LARGEST_WINDOW,
    MAX_FRAME_SIZE,
    NO_ERROR,
    PADDED,
    PING,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    WITH_PRIORITY,
)
from pointsman.message import Request, Response

# the requests' header blocks are literals, so that any order of them stands for itself
METHOD, SCHEME, PATH, HOST = b"\x82", b"\x86", b"\x84", b"\x01\x06a.test"
GET = METHOD + SCHEME + PATH + HOST
POST = b"\x83" + SCHEME + PATH + HOST
HEAD = b"\x02\x04HEAD" + SCHEME + PATH + HOST
BODY = b"hello"


def huffman(text: bytes) -> bytes:
    coded = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode(text)
    return bytes((0x80 | len(coded),)) + coded


def line(name: bytes, value: bytes) -> bytes:
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return frames.head(len(payload) << 8 | kind, flags, stream) + payload


def headers(block: bytes = GET, flags: int = END_HEADERS | END_STREAM, stream: int = 1) -> bytes:
    return frame(HEADERS, flags, stream, block)


def data(payload: bytes = b"", end: bool = False, stream: int = 1) -> bytes:
    return frame(0, END_STREAM if end else 0, stream, payload)


def priority(depends: int, weight: int = 0, stream: int = 1) -> bytes:
    return frame(PRIORITY, 0, stream, depends.to_bytes(4, "big") + bytes((weight,)))


OPEN = END_HEADERS
DONE = b"\0\0\0\1"
UPLOAD = headers(POST, OPEN)


@frozen
class Answered:
    """The request is answered: status, and what the body must be."""

    status: int = 200
    body: bytes = BODY
    stream: int = 1


@frozen
class Stream:
    """RST_STREAM, and the connection goes on."""

    code: int
    stream: int = 1


@frozen
class Connection:
    """GOAWAY, and the connection ends."""

    code: int


@frozen
class GoesOn:
    """The connection goes on."""


@frozen
class Sends:
    """Frames of this kind come, with these payloads."""

    kind: int
    payloads: Sequence[bytes]


@frozen
class Case:
    number: str
    rfc: str
    what: str
    sends: Sequence[bytes]
    then: Any
    answering: bool = True
    """Whether the server behind the gateway answers at once; else never."""
    begun: bool = True
    settings: Sequence[tuple[int, int]] = ()
    limits: dict[str, Any] = Factory(dict)


ANSWERED = Answered()
GOES_ON = GoesOn()
BAD = Connection(PROTOCOL_ERROR)
GARBLED = Connection(COMPRESSION_ERROR)
MISSIZED = Connection(FRAME_SIZE_ERROR)
OVERFLOW = Connection(FLOW_CONTROL_ERROR)
MALFORMED = Stream(PROTOCOL_ERROR)


def case(number: str, rfc: str, what: str, sends: Sequence[bytes] | bytes, then: Any, **more: Any) -> Case:
    return Case(number, rfc, what, [sends] if isinstance(sends, bytes) else sends, then, **more)


def silent(number: str, rfc: str, what: str, sends: Sequence[bytes] | bytes, then: Any) -> Case:
    return case(number, rfc, what, sends, then, answering=False)


LITERALS = [
    ("with incremental indexing", b"\x41", b"\x40"),
    ("without indexing", b"\x01", b"\x00"),
    ("never indexed", b"\x11", b"\x10"),
]


def _literals() -> list[Case]:
    """generic/5/2-13: each kind of literal, with an indexed or a new name, plain and in Huffman code."""
    cases, number = [], 2
    for kind, indexed, new in LITERALS:
        host = METHOD + SCHEME + PATH + indexed
        name = GET + new
        blocks = [
            (f"{kind}, indexed name", host + b"\x06a.test"),
            (f"{kind}, indexed name, Huffman code", host + huffman(b"a.test")),
            (f"{kind}, new name", name + b"\x03x-a\x01b"),
            (f"{kind}, new name, Huffman code", name + huffman(b"x-a") + huffman(b"b")),
        ]
        for what, block in blocks:
            cases.append(case(f"generic/5/{number}", "7541 6.2", f"a literal {what}", headers(block), ANSWERED))
            number += 1
    return cases


CASES = [
    case(
        "generic/1/1",
        "3.4",
        "the client's preface",
        [frames.PREFACE + frames.settings([])],
        Sends(SETTINGS, [b""]),
        begun=False,
    ),
    case("generic/2/1", "5.1", "PRIORITY on an idle stream", priority(0), GOES_ON),
    silent(
        "generic/2/2",
        "5.1",
        "WINDOW_UPDATE on a half-closed (remote) stream",
        [headers(), frames.window_update(1, 1)],
        GOES_ON,
    ),
    silent("generic/2/3", "5.1", "PRIORITY on a half-closed (remote) stream", [headers(), priority(0)], GOES_ON),
    silent(
        "generic/2/4", "5.1", "RST_STREAM on a half-closed (remote) stream", [headers(), frames.rst_stream(1, 8)], GOES_ON
    ),
    case("generic/2/5", "5.1", "PRIORITY on a closed stream", [headers(), priority(0)], GOES_ON),
    case("generic/3.1/1", "6.1", "a DATA frame", [UPLOAD, data(b"x", True)], ANSWERED),
    case("generic/3.1/2", "6.1", "several DATA frames", [UPLOAD, data(b"x"), data(b"y", True)], ANSWERED),
    case(
        "generic/3.1/3", "6.1", "a DATA frame with padding", [UPLOAD, frame(0, PADDED | 1, 1, b"\5x" + bytes(5))], ANSWERED
    ),
    case("generic/3.2/1", "6.2", "a HEADERS frame", headers(), ANSWERED),
    case("generic/3.2/2", "6.2", "a HEADERS frame with padding", headers(b"\3" + GET + bytes(3), 5 | PADDED), ANSWERED),
    case(
        "generic/3.2/3",
        "6.2",
        "a HEADERS frame with priority",
        headers(bytes(4) + b"\xff" + GET, 5 | WITH_PRIORITY),
        ANSWERED,
    ),
    case("generic/3.3/1", "6.3", "PRIORITY with weight 1", [priority(0, 0), headers()], ANSWERED),
    case("generic/3.3/2", "6.3", "PRIORITY with weight 256", [priority(0, 255), headers()], ANSWERED),
    case("generic/3.3/3", "6.3", "PRIORITY with a dependency", [priority(0), priority(1, 0, 3), headers()], ANSWERED),
    case("generic/3.3/4", "6.3", "exclusive PRIORITY", [priority(0), priority(1 | 1 << 31, 0, 3), headers()], ANSWERED),
    case(
        "generic/3.3/5",
        "6.3",
        "PRIORITY on an idle stream, then HEADERS on a lower one",
        [priority(0, 0, 5), headers()],
        ANSWERED,
    ),
    silent("generic/3.4/1", "6.4", "RST_STREAM", [headers(), frames.rst_stream(1, 8)], GOES_ON),
    case("generic/3.5/1", "6.5", "SETTINGS", frames.settings([(3, 100)]), Sends(SETTINGS, [b""])),
    case("generic/3.7/1", "6.7", "PING", frames.ping(b"h2spec\0\0"), Sends(PING, [b"h2spec\0\0"])),
    case("generic/3.8/1", "6.8", "GOAWAY", [headers(), frames.goaway(0, 0)], ANSWERED),
    case("generic/3.9/1", "6.9", "WINDOW_UPDATE on stream 0", [frames.window_update(0, 1), headers()], ANSWERED),
    silent("generic/3.9/2", "6.9", "WINDOW_UPDATE on a stream", [headers(), frames.window_update(1, 1)], GOES_ON),
    case("generic/3.10/1", "6.10", "CONTINUATION", [headers(GET[:3], 1), frame(9, 4, 1, GET[3:])], ANSWERED),
    case(
        "generic/3.10/2",
        "6.10",
        "several CONTINUATIONs",
        [headers(b"", 1), frame(9, 0, 1, GET[:2]), frame(9, 4, 1, GET[2:])],
        ANSWERED,
    ),
    case("generic/4/1", "8.1", "GET", headers(), ANSWERED),
    case("generic/4/2", "8.1", "HEAD", headers(HEAD), Answered(body=b"")),
    case("generic/4/3", "8.1", "POST", [UPLOAD, data(b"x", True)], ANSWERED),
    case("generic/4/4", "8.1", "POST with trailers", [UPLOAD, data(b"x"), headers(line(b"x-t", b"1"))], ANSWERED),
    case("generic/5/1", "7541 6.1", "an indexed field", headers(), ANSWERED),
    *_literals(),
    case("generic/5/14", "7541 6.3", "a dynamic table size update", headers(b"\x3f\x61" + GET), ANSWERED),
    case("generic/5/15", "7541 6.3", "several dynamic table size updates", headers(b"\x20\x3f\x61" + GET), ANSWERED),
    # http2
    case(
        "http2/3.5/1", "3.4", "a valid preface", [frames.PREFACE + frames.settings([])], Sends(SETTINGS, [b""]), begun=False
    ),
    case(
        "http2/3.5/2",
        "3.4",
        "an invalid preface",
        [b"INVALID CONNECTION PREFACE\r\n\r\n"],
        BAD,
        begun=False,
    ),
    case("http2/4.1/1", "4.1", "a frame of unknown type", frame(0xFF, 0, 0, b"x" * 8), GOES_ON),
    case("http2/4.1/2", "4.1", "a frame with an undefined flag", frame(PING, 0x16, 0, b"h2spec\0\0"), GOES_ON),
    case(
        "http2/4.1/3",
        "4.1",
        "a frame with the reserved bit",
        frames.head(8 << 8 | PING, 0, 1 << 31) + b"h2spec\0\0",
        GOES_ON,
    ),
    case("http2/4.2/1", "4.2", "DATA of 2^14 octets", [UPLOAD, data(b"x" * 16_384, True)], ANSWERED),
    case(
        "http2/4.2/2",
        "4.2",
        "DATA above SETTINGS_MAX_FRAME_SIZE",
        [UPLOAD, data(b"x" * 16_385)],
        MISSIZED,
    ),
    case("http2/4.2/3", "4.2", "HEADERS above SETTINGS_MAX_FRAME_SIZE", headers(b"\0" * 16_385), MISSIZED),
    case("http2/4.3/1", "4.3", "an invalid header block", headers(b"\x40"), GARBLED),
    case("http2/4.3/2", "4.3", "PRIORITY inside a header block", [headers(GET, 1), priority(0)], BAD),
    case(
        "http2/4.3/3",
        "4.3",
        "HEADERS of another stream inside a header block",
        [headers(GET, 1), headers(stream=3)],
        BAD,
    ),
    case("http2/5.1/1", "5.1", "idle: DATA", data(b"x", True), BAD),
    case("http2/5.1/2", "5.1", "idle: RST_STREAM", frames.rst_stream(1, 8), BAD),
    case("http2/5.1/3", "5.1", "idle: WINDOW_UPDATE", frames.window_update(1, 100), BAD),
    case("http2/5.1/4", "5.1", "idle: CONTINUATION", frame(9, 4, 1, GET), BAD),
    silent("http2/5.1/5", "5.1", "half closed (remote): DATA", [headers(), data(b"x", True)], Stream(STREAM_CLOSED)),
    silent("http2/5.1/6", "5.1", "half closed (remote): HEADERS", [headers(), headers()], Stream(STREAM_CLOSED)),
    silent(
        "http2/5.1/7",
        "5.1",
        "half closed (remote): CONTINUATION",
        [headers(), frame(9, 4, 1, GET)],
        BAD,
    ),
    silent(
        "http2/5.1/8",
        "5.1",
        "closed: DATA after RST_STREAM",
        [UPLOAD, frames.rst_stream(1, 8), data(b"x", True)],
        Stream(STREAM_CLOSED),
    ),
    silent(
        "http2/5.1/9",
        "5.1",
        "closed: HEADERS after RST_STREAM",
        [UPLOAD, frames.rst_stream(1, 8), headers()],
        Connection(STREAM_CLOSED),
    ),
    silent(
        "http2/5.1/10",
        "5.1",
        "closed: CONTINUATION after RST_STREAM",
        [headers(), frames.rst_stream(1, 8), frame(9, 4, 1, GET)],
        BAD,
    ),
    case("http2/5.1/11", "5.1", "closed: DATA", [headers(), data(b"x", True)], Stream(STREAM_CLOSED)),
    case("http2/5.1/12", "5.1", "closed: HEADERS", [headers(), headers()], Connection(STREAM_CLOSED)),
    case("http2/5.1/13", "5.1", "closed: CONTINUATION", [headers(), frame(9, 4, 1, GET)], BAD),
    case("http2/5.1.1/1", "5.1.1", "an even stream", headers(stream=2), BAD),
    case(
        "http2/5.1.1/2",
        "5.1.1",
        "a stream lower than the last",
        [headers(stream=5), headers(stream=3)],
        BAD,
    ),
    case(
        "http2/5.1.2/1",
        "5.1.2",
        "more streams than SETTINGS_MAX_CONCURRENT_STREAMS",
        [headers(stream=number) for number in (1, 3, 5)],
        Stream(REFUSED_STREAM, 5),
        answering=False,
        limits={"max_streams": 2},
    ),
    case(
        "http2/5.3.1/1",
        "5.3.2",
        "HEADERS that depend on themselves",
        headers(DONE + b"\0" + GET, 5 | WITH_PRIORITY),
        MALFORMED,
    ),
    silent("http2/5.3.1/2", "5.3.2", "PRIORITY that depends on itself", [headers(), priority(1)], MALFORMED),
    case("http2/5.4.1/1", "5.4.1", "an invalid PING, to be closed", frame(PING, 0, 3, b"x" * 8), BAD),
    case("http2/5.4.1/2", "5.4.1", "an invalid PING, to be told", frame(PING, 0, 3, b"x" * 8), Sends(GOAWAY, [])),
    case("http2/5.5/1", "5.5", "an unknown extension frame", [frame(0xFF, 0, 0, b"x" * 8), headers()], ANSWERED),
    case(
        "http2/5.5/2",
        "5.5",
        "an unknown extension frame inside a header block",
        [headers(GET, 1), frame(0xFF, 0, 0)],
        BAD,
    ),
    case("http2/6.1/1", "6.1", "DATA on stream 0", data(b"x", stream=0), BAD),
    silent("http2/6.1/2", "6.1", "DATA on a stream that is not open", [headers(), data(b"x", True)], Stream(STREAM_CLOSED)),
    case(
        "http2/6.1/3",
        "6.1",
        "DATA with an invalid pad length",
        [UPLOAD, frame(0, PADDED | 1, 1, b"\6test")],
        BAD,
    ),
    case(
        "http2/6.2/1",
        "6.2",
        "HEADERS without END_HEADERS, then PRIORITY",
        [headers(GET, 1), priority(0)],
        BAD,
    ),
    case(
        "http2/6.2/2",
        "6.2",
        "HEADERS on another stream in between",
        [headers(GET, 1), headers(stream=3)],
        BAD,
    ),
    case("http2/6.2/3", "6.2", "HEADERS on stream 0", headers(stream=0), BAD),
    case(
        "http2/6.2/4",
        "6.2",
        "HEADERS with an invalid pad length",
        headers(b"\x40" + GET, 5 | PADDED),
        BAD,
    ),
    case("http2/6.3/1", "6.3", "PRIORITY on stream 0", priority(0, 0, 0), BAD),
    silent(
        "http2/6.3/2",
        "6.3",
        "PRIORITY of another length than 5",
        [headers(), frame(PRIORITY, 0, 1, b"\x80\0\0\1")],
        Stream(FRAME_SIZE_ERROR),
    ),
    case("http2/6.4/1", "6.4", "RST_STREAM on stream 0", frames.rst_stream(0, 8), BAD),
    case("http2/6.4/2", "6.4", "RST_STREAM on an idle stream", frames.rst_stream(1, 8), BAD),
    silent(
        "http2/6.4/3",
        "6.4",
        "RST_STREAM of another length than 4",
        [headers(), frame(RST_STREAM, 0, 1, b"\0\0\0")],
        MISSIZED,
    ),
    case("http2/6.5/1", "6.5", "SETTINGS with ACK and a payload", frame(SETTINGS, ACK, 0, b"\0"), MISSIZED),
    case("http2/6.5/2", "6.5", "SETTINGS on a stream", frame(SETTINGS, 0, 1, b"\0\3\0\0\0\x64"), BAD),
    case(
        "http2/6.5/3",
        "6.5",
        "SETTINGS of another length than a multiple of 6",
        frame(SETTINGS, 0, 0, b"\0\3\0"),
        MISSIZED,
    ),
    case("http2/6.5.2/1", "6.5.2", "ENABLE_PUSH other than 0 or 1", frames.settings([(2, 2)]), BAD),
    case(
        "http2/6.5.2/2",
        "6.5.2",
        "INITIAL_WINDOW_SIZE above the largest",
        frames.settings([(4, 1 << 31)]),
        OVERFLOW,
    ),
    case(
        "http2/6.5.2/3",
        "6.5.2",
        "MAX_FRAME_SIZE below the smallest",
        frames.settings([(MAX_FRAME_SIZE, 16_383)]),
        BAD,
    ),
    case(
        "http2/6.5.2/4",
        "6.5.2",
        "MAX_FRAME_SIZE above the largest",
        frames.settings([(MAX_FRAME_SIZE, 1 << 24)]),
        BAD,
    ),
    case("http2/6.5.2/5", "6.5.2", "an unknown setting", frames.settings([(0xFF, 1)]), GOES_ON),
    case(
        "http2/6.5.3/1",
        "6.5.3",
        "several values of INITIAL_WINDOW_SIZE",
        [frames.settings([(INITIAL_WINDOW_SIZE, 100), (INITIAL_WINDOW_SIZE, 1)]), headers()],
        Sends(0, [BODY[:1]]),
    ),
    case("http2/6.5.3/2", "6.5.3", "SETTINGS, to be acknowledged", frames.settings([]), Sends(SETTINGS, [b""])),
    case("http2/6.7/1", "6.7", "PING", frames.ping(b"h2spec\0\0"), Sends(PING, [b"h2spec\0\0"])),
    case(
        "http2/6.7/2",
        "6.7",
        "PING with ACK",
        [frames.ping(b"invalid\0", True), frames.ping(b"h2spec\0\0")],
        Sends(PING, [b"h2spec\0\0"]),
    ),
    case("http2/6.7/3", "6.7", "PING on a stream", frame(PING, 0, 1, b"x" * 8), BAD),
    case("http2/6.7/4", "6.7", "PING of another length than 8", frame(PING, 0, 0, b"x" * 6), MISSIZED),
    case("http2/6.8/1", "6.8", "GOAWAY on a stream", frame(GOAWAY, 0, 1, bytes(8)), BAD),
    case("http2/6.9/1", "6.9", "WINDOW_UPDATE of 0", frames.window_update(0, 0), BAD),
    silent(
        "http2/6.9/2",
        "6.9",
        "WINDOW_UPDATE of 0 on a stream",
        [headers(), frames.window_update(1, 0)],
        MALFORMED,
    ),
    case(
        "http2/6.9/3",
        "6.9",
        "WINDOW_UPDATE of another length than 4",
        frame(WINDOW_UPDATE, 0, 0, b"\0\0\1"),
        MISSIZED,
    ),
    case("http2/6.9.1/1", "6.9.1", "an initial window of 1", [frames.settings([(4, 1)]), headers()], Sends(0, [BODY[:1]])),
    case(
        "http2/6.9.1/2",
        "6.9.1",
        "WINDOW_UPDATEs above 2^31-1 on the connection",
        [frames.window_update(0, LARGEST_WINDOW)] * 2,
        OVERFLOW,
    ),
    silent(
        "http2/6.9.1/3",
        "6.9.1",
        "WINDOW_UPDATEs above 2^31-1 on a stream",
        [headers(), *[frames.window_update(1, LARGEST_WINDOW)] * 2],
        Stream(FLOW_CONTROL_ERROR),
    ),
    case(
        "http2/6.9.2/1",
        "6.9.2",
        "INITIAL_WINDOW_SIZE changed after HEADERS",
        [frames.settings([(4, 0)]), headers(), frames.settings([(4, 1)])],
        Sends(0, [BODY[:1]]),
    ),
    case(
        "http2/6.9.2/2",
        "6.9.2",
        "a window that becomes negative",
        [frames.settings([(4, 3)]), headers(), frames.settings([(4, 2)]), frames.window_update(1, 2)],
        Sends(0, [BODY[:3], BODY[3:4]]),
    ),
    case(
        "http2/6.9.2/3",
        "6.9.2",
        "INITIAL_WINDOW_SIZE above the largest window",
        frames.settings([(4, 1 << 31)]),
        OVERFLOW,
    ),
    case("http2/6.10/1", "6.10", "several CONTINUATIONs", [headers(b"", 1), frame(9, 0, 1, GET), frame(9, 4, 1)], ANSWERED),
    case(
        "http2/6.10/2",
        "6.10",
        "CONTINUATION, then another frame",
        [headers(b"", 1), frame(9, 0, 1, GET), data()],
        BAD,
    ),
    case(
        "http2/6.10/3",
        "6.10",
        "CONTINUATION on stream 0",
        [headers(b"", 1), frame(9, 4, 0, GET)],
        BAD,
    ),
    case(
        "http2/6.10/4",
        "6.10",
        "CONTINUATION after HEADERS with END_HEADERS",
        [headers(), frame(9, 4, 1, b"")],
        BAD,
    ),
    case(
        "http2/6.10/5",
        "6.10",
        "CONTINUATION after CONTINUATION with END_HEADERS",
        [headers(b"", 1), frame(9, 4, 1, GET), frame(9, 4, 1, b"")],
        BAD,
    ),
    case(
        "http2/6.10/6",
        "6.10",
        "CONTINUATION after DATA",
        [UPLOAD, data(b"x"), frame(9, 4, 1, GET)],
        BAD,
    ),
    case("http2/7/1", "7", "GOAWAY with an unknown error code", [headers(), frames.goaway(0, 0xFF)], ANSWERED),
    silent("http2/7/2", "7", "RST_STREAM with an unknown error code", [headers(), frames.rst_stream(1, 0xFF)], GOES_ON),
    silent(
        "http2/8.1/1",
        "8.1",
        "a second HEADERS without END_STREAM",
        [UPLOAD, data(b"x"), headers(line(b"x-t", b"1"), OPEN)],
        MALFORMED,
    ),
    case("http2/8.1.2/1", "8.2.1", "a name in upper case", headers(GET + line(b"X-TEST", b"ok")), MALFORMED),
    case("http2/8.1.2.1/1", "8.3", "an unknown pseudo-header", headers(GET + line(b":test", b"ok")), MALFORMED),
    case(
        "http2/8.1.2.1/2",
        "8.3",
        "a pseudo-header of responses",
        headers(GET + line(b":status", b"200")),
        MALFORMED,
    ),
    silent(
        "http2/8.1.2.1/3",
        "8.3",
        "a pseudo-header in trailers",
        [UPLOAD, headers(line(b":method", b"200"))],
        MALFORMED,
    ),
    case(
        "http2/8.1.2.1/4",
        "8.3",
        "a pseudo-header after a field",
        headers(METHOD + SCHEME + HOST + line(b"x-a", b"b") + PATH),
        MALFORMED,
    ),
    case(
        "http2/8.1.2.2/1",
        "8.2.2",
        "a connection-specific field",
        headers(GET + line(b"connection", b"keep-alive")),
        MALFORMED,
    ),
    case(
        "http2/8.1.2.2/2",
        "8.2.2",
        "TE other than trailers",
        headers(GET + line(b"te", b"trailers, deflate")),
        MALFORMED,
    ),
    case(
        "http2/8.1.2.3/1",
        "8.3.1",
        "an empty :path",
        headers(METHOD + SCHEME + HOST + line(b":path", b"")),
        MALFORMED,
    ),
    case("http2/8.1.2.3/2", "8.3.1", "no :method", headers(SCHEME + PATH + HOST), MALFORMED),
    case("http2/8.1.2.3/3", "8.3.1", "no :scheme", headers(METHOD + PATH + HOST), MALFORMED),
    case("http2/8.1.2.3/4", "8.3.1", "no :path", headers(METHOD + SCHEME + HOST), MALFORMED),
    case("http2/8.1.2.3/5", "8.3.1", "two :method", headers(METHOD + GET), MALFORMED),
    case("http2/8.1.2.3/6", "8.3.1", "two :scheme", headers(SCHEME + GET), MALFORMED),
    case("http2/8.1.2.3/7", "8.3.1", "two :path", headers(PATH + GET), MALFORMED),
    silent(
        "http2/8.1.2.6/1",
        "8.1.1",
        "Content-Length other than the DATA",
        [headers(POST + line(b"content-length", b"1"), OPEN), data(b"test", True)],
        MALFORMED,
    ),
    silent(
        "http2/8.1.2.6/2",
        "8.1.1",
        "Content-Length other than the sum of several DATA",
        [headers(POST + line(b"content-length", b"1"), OPEN), data(b"te"), data(b"st", True)],
        MALFORMED,
    ),
    case(
        "http2/8.2/1",
        "8.4",
        "PUSH_PROMISE",
        frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\3" + GET),
        BAD,
    ),
    # hpack
    case("hpack/2.3.3/1", "7541 2.3.3", "an index beyond the table", headers(GET + b"\xc6"), GARBLED),
    case(
        "hpack/2.3.3/2",
        "7541 2.3.3",
        "a literal with an index beyond the table",
        headers(GET + b"\x7e\x01a"),
        GARBLED,
    ),
    case(
        "hpack/4.2/1",
        "7541 4.2",
        "a table size update at the end of a block",
        headers(GET + b"\x20"),
        GARBLED,
    ),
    case(
        "hpack/5.2/1",
        "7541 5.2",
        "Huffman padding longer than 7 bits",
        headers(GET + b"\0\x01a\x83\x1f\xff\xff"),
        GARBLED,
    ),
    case(
        "hpack/5.2/2",
        "7541 5.2",
        "Huffman padding of zeros",
        headers(GET + b"\0\x01a\x81\x18"),
        GARBLED,
    ),
    case(
        "hpack/5.2/3",
        "7541 5.2",
        "a Huffman string with EOS",
        headers(GET + b"\0\x01a\x84\xff\xff\xff\xff"),
        GARBLED,
    ),
    case("hpack/6.1/1", "7541 6.1", "index 0", headers(GET + b"\x80"), GARBLED),
    case(
        "hpack/6.3/1",
        "7541 6.3",
        "a table size update above the setting",
        headers(b"\x3f\xe2\x1f" + GET),
        GARBLED,
    ),
]


def saying(request: Request) -> Response:
    return Response(200, [(b"date", b"x")], BODY)


async def check(then: Any, client: Any, came: list[Any]) -> None:
    """What the table says must come of a case has come."""
    if isinstance(then, Connection):
        assert client.goaway_code() == then.code, came
        assert client.closed
        return
    if isinstance(then, Sends):
        payloads = [frame.payload for frame in came if frame.kind == then.kind]
        assert payloads == list(then.payloads) if then.payloads else payloads, came
        return
    if isinstance(then, Stream):
        assert client.reset_code(then.stream) == then.code, came
    elif isinstance(then, Answered):
        mine = [frame for frame in came if frame.stream == then.stream]
        assert mine[0].kind == HEADERS, came
        assert mine[0].payload[:1] == b"\x88", came
        assert b"".join(frame.payload for frame in mine if frame.kind == 0) == then.body
        assert mine[-1].flags & END_STREAM, came
    assert client.goaway_code() in (None, NO_ERROR)
    if not client.closed:
        client.take()
        client.send(frames.ping(b"stillup?"))
        assert [frame.payload for frame in await client.settle() if frame.kind == PING] == [b"stillup?"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.number} (RFC 9113 {case.rfc}): {case.what}")
async def test_h2spec(house: Any, raw_http2: Callable[..., Any], case: Case) -> None:
    handler = {"handler": saying} if case.answering else {}
    house.set_up(**handler, **case.limits)
    client = raw_http2(case.begun, case.settings)
    if not case.begun:
        client.take()
    client.send(*case.sends)
    await check(case.then, client, await client.settle())
    if not client.closed:
        client.wire.break_off()
    await house.settle()
    house.check_books()


def test_the_table_is_whole() -> None:
    numbers = [case.number for case in CASES]
    assert len(set(numbers)) == len(numbers)
    groups: dict[str, int] = {}
    for number in numbers:
        group = number.rpartition("/")[0]
        groups[group] = groups.get(group, 0) + 1
        assert number.endswith(f"/{groups[group]}")
    assert len(numbers) == 147
