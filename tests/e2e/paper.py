"""Exporters of these tests' own, installed as any plugin is: they send spans and log records as JSON to a URL."""

import gc
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import frozen

from pointsman import (
    BuildContext,
    ExporterContext,
    Handler,
    Headers,
    LogExporter,
    LogRecord,
    Middleware,
    Request,
    Response,
    Span,
    SpanExporter,
    hookimpl,
)
from pointsman.errors import GatewayError
from pointsman.testing import Upstream


@frozen
class PaperConfig:
    url: str


class Paper:
    name: ClassVar[str] = "paper"
    Config: ClassVar[type] = PaperConfig

    def __init__(self, config: PaperConfig, context: ExporterContext) -> None:
        self._server = context.server(config.url, timeout_seconds=10.0)
        self._who = context.resource

    async def export(self, spans: Sequence[Span]) -> None:
        lines = [
            [span.start_ns, span.name, span.trace_id, span.span_id, span.parent_id, span.status, span.error or ""]
            for span in spans
        ]
        told = [[*line, dict(span.attributes)] for line, span in zip(lines, spans, strict=True)]
        await self.send(b"/spans?of=paper", {"service": self._who.service_name, "spans": told})

    async def send(self, target: bytes, content: Any) -> None:
        body = json.dumps(content).encode()
        request = Request.own(b"POST", target, Headers([(b"content-type", b"application/json")]), body)
        try:
            response = await self._server(request)
            if response.status != 200:
                raise GatewayError(502, f"the collector answered {response.status}")
            response.body.discard(1000)
        finally:
            request.finish()


class PaperLogs(Paper):
    async def export(self, records: Sequence[LogRecord]) -> None:  # type: ignore[override]
        told = [[each.severity, each.body, dict(each.attributes), each.trace_id, each.span_id] for each in records]
        await self.send(b"/logs", {"service": self._who.service_name, "logs": told})


def _plain(span: Span) -> list[Any]:
    ids = (span.trace_id, span.span_id, span.parent_id)
    return [span.start_ns, span.name, *ids, span.status, span.error or "", dict(span.attributes)]


@frozen
class TearingConfig:
    why: str


class Tearing:
    """A middleware that breaks."""

    name: ClassVar[str] = "tearing"
    Config: ClassVar[type] = TearingConfig

    def __init__(self, config: TearingConfig, context: BuildContext) -> None:
        self._why = config.why

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        raise RuntimeError(self._why)


@frozen
class LitterConfig:
    kept: int
    """Says nothing: a middleware without any option is refused."""


class Litter:
    """A middleware that answers with what only the garbage collector has found since the last time, by type."""

    name: ClassVar[str] = "litter"
    Config: ClassVar[type] = LitterConfig

    def __init__(self, config: LitterConfig, context: BuildContext) -> None:
        pass

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        gc.disable()  # nothing is collected in between
        gc.collect()
        found = Counter(type(each).__name__ for each in gc.garbage)
        gc.garbage.clear()
        gc.set_debug(0)
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        return Response(200, [(b"content-type", b"application/json")], json.dumps(found).encode())


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [Tearing, Litter]


@hookimpl
def pointsman_span_exporters() -> list[type[SpanExporter]]:
    return [Paper]


@hookimpl
def pointsman_log_exporters() -> list[type[LogExporter]]:
    return [PaperLogs]  # type: ignore[list-item]


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """Gateways that are started now find it among their plugins, and do not wait long to export."""
    place = folder / "pointsman_paper-1.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: pointsman-paper\nVersion: 1\n")
    (place / "entry_points.txt").write_text("[pointsman]\npaper = paper\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{folder}:{Path(__file__).parent}")
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        patch.setenv("OTEL_BLRP_SCHEDULE_DELAY", "20")
        patch.syspath_prepend(str(folder))
        assert sys.path[0] == str(folder)
        yield


@frozen
class Told:
    """A span as the collector got it."""

    start_ns: int
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    status: int
    error: str
    attributes: Mapping[str, Any]


def told(collector: Upstream) -> list[Told]:
    """All spans that a collector has got, as they began."""
    spans = [Told(*span) for request in collector.requests for span in json.loads(request.body).get("spans", ())]
    return sorted(spans, key=lambda span: (span.start_ns, span.name != "Service"))


def tree(spans: Sequence[Told]) -> list[str]:
    """Names, each below its parent, indented; a middleware's with its own name."""
    children: dict[str, list[Told]] = {}
    known = {span.span_id for span in spans}
    for span in spans:
        children.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)

    def lines(parent: str, depth: int) -> Iterator[str]:
        for span in children.get(parent, ()):
            named = span.attributes.get("traefik.middleware.name", "")
            yield "  " * depth + (f"{span.name} {named}" if named else span.name)
            yield from lines(span.span_id, depth + 1)

    return list(lines("", 0))


def logs(collector: Upstream, words: str) -> list[Any]:
    """The log records whose body has these words in it, as lists."""
    records = [record for request in collector.requests for record in json.loads(request.body).get("logs", ())]
    return [record for record in records if words in record[1]]
