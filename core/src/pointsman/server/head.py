"""A request's header lines and what they mean for the gateway: read once, and kept while a connection repeats them. Pure."""

import re

from pointsman import wire
from pointsman.message import NOTHING, HeaderList, Headers, Link, Parsed, Request
from pointsman.server import forwarded
from pointsman.server.settings import EntrySettings
from pointsman.spelling import PREFIXES
from pointsman.wire import BadMessage, Line, Special

_ABSOLUTE = re.compile(rb"(?i:https?)://([^/#]*)(/.*)?", re.DOTALL)
_HOST = re.compile(rb"(?:[A-Za-z0-9!$%&'()*+,\-.;=_~]*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9\-._~%]+)?\])(?::[0-9]{0,5})?")
_FRAMING = wire.LENGTH | wire.TRANSFER
_ABOUT_TRAILERS = wire.TE | wire.TRAILER
_KEEP_ALIVE = [b"keep-alive"]
_OPTIONS = frozenset((b"close", b"keep-alive", b"upgrade", b"te"))


class _Authorities(dict[bytes, tuple[bytes, bytes]]):
    """What Host says -> the host that rules see (lower case, without port and brackets, routing.md §3.2), and the port.

    BadMessage if no host looks like this. Bounded: it forgets when full.
    """

    def __missing__(self, authority: bytes) -> tuple[bytes, bytes]:
        if not _HOST.fullmatch(authority):
            raise BadMessage("the Host holds characters that no host has")
        if authority.startswith(b"["):
            host, _, port = authority[1:].partition(b"]")
            known = (host.lower(), port[1:])
        else:
            host, _, port = authority.partition(b":")
            known = (host.lower(), port)
        if len(authority) <= 128:
            if len(self) >= 16_384:
                self.clear()
            self[authority] = known
        return known


AUTHORITIES = _Authorities()


class _Told(dict[tuple[bytes, str, bytes], tuple[HeaderList, bytes, bytes]]):
    """(scheme, client, our name) -> what the gateway says of every request of this client, as lines and ready to be sent.

    Bounded: it forgets when full.
    """

    def __missing__(self, key: tuple[bytes, str, bytes]) -> tuple[HeaderList, bytes, bytes]:
        scheme, ip, server = key
        lines = [(b"x-real-ip", ip.encode()), (b"x-forwarded-proto", scheme), (b"x-forwarded-server", server)]
        wires = [PREFIXES[name] + value for name, value in lines]
        known = (lines, b"".join(wires) + b"\r\nX-Forwarded-Port: ", b"\r\nX-Forwarded-For: " + ip.encode())
        if len(self) >= 16_384:
            self.clear()
        self[key] = known
        return known


_TOLD = _Told()


