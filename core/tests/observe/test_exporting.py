"""From the section `tracing` to exporters and a signal."""

from collections.abc import Sequence
from math import inf, nan
from typing import Any, ClassVar

import pytest
from attrs import frozen

from pointsman.config.observability_model import Tracing as TracingConfig
from pointsman.errors import ConfigError, Problem
from pointsman.observe.exporting import Context, Exporting, exporting
from pointsman.spans import Span
from pointsman.testing import a_span, answering, eventually


@frozen
class PaperConfig:
    url: str = "http://collector"
    rate: float = 1.0


class Paper:
    name: ClassVar[str] = "paper"
    Config: ClassVar[type] = PaperConfig
    propagators: ClassVar[Sequence[str]] = ("b3",)

    def __init__(self, config: PaperConfig, context: Context) -> None:
        if config.url == "bad":
            raise ConfigError(Problem("url", "is bad"))
        if config.url == "worse":
            raise RuntimeError("no paper")
        context.server(config.url)
        self.context = context
        self.sample_rate = config.rate
        self.spans: list[Span] = []
        self.log: list[str] = []

    async def start(self) -> None:
        self.log.append("start")

    async def aclose(self) -> None:
        self.log.append("aclose")

    async def export(self, spans: Sequence[Span]) -> None:
        self.spans += spans


class Second(Paper):
    name: ClassVar[str] = "second"


class Choosing(Paper):
    name: ClassVar[str] = "choosing"
    wants: ClassVar[str] = "a"

    def sample(self, trace_id: str) -> bool:
        return trace_id.startswith(self.wants)


class Other(Choosing):
    name: ClassVar[str] = "other"
    wants: ClassVar[str] = "b"


REACHED: list[str] = []


def reach(url: str, tls: Any, seconds: float) -> Any:
    REACHED.append(url)
    return answering(200)


def made(exporters: Any, environ: Any = None, **settings: Any) -> tuple[Exporting | None, list[Problem]]:
    config = TracingConfig(exporters=exporters, **settings)
    known: Any = {each.name: each for each in (Paper, Second, Choosing, Other)}
    return exporting(config, known, reach, "1.0", environ or {})


def running(exporters: Any, environ: Any = None, **settings: Any) -> Exporting:
    found, problems = made(exporters, environ, **settings)
    assert problems == []
    assert found is not None
    return found


ONE: Any = {"paper": PaperConfig()}


def test_without_the_section_there_is_nothing() -> None:
    assert exporting(None, {}, reach, "1.0", {}) == (None, [])


async def test_spans_reach_every_exporter_and_those_have_a_life() -> None:
    found = running({"paper": PaperConfig(), "second": PaperConfig()}, {"OTEL_BSP_SCHEDULE_DELAY": "1"})
    papers: Any = list(found._exporters.values())
    await found.start()
    found.signal.done(a_span())
    await eventually(lambda: all(len(each.spans) == 1 for each in papers))
    await found.stop()
    assert [each.log for each in papers] == [["start", "aclose"]] * 2
    assert found.signal.epoch_ns > 1_700_000_000_000_000_000


async def test_an_exporter_knows_who_sends_and_names_no_password() -> None:
    found = running({"paper": PaperConfig("http://me:secret@collector:1/x")}, service_name="shop")
    paper: Any = found._exporters["paper"]
    assert paper.context.resource.service_name == "shop"
    assert REACHED[-1] == "http://collector:1/x"


@pytest.mark.parametrize(
    ("environ", "propagators", "reads"),
    [
        ({}, [], b"b3"),
        ({"OTEL_PROPAGATORS": "jaeger, none"}, [], b"uber-trace-id"),
        ({"OTEL_PROPAGATORS": "jaeger"}, ["xray"], b"x-amzn-trace-id"),
        ({"OTEL_PROPAGATORS": "w3c"}, [], b"traceparent"),
    ],
)
async def test_formats_are_the_users_then_the_environments_then_the_exporters(
    environ: dict[str, str], propagators: list[str], reads: bytes
) -> None:
    found = running(ONE, environ, propagators=propagators)
    assert reads in found.signal.propagation.reads


async def test_the_smaller_rate_counts() -> None:
    assert running({"paper": PaperConfig(rate=0.5)}).signal.sampling.rate == 0.5
    assert running({"paper": PaperConfig(rate=0.5)}, sample_rate=0.1).signal.sampling.rate == 0.1
    assert running({"paper": PaperConfig(rate=0.5), "second": PaperConfig()}).signal.sampling.rate == 1.0


@pytest.mark.parametrize(
    ("rate", "own", "bound"),
    [(7.0, 1.0, "g"), (-1.0, 1.0, "0" * 16), (1.0, -inf, "0" * 16), (1.0, nan, "g"), (0.5, nan, "8" + "0" * 15)],
)
async def test_rates_that_are_no_shares_harm_nobody(rate: float, own: float, bound: str) -> None:
    assert running({"paper": PaperConfig(rate=own)}, sample_rate=rate).signal.bound == bound


async def test_what_one_exporter_chooses_is_wanted_and_all_by_one_that_does_not_choose() -> None:
    def wanted(*exporters: type[Paper]) -> Any:
        return running({each.name: PaperConfig() for each in exporters}).signal.sampling.wanted

    assert wanted(Paper) is wanted(Paper, Choosing) is None
    assert [wanted(Choosing)(trace) for trace in ("a1", "b1", "c1")] == [True, False, False]
    assert [wanted(Choosing, Other)(trace) for trace in ("a1", "b1", "c1")] == [True, True, False]


@pytest.mark.parametrize(
    ("exporters", "settings", "said"),
    [
        ({"paper": PaperConfig("bad")}, {}, "tracing.paper.url: is bad"),
        ({"paper": PaperConfig("worse")}, {}, "tracing.paper: the plugin failed: RuntimeError: no paper"),
        (ONE, {"propagators": ["w3c"]}, "tracing.propagators: must be some of tracecontext, baggage, b3"),
    ],
)
async def test_what_cannot_be_built_is_told(exporters: Any, settings: Any, said: str) -> None:
    found, (problem,) = made(exporters, **settings)
    assert found is None
    assert str(problem).startswith(said)
