"""Spans as Zipkin's JSON, version 2 (operations.md §5.7). Pure."""

import ipaddress
from collections.abc import Mapping
from json import dumps
from typing import Any, Final

from pointsman import AttributeValue, Span

KINDS: Final = {2: "SERVER", 3: "CLIENT"}
SERVER: Final = 2
TAGS: Final = {
    "http.request.method": "http.method",
    "http.response.status_code": "http.status_code",
    "url.path": "http.path",
    "url.full": "http.url",
}
"""Attributes that Zipkin's users know by another name."""
_PEER: Final = "network.peer.address"
_PEER_PORT: Final = "network.peer.port"
_SHORT_TRACE: Final = "0" * 16


def zipkin_span(span: Span, local: Mapping[str, str], same_span: bool) -> dict[str, Any]:
    """One span. With `same_span` those of servers have the ids that clients gave their own, and are told to be shared."""
    trace, start = span.trace_id, span.start_ns // 1000
    own: dict[str, Any] = {
        "traceId": trace[16:] if trace.startswith(_SHORT_TRACE) else trace,
        "id": span.span_id,
        "name": span.name.lower(),
        "timestamp": start,
        "duration": max(1, span.end_ns // 1000 - start),
        "localEndpoint": local,
    }
    if span.parent_id:
        own["parentId"] = span.parent_id
    if same_span and span.remote and span.kind == SERVER:
        own["shared"] = True
    if span.kind in KINDS:
        own["kind"] = KINDS[span.kind]
    attributes = dict(span.attributes)
    remote = _endpoint(attributes.pop(_PEER, ""), attributes.pop(_PEER_PORT, 0))
    if remote:
        own["remoteEndpoint"] = remote
    tags = {TAGS.get(name, name): _text(value) for name, value in attributes.items()}
    if span.error is not None:
        tags["error"] = span.error or tags.get("http.status_code", "true")
    if tags:
        own["tags"] = tags
    return own


def _endpoint(address: AttributeValue, port: AttributeValue) -> dict[str, Any]:
    """Who is at the other end; {} if that is no address."""
    try:
        found = ipaddress.ip_address(str(address))
    except ValueError:
        return {}
    endpoint: dict[str, Any] = {f"ipv{found.version}": str(found)}
    if str(port).isdigit() and int(str(port)):
        endpoint["port"] = int(str(port))
    return endpoint


def _text(value: AttributeValue) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else dumps(list(value))
