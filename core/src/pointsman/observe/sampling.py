"""Which requests are traced, and what becomes of the spans of one (operations.md §5.2)."""

from collections.abc import Callable
from typing import Any

from attrs import frozen

from pointsman.spans import Span


@frozen
class Sampling:
    """Which requests are traced."""

    rate: float = 1.0
    """Of those whose client does not say, 0 to 1."""
    errors: bool = False
    """Also those that were not chosen, if they are answered by 500 or more, or break off."""
    slow_seconds: float = 0.0
    """Also those that take this long; 0: none."""
    short_ids: bool = False
    """Whether new traces have ids of 64 bits."""
    same_span: bool = False
    """Whether the server span has the id that the client gave its own (Zipkin's shared spans)."""
    wanted: Callable[[str], bool] | None = None
    """Whether an exporter wants the trace with this id, of those that the rate chose; None: all."""

    @property
    def waits(self) -> bool:
        """Whether some fates are sealed at the end only."""
        return self.errors or self.slow_seconds > 0


class Trace:
    """What becomes of the spans of a request, or of many alike."""

    __slots__ = ("debug", "detail", "held", "recording", "sampled")

    def __init__(self, sampled: bool, recording: bool, detail: Any = None, *, debug: bool = False) -> None:
        self.sampled = sampled
        """What servers are told."""
        self.recording = recording
        """Whether spans are made of what happens."""
        self.detail = detail
        """Who makes those of the steps between; None at minimal verbosity."""
        self.debug = debug
        self.held: list[Span] | None = None
        """Those whose fate is not sealed yet."""
