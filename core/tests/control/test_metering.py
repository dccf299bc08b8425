"""Exporters of metrics, and what the control side knows by itself."""

import asyncio
import datetime
from typing import Any, ClassVar

import pytest
import trustme
from attrs import frozen

from pointsman.config.observability_model import Metrics
from pointsman.config.static import Static
from pointsman.control.certificates import Expiries
from pointsman.control.feed import ProviderState
from pointsman.control.metering import Metering
from pointsman.errors import ConfigError, Problem
from pointsman.measures import Needs
from pointsman.plugins import load_registry


@frozen
class Nothing:
    fails: str = ""


class Board:
    name: ClassVar[str] = "board"
    Config: ClassVar[type] = Nothing

    def __init__(self, config: Any, context: Any) -> None:
        if config.fails == "building":
            raise ConfigError(Problem("fails", "cannot be built"))
        self.context, self.config, self.closed = context, config, 0
        self.needs = Needs(boundaries=(1.0,))

    async def start(self) -> None:
        if self.config.fails == "starting":
            raise OSError("nobody there")

    async def aclose(self) -> None:
        self.closed += 1
        if self.config.fails == "closing":
            raise OSError("nobody there")


class Counting:
    """A worker that tells one request each time it is asked."""

    def __init__(self, take: Any) -> None:
        self.take = take
        self.asked = 0

    async def count(self) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        self.take({"routes": [["web", "r@file", "s@file", "200", "GET", "http", 1, 0.5, [1, 0], 3, 5]]})


def a_metering(fails: str = "") -> Metering:
    registry = load_registry(entry_point_plugins=False)
    registry.metrics_exporters["board"] = Board
    return Metering(Static(metrics=Metrics(exporters={"board": Nothing(fails)})), registry)


async def test_workers_are_asked_once_for_all_who_read_at_the_same_time():
    metering = a_metering()
    board: Any = metering.exporters["board"]
    worker = Counting(metering.taker(0))
    metering.workers = [worker]
    assert await metering.start() == []

    both = await asyncio.gather(board.context.read(), board.context.read())
    for metrics in both:
        counted = {metric.name: metric.samples[0].value for metric in metrics}
        assert counted["traefik_entrypoint_requests_total"] == 1
        assert counted["traefik_config_reloads_total"] == 0
        assert [*counted] == sorted(counted)
    assert worker.asked == 1
    await metering.aclose()
    await metering.aclose()
    assert board.closed == 1


async def test_an_exporter_that_fails_harms_nobody():
    assert [str(problem) for problem in a_metering("building").problems] == ["metrics.board.fails: cannot be built"]
    (problem,) = await a_metering("starting").start()
    assert str(problem) == "metrics.board: cannot be started: OSError: nobody there"
    closing = a_metering("closing")
    await closing.start()
    await closing.aclose()


async def test_a_worker_that_talks_nonsense_is_said_once_and_the_rest_counts(caplog: pytest.LogCaptureFixture):
    metering = a_metering()
    take = metering.taker(1)
    for _ in range(3):
        take({"routes": [[1, 2]]})
    take({"numbers": [["pointsman_x", "gauge", "X", {}, 2.0]]})
    take(None)

    assert [record.message.partition(":")[0] for record in caplog.records] == ["worker 1 tells counts that make no sense"]
    assert metering.totals.numbers["pointsman_x"].values == {}


def test_nothing_is_recorded_where_nobody_reads():
    registry = load_registry(entry_point_plugins=False)

    assert Metering(Static(), registry).recording is None
    assert Metering(Static(), registry, needs=[Needs()]).recording is not None


async def test_what_the_control_side_knows_is_told():
    metering = a_metering()
    metering.own.states = lambda: {"s@file": {"http://me:secret@h:80": True, "http://b": False}}
    metering.own.restarts = lambda: {0: 3}
    metering.own.problems = lambda: [Problem("x", "y"), Problem("x", "z", warning=True), Problem("a", "z", warning=True)]
    metering.own.providers = lambda: {
        "file": ProviderState("file", True, 1000.5, "", None, None, ()),
        "http": ProviderState("http", False, None, "away", 2000.5, 2003.0, ()),
    }
    await metering.applied({}, True)
    await metering.applied({}, False)

    told = {metric.name: {sample.labels: sample.value for sample in metric.samples} for metric in metering.own.metrics()}
    assert told.pop("traefik_config_last_reload_success")[()] > 1.7e9
    assert told == {
        "traefik_config_reloads_total": {(): 1},
        "pointsman_config_problems": {("error",): 1, ("warning",): 2},
        "pointsman_provider_running": {("file",): 1, ("http",): 0},
        "pointsman_provider_last_success_timestamp_seconds": {("file",): 1000.5, ("http",): 0},
        "pointsman_provider_last_error_timestamp_seconds": {("file",): 0, ("http",): 2000.5},
        "pointsman_provider_next_try_timestamp_seconds": {("file",): 0, ("http",): 2003.0},
        "traefik_service_server_up": {("s@file", "http://REDACTED@h:80"): 1, ("s@file", "http://b"): 0},
        "pointsman_worker_restarts_total": {("0",): 3},
    }


def test_certificates_are_told_as_long_as_they_are_served():
    ends = datetime.datetime(2040, 1, 2, tzinfo=datetime.UTC)
    leaf = trustme.CA().issue_cert("b.example", "a.example", common_name="a.example", not_after=ends)
    pem = leaf.cert_chain_pems[0].bytes().decode()
    expiries = Expiries()

    def told(tree: Any) -> list[Any]:
        list(expiries.following(tree))
        return [(sample.labels[:2], sample.value) for metric in expiries.metrics() for sample in metric.samples]

    one = [(("a.example", "a.example,b.example"), ends.timestamp())]
    assert (
        told({"tls.certificates": {"0@file": {"certFile": pem, "keyFile": "x"}, "1@file": {"certFile": "/no/such"}}}) == one
    )
    assert told({"tls.stores": {"default": {"defaultCertificate": {"certFile": pem, "keyFile": "x"}}}}) == one
    assert told({}) == []
