"""The formats of trace headers: how each is read and written. Pure; what is malformed reads as None, and nothing raises."""

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, NamedTuple, Protocol
from urllib.parse import unquote_to_bytes

from pointsman.message import HeaderList

Found = Mapping[bytes, bytes]
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16


class Remote(NamedTuple):
    """What a client says of its trace. Without `trace_id` only whether to sample; without `span_id` it names no parent."""

    trace_id: str = ""
    span_id: str = ""
    parent_id: str = ""
    """The parent of the client's span, where the format says it."""
    sampled: bool | None = None
    """None leaves the decision to whoever reads it."""
    debug: bool = False
    state: str = ""


class Format(Protocol):
    reads: Sequence[bytes]
    replaces: Sequence[bytes]
    """Headers of the client that must not reach the server beside ours."""

    def extract(self, found: Found, /) -> Remote | None: ...
    def lines(self, trace_id: str, span_id: str, sampled: bool, debug: bool, /) -> HeaderList: ...


def _remote(trace: bytes, span: bytes, sampled: bool | None, *, parent: bytes = b"", debug: bool = False) -> Remote | None:
    """Ids with leading zeros, 64-bit traces as 128-bit ones; None if one is all zeros."""
    trace_id, span_id = trace.decode().lower().zfill(32), span.decode().lower().zfill(16)
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    parent_id = parent.decode().lower().zfill(16) if parent else ""
    return Remote(trace_id, span_id, parent_id, True if debug else sampled, debug)


class TraceContext:
    """W3C Trace Context: `traceparent: 00-<32 hex>-<16 hex>-<2 hex>`; `tracestate` is passed on as it is."""

    reads: Sequence[bytes] = (b"traceparent", b"tracestate")
    replaces: Sequence[bytes] = (b"traceparent",)
    _PARENT: ClassVar = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)

    def extract(self, found: Found) -> Remote | None:
        match = self._PARENT.fullmatch(found.get(b"traceparent", b""))
        if match is None or match[1] == b"ff" or (match[1] == b"00" and match[5] is not None):
            return None
        trace_id, span_id = match[2].decode(), match[3].decode()
        if trace_id == _NO_TRACE or span_id == _NO_SPAN:
            return None
        sampled = match[4][1] in b"13579bdf"
        return Remote(trace_id, span_id, "", sampled, False, found.get(b"tracestate", b"").decode("latin-1"))

    def lines(self, trace_id: str, span_id: str, sampled: bool, debug: bool) -> HeaderList:
        return [(b"traceparent", f"00-{trace_id}-{span_id}-{'01' if sampled else '00'}".encode())]


class _B3:
    """What both forms read: the single header, or else those of many."""

    reads: Sequence[bytes] = (b"b3", b"x-b3-traceid", b"x-b3-spanid", b"x-b3-sampled", b"x-b3-flags", b"x-b3-parentspanid")
    _SINGLE: ClassVar = re.compile(
        rb"([0-9a-fA-F]{32}|[0-9a-fA-F]{16})-([0-9a-fA-F]{16})(?:-([01d])(?:-([0-9a-fA-F]{16}))?)?"
    )
    _TRACE: ClassVar = re.compile(rb"[0-9a-fA-F]{32}|[0-9a-fA-F]{16}")
    _SPAN: ClassVar = re.compile(rb"[0-9a-fA-F]{16}")
    _SAMPLED: ClassVar = {b"1": True, b"true": True, b"d": True, b"0": False, b"false": False}

    def extract(self, found: Found) -> Remote | None:
        return self._single(found.get(b"b3", b"")) or self._many(found)

    def _single(self, value: bytes) -> Remote | None:
        if value in (b"0", b"1", b"d"):
            return Remote(sampled=value != b"0", debug=value == b"d")
        match = self._SINGLE.fullmatch(value)
        if match is None:
            return None
        decision = match[3] or b""
        return _remote(match[1], match[2], self._SAMPLED.get(decision), parent=match[4] or b"", debug=decision == b"d")

    def _many(self, found: Found) -> Remote | None:
        debug = found.get(b"x-b3-flags") == b"1"
        sampled = True if debug else self._SAMPLED.get(found.get(b"x-b3-sampled", b"").lower())
        trace, span = found.get(b"x-b3-traceid", b""), found.get(b"x-b3-spanid", b"")
        if self._TRACE.fullmatch(trace) and self._SPAN.fullmatch(span):
            parent = found.get(b"x-b3-parentspanid", b"")
            return _remote(trace, span, sampled, parent=parent if self._SPAN.fullmatch(parent) else b"", debug=debug)
        return Remote(sampled=sampled, debug=debug) if sampled is not None and not trace and not span else None


class B3(_B3):
    """`b3: <trace>-<span>-<0|1|d>`"""

    replaces: Sequence[bytes] = (b"b3",)

    def lines(self, trace_id: str, span_id: str, sampled: bool, debug: bool) -> HeaderList:
        return [(b"b3", f"{trace_id}-{span_id}-{'d' if debug else '1' if sampled else '0'}".encode())]


