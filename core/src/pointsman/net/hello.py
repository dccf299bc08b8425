"""The ClientHello, read before anything is answered: who is asked for and how (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301 §3.1).

Pure: bytes in, a `Hello` out. It may come in many pieces, in one TLS record or in several; what has been looked at is not
looked at again. OpenSSL reads the same bytes once more and is the stricter judge; here only what routing needs is exact.
"""

import re
from collections.abc import Iterator
from typing import Final

from attrs import frozen

RECORD: Final = 0x16
"""The first byte of every TLS connection: a handshake record."""
MAX_HELLO: Final = 64 * 1024
"""Bytes a ClientHello may take, with its record headers."""
MAX_RECORD: Final = 16 * 1024

_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0
_ALPN: Final = 16
_NAME: Final = re.compile(rb"[!-~]{1,255}")


class BadHello(ValueError):
    """What began like TLS is no ClientHello, or is larger than MAX_HELLO."""


@frozen
class Hello:
    """What the client said."""

    server_name: bytes = b""
    """SNI, lower case, without a trailing dot; b"" if there is none."""
    alpn: tuple[bytes, ...] = ()
    """The application protocols it offers, in its order."""


class HelloReader:
    """Collects the first bytes of a connection until the ClientHello in them is whole."""

    __slots__ = ("_at", "_message", "data")

    def __init__(self) -> None:
        self.data = b""
        """Everything that has been fed, as it came: for whoever goes on."""
        self._at = 0
        self._message = bytearray()

    def feed(self, data: bytes) -> Hello | None:
        """The Hello, or None if more is needed. BadHello."""
        data = self.data = self.data + data if self.data else data
        at = self._at
        while len(data) >= at + 5:
            length = data[at + 3] << 8 | data[at + 4]
            if data[at] != RECORD or data[at + 1] != 3 or not 0 < length <= MAX_RECORD:
                raise BadHello("not a handshake record")
            end = at + 5 + length
            if end > MAX_HELLO:
                raise BadHello("the ClientHello is too large")
            if len(data) < end:
                break
            self._message += data[at + 5 : end]
            at = self._at = end
            whole = _message_length(self._message)
            if 4 <= whole <= len(self._message):
                return _hello(bytes(self._message[4:whole]))
        return None


def _message_length(message: bytearray) -> int:
    """How long the message will be with its head; 0 while that is not known."""
    if message[0] != _CLIENT_HELLO:
        raise BadHello("not a ClientHello")
    if len(message) < 4:
        return 0
    length = 4 + int.from_bytes(message[1:4], "big")
    if length > MAX_HELLO:
        raise BadHello("the ClientHello is too large")
    return length


def _hello(body: bytes) -> Hello:
    """Version (2), random (32), session id <1>, cipher suites <2>, compression methods <1>, extensions <2>."""
    at = 35 + _byte(body, 34)
    at += 2 + _short(body, at)
    at += 1 + _byte(body, at)
    if at == len(body):
        return Hello()  # extensions are optional before TLS 1.3
    if at > len(body) or at + 2 + _short(body, at) != len(body):
        raise BadHello("the extensions do not fill the ClientHello")
    server_name = b""
    alpn: tuple[bytes, ...] = ()
    seen = set()
    for kind, content in _extensions(body, at + 2):
        if kind in seen:
            raise BadHello("an extension comes twice")
        seen.add(kind)
        if kind == _SERVER_NAME:
            server_name = _server_name(content)
        elif kind == _ALPN:
            alpn = tuple(_protocols(content))
    return Hello(server_name, alpn)


def _extensions(body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    end = len(body)
    while at < end:
        begin = at + 4
        at = begin + _short(body, at + 2)
        if at > end:
            raise BadHello("an extension is cut short")
        yield body[begin - 4] << 8 | body[begin - 3], body[begin:at]


def _server_name(content: bytes) -> bytes:
    """A list of one name of type host_name: no other type was ever defined, and none may come twice."""
    length = _short(content, 3)
    if content[2] or length != len(content) - 5 or _short(content, 0) != len(content) - 2:
        raise BadHello("the server name is malformed")
    name = content[5:]
    if not _NAME.fullmatch(name):
        raise BadHello("the server name is malformed")
    return name.lower().removesuffix(b".")


def _protocols(content: bytes) -> Iterator[bytes]:
    at, end = 2, len(content)
    if _short(content, 0) != end - 2 or end == 2:
        raise BadHello("the list of application protocols is malformed")
    while at < end:
        begin = at + 1
        at = begin + content[at]
        if at == begin or at > end:
            raise BadHello("the list of application protocols is malformed")
        yield content[begin:at]


def _byte(body: bytes, at: int) -> int:
    if at >= len(body):
        raise BadHello("the ClientHello is cut short")
    return body[at]


def _short(body: bytes, at: int) -> int:
    if at + 2 > len(body):
        raise BadHello("the ClientHello is cut short")
    return body[at] << 8 | body[at + 1]