class Block:
    """The header lines of a request on one connection, read.

    `authority` and `host` are what Host says; None if it is missing. `close` is whether the connection ends after this
    request, `expects` whether the client waits for a 100, `length` and `chunked` how the body is framed, `negotiates`
    whether the client authenticates its connection instead of its requests.
    """

    __slots__ = (
        "_lines",
        "_scheme",
        "_seen",
        "authority",
        "chunked",
        "close",
        "expects",
        "host",
        "length",
        "negotiates",
        "parsed",
        "source",
        "tail",
        "upgrade",
    )

    def __init__(self, source: bytes, minor: int, settings: EntrySettings, link: Link, trusted: bool) -> None:
        self.source = source
        self.tail = source + b"\r\n\r\n"
        self._read(wire.request_lines(source), minor, settings, link, trusted)

    @classmethod
    def of(cls, lines: list[Line], settings: EntrySettings, link: Link, trusted: bool, protocol: bytes = b"") -> "Block":
        """The same of an HTTP/2 request's fields; `protocol` is what its extended CONNECT asks for (RFC 8441)."""
        block = cls.__new__(cls)
        block.source = block.tail = b""
        block._read(lines, 1, settings, link, trusted, protocol)
        return block

    def _read(
        self,
        lines: list[Line],
        minor: int,
        settings: EntrySettings,
        link: Link,
        trusted: bool,
        protocol: bytes | None = None,
    ) -> None:
        """Take the meaning out of the lines; `protocol` is None but for HTTP/2."""
        authority: bytes | None = None
        self.length: int | None = None
        self.chunked = self.expects = self.negotiates = False
        self.upgrade = b""
        options: list[bytes] = []
        seen = 0
        for _, special, _ in lines:
            if special is None:
                continue
            meaning, _, value = special
            seen |= meaning
            if meaning & wire.HOST:
                if authority is not None:
                    raise BadMessage("more than one Host")
                authority = value
            elif meaning & wire.CONNECTION:
                options += wire.tokens(value) if value != b"keep-alive" else _KEEP_ALIVE
            elif meaning & wire.UPGRADE:
                self.upgrade = self.upgrade + b", " + value if self.upgrade else value
            elif meaning & wire.EXPECT:
                if value.lower() != b"100-continue":
                    raise BadMessage("an Expect that cannot be met", 417)
                self.expects = minor == 1
            elif meaning & wire.AUTHORIZATION:
                self.negotiates = self.negotiates or value.partition(b" ")[0].lower() in (b"ntlm", b"negotiate")
        if seen & _FRAMING:
            self.length, self.chunked = wire.framing([line[1] for line in lines if line[1] is not None], minor)
        if authority is None and minor:
            raise BadMessage("a request without Host")
        self.authority = authority
        self.host = AUTHORITIES[authority or b""][0]
        self.close = b"close" in options or (not minor and b"keep-alive" not in options)
        if protocol is not None:
            self.upgrade = protocol
            if self.length is None:
                seen |= wire.TRANSFER  # as with chunks, the body ends by itself, and trailers may follow it
        elif self.upgrade and (b"upgrade" not in options or not minor or b"h2c" in wire.tokens(self.upgrade)):
            self.upgrade = b""
        if seen & wire.ALIAS:
            lines = _without_aliases(lines, settings)
        if options and not _OPTIONS.issuperset(options):
            lines = _without_named(lines, options, settings)
        self._lines = lines
        self._seen = seen
        self._scheme = link.scheme
        if self.upgrade.lower() == b"websocket":
            self._scheme = b"wss" if link.scheme == b"https" else b"ws"
        self.parsed = _parsed(lines, seen, settings, link, trusted, authority or b"", self._scheme)

    def for_authority(self, authority: bytes, settings: EntrySettings, link: Link, trusted: bool) -> Parsed:
        """The headers as they are sent on for this authority: an absolute target may name another one than Host."""
        return _parsed(self._lines, self._seen, settings, link, trusted, authority, self._scheme)


def _without_named(lines: list[Line], options: list[bytes], settings: EntrySettings) -> list[Line]:
    """Without the headers that Connection names, but for those that only the gateway may remove (RFC 9110 §7.6.1).

    Those in `forwardedHeaders.connection` stay visible to middlewares, and so does their being named: they are dropped when
    the request is sent on. Connection itself keeps no other name, lest it drop what a middleware adds.
    """
    named = set(options) - _OPTIONS
    kept = named & settings.kept_connection_headers
    left: list[Line] = []
    for line in lines:
        name = line[0][0]
        if name == b"connection":
            continue
        if name in named and not forwarded.is_managed(name):
            if name not in kept:
                continue
            line = (line[0], line[1], b"")
        left.append(line)
    remaining = [option for option in options if option in kept or option in _OPTIONS]
    if remaining:
        left.append(((b"connection", b", ".join(remaining)), None, b""))
    return left


