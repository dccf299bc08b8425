"""The one canonical path: what rules match, middlewares rewrite and the upstream receives (routing.md §3.2, §6.1).

Pure functions over bytes. A path here is percent-encoded, starts with `/` and carries no query.
"""

import re
from urllib.parse import unquote_to_bytes

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_RESERVED = frozenset(b":/?#[]@!$&'()*+,;=%")
_SAFE = bytes(_UNRESERVED | frozenset(b"/!$&'()*+,;=:@"))
_VISIBLE = bytes(sorted({*range(33, 256)} - {127}))
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_UNSAFE = re.compile(rb"[^A-Za-z0-9\-._~/!$&'()*+,;=:@%\[\]]")
_NORMAL_ESCAPE = {b"%02X" % code: bytes([code]) if code in _UNRESERVED else b"%%%02X" % code for code in range(256)}
_ROUTING_ESCAPE = {b"%02X" % code: b"%%%02X" % code if code in _RESERVED else bytes([code]) for code in range(256)}
_LITERAL_SAFE = re.compile(rb"[^A-Za-z0-9\-._~/$&+,:;=@]")


def is_plain(path: bytes) -> bool:
    """True if the path is canonical as it stands: nothing encoded, no dot segment, no empty segment."""
    return not path.translate(None, _SAFE) and b"//" not in path and b"/." not in path


class Canonical(dict[bytes, tuple[bytes, bytes]]):
    """Paths as they came -> their canonical and their routing form. Remembers what it met, up to a limit.

    ValueError for a path that none can be made of.
    """

    def __init__(self, sanitised: bool) -> None:
        super().__init__()
        self._sanitised = sanitised

    def __missing__(self, path: bytes) -> tuple[bytes, bytes]:
        if path.translate(None, _VISIBLE):
            raise ValueError("a control character or a space in the path")
        if is_plain(path) or b"#" in path:
            forms = (path, path)
        else:
            canonical = normalise(path)
            if self._sanitised:
                canonical = sanitise(canonical)
            forms = (canonical, routing_form(canonical))
        if len(path) <= 160:
            if len(self) >= 4096:
                self.clear()
            self[path] = forms
        return forms


def normalise(path: bytes) -> bytes:
    """Decode escapes of unreserved characters, upper-case the others, encode what may not stand raw (§6.1).

    Raises ValueError for a `%` that is not followed by two hex digits.
    """
    if b"%" in path:
        if _BROKEN_ESCAPE.search(path):
            raise ValueError("a '%' in the path is not followed by two hexadecimal digits")
        path = _ESCAPE.sub(lambda match: _NORMAL_ESCAPE[match[1].upper()], path)
    return _UNSAFE.sub(lambda match: b"%%%02X" % match[0][0], path)


def sanitise(path: bytes) -> bytes:
    """Remove `.` and `..` segments and empty segments; keep a trailing slash; never climb above the root (§6.1)."""
    if b"//" not in path and b"/." not in path:
        return path
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    return b"/" + b"/".join(kept) + (b"/" if kept and not segments[-1] else b"")


def routing_form(path: bytes) -> bytes:
    """The form that rules see: every escape decoded but those of reserved characters (§3.2)."""
    if b"%" not in path:
        return path
    return _ESCAPE.sub(lambda match: _ROUTING_ESCAPE[match[1].upper()], path)


def decoded(path: bytes) -> bytes:
    """Every escape decoded, once."""
    return unquote_to_bytes(path) if 0x25 in path else path


def encoded(text: bytes) -> bytes:
    """A decoded path, for instance a configured literal, as it may stand in a request (middlewares.md §2.1)."""
    return _LITERAL_SAFE.sub(lambda match: b"%%%02X" % match[0][0], text)


def literal_reading(path: bytes) -> bytes:
    """The path as the most eager reader would take it: decoded until nothing changes, `\\` as `/`, dot segments resolved.

    Compared with the canonical reading to refuse requests that mean two things (design.md §4).
    """
    for _ in range(5):
        further = decoded(path)
        if further == path:
            break
        path = further
    return sanitise(path.replace(b"\\", b"/"))
