"""A URL that was put together, read and written anew as Go does it, so that it may stand in a header (middlewares.md §3.18).

What comes out is printable ASCII. Escapes keep their meaning: unlike Go, nothing is ever decoded to be encoded again.
"""

import ipaddress
import re

_CONTROL = re.compile(rb"[\0-\x1f\x7f]")
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9+\-.]*):")
_NAME = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=\x80-\xff]|%[89A-Fa-f][0-9A-Fa-f])*")
_PORT = re.compile(rb"(?::[0-9]*)?")
_ZONE = re.compile(rb"%25[A-Za-z0-9\-._~]+")
_USER = re.compile(rb"[A-Za-z0-9\-._~!$&'()*+,;=:%@]*")
_NOT_IN_A_PATH = re.compile(rb"[^A-Za-z0-9\-._~/!$&'()*+,;=:@%\[\]]")
_USUAL = re.compile(
    rb"https?://[A-Za-z0-9.\-]+(?::[0-9]+)?(?:/(?:[A-Za-z0-9\-._~/!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*)?(?:\?[!\"$-~]*)?"
)
"""What is written as it is read; it spares nearly all URLs the rest."""
_WEB = (b"http", b"https")
_NOT_VISIBLE = re.compile(rb"[^!-~]")


def visible(text: bytes) -> bytes:
    """With everything escaped that is no printable ASCII."""
    return _escaped(_NOT_VISIBLE, text)


def reserialised(url: bytes) -> bytes:
    """The URL, absolute or relative, as it may be sent. ValueError for one that not everybody reads alike, or nobody."""
    if _USUAL.fullmatch(url):
        return url
    if _CONTROL.search(url):
        raise ValueError("a control character in the URL")
    url, mark, fragment = url.partition(b"#")
    found = _SCHEME.match(url)
    scheme = found[1].lower() if found is not None else b""
    rest, query_mark, query = (url[len(scheme) + 1 :] if scheme else url).partition(b"?")
    tail = query_mark + visible(query) + mark + visible(_sound(fragment))
    authority, named = b"", False
    if rest.startswith(b"//"):
        host, slash, path = rest[2:].partition(b"/")
        named = host.rpartition(b"@")[2][:1] not in (b"", b":")
        authority, rest = b"//" + _authority(host), slash + path
    if not named and (scheme in _WEB or (authority and not scheme)):
        raise ValueError("an http URL without a host (RFC 9110 section 4.2.1)")
    if scheme:
        rest = _path(rest) if authority or rest.startswith(b"/") else visible(_sound(rest))
        return scheme + b":" + authority + rest + tail
    if b":" in rest.partition(b"/")[0]:
        raise ValueError("a colon in the first segment of the path")
    return authority + _path(rest) + tail


def _authority(authority: bytes) -> bytes:
    user, at, host = authority.rpartition(b"@")
    if not _USER.fullmatch(user):
        raise ValueError("a character in the user information that does not belong there")
    return _sound(user) + at + _host(host)


def _host(host: bytes) -> bytes:
    if host.startswith(b"["):
        inside, _, port = host[1:].partition(b"]")
        ip, percent, zone = inside.partition(b"%")
        ipaddress.IPv6Address(ip.decode("latin-1"))
        if b"]" not in host or (percent and not _ZONE.fullmatch(percent + zone)):
            raise ValueError("brackets in the host without an IPv6 address between them")
        name = b"[" + inside + b"]"
    else:
        name, colon, port = host.partition(b":")
        port = colon + port
        if not _NAME.fullmatch(name):
            raise ValueError("a character in the host that does not belong there")
    if not _PORT.fullmatch(port):
        raise ValueError("a port that is no number")
    return visible(name) + port


def _path(path: bytes) -> bytes:
    return _escaped(_NOT_IN_A_PATH, _sound(path))


def _sound(text: bytes) -> bytes:
    if _BROKEN_ESCAPE.search(text):
        raise ValueError("a '%' that is not followed by two hexadecimal digits")
    return text


def _escaped(what: re.Pattern[bytes], text: bytes) -> bytes:
    return what.sub(lambda match: b"%%%02X" % match[0][0], text)
