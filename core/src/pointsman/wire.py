"""HTTP/1.1 framing, strictly (RFC 9112): bytes to heads and chunks, and back. Pure; no I/O, no asyncio.

What is ambiguous is refused: a bare LF or CR, a folded line, a space before the colon, two Content-Lengths, Content-Length
beside Transfer-Encoding, any transfer coding but `chunked`. A recogniser of our own, because a gateway forwards methods that
ready-made parsers refuse, must see the bytes of a body without copying them, and must know every name it lets through.
"""

import re
import time
from email.utils import formatdate
from functools import cache
from typing import Final, TypeVar

from pointsman.errors import PointsmanError
from pointsman.message import HeaderList, Parsed, Spelled, reason
from pointsman.spelling import HOP_BY_HOP, LONG_NAME, MAX_CACHED, PREFIXES, Prefixes

CRLF: Final = b"\r\n"

# What a header means to the gateway itself, as bits; 0 for the many that mean nothing.
HOST: Final = 1
LENGTH: Final = 2
TRANSFER: Final = 4
CONNECTION: Final = 8
EXPECT: Final = 16
UPGRADE: Final = 32
MANAGED: Final = 64  # X-Forwarded-* and its kin, in any spelling (operations.md §2.3)
ALIAS: Final = 128  # a name with other characters than letters, digits and `-` (operations.md §2.1)
DATE: Final = 256
TE: Final = 512
AUTHORIZATION: Final = 1024
TRAILER: Final = 2048

_MEANINGS: Final = {
    b"host": HOST,
    b"content-length": LENGTH,
    b"transfer-encoding": TRANSFER,
    b"connection": CONNECTION,
    b"expect": EXPECT,
    b"upgrade": UPGRADE,
    b"date": DATE,
    b"te": TE,
    b"authorization": AUTHORIZATION,
    b"trailer": TRAILER,
    **dict.fromkeys(
        (
            b"x-forwarded-for",
            b"x-forwarded-host",
            b"x-forwarded-port",
            b"x-forwarded-proto",
            b"x-forwarded-server",
            b"x-forwarded-uri",
            b"x-forwarded-method",
            b"x-forwarded-prefix",
            b"x-forwarded-tls-client-cert",
            b"x-forwarded-tls-client-cert-info",
            b"x-forwarded-scheme",
            b"x-scheme",
            b"x-real-ip",
            b"forwarded",
        ),
        MANAGED,
    ),
}
FORBIDDEN_TRAILERS: Final = HOP_BY_HOP | {
    b"content-length",
    b"host",
    b"trailer",
    b"content-encoding",
    b"content-type",
    b"content-range",
    b"expect",
    b"authorization",
    b"cookie",
    b"set-cookie",
}

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PLAIN_NAME = re.compile(rb"[A-Za-z0-9\-]+")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
_OTHER_VERSION = re.compile(rb"HTTP/[0-9]+(?:\.[0-9]+)?")
VISIBLE = bytes(sorted({*range(33, 256)} - {127}))
_METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT"))
_SECRET = re.compile(rb"auth|cookie|credential|key|passw|secret|session|signature|token|[cx]srf")
_PRINTABLE = bytes(sorted({9, *range(32, 256)} - {127}))
_DIGITS = re.compile(rb"[0-9]{1,18}")
_EXTENSION_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_CHUNK_EXTENSION = (
    rb"[ \t]*;[ \t]*"
    + _EXTENSION_TOKEN
    + rb"(?:[ \t]*=[ \t]*(?:"
    + _EXTENSION_TOKEN
    + rb'|"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~\x80-\xff])*"))?'
)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:" + _CHUNK_EXTENSION + rb")*")
"""Size and extensions (RFC 9112 section 7.1.1)."""

MAX_TRAILER_BYTES: Final = 16 * 1024
MAX_CHUNK_LINE: Final = 4 * 1024
MAX_CHUNK_EXCESS: Final = 16 * 1024
"""How much longer chunk extensions may be than the content they go with, all in all."""
MAX_HEADERS: Final = 1000
MAX_VALUES: Final = 256
"""How many lines of one name are kept before it counts as one whose values do not come again."""

Special = tuple[int, bytes, bytes]
"""A header with a meaning: its bits, its lower-case name, its value."""
_Key = TypeVar("_Key")
Line = tuple[tuple[bytes, bytes], Special | None, bytes]
"""A header line: its name and value, its special if it has a meaning, and its wire form, b"" if it is not sent on."""


