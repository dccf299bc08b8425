"""The ClientHello, read before anything is answered: who is asked for and how (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301 §3.1).

Pure: bytes in, a `Hello` out. It may come in many pieces, in one TLS record or in several; what has been looked at is not
looked at again. OpenSSL reads the same bytes once more and is the stricter judge; here only what routing needs is exact.
"""

import re
import struct
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


def parse_message(message: bytes) -> Hello:
    """The Hello of a whole handshake message, with its head. BadHello."""
    length = _message_length(bytearray(message[:4]))
    if length != len(message):
        raise BadHello("the ClientHello is cut short, or something follows it")
    return _hello(message[4:])


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
    try:
        return _read(body)
    except IndexError:
        raise BadHello("the ClientHello is cut short") from None


def _read(body: bytes) -> Hello:
    """Version (2), random (32), session id <1>, cipher suites <2>, compression methods <1>, extensions <2>."""
    at = 35 + body[34]
    at += 2 + (body[at] << 8 | body[at + 1])
    at += 1 + body[at]
    end = len(body)
    if at == end:
        return Hello()  # extensions are optional before TLS 1.3
    if at + 2 + (body[at] << 8 | body[at + 1]) != end:
        raise BadHello("the extensions do not fill the ClientHello")
    at += 2
    server_name = b""
    alpn: tuple[bytes, ...] = ()
    kinds = []
    while at < end:
        kind, begin = body[at] << 8 | body[at + 1], at + 4
        at = begin + (body[at + 2] << 8 | body[at + 3])
        if at > end:
            raise BadHello("an extension is cut short")
        kinds.append(kind)
        if kind == _SERVER_NAME:
            server_name = _server_name(body[begin:at])
        elif kind == _ALPN:
            alpn = tuple(_protocols(body[begin:at]))
    if len(set(kinds)) != len(kinds):
        raise BadHello("an extension comes twice")
    return Hello(server_name, alpn)


def _server_name(content: bytes) -> bytes:
    """A list of one name of type host_name: no other type was ever defined, and none may come twice."""
    name = content[5:]
    if content[:5] != struct.pack("!HBH", len(name) + 3, 0, len(name)) or not _NAME.fullmatch(name):
        raise BadHello("the server name is malformed")
    return name.lower().removesuffix(b".")


def _protocols(content: bytes) -> Iterator[bytes]:
    at, end = 2, len(content)
    if end < 4 or content[0] << 8 | content[1] != end - 2:
        raise BadHello("the list of application protocols is malformed")
    while at < end:
        begin = at + 1
        at = begin + content[at]
        if at == begin or at > end:
            raise BadHello("the list of application protocols is malformed")
        yield content[begin:at]
