"""Header fields of HTTP/2 messages (RFC 9113 §8.2, §8.3): what they say, and what makes a message malformed."""

import re
from collections.abc import Sequence
from typing import Final

from pointsman.http2.contract import Malformed
from pointsman.http2.hpack import Field, HeaderBlock

_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE: Final = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
"""Stricter than RFC 9113: no control character at all, for the message may go on as HTTP/1."""
_OF_CONNECTIONS: Final = frozenset((b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"))
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