class BadMessage(PointsmanError):
    """Bytes that are not one unambiguous HTTP/1.1 message. `status` is what a client gets for them."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class _Names(dict[bytes, tuple[bytes, int]]):
    """Header names as they came -> (lower case, meaning). Refuses what is no token. Bounded: it forgets when full."""

    __slots__ = ()

    def __missing__(self, name: bytes) -> tuple[bytes, int]:
        if not _TOKEN.fullmatch(name):
            raise BadMessage("a header line does not begin with a name and a colon")
        lower = name.lower()
        meaning = _MEANINGS.get(lower, 0)
        if not _PLAIN_NAME.fullmatch(lower):
            meaning = ALIAS | _MEANINGS.get(lower.replace(b"_", b"-"), 0) & MANAGED
        known = (lower, meaning)
        if len(name) <= LONG_NAME:
            if len(self) >= MAX_CACHED:
                self.clear()
            self[name] = known
        return known


NAMES: Final = _Names()


def _lines(block: bytes) -> list[bytes]:
    lines = block.split(CRLF)
    breaks = len(lines) - 1
    if breaks > MAX_HEADERS:
        raise BadMessage("too many header lines", 431)
    unprintable = block.translate(None, _PRINTABLE)
    if len(unprintable) != 2 * breaks:
        if unprintable.translate(None, CRLF):
            raise BadMessage("a control character in the head")
        raise BadMessage("a line does not end in CR LF")
    return lines


def _read_line(line: bytes) -> tuple[bytes, int, bytes]:
    name, colon, value = line.partition(b":")
    lower, meaning = NAMES[name]
    if not colon:
        raise BadMessage("a header line has no colon")
    return lower, meaning, value.strip(b" \t")


class Lines(dict[_Key, Line]):
    """Header lines as they came -> what they say. Most lines have come before: a client repeats itself, and so do servers.

    Bounded: it forgets everything when full. Long lines and those that hold secrets are never kept, nor are those of names
    whose value is another one each time: a request identifier comes once, and would push out what comes again.
    """

    def __init__(self, prefixes: "Prefixes") -> None:
        super().__init__()
        self._prefixes = prefixes
        self._chances: dict[bytes, int] = {}

    def _read(self, key: _Key, name: bytes, meaning: int, value: bytes) -> Line:
        """The line of a lower-case name and its value, kept under `key` if it is likely to come again."""
        prefix = self._prefixes[name]
        read = ((name, value), (meaning, name, value) if meaning else None, prefix + value if prefix else b"")
        chances = self._chances
        left = chances.get(name)
        if left is None:
            if len(chances) >= MAX_CACHED:
                chances.clear()
            left = 0 if len(name) > LONG_NAME or _SECRET.search(name) else MAX_VALUES
            if len(name) <= LONG_NAME:  # what a client sends must not be what memory is filled with
                chances[name] = left
        if left and len(name) + len(value) <= 160:
            chances[name] = left - 1
            if len(self) >= MAX_CACHED:
                self.clear()
                chances.clear()
            self[key] = read
        return read


class _WireLines(Lines[bytes]):
    """For lines with a colon in them."""

    def __missing__(self, line: bytes) -> Line:
        name, colon, value = line.partition(b":")
        lower, meaning = NAMES[name]
        if not colon:
            raise BadMessage("a header line has no colon")
        return self._read(line, lower, meaning, value.strip(b" \t"))


def split_request(head: bytes) -> tuple[bytes, bytes, int, bytes]:
    """Method, target, minor version and header lines of everything before the empty line. BadMessage 400 or 505."""
    line, _, block = head.partition(CRLF)
    method, target, minor = request_line(line)
    return method, target, minor, block


def request_line(line: bytes) -> tuple[bytes, bytes, int]:
    """Method, target and minor version. BadMessage 400 or 505."""
    parts = line.split(b" ")
    if len(parts) == 3:
        method, target, version = parts
        minor = 1 if version == b"HTTP/1.1" else 0 if version == b"HTTP/1.0" else -1
        if (
            minor >= 0
            and (method in _METHODS or _TOKEN.fullmatch(method))
            and target
            and not target.translate(None, VISIBLE)
        ):
            return method, target, minor
        if minor < 0 and _OTHER_VERSION.fullmatch(version):
            raise BadMessage("an HTTP version other than 1.0 and 1.1", 505)
    raise BadMessage("the request line is not 'METHOD TARGET HTTP/1.1'")


def request_lines(block: bytes) -> list[Line]:
    """The header lines of a request. BadMessage (400, 431) for what is not strict."""
    return [REQUEST_LINES[line] for line in _lines(block)] if block else []


class _Statuses(dict[bytes, tuple[int, int]]):
    """Status lines -> status and minor version. BadMessage for what is none. Bounded."""

    def __missing__(self, line: bytes) -> tuple[int, int]:
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise BadMessage("the status line is not 'HTTP/1.1 NNN reason'")
        known = (int(match[2]), 1 if match[1] == b"1" else 0)
        if len(self) < MAX_CACHED and len(line) <= LONG_NAME:
            self[line] = known
        return known


_STATUSES: Final = _Statuses()
_FRAMING: Final = LENGTH | TRANSFER
_KEEP_ALIVE: Final = [b"keep-alive"]


class ResponseHead:
    """A response head, read: what it says, how its body is framed, and whether the connection stays.

    BadMessage for what is not a strict one. Never changed, so a connection keeps its last one: servers repeat themselves.
    """

    __slots__ = ("chunked", "keep", "length", "parsed", "status", "whole")

    def __init__(self, source: bytes) -> None:
        self.whole = source + b"\r\n\r\n"
        lines = _lines(source)
        self.status, minor = _STATUSES[lines[0]]
        del lines[0]
        read = [RESPONSE_LINES[line] for line in lines]
        self.keep = minor == 1
        self.length: int | None = None
        self.chunked = False
        seen = 0
        options: list[bytes] = []
        for _, special, _ in read:
            if special is not None:
                seen |= special[0]
                if special[0] & CONNECTION:
                    options += tokens(special[2])
        if seen & _FRAMING and self.status >= 200:
            self.length, self.chunked = framing([line[1] for line in read if line[1] is not None], minor)
        if options and options != _KEEP_ALIVE:
            self.keep = b"close" not in options and (minor == 1 or b"keep-alive" in options)
            nominated = set(options) - {b"close", b"keep-alive", b"upgrade"}
            if nominated:
                read = [line for line in read if line[0][0] not in nominated]
                if b"date" in nominated:
                    seen &= ~DATE
        elif options:
            self.keep = True
        self.parsed = Parsed(read, seen, b"".join([line[2] for line in read]))


def content_length(value: bytes) -> int:
    """The number in a Content-Length. BadMessage unless it is digits only."""
    if not _DIGITS.fullmatch(value):
        raise BadMessage("Content-Length is not a plain decimal number")
    return int(value)


def framing(specials: list[Special], minor: int) -> tuple[int | None, bool]:
    """(Content-Length or None, chunked) of a message, from its specials. BadMessage for contradictions (RFC 9112 §6.3)."""
    length: int | None = None
    chunked = False
    for meaning, _, value in specials:
        if meaning & LENGTH:
            if length is not None:
                raise BadMessage("more than one Content-Length")
            length = content_length(value)
        elif meaning & TRANSFER:
            if chunked:
                raise BadMessage("more than one Transfer-Encoding")
            if value.lower() != b"chunked":
                raise BadMessage("a Transfer-Encoding other than 'chunked'", 501)
            chunked = True
    if chunked and length is not None:
        raise BadMessage("Content-Length beside Transfer-Encoding")
    if chunked and not minor:
        raise BadMessage("Transfer-Encoding in an HTTP/1.0 message")
    return length, chunked


def tokens(value: bytes) -> list[bytes]:
    """The lower-case members of a comma-separated list, empty ones left out."""
    return [token for part in value.lower().split(b",") if (token := part.strip(b" \t"))]


class Chunked:
    """Undoes the chunked coding, piece by piece, without joining what arrived apart."""

    __slots__ = ("_buffer", "_excess", "_left", "_state", "_trailer_bytes", "trailers")

    def __init__(self) -> None:
        self._state = "size"
        self._buffer = b""
        self._left = 0
        self._excess = 0
        self._trailer_bytes = 0
        self.trailers: HeaderList = []

    def feed(self, data: bytes) -> tuple[list[bytes], bytes | None]:
        """The body bytes in `data`, and what follows the body if it ends here, else None. BadMessage for bad coding."""
        chunks: list[bytes] = []
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        at, size = 0, len(data)
        while at < size:
            state = self._state
            if state == "data":
                piece = data[at : at + self._left] if at or self._left < size else data
                chunks.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = "data end"
                continue
            end = data.find(CRLF, at)
            if end < 0:
                rest = data[at:]
                if len(rest) > (2 if state == "data end" else MAX_CHUNK_LINE) or (state == "data end" and rest != b"\r"):
                    raise BadMessage("a chunk does not end where its size says")
                if b"\n" in rest:
                    raise BadMessage("a bare LF in the chunked coding")
                self._buffer = rest
                break
            line = data[at:end]
            at = end + 2
            if state == "size":
                match = _CHUNK_SIZE.fullmatch(line)
                if match is None or len(line) > MAX_CHUNK_LINE:
                    raise BadMessage("a chunk size that is not hexadecimal")
                self._left = int(match[1], 16)
                self._excess = max(0, self._excess + len(line) - len(match[1]) - self._left)
                if self._excess > MAX_CHUNK_EXCESS:
                    raise BadMessage("more chunk extensions than content")
                self._state = "data" if self._left else "trailers"
            elif state == "data end":
                if line:
                    raise BadMessage("a chunk is longer than its size says")
                self._state = "size"
            elif line:
                self._trailer_bytes += len(line)
                if self._trailer_bytes > MAX_TRAILER_BYTES:
                    raise BadMessage("trailers too large", 431)
                name, _, value = _read_line(_lines(line)[0])
                self.trailers.append((name, value))
            else:
                self._state = "over"
                return chunks, data[at:]
        return chunks, None


def chunk(data: bytes) -> bytes:
    """`data` in the chunked coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: HeaderList) -> bytes:
    """The end of a chunked body."""
    return b"0\r\n" + b"".join([PREFIXES[name][2:] + value + CRLF for name, value in passable(trailers)]) + CRLF


