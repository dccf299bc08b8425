"""Spans: what a request did and how long that took, as exporters get them (operations.md §5). Slots, no I/O.

A span is kept cheaply while requests are served: ids are text, times are of the loop's clock, and attributes are only put
together when an exporter asks for them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from attrs import field, frozen

AttributeValue = str | bool | int | float | Sequence[str]
Attributes = Sequence[tuple[str, AttributeValue]]

INTERNAL: Final = 1
SERVER: Final = 2
CLIENT: Final = 3
"""Kinds of spans, numbered as in OTLP."""

UNSET: Final = 0
ERROR: Final = 2
"""Statuses, numbered as in OTLP."""

REQUEST: Final = "Request"
"""What a span of a request to a server outside the services is called, unless whoever sends it knows better."""

SCOPE: Final = "github.com/traefik/traefik"
"""The instrumentation scope, called as users of the dialect know it."""


@frozen
class Resource:
    """Who sends telemetry: what holds of all that one gateway process says."""

    attributes: Mapping[str, AttributeValue] = field(factory=dict)
    version: str = ""
    """Of the gateway; also the version of the scope."""

    @property
    def service_name(self) -> str:
        return str(self.attributes.get("service.name", ""))


TRACEPARENT: Final = b"\r\nTraceparent: 00-"
"""How a line begins in which servers are told of a trace: then come its id, a span's, and flags (W3C Trace Context §3.2)."""
_TOLD: Final = re.compile(TRACEPARENT + b"([0-9a-f]{32})-([0-9a-f]{16})-00")


class Passing:
    """In the place of a span where none is recorded: ids for logs, and for servers."""

    __slots__ = ("span_id", "trace", "trace_id")
    parent: ClassVar[None] = None

    def __init__(self, trace_id: str, span_id: str, trace: Any) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.trace = trace

    @classmethod
    def of(cls, told: bytes) -> "Passing | None":
        """That of a request whose server is told nothing but a `traceparent`; None if it is told anything else."""
        ids = _TOLD.fullmatch(told)
        return cls(ids[1].decode(), ids[2].decode(), None) if ids is not None else None

    def fail(self, message: str = "") -> None:
        """Nobody will know."""

    def __repr__(self) -> str:
        return f"<Passing {self.span_id} of {self.trace_id}>"


class Span:
    """One piece of work. Exporters read it; it does not change any more when they get it.

    Ids are lower-case hex: 32 digits for a trace, 16 for a span.
    """

    __slots__ = (
        "described",
        "describes",
        "end",
        "epoch_ns",
        "error",
        "kind",
        "name",
        "parent",
        "parent_id",
        "remote",
        "span_id",
        "start",
        "trace",
        "trace_id",
        "trace_state",
    )

    def __init__(self, name: str, kind: int, trace_id: str, span_id: str, parent_id: str = "") -> None:
        self.name = name
        self.kind = kind
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = parent_id
        """"" for a root."""
        self.start = 0.0
        self.end = 0.0
        """By the loop's clock, in seconds."""
        self.epoch_ns = 0
        """When that clock was 0, in nanoseconds since 1970."""
        self.error: str | None = None
        """None: the status is Unset; else it is Error, and this is its message, maybe empty."""
        self.trace_state = ""
        """The tracestate of the request (W3C Trace Context §3.3)."""
        self.remote = False
        """Whether the parent is the client's."""
        self.parent: Span | None = None
        """The kernel's: the span of this process above it."""
        self.trace: Any = None
        """The kernel's: what the spans of one request have in common."""
        self.describes: Callable[[Any], Attributes] | None = None
        self.described: Any = None
        """The kernel's: what makes attributes of what."""

    @property
    def start_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self.epoch_ns + int(self.start * 1e9)

    @property
    def end_ns(self) -> int:
        """Nanoseconds since 1970, never before the start."""
        return self.epoch_ns + int(max(self.start, self.end) * 1e9)

    @property
    def status(self) -> int:
        return UNSET if self.error is None else ERROR

    @property
    def attributes(self) -> Attributes:
        """Names and values. Made anew each time: ask once."""
        return self.describes(self.described) if self.describes is not None else ()

    def fail(self, message: str = "") -> None:
        """Its status is Error, with this message unless it has one."""
        self.error = self.error or message

    def __repr__(self) -> str:
        return f"<Span {self.name} {self.span_id or '-'} of {self.trace_id or '-'}>"


def root_of(exchange: Any) -> Span | Passing | None:
    """The span of a whole request, or what stands in its place; None if it is not traced."""
    span: Any = exchange.span
    if span is None:
        return Passing.of(exchange.request.told) if exchange.request is not None else None
    while span.parent is not None:
        span = span.parent
    return span  # type: ignore[no-any-return]


def log_fields(exchange: Any) -> dict[str, Any]:
    """What an event of the log that is about a request gives as `extra`, to be found by."""
    root = root_of(exchange)
    fields = {"routerName": exchange.router, "request_id": exchange.request_id.decode("latin-1")}
    if root is None:
        return fields
    sampled = isinstance(root, Span) and bool(root.trace.sampled)
    return {**fields, "trace_id": root.trace_id, "span_id": root.span_id, "trace_sampled": sampled}