class B3Multi(_B3):
    """`X-B3-TraceId`, `X-B3-SpanId`, `X-B3-Sampled`, or `X-B3-Flags: 1` for debug. No parent: that would be the client's."""

    replaces: Sequence[bytes] = _B3.reads[1:]

    def lines(self, trace_id: str, span_id: str, sampled: bool, debug: bool) -> HeaderList:
        decision = (b"x-b3-flags", b"1") if debug else (b"x-b3-sampled", b"1" if sampled else b"0")
        return [(b"x-b3-traceid", trace_id.encode()), (b"x-b3-spanid", span_id.encode()), decision]


class Jaeger:
    """`uber-trace-id: <trace>:<span>:<parent>:<flags>`, maybe URL-encoded, maybe without leading zeros.

    Baggage (`uberctx-*`) is left alone.
    """

    _VALUE: ClassVar = re.compile(rb"([0-9a-fA-F]{1,32}):([0-9a-fA-F]{1,16}):([0-9a-fA-F]{1,16}):([0-9a-fA-F]{1,2})")
    _DEBUG: ClassVar = b"jaeger-debug-id"

    def __init__(self, header: bytes = b"uber-trace-id") -> None:
        self._header = header
        self.reads: Sequence[bytes] = (header, self._DEBUG)
        self.replaces: Sequence[bytes] = (header,)

    def extract(self, found: Found) -> Remote | None:
        value = found.get(self._header, b"")
        match = self._VALUE.fullmatch(unquote_to_bytes(value) if b"%" in value else value)
        if match is None:
            return Remote(sampled=True, debug=True) if found.get(self._DEBUG) else None
        flags = int(match[4], 16)
        parent = match[3] if match[3].strip(b"0") else b""
        return _remote(match[1], match[2], bool(flags & 1), parent=parent, debug=bool(flags & 2))

    def lines(self, trace_id: str, span_id: str, sampled: bool, debug: bool) -> HeaderList:
        return [(self._header, f"{trace_id}:{span_id}:0:{3 if debug else 1 if sampled else 0}".encode())]


class XRay:
    """`X-Amzn-Trace-Id: Root=1-<8 hex>-<24 hex>;Parent=<16 hex>;Sampled=<0|1>`; load balancers say Root alone."""

    reads: Sequence[bytes] = (b"x-amzn-trace-id",)
    replaces: Sequence[bytes] = reads
    _ROOT: ClassVar = re.compile(rb"1-([0-9a-f]{8})-([0-9a-f]{24})")
    _PARENT: ClassVar = re.compile(rb"[0-9a-f]{16}")

    def extract(self, found: Found) -> Remote | None:
        said: dict[bytes, bytes] = {}
        for part in found.get(b"x-amzn-trace-id", b"")[:1024].split(b";"):
            name, _, value = part.strip().partition(b"=")
            said.setdefault(name.lower(), value)
        root = self._ROOT.fullmatch(said.get(b"root", b""))
        if root is None:
            return None
        parent = said.get(b"parent", b"")
        sampled = {b"1": True, b"0": False}.get(said.get(b"sampled", b""))
        trace = root[1] + root[2]
        if self._PARENT.fullmatch(parent):
            return _remote(trace, parent, sampled)
        return Remote(trace.decode(), sampled=sampled) if trace.strip(b"0") else None

    def lines(self, trace_id: str, span_id: str, sampled: bool, debug: bool) -> HeaderList:
        root = f"Root=1-{trace_id[:8]}-{trace_id[8:]}"
        return [(b"x-amzn-trace-id", f"{root};Parent={span_id};Sampled={1 if sampled else 0}".encode())]


class OtTrace:
    """`ot-tracer-traceid`, `ot-tracer-spanid`, `ot-tracer-sampled`: 64-bit traces. `ot-baggage-*` is left alone."""

    reads: Sequence[bytes] = (b"ot-tracer-traceid", b"ot-tracer-spanid", b"ot-tracer-sampled")
    replaces: Sequence[bytes] = reads
    _TRACE: ClassVar = re.compile(rb"[0-9a-fA-F]{32}|[0-9a-fA-F]{16}")
    _SPAN: ClassVar = re.compile(rb"[0-9a-fA-F]{16}")

    def extract(self, found: Found) -> Remote | None:
        trace, span, sampled = (found.get(name, b"") for name in self.reads)
        if not self._TRACE.fullmatch(trace) or not self._SPAN.fullmatch(span):
            return None
        return _remote(trace, span, {b"true": True, b"1": True, b"false": False, b"0": False}.get(sampled.lower()))

    def lines(self, trace_id: str, span_id: str, sampled: bool, debug: bool) -> HeaderList:
        said = (trace_id[16:].encode(), span_id.encode(), b"true" if sampled else b"false")
        return list(zip(self.reads, said, strict=True))
