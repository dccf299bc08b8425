"""A request's header lines and what they mean for the gateway: read once, and kept while a connection repeats them. Pure."""

import re

from pointsman import wire
from pointsman.message import NOTHING, HeaderList, Headers, Link, Parsed, Request
from pointsman.server import forwarded
from pointsman.server.settings import EntrySettings
from pointsman.wire import BadMessage, Line, Special

_ABSOLUTE = re.compile(rb"(?i:https?)://([^/#]*)(/.*)?", re.DOTALL)
_HOST = re.compile(rb"(?:[A-Za-z0-9!$%&'()*+,\-.;=_~]*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9\-._~%]+)?\])(?::[0-9]{0,5})?")
_OPTIONS = frozenset((b"close", b"keep-alive", b"upgrade", b"te"))


def host_of(authority: bytes) -> bytes:
    """The host that rules see: lower case, without port and brackets (routing.md §3.2)."""
    if authority.startswith(b"["):
        return authority[1 : authority.find(b"]")].lower()
    return authority.partition(b":")[0].lower()


def check_authority(authority: bytes) -> None:
    """BadMessage if no host looks like this."""
    if not _HOST.fullmatch(authority):
        raise BadMessage("the Host holds characters that no host has")


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
        lines = wire.request_lines(source)
        specials = [line[1] for line in lines if line[1] is not None]
        self.length, self.chunked = wire.framing(specials, minor)
        self.authority: bytes | None = None
        self.host = b""
        self.upgrade = b""
        self.expects = False
        self.negotiates = False
        options: list[bytes] = []
        seen = 0
        for meaning, _, value in specials:
            seen |= meaning
            if meaning & wire.HOST:
                if self.authority is not None:
                    raise BadMessage("more than one Host")
                self.authority = value
            elif meaning & wire.CONNECTION:
                options += wire.tokens(value)
            elif meaning & wire.UPGRADE:
                self.upgrade = self.upgrade + b", " + value if self.upgrade else value
            elif meaning & wire.EXPECT:
                if value.lower() != b"100-continue":
                    raise BadMessage("an Expect that cannot be met", 417)
                self.expects = minor == 1
            elif meaning & wire.AUTHORIZATION:
                self.negotiates = self.negotiates or value.partition(b" ")[0].lower() in (b"ntlm", b"negotiate")
        if self.authority is None and minor:
            raise BadMessage("an HTTP/1.1 request without Host")
        authority = self.authority or b""
        check_authority(authority)
        self.host = host_of(authority)
        self.close = b"close" in options or (not minor and b"keep-alive" not in options)
        if self.upgrade and (b"upgrade" not in options or not minor or b"h2c" in wire.tokens(self.upgrade)):
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
        self.parsed = self.for_authority(authority, settings, link, trusted)

    def for_authority(self, authority: bytes, settings: EntrySettings, link: Link, trusted: bool) -> Parsed:
        """The headers as they are sent on for this authority: an absolute target may name another one than Host."""
        check_authority(authority)
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
    added = forwarded.describe(settings, link.client.host, authority, scheme)
    chain: list[bytes] = []
    if seen & wire.MANAGED:
        if trusted:
            lines, added, chain = _from_trusted(lines, added)
        else:
            lines = [line for line in lines if not forwarded.is_managed(line[0][0])]
    parsed = Parsed(lines, seen, b"")
    if settings.append_forwarded_for:
        parsed.chain = b"\r\nX-Forwarded-For: " + b", ".join([*chain, link.client.host.encode()])
    elif chain:
        parsed.chain = b"\r\nX-Forwarded-For: " + b", ".join(chain)
    wires = [line[2] for line in lines]
    if (
        seen & wire.TRAILER and not seen & wire.TRANSFER
    ):  # without chunks there are no trailers to announce (routing.md §6.3)
        wires = [line[2] for line in lines if line[0][0] != b"trailer"]
    for _, special, _ in lines:
        if special is not None and special[1] == b"te" and b"trailers" in wire.tokens(special[2]):
            wires.append(b"\r\nTe: trailers")
            break
    wires += [wire.REQUEST_PREFIXES[name] + value for name, value in added if wire.REQUEST_PREFIXES[name]]
    parsed.wire = b"".join(wires)
    parsed.added = added
    return parsed


def _from_trusted(lines: list[Line], own: HeaderList) -> tuple[list[Line], HeaderList, list[bytes]]:
    """What a trusted client says stands, spelled properly; what it does not say is added; its chain is joined."""
    kept = [line for line in lines if not forwarded.is_managed(line[0][0])]
    said, chain = forwarded.from_trusted([line[0] for line in lines], own)
    return kept, said, chain


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
        request.host = host_of(request.authority)
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
        if b";" in query:
            query = query.replace(b";", b"%3B" if settings.encode_query_semicolons else b"&")
        request.query = query
