"""The head of a request as an HTTP/2 server gets it (RFC 9113 §8.3, routing.md §6.3). Pure."""

from typing import Final

from pointsman import wire
from pointsman.api import Peer
from pointsman.message import HeaderList, Request
from pointsman.upstream.http1_head import USUALLY_WITH_BODY, target, told_lines, without_named, without_told

_TRAILERS: Final = (b"te", b"trailers")


def request_fields(request: Request, peer: Peer, pass_host: bool) -> HeaderList:
    """Pseudo-headers, then the end-to-end headers. ValueError for a path that is none."""
    host = (request.authority if pass_host else b"") or peer.authority
    fields = [(b":method", request.method)]
    if request.method != b"CONNECT":
        fields += ((b":scheme", b"https" if peer.tls else b"http"), (b":path", target(request, peer)))
    fields.append((b":authority", host))
    counted = _add_headers(fields, request, without_told(request, list(request.headers)))
    if request.told:
        fields += told_lines(request)
    length = request.body.length
    if length is not None and (length or counted or request.method in USUALLY_WITH_BODY):
        fields.append((b"content-length", b"%d" % length))
    return fields


def _add_headers(fields: HeaderList, request: Request, headers: HeaderList) -> bool:
    """Add what is end-to-end; true if a Content-Length was among it."""
    prefixes = wire.REQUEST_PREFIXES
    begin = len(fields)
    chain: list[bytes] = []
    counted = trailing = False
    for line in headers:
        name, value = line
        if prefixes[name]:
            fields.append(line)
        elif name == b"x-forwarded-for":
            chain.append(value)
        elif name == b"content-length":
            counted = True
        elif name == b"te":
            trailing = trailing or b"trailers" in wire.tokens(value)
        elif name == b"connection" and value.lower() not in wire.USUAL_OPTIONS:
            del fields[begin:]
            return _add_headers(fields, request, without_named(headers, value))
    if trailing:
        fields.append(_TRAILERS)
    if request.append_forwarded_for:
        chain.append(request.client.host.encode())
    if chain:
        fields.append((b"x-forwarded-for", b", ".join(chain)))
    return counted


def trailer_fields(trailers: HeaderList) -> HeaderList:
    """Without what could change framing or routing, or vouch for somebody (RFC 9110 §6.5.1)."""
    return [
        line for line in trailers if line[0] not in wire.FORBIDDEN_TRAILERS and not wire.NAMES[line[0]][1] & wire.MANAGED
    ]
