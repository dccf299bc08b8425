"""Exporters of metrics, and what they read: the totals of all workers, and what the control side knows itself."""

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from attrs import evolve

from pointsman.api import Handler, MetricsContext, MetricsExporter
from pointsman.compile.parts import Surroundings
from pointsman.compile.servers import Servers
from pointsman.config.static import Static
from pointsman.control.certificates import Expiries
from pointsman.control.feed import ProviderState
from pointsman.control.merge import Tree
from pointsman.control.reading import Reader, without_user
from pointsman.control.slices import in_slices
from pointsman.control.totals import Totals
from pointsman.deadlines import Deadlines
from pointsman.errors import ConfigError, Problem
from pointsman.measures import Kind, Metric, Needs, Sample
from pointsman.net.client_tls import ClientTls
from pointsman.observe.meter import Counted, Recording
from pointsman.observe.resource import resource
from pointsman.plugins import Registry, version_of
from pointsman.spans import Resource
from pointsman.upstream.health import News

log = logging.getLogger("pointsman.metrics")

STOP_SECONDS: Final = 5.0


class Counting(Protocol):
    """A worker, as far as it counts."""

    async def count(self) -> None: ...


class Context:
    """A MetricsContext."""

    def __init__(self, name: str, metering: "Metering", config: Any) -> None:
        self._name = name
        self._metering = metering
        self.resource = resource_of(config)
        self.reader: Reader | None = None
        self.servers: list[Any] = []

    @property
    def name(self) -> str:
        return self._name

    @property
    def logger(self) -> logging.Logger:
        return logging.getLogger(f"pointsman.metrics.{self._name}")

    async def read(self) -> Sequence[Metric]:
        if self.reader is None:
            raise RuntimeError("metrics can be read once the exporter has been started")
        return await self._metering.read(self.reader)

    def dropped(self, samples: int) -> None:
        if samples:
            self._metering.own.dropped[self._name] += samples

    def server(self, url: str, *, tls: ClientTls | None = None, timeout_seconds: float = 0.0) -> Handler:
        entry = self._metering.reached.get(url, tls, timeout_seconds)
        return entry.handler


