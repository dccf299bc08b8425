"""What clients write into Authorization, read strictly: anything else is nothing, and no error (RFC 7617, RFC 7616)."""

import binascii
import re
from collections.abc import Mapping
from typing import Final

_PARAMETER: Final = re.compile(
    rb"[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*"
    rb"(?:\"((?:[^\"\\]|\\.)*)\"|([!#$%&'*+\-.^_`|~0-9A-Za-z/:=@?]+))[ \t]*(,|\Z)",
    re.DOTALL,
)
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)
MAX_PARAMETERS: Final = 32
MAX_DIGEST_BYTES: Final = 32 * 1024
"""To read a MiB of them takes a third of a second, and anybody may send it."""


def basic(authorization: bytes | None) -> tuple[bytes, bytes] | None:
    """Name and password; None if that is not what it says."""
    if authorization is None or authorization[:6].lower() != b"basic ":
        return None
    try:
        name, colon, password = binascii.a2b_base64(authorization[6:], strict_mode=True).partition(b":")
    except binascii.Error:
        return None
    return (name, password) if colon else None


def digest(authorization: bytes | None) -> Mapping[bytes, bytes] | None:
    """The parameters, names in lower case; None for another scheme, broken or very long ones, and one that comes twice."""
    if authorization is None or len(authorization) > MAX_DIGEST_BYTES or not authorization.startswith(b"Digest "):
        return None
    found: dict[bytes, bytes] = {}
    at = len(b"Digest ")
    while at < len(authorization):
        match = _PARAMETER.match(authorization, at)
        if match is None:
            return None
        name, quoted, token, _ = match.groups()
        name = name.lower()
        if name in found or len(found) >= MAX_PARAMETERS:
            return None
        found[name] = token if quoted is None else _ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted
        at = match.end()
    return found
