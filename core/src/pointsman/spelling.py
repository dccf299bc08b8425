"""How names of headers are spelled in HTTP/1, and which of them are about the connection."""

from typing import Final

MAX_CACHED: Final = 4096
LONG_NAME: Final = 64
"""Header names above this length, in bytes, are never kept."""

HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"proxy-connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    )
)
APART: Final = HOP_BY_HOP | {b"host", b"content-length", b"x-forwarded-for", b"date", b"expect", b"trailer"}
"""Names with a meaning of their own in how a message is sent on."""
_SPELLINGS: Final = {
    b"etag": b"Etag",
    b"sec-websocket-key": b"Sec-WebSocket-Key",
    b"sec-websocket-version": b"Sec-WebSocket-Version",
    b"sec-websocket-protocol": b"Sec-WebSocket-Protocol",
    b"sec-websocket-extensions": b"Sec-WebSocket-Extensions",
    b"sec-websocket-accept": b"Sec-WebSocket-Accept",
}


class Prefixes(dict[bytes, bytes]):
    """Lower-case name -> CR LF, its canonical spelling, colon and space; b"" for what is never copied. Bounded."""

    def __init__(self, never: frozenset[bytes]) -> None:
        self._never = dict.fromkeys(never, b"")
        super().__init__(self._never)

    def __missing__(self, name: bytes) -> bytes:
        spelled = _SPELLINGS.get(name) or b"-".join(part.capitalize() for part in name.split(b"-"))
        prefix = b"\r\n%b: " % spelled
        if len(name) <= LONG_NAME:
            if len(self) >= MAX_CACHED:
                self.clear()
                self.update(self._never)
            self[name] = prefix
        return prefix


PREFIXES: Final = Prefixes(frozenset())
"""For any header."""
