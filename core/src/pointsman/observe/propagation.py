"""Which trace a request belongs to, as its headers say it, and how servers are told (operations.md §5.3, §5.7).

Formats are asked in order and a later one overrides; all of them are written, in place of what the client said. Malformed
headers say nothing. Headers of other formats are nobody's business here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pointsman import wire
from pointsman.message import HeaderList, Headers, Parsed
from pointsman.observe.formats import B3, B3Multi, Format, Jaeger, OtTrace, Remote, TraceContext, XRay
from pointsman.spans import TRACEPARENT

NAMES: Final = ("tracecontext", "baggage", "b3", "b3multi", "jaeger", "xray", "ottrace", "none")
DEFAULT: Final = ("tracecontext", "baggage")
_STATE: Final = b"tracestate"
_JAEGER_BY: Final = re.compile(r"jaeger=([!#$%&'*+\-.^_`|~0-9A-Za-z]+)")


def known(names: Iterable[str]) -> bool:
    """Whether there are formats of all these names; `jaeger=x-trace` is one with another header."""
    return all(name in NAMES or _JAEGER_BY.fullmatch(name) for name in names)


class Propagation:
    """The formats in use."""

    __slots__ = ("_formats", "_replaced", "is_default", "reads")

    def __init__(self, names: Sequence[str] = DEFAULT) -> None:
        self._formats: tuple[Format, ...] = tuple(
            made for name in dict.fromkeys(names) if (made := _format(name)) is not None
        )
        self.reads = frozenset(name for each in self._formats for name in each.reads)
        """Names of headers that may say something."""
        self._replaced = frozenset(name for each in self._formats for name in each.replaces)
        self.is_default = [type(each) for each in self._formats] == [TraceContext]
        """Whether servers are told in W3C Trace Context and nothing else."""

    def silent(self, parsed: Parsed) -> bool:
        """Whether none of the lines says anything. Remembered, for the same lines come again."""
        if parsed.untraced is self.reads:
            return True
        if self.reads.isdisjoint([line[0][0] for line in parsed.lines]):
            parsed.untraced = self.reads
            return True
        return False

    def extract(self, headers: Headers) -> Remote | None:
        """What the headers say; None if that is nothing.

        A tracestate that belongs to no traceparent is removed (W3C Trace Context §3.3.1.1).
        """
        found: dict[bytes, bytes] = {}
        reads, parsed = self.reads, headers.parsed
        for name, value in headers.raw if parsed is None else [line[0] for line in parsed.lines]:
            if name in reads:
                found[name] = found[name] + b"," + value if name in found else value
        remote: Remote | None = None
        stray = _STATE in found
        for each in self._formats:
            said = each.extract(found)
            if said is not None:
                remote = said
                stray = stray and type(each) is not TraceContext
        if stray:
            headers.remove(_STATE)
        return remote

    def lines(self, trace_id: str, span_id: str, sampled: bool, debug: bool) -> HeaderList:
        """What servers are told, in all formats."""
        formats = self._formats
        if not formats:
            return []
        lines = formats[0].lines(trace_id, span_id, sampled, debug)
        for each in formats[1:]:
            lines += each.lines(trace_id, span_id, sampled, debug)
        return lines

    def told(self, trace_id: str, span_id: str, sampled: bool, debug: bool) -> bytes:
        """What servers are told of a trace, as `Request.told` has it."""
        if self.is_default:
            return TRACEPARENT + f"{trace_id}-{span_id}-{'01' if sampled else '00'}".encode()
        prefixes = wire.REQUEST_PREFIXES
        return b"".join([prefixes[name] + value for name, value in self.lines(trace_id, span_id, sampled, debug)])

    def remove_from(self, headers: Headers) -> None:
        """Drop what the client said, in whose place servers are told. The other lines stay as they are read."""
        replaced = self._replaced
        parsed = headers.parsed
        if parsed is None or parsed.added:
            if not replaced.isdisjoint([name for name, _ in headers]):
                headers.raw[:] = [line for line in headers.raw if line[0] not in replaced]
            return
        sent, kept = parsed.wire, parsed.lines
        for line in kept:
            if line[0][0] in replaced:
                sent = sent.replace(line[2], b"", 1)  # it begins with a line break, so it is nowhere within another
                kept = [other for other in kept if other is not line]
        if kept is not parsed.lines:
            headers.parsed = Parsed(kept, parsed.seen, sent)
            headers.parsed.chain = parsed.chain
            headers.parsed.untraced = replaced


def _format(name: str) -> Format | None:
    if match := _JAEGER_BY.fullmatch(name):
        return Jaeger(match[1].lower().encode())
    made: Mapping[str, type[Format]] = {
        "tracecontext": TraceContext,
        "b3": B3,
        "b3multi": B3Multi,
        "jaeger": Jaeger,
        "xray": XRay,
        "ottrace": OtTrace,
    }
    return made[name]() if name in made else None  # baggage goes through as it is, `none` is nothing