def passable(trailers: HeaderList) -> HeaderList:
    """Without the trailers that could change framing or routing, or vouch for somebody (RFC 9110 §6.5.1): there are servers
    that merge them into the headers."""
    return [line for line in trailers if line[0] not in FORBIDDEN_TRAILERS and not NAMES[line[0]][1] & MANAGED]


REQUEST_PREFIXES: Final = Prefixes(HOP_BY_HOP | {b"host", b"content-length", b"x-forwarded-for"})
"""For the end-to-end headers of a request that is sent on; its Host, framing and X-Forwarded-For are written apart."""
RESPONSE_PREFIXES: Final = Prefixes(HOP_BY_HOP | {b"content-length"})
"""For the end-to-end headers of a response that is sent on; its framing is written apart."""


class _Wires(dict[tuple[bytes, bytes], bytes | None]):
    """(name, value) -> how the line is sent on: b"" for one that is not, None for one that must be looked at. Bounded."""

    def __init__(self, prefixes: Prefixes, looked_at: frozenset[bytes]) -> None:
        super().__init__()
        self._prefixes = prefixes
        self._looked_at = looked_at

    def __missing__(self, pair: tuple[bytes, bytes]) -> bytes | None:
        name, value = pair
        if name in self._looked_at and not (name == b"connection" and value.lower() in USUAL_OPTIONS):
            return None
        prefix = self._prefixes[name]
        line = prefix + value if prefix else b""
        if type(name) is Spelled:
            return b"\r\n%b: %b" % (name.spelling, value) if prefix else b""
        if name in _STEADY and len(value) <= 128:
            if len(self) >= MAX_CACHED:
                self.clear()
            self[pair] = line
        return line