class Metering:
    """All of it, for one gateway. `recording` says what workers are to count; `start`, and `aclose` at the end."""

    def __init__(self, static: Static, registry: Registry, *, needs: Iterable[Needs] = ()) -> None:
        """`needs` are those of the gateway itself, besides the exporters'."""
        self.workers: Sequence[Counting] = ()
        self.reached = Servers.begin(Surroundings(static, registry, Deadlines()), {})
        self._contexts: dict[str, Context] = {}
        self.exporters, self.problems = built_exporters(static, registry, self._context)
        wanted = {name: each.needs for name, each in self.exporters.items()}
        own = list(needs)
        most = static.metrics.max_label_values if static.metrics is not None else 1
        self.totals = Totals([*wanted.values(), *own], most)
        internals = static.metrics is not None and static.metrics.add_internals
        self.recording = Recording(self.totals.needs, internals) if wanted or own else None
        for name, each in wanted.items():
            self._contexts[name].reader = self.reader(each)
        self.own = Own()
        self.totals.sources.append(self.own.metrics)
        self._started: list[MetricsExporter] = []
        self._asking: asyncio.Task[None] | None = None
        self._odd: set[int] = set()

    def _context(self, name: str, config: Any) -> Context:
        context = self._contexts[name] = Context(name, self, config)
        return context

    @property
    def answering(self) -> dict[str, Any]:
        """The exporters that are asked: each is an internal service, too."""
        return {name: each for name, each in self.exporters.items() if hasattr(each, "answer")}

    def reader(self, needs: Needs) -> Reader:
        """Somebody who reads; the needs have to be among those that were given."""
        return Reader(self.totals, needs)

    async def read(self, reader: Reader) -> list[Metric]:
        """Everything, once the workers have told what they have counted so far."""
        await self.ask()
        return await in_slices(reader.reading())

    async def ask(self) -> None:
        """Have the workers tell what they have counted so far."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._all_count())
        await asyncio.shield(self._asking)

    async def _all_count(self) -> None:
        try:
            await asyncio.gather(*(worker.count() for worker in self.workers))
        finally:
            self._asking = None

    def taker(self, worker: int) -> Callable[[Counted | None], None]:
        """What a worker tells its counts to; None is its end."""

        def take(news: Counted | None) -> None:
            if news is None:
                self.totals.lost(worker)
                return
            try:
                self.totals.take(worker, news)
            except (ValueError, TypeError, LookupError, AttributeError) as error:
                if worker not in self._odd:
                    self._odd.add(worker)
                    log.error(
                        "worker %d tells counts that make no sense: %r",
                        worker,
                        error,
                        extra={"workerName": worker, "error": error},
                    )

        return take

    def expect(self, tree: Tree) -> None:
        """Workers are about to serve by this."""
        if self.recording is None:
            return
        self.totals.expect(tree)

    async def applied(self, tree: Tree, changed: bool) -> None:
        """They do."""
        if self.recording is None:
            return
        self.totals.keep(tree)
        if changed:
            self.own.reloads += 1
            self.own.reloaded_at = time.time()
            await in_slices(self.own.expiries.following(tree))

    async def start(self) -> list[Problem]:
        """Start the exporters; what is wrong with those that cannot be."""
        problems = []
        for name, exporter in self.exporters.items():
            self._started.append(exporter)
            start = getattr(exporter, "start", None)
            try:
                if start is not None:
                    async with asyncio.timeout(STOP_SECONDS):
                        await start()
            except Exception as error:  # a plugin may fail in any way; requests are served nevertheless
                problems.append(Problem(f"metrics.{name}", f"cannot be started: {type(error).__name__}: {error}"))
        return problems

    async def aclose(self) -> None:
        """Stop the exporters; each has its time for a last push."""
        started, self._started = self._started, []
        await asyncio.gather(*map(_close, started))
        for entry in self.reached.built.values():
            entry.transport.close()


class Own:
    """What the control side knows by itself."""

    def __init__(self) -> None:
        self.reloads = 0
        self.reloaded_at = 0.0
        self.states: Callable[[], News] = dict
        """What active health checks say."""
        self.restarts: Callable[[], Mapping[int, int]] = dict
        """How often each worker was replaced."""
        self.problems: Callable[[], Iterable[Problem]] = tuple
        """What is wrong with the configuration now."""
        self.providers: Callable[[], Mapping[str, ProviderState]] = dict
        self.expiries = Expiries()
        self.dropped: Counter[str] = Counter()
        """Samples that exporters could not deliver."""

    def metrics(self) -> Iterator[Metric]:
        yield _metric("traefik_config_reloads_total", "Config reloads", "counter", {(): self.reloads})
        if self.reloaded_at:
            at = {(): float(int(self.reloaded_at))}
            yield _metric("traefik_config_last_reload_success", "Last config reload success", "gauge", at)
        found = Counter("warning" if problem.warning else "error" for problem in self.problems())
        problems = {(severity,): found[severity] for severity in ("error", "warning")}
        yield _metric("pointsman_config_problems", "Problems in the configuration now", "gauge", problems, ("severity",))
        yield from _provider_metrics(self.providers())
        yield from self.expiries.metrics()
        up = {
            (service, without_user(url)): float(is_up)
            for service, urls in self.states().items()
            for url, is_up in urls.items()
        }
        if self.dropped:
            dropped: dict[tuple[str, ...], float] = {(exporter,): number for exporter, number in self.dropped.items()}
            help = "Samples of metrics that an exporter could not deliver"
            yield _metric("pointsman_metrics_dropped_samples_total", help, "counter", dropped, ("exporter",))
        if up:
            help = "Whether a server of a service is up, by its health check"
            yield _metric("traefik_service_server_up", help, "gauge", up, ("service", "url"))
        restarts = {(str(number),): count for number, count in self.restarts().items()}
        if restarts:
            help = "How often a worker was replaced"
            yield _metric("pointsman_worker_restarts_total", help, "counter", restarts, ("worker",))


def _provider_metrics(states: Mapping[str, ProviderState]) -> Iterator[Metric]:
    """How sources of configuration are doing; a time of 0 is never."""
    told = {
        (name,): (float(each.running), each.last_success or 0.0, each.last_error_at or 0.0, each.next_try or 0.0)
        for name, each in states.items()
    }
    helps = (
        ("running", "Whether a provider runs, and does not wait for its next try"),
        ("last_success_timestamp_seconds", "When all that a provider said was good"),
        ("last_error_timestamp_seconds", "When a provider failed, or something that it said was refused"),
        ("next_try_timestamp_seconds", "When a provider that has failed is tried again"),
    )
    for place, (name, help) in enumerate(helps if told else ()):
        values = {labels: numbers[place] for labels, numbers in told.items()}
        yield _metric(f"pointsman_provider_{name}", help, "gauge", values, ("provider",))


def built_exporters(
    static: Static, registry: Registry, context: Callable[[str, Any], MetricsContext]
) -> tuple[dict[str, MetricsExporter], list[Problem]]:
    """The exporters that the static configuration asks for, and what is wrong with those that cannot be had."""
    exporters: dict[str, MetricsExporter] = {}
    problems = []
    for name, config in (static.metrics.exporters if static.metrics is not None else {}).items():
        path = f"metrics.{name}"
        try:
            exporters[name] = registry.metrics_exporters[name](config, context(name, config))
        except ConfigError as error:
            problems += [evolve(each, path=f"{path}.{each.path}" if each.path else path) for each in error.problems]
        except ValueError as error:
            problems.append(Problem(path, str(error)))
        except Exception as error:  # a plugin's constructor may do anything
            problems.append(Problem(path, f"the plugin failed: {type(error).__name__}: {error}"))
    return exporters, problems


def resource_of(config: Any) -> Resource:
    """Who sends, as an exporter's options say it."""
    name, attributes = getattr(config, "service_name", ""), getattr(config, "resource_attributes", {})
    return resource(name, attributes, version_of("pointsman"), os.environ)


def _metric(name: str, help: str, kind: Kind, values: Mapping[Any, float], labels: tuple[str, ...] = ()) -> Metric:
    return Metric(name, help, kind, labels, [Sample(*each) for each in values.items()])


async def _close(exporter: MetricsExporter) -> None:
    close = getattr(exporter, "aclose", None)
    if close is None:
        return
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await close()
    except Exception as error:
        log.error("closing the exporter %s failed: %r", exporter.name, error)
