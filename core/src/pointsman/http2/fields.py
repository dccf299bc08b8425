"""Header fields of HTTP/2 messages (RFC 9113 §8.2, §8.3): what they say, and what makes a message malformed."""

import re
from collections.abc import Sequence
from typing import Final

from pointsman import wire
from pointsman.http2.contract import Malformed
from pointsman.http2.hpack import Field, HeaderBlock
from pointsman.wire import Line

_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE: Final = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
"""Stricter than RFC 9113: no control character at all, for the message may go on as HTTP/1."""
_OF_CONNECTIONS: Final = frozenset((b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"))
_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PATH: Final = re.compile(rb"/[!-~\x80-\xff]*|\*")
_STATUS: Final = re.compile(rb"[1-9][0-9][0-9]")


def check(name: bytes, value: bytes) -> None:
    """Malformed for a field that no message may have (§8.2.1, §8.2.2). A request's `te` is not looked at."""
    if not _NAME.fullmatch(name):
        raise Malformed(f"the field name {name!r} is not a lower-case token")
    if not _VALUE.fullmatch(value):
        raise Malformed(f"the value of {name!r} has control characters, or spaces around it")
    if name in _OF_CONNECTIONS:
        raise Malformed(f"{name!r} concerns connections, which HTTP/2 frames")


def read_status(block: HeaderBlock) -> tuple[int, list[Field]]:
    """Status and fields of a response. Malformed if it is none. The answer is kept with the block: change nothing in it."""
    made: tuple[int, list[Field]] | None = block.made
    if made is not None:
        return made
    fields = block.fields
    if not fields or fields[0][0] != b":status" or not _STATUS.fullmatch(fields[0][1]):
        raise Malformed("a response without a status")
    rest = read_trailers(fields[1:])
    made = block.made = (int(fields[0][1]), rest)
    return made


def read_trailers(fields: Sequence[Field]) -> list[Field]:
    """The fields, checked: pseudo-headers are no tokens, so none is left. Malformed."""
    for name, value in fields:
        check(name, value)
    return list(fields)


class _RequestLines(wire.Lines[Field]):
    """A request's fields -> what they say, as an HTTP/1 line says it. Malformed for what no request may have."""

    def __missing__(self, field: Field) -> Line:
        name, value = field
        check(name, value)
        if name == b"te" and value.lower() != b"trailers":
            raise Malformed("TE asks for more than trailers")
        return self._read(field, name, wire.NAMES[name][1], value)


REQUEST_FIELDS: Final = _RequestLines(wire.REQUEST_PREFIXES)
_PSEUDO: Final = frozenset((b":method", b":scheme", b":authority", b":path", b":protocol"))


class Pseudo:
    """The pseudo-header fields of a request (§8.3.1; RFC 8441 §4); None for those that are not there."""

    __slots__ = ("authority", "count", "method", "path", "protocol", "scheme")

    def __init__(self, fields: Sequence[Field]) -> None:
        said: dict[bytes, bytes] = {}
        for name, value in fields:
            if not name.startswith(b":"):
                break
            if name in said or name not in _PSEUDO:
                raise Malformed(f"the pseudo-header {name!r} comes twice, or is none of a request")
            said[name] = value
        self.count = len(said)
        """How many of the fields they are: the first ones."""
        self.method = said.get(b":method", b"")
        self.scheme = said.get(b":scheme")
        self.authority = said.get(b":authority")
        self.path = said.get(b":path")
        self.protocol = said.get(b":protocol")
        if not _METHOD.fullmatch(self.method):
            raise Malformed("a request without a method")
        plain_connect = self.method == b"CONNECT" and self.protocol is None
        if plain_connect != (self.scheme is None) or plain_connect != (self.path is None):
            raise Malformed("a request without :scheme or :path, or a CONNECT with them")
        if self.protocol is not None and (self.method != b"CONNECT" or not self.protocol):
            raise Malformed(":protocol without CONNECT")
        if self.path is not None and not _PATH.fullmatch(self.path):
            raise Malformed("a :path that is none")


def request_lines(pseudo: Pseudo, fields: Sequence[Field]) -> list[Line]:
    """The other fields of a request as lines, Host among them, and one Cookie at most (§8.2.3). Malformed."""
    known = REQUEST_FIELDS
    lines = [known[field] for field in fields]
    names = [name for name, _ in fields]
    authority = pseudo.authority
    if b"host" in names:
        said = fields[names.index(b"host")][1]
        if names.count(b"host") > 1 or (authority is not None and authority.lower() != said.lower()):
            raise Malformed("Host does not say what :authority says")
    elif authority is not None:
        lines.insert(0, known[(b"host", authority)])
    if names.count(b"cookie") > 1:
        at = next(at for at, line in enumerate(lines) if line[0][0] == b"cookie")
        joined = b"; ".join([value for name, value in fields if name == b"cookie"])
        lines = [line for line in lines if line[0][0] != b"cookie"]
        lines.insert(at, known[(b"cookie", joined)])
    return lines