USUAL_OPTIONS: Final = frozenset((b"", b"close", b"keep-alive", b"upgrade", b"te", b"keep-alive, upgrade"))
"""What `Connection` says without naming a header."""
_STEADY: Final = frozenset(
    (
        b"host",
        b"user-agent",
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"cache-control",
        b"connection",
        b"content-type",
        b"server",
        b"vary",
        b"x-real-ip",
        b"x-forwarded-proto",
        b"x-forwarded-port",
        b"x-forwarded-host",
        b"x-forwarded-server",
        b"x-forwarded-prefix",
        b"date",
    )
)
"""Headers whose values come again and again."""
REQUEST_WIRES: Final = _Wires(
    REQUEST_PREFIXES, frozenset((b"x-forwarded-for", b"content-length", b"te", b"connection", b"trailer"))
)
RESPONSE_WIRES: Final = _Wires(RESPONSE_PREFIXES, frozenset())
REQUEST_LINES: Final = _WireLines(REQUEST_PREFIXES)
RESPONSE_LINES: Final = _WireLines(RESPONSE_PREFIXES)


class _LengthLines(dict[int, bytes]):
    def __missing__(self, length: int) -> bytes:
        line = b"\r\nContent-Length: %d" % length
        if length < 4096:
            self[length] = line
        return line


LENGTH_LINES: Final = _LengthLines()


class StatusLines(dict[int, bytes]):
    """Status -> its line, and what goes with every answer."""

    def __init__(self, alt_svc: bytes = b"") -> None:
        self._rest = b"\r\nAlt-Svc: " + alt_svc if alt_svc else b""

    def __missing__(self, status: int) -> bytes:
        line = b"HTTP/1.1 %d %b%b" % (status, reason(status), self._rest)
        self[status] = line
        return line


STATUS_LINES: Final = StatusLines()


@cache
def status_lines_with(alt_svc: bytes) -> StatusLines:
    """Those of an entry point that is reached over HTTP/3, too."""
    return StatusLines(alt_svc)


_date: tuple[int, bytes] = (0, b"")


def date_line() -> bytes:
    """`Date: ...` for now, made once a second."""
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = (now, b"\r\nDate: " + formatdate(now, usegmt=True).encode())
    return _date[1]
