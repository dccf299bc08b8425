"""OTLP, written: spans as an ExportTraceServiceRequest, and what the requests of all signals have in common.

The layout is that of opentelemetry-proto 1.x. What stays the same from span to span is encoded once: resource and scope, and
attributes that were met before, for most of them come again with every request.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from pointsman.dialect.protobuf import delimited, double, integer, text, varint
from pointsman.spans import SCOPE, AttributeValue, Resource, Span

_TIMES: Final = struct.Struct("<cQcQ")
_IDS: Final = struct.Struct("<2s16s2s8s")
_SAMPLED, _KNOWN, _REMOTE = 0x01, 0x100, 0x200
_KEPT: Final = 4096
_KEPT_LENGTH: Final = 256
_WHOLE: Final = frozenset(
    ("client.port", "http.request.body.size", "http.response.status_code", "network.peer.port", "server.port")
)
"""Attributes that are always whole numbers."""

K = TypeVar("K")


def any_value(value: AttributeValue) -> bytes:
    """The content of an AnyValue."""
    if isinstance(value, str):
        return text(1, value)
    if isinstance(value, bool):
        return integer(2, value)
    if isinstance(value, int):
        return integer(3, value)
    if isinstance(value, float):
        return double(4, value)
    return delimited(5, b"".join(delimited(1, any_value(each)) for each in value))


def key_value(field: int, name: str, value: AttributeValue) -> bytes:
    """An attribute, as the field with this number."""
    return delimited(field, text(1, name) + delimited(2, any_value(value)))


class Envelope:
    """What goes around spans, metrics and log records alike: the request, the resource and the scope."""

    def __init__(self, resource: Resource, scope: str = SCOPE) -> None:
        attributes = b"".join(key_value(1, name, value) for name, value in resource.attributes.items())
        self._resource = delimited(1, attributes)
        self._scope = delimited(1, text(1, scope) + (text(2, resource.version) if resource.version else b""))

    def around(self, items: Iterable[bytes]) -> bytes:
        """A whole request; each item is a field with the number 2."""
        content = delimited(2, b"".join((self._scope, *items)))
        return delimited(1, self._resource + content)


class _Attributes(dict[tuple[str, AttributeValue], bytes]):
    """Attributes of spans, as field number 9 of one."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes] = {}

    def __missing__(self, pair: tuple[str, AttributeValue]) -> bytes:
        name, value = pair
        if type(value) is str:
            return self._text(name, value)
        encoded = key_value(9, name, value)
        return _keep(self, pair, encoded) if name in _WHOLE else encoded  # elsewhere, 1 may stand for True or 1.0

    def _text(self, name: str, value: str) -> bytes:
        content = value.encode("utf-8", "replace")
        size = len(content)
        if size > _KEPT_LENGTH:
            return key_value(9, name, value)
        key = self._keys.get(name) or _keep(self._keys, name, text(1, name))
        if size + len(key) > 120:
            return _keep(self, (name, value), key_value(9, name, value))
        encoded = b"\x4a%c%b\x12%c\x0a%c%b" % (len(key) + size + 4, key, size + 2, size, content)
        return _keep(self, (name, value), encoded)


class SpanEncoder:
    """Makes field number 2 of a ScopeSpans from each span."""

    def __init__(self) -> None:
        self._attributes = _Attributes()
        self._names: dict[tuple[str, int], bytes] = {}

    def encode(self, span: Span) -> bytes:
        """One span. ValueError for ids that are none."""
        parent, trace_state, error = span.parent_id, span.trace_state, span.error
        parts = [
            _IDS.pack(b"\x0a\x10", bytes.fromhex(span.trace_id), b"\x12\x08", bytes.fromhex(span.span_id)),
            b"\x22\x08" + bytes.fromhex(parent) if parent else b"",
            self._names.get((span.name, span.kind)) or self._name(span.name, span.kind),
            _TIMES.pack(b"\x39", span.start_ns, b"\x41", span.end_ns),
        ]
        attributes, known = span.attributes, self._attributes
        try:
            parts += [known[pair] for pair in attributes]
        except TypeError:  # a plugin's list
            parts += [key_value(9, name, value) for name, value in attributes]
        if trace_state:
            parts.append(text(3, trace_state))
        if error is not None:
            parts.append(delimited(15, (text(2, error) if error else b"") + integer(3, span.status)))
        parts.append(_REMOTE_PARENT if span.remote else _OWN_PARENT)
        body = b"".join(parts)
        return b"\x12" + varint(len(body)) + body

    def _name(self, name: str, kind: int) -> bytes:
        encoded = text(5, name) + integer(6, kind)
        return _keep(self._names, (name, kind), encoded)


def _keep(kept: dict[K, bytes], key: K, encoded: bytes) -> bytes:
    if len(kept) >= _KEPT:
        kept.clear()  # what is met again is soon back
    kept[key] = encoded
    return encoded


def _flags(flags: int) -> bytes:
    return b"\x85\x01" + flags.to_bytes(4, "little")


_OWN_PARENT: Final = _flags(_SAMPLED | _KNOWN)
_REMOTE_PARENT: Final = _flags(_SAMPLED | _KNOWN | _REMOTE)


def trace_request(envelope: Envelope, encoder: SpanEncoder, spans: Sequence[Span]) -> bytes:
    """An ExportTraceServiceRequest."""
    return envelope.around([encoder.encode(span) for span in spans])
