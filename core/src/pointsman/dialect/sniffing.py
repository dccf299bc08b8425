"""What a body seems to be, by its first bytes: the table of WHATWG's MIME Sniffing Standard, as the reference has it.

For answers that do not say it themselves (middlewares.md §3.7). Pure; a look costs a microsecond or two.
"""

import re
from typing import Final

SNIFF_BYTES: Final = 512
"""How much of a body counts."""

BINARY: Final = b"application/octet-stream"
TEXT: Final = b"text/plain; charset=utf-8"

_SPACE: Final = b"\t\n\x0c\r "
_TAGS: Final = (
    b"!DOCTYPE HTML", b"HTML", b"HEAD", b"SCRIPT", b"IFRAME", b"H1", b"DIV", b"FONT", b"TABLE", b"A", b"STYLE", b"TITLE",
    b"B", b"BODY", b"BR", b"P",
)  # fmt: skip
_HTML: Final = re.compile(rb"<(?:(?:%b)[ >]|!--)" % b"|".join(_TAGS), re.IGNORECASE)

_BEGINNINGS: Final = (
    (b"%PDF-", b"application/pdf"),
    (b"%!PS-Adobe-", b"application/postscript"),
    (b"\0\0\1\0", b"image/x-icon"),
    (b"\0\0\2\0", b"image/x-icon"),
    (b"BM", b"image/bmp"),
    (b"GIF87a", b"image/gif"),
    (b"GIF89a", b"image/gif"),
    (b"\x89PNG\r\n\x1a\n", b"image/png"),
    (b"\xff\xd8\xff", b"image/jpeg"),
    (b"ID3", b"audio/mpeg"),
    (b"OggS\0", b"application/ogg"),
    (b"MThd\0\0\0\6", b"audio/midi"),
    (b"\x1aE\xdf\xa3", b"video/webm"),
    (b"\0\1\0\0", b"font/ttf"),
    (b"OTTO", b"font/otf"),
    (b"ttcf", b"font/collection"),
    (b"wOFF", b"font/woff"),
    (b"wOF2", b"font/woff2"),
    (b"\x1f\x8b\x08", b"application/x-gzip"),
    (b"PK\3\4", b"application/zip"),
    (b"Rar!\x1a\7\0", b"application/x-rar-compressed"),
    (b"Rar!\x1a\7\1\0", b"application/x-rar-compressed"),
    (b"\0asm", b"application/wasm"),
)  # fmt: skip
_BYTE_ORDER_MARKS: Final = (
    (b"\xfe\xff", b"text/plain; charset=utf-16be"),
    (b"\xff\xfe", b"text/plain; charset=utf-16le"),
    (b"\xef\xbb\xbf", TEXT),
)
_RIFF: Final = {b"WEBPVP": b"image/webp", b"AVI ": b"video/avi", b"WAVE": b"audio/wave"}
_BINARY_BYTES: Final = bytes(byte for byte in range(0x20) if byte not in b"\t\n\x0c\r\x1b")


def sniff(content: bytes) -> bytes:
    """The media type that the first bytes of a body seem to have. There is always one: text or octets, if no other."""
    content = content[:SNIFF_BYTES]
    text = content.lstrip(_SPACE)
    if _HTML.match(text):
        return b"text/html; charset=utf-8"
    if text.startswith(b"<?xml"):
        return b"text/xml; charset=utf-8"
    for beginning, kind in (*_BEGINNINGS, *_BYTE_ORDER_MARKS) if len(content) >= 4 else _BEGINNINGS:
        if content.startswith(beginning):
            return kind
    return _contained(content) or _text_or_not(content)


def _contained(content: bytes) -> bytes | None:
    """Formats inside a container, and those whose mark does not stand first."""
    if content[:4] == b"RIFF":
        return next((kind for mark, kind in _RIFF.items() if content.startswith(mark, 8)), None)
    if content[:4] == b"FORM" and content.startswith(b"AIFF", 8):
        return b"audio/aiff"
    if content[4:8] == b"ftyp" and _is_mp4(content):
        return b"video/mp4"
    return b"application/vnd.ms-fontobject" if content[34:36] == b"LP" else None


def _is_mp4(content: bytes) -> bool:
    """MIME Sniffing 6.2.1: a brand of the first box begins with mp4."""
    size = int.from_bytes(content[:4], "big")
    if len(content) < 12 or len(content) < size or size % 4:
        return False
    return any(content[at : at + 3] == b"mp4" for at in range(8, size, 4) if at != 12)


def _text_or_not(content: bytes) -> bytes:
    return TEXT if len(content.translate(None, _BINARY_BYTES)) == len(content) else BINARY