def _parsed(
    lines: list[Line], seen: int, settings: EntrySettings, link: Link, trusted: bool, authority: bytes, scheme: bytes
) -> Parsed:
    """The lines with what the gateway itself says of the client (operations.md §2.3)."""
    said, wired, chain = _TOLD[scheme, link.client.host, settings.server_name]
    port = AUTHORITIES[authority][1] or (b"443" if scheme in (b"https", b"wss") else b"80")
    added = [*said, (b"x-forwarded-port", port)]
    wired += port
    if authority:
        added.append((b"x-forwarded-host", authority))
        wired += b"\r\nX-Forwarded-Host: " + authority
    if settings.scheme_headers:
        added += ((b"x-forwarded-scheme", scheme), (b"x-scheme", scheme))
        wired += b"\r\nX-Forwarded-Scheme: " + scheme + b"\r\nX-Scheme: " + scheme
    if not settings.append_forwarded_for:
        chain = b""
    if seen & wire.MANAGED:
        if trusted:
            lines, added, wired, chain = _from_trusted(lines, added, chain)
        else:
            lines = [line for line in lines if not forwarded.is_managed(line[0][0])]
    wires = [line[2] for line in lines]
    if seen & _ABOUT_TRAILERS:
        wires = _trailing(lines, bool(seen & wire.TRANSFER))
    wires.append(wired)
    parsed = Parsed(lines, seen, b"".join(wires))
    parsed.added = added
    parsed.chain = chain
    return parsed


def _trailing(lines: list[Line], chunked: bool) -> list[bytes]:
    """The wire forms with `Te: trailers` if that was asked for, and `Trailer` only before chunks (routing.md §6.3)."""
    wires = [line[2] for line in lines if chunked or line[0][0] != b"trailer"]
    if any(name == b"te" and b"trailers" in wire.tokens(value) for (name, value), _, _ in lines):
        wires.append(b"\r\nTe: trailers")
    return wires


def _from_trusted(lines: list[Line], own: HeaderList, client: bytes) -> tuple[list[Line], HeaderList, bytes, bytes]:
    """What a trusted client says stands, spelled properly; what it does not say is added; its chain is joined."""
    kept = [line for line in lines if not forwarded.is_managed(line[0][0])]
    added, chain = forwarded.from_trusted([line[0] for line in lines], own)
    wired = b"".join([wire.REQUEST_PREFIXES[name] + value for name, value in added if wire.REQUEST_PREFIXES[name]])
    if chain:
        said = b", ".join(chain)
        client = client.replace(b": ", b": " + said + b", ", 1) if client else b"\r\nX-Forwarded-For: " + said
    return kept, added, wired, client


def _without_aliases(lines: list[Line], settings: EntrySettings) -> list[Line]:
    """Names with other characters than letters, digits and `-`: kept, dropped or refused (operations.md §2.1)."""

    def stays(special: Special | None) -> bool:
        if special is None or not special[0] & wire.ALIAS:
            return True
        strategy = settings.alias_headers
        if strategy == "keep" and b"_" in special[1]:
            strategy = settings.underscore_headers
        if strategy == "reject":
            raise BadMessage("a header name with an unusual character")
        return strategy == "keep"

    return [line for line in lines if stays(line[1])]


def request_from(
    method: bytes, target: bytes, minor: int, block: Block, settings: EntrySettings, link: Link, trusted: bool
) -> Request:
    """The request that a request line and its header lines make, without its body. BadMessage for a bad target."""
    authority = block.authority or b""
    request = Request(method, target, Headers((), block.parsed), NOTHING, authority, block.host, link, block.upgrade)
    if not minor:
        request.version = 10
    if not settings.append_forwarded_for:
        request.append_forwarded_for = False
    _set_target(request, settings)
    if request.authority is not authority:
        request.host = AUTHORITIES[request.authority][0]
        request.headers = Headers((), block.for_authority(request.authority, settings, link, trusted))
    return request


def _set_target(request: Request, settings: EntrySettings) -> None:
    """Path, query and, from an absolute target, the authority (RFC 9112 §3.2)."""
    target = request.target
    path, mark, query = target.partition(b"?")
    if target[0] != 0x2F:
        if (target == b"*" and request.method == b"OPTIONS") or request.method == b"CONNECT":
            request.path = request.routing_path = b"*"
            return
        match = _ABSOLUTE.fullmatch(path)
        if match is None or not match[1] or b"@" in match[1]:
            raise BadMessage("a request target that is neither a path nor an http URL")
        request.authority, path = match[1], match[2] or b"/"
    try:
        request.path, request.routing_path = settings.paths[path]
    except ValueError as error:
        raise BadMessage(str(error)) from None
    if mark:
        if 0x3B in query:
            query = query.replace(b";", b"%3B" if settings.encode_query_semicolons else b"&")
        request.query = query
