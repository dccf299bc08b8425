"""The head of a request as an HTTP/1.1 server gets it (routing.md §6.3). Pure."""

from pointsman import wire
from pointsman.api import Peer
from pointsman.message import HeaderList, Parsed, Request

USUALLY_WITH_BODY = frozenset((b"POST", b"PUT", b"PATCH"))
"""Methods whose requests say that they have no body (RFC 9110 §8.6)."""


def target(request: Request, peer: Peer) -> bytes:
    """The request target for this server. ValueError if a middleware gave the request a path that is none."""
    path = request.path
    if peer.preserve_path:
        path = peer.base_path.rstrip(b"/") + path
    if request.query is not None:
        path = path + b"?" + request.query
    if path != request.target and path.translate(None, wire.VISIBLE):
        raise ValueError(f"the path {path!r} that the request was given holds bytes that no path may")
    return path


def request_head(request: Request, peer: Peer, pass_host: bool) -> bytes:
    """Request line and headers, to the empty line. ValueError for a path that is none."""
    path = target(request, peer)
    host = (request.authority if pass_host else b"") or peer.authority
    body = request.body
    parsed = request.headers.parsed
    if parsed is not None and request.told and parsed.untraced is None and _says_too(request, parsed):
        parsed = None
    if parsed is not None and request.append_forwarded_for:  # nobody touched the headers
        parts = [request.method, b" ", path, b" HTTP/1.1\r\nHost: ", host, parsed.wire, parsed.chain]
        counted = parsed.seen & wire.LENGTH > 0
    else:
        parts = [request.method, b" ", path, b" HTTP/1.1\r\nHost: ", host]
        counted = _write_headers(parts, request, without_told(request, request.headers.raw))
    if request.told:
        parts.append(request.told)
    if body.length is None:
        parts.append(b"\r\nTransfer-Encoding: chunked")
    elif body.length or counted or request.method in USUALLY_WITH_BODY:
        parts.append(b"\r\nContent-Length: %d" % body.length)
    if request.upgrade:
        parts.append(b"\r\nConnection: Upgrade\r\nUpgrade: ")
        parts.append(request.upgrade)
    parts.append(b"\r\n\r\n")
    return b"".join(parts)


def _write_headers(parts: list[bytes], request: Request, headers: HeaderList) -> bool:
    """Add the end-to-end headers that a middleware made or touched; true if a Content-Length was among them."""
    wires = wire.REQUEST_WIRES
    lines = [wires[pair] for pair in headers]
    if None not in lines:  # the usual: nothing among them has a meaning here
        parts += lines  # type: ignore[arg-type]
        if request.append_forwarded_for:
            parts.append(b"\r\nX-Forwarded-For: ")
            parts.append(request.link.client.host.encode())
        return False
    begin = len(parts)
    chain: list[bytes] = []
    counted = trailing = False
    for line, (name, value) in zip(lines, headers, strict=True):
        if line is not None:
            parts.append(line)
        elif name == b"x-forwarded-for":
            chain.append(value)
        elif name == b"content-length":
            counted = True
        elif name == b"te":
            trailing = trailing or b"trailers" in wire.tokens(value)
        elif name == b"trailer":
            if request.body.length is None:  # no chunks, no trailers
                parts.append(wire.REQUEST_PREFIXES[name] + value)
        else:  # a Connection that names a header
            # what a client named was dropped when it came; these are kept for middlewares, up to here (§6.2)
            del parts[begin:]
            return _write_headers(parts, request, without_named(headers, value))
    if trailing:
        parts.append(b"\r\nTe: trailers")
    if request.append_forwarded_for:
        chain.append(request.client.host.encode())
    if chain:
        parts.append(b"\r\nX-Forwarded-For: ")
        parts.append(b", ".join(chain))
    return counted


def without_told(request: Request, headers: HeaderList) -> HeaderList:
    """The headers, but for those in whose place the gateway tells others."""
    if not request.told:
        return headers
    told = dict(told_lines(request))
    return [line for line in headers if line[0] not in told]


def _says_too(request: Request, parsed: Parsed) -> bool:
    """Whether a middleware added a line in whose place the gateway tells another."""
    return not dict(parsed.pairs()).keys().isdisjoint(dict(told_lines(request)))


def told_lines(request: Request) -> HeaderList:
    """What the gateway tells the server, line by line."""
    lines = [line.partition(b": ") for line in request.told.split(b"\r\n")[1:]]
    return [(name.lower(), value) for name, _, value in lines]


def without_named(headers: HeaderList, connection: bytes) -> HeaderList:
    """The headers that a Connection header neither is nor names; what is managed cannot be named (routing.md §6.2)."""
    named = {*wire.tokens(connection), b"connection"} - {b"upgrade"}
    return [line for line in headers if line[0] not in named or wire.NAMES[line[0]][1] & wire.MANAGED]
