"""The exporters of spans that the static configuration asks for, built, started and stopped with their worker."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from attrs import frozen

from pointsman.api import Handler, SpanExporter
from pointsman.config.observability_model import Tracing as TracingConfig
from pointsman.errors import ConfigError, Problem
from pointsman.net.client_tls import ClientTls
from pointsman.observe import propagation
from pointsman.observe.delivery import Delivery, Limits
from pointsman.observe.propagation import Propagation
from pointsman.observe.resource import resource
from pointsman.observe.sampling import Sampling
from pointsman.observe.span_attributes import Descriptions
from pointsman.observe.tracing import Tracing
from pointsman.spans import Resource, Span

log = logging.getLogger("pointsman.tracing")
CLOCK_SECONDS: Final = 5.0
Reach = Callable[[str, ClientTls | None, float], Handler]
"""The handler of a server: its URL, TLS, and how long a request to it may take."""


@frozen
class Context:
    """The ExporterContext of one instance."""

    name: str
    resource: Resource
    _reach: Reach
    _section: str = "tracing"

    @property
    def logger(self) -> logging.Logger:
        return logging.getLogger(f"pointsman.{self._section}.{self.name}")

    def server(self, url: str, *, tls: ClientTls | None = None, timeout_seconds: float = 0.0) -> Handler:
        parts = urlsplit(url)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])  # it is named in errors
        return self._reach(urlunsplit(bare), tls, timeout_seconds)


class Exporting:
    """All exporters of one worker, and the signal that feeds them."""

    def __init__(self, config: TracingConfig, exporters: Mapping[str, SpanExporter], environ: Mapping[str, str]) -> None:
        limits = Limits.of(environ)
        self.lost: Callable[[int], object] = lambda number: None
        """Called with the number of spans that were dropped."""
        self._exporters = exporters
        self.deliveries = [
            Delivery(name, exporter.export, limits, lambda number: self.lost(number)) for name, exporter in exporters.items()
        ]
        self._setting: asyncio.TimerHandle | None = None
        instances = list(exporters.values())
        descriptions = Descriptions(
            config.captured_request_headers, config.captured_response_headers, config.safe_query_params
        )
        self.signal = Tracing(
            Propagation(_formats(config, instances, environ)),
            _sampling(config, instances),
            descriptions,
            self.deliveries[0].add if len(self.deliveries) == 1 else self._to_all,
            add_internals=config.add_internals,
        )
        self._set_clock()

    def _to_all(self, span: Span) -> None:
        for delivery in self.deliveries:
            delivery.add(span)

    def _set_clock(self) -> None:
        self.signal.epoch_ns = time.time_ns() - time.monotonic_ns()

    def _keep_clock(self) -> None:
        self._set_clock()
        self._setting = asyncio.get_running_loop().call_later(CLOCK_SECONDS, self._keep_clock)

    async def start(self) -> None:
        """Open what exporters need, and begin to export."""
        self._keep_clock()
        await begin("tracing", self._exporters, self.deliveries)

    async def stop(self) -> None:
        """Export what is there, within 5 s."""
        if self._setting is not None:
            self._setting.cancel()
        await end("tracing", self._exporters, self.deliveries)


async def begin(section: str, exporters: Mapping[str, Any], deliveries: Sequence[Delivery[Any]]) -> None:
    """Start exporters, and then what feeds them."""
    for name, exporter in exporters.items():
        start = getattr(exporter, "start", None)
        if start is not None:
            try:
                await start()
            except Exception as error:  # it may work later
                log.error("%s.%s cannot be started: %r", section, name, error)
    for delivery in deliveries:
        delivery.start()


async def end(section: str, exporters: Mapping[str, Any], deliveries: Sequence[Delivery[Any]]) -> None:
    """Send what is left, within 5 s, and close exporters."""
    await asyncio.gather(*(delivery.stop() for delivery in deliveries))
    for name, exporter in exporters.items():
        close = getattr(exporter, "aclose", None)
        if close is not None:
            with suppress(TimeoutError):
                try:
                    async with asyncio.timeout(1.0):
                        await close()
                except OSError as error:
                    log.error("closing %s.%s failed: %r", section, name, error)


def built(
    section: str, named: Mapping[str, Any], known: Mapping[str, type[Any]], context: Callable[[str], Context]
) -> tuple[dict[str, Any], list[Problem]]:
    """The exporters that a section names, by their options, and what is wrong with them."""
    problems: list[Problem] = []
    found: dict[str, Any] = {}
    for name, options in named.items():
        path = f"{section}.{name}"
        try:
            found[name] = known[name](options, context(name))
        except ConfigError as error:
            problems += [Problem(f"{path}.{each.path}" if each.path else path, each.message) for each in error.problems]
        except ValueError as error:
            problems.append(Problem(path, str(error)))
        except Exception as error:  # a plugin's constructor may do anything
            problems.append(Problem(path, f"the plugin failed: {type(error).__name__}: {error}"))
    return found, problems


def exporting(
    config: TracingConfig | None,
    known: Mapping[str, type[SpanExporter]],
    reach: Reach,
    version: str,
    environ: Mapping[str, str],
) -> tuple[Exporting | None, list[Problem]]:
    """What the section asks for; None without it, or if nothing of it can be had. And what is wrong with it."""
    if config is None:
        return None, []
    problems: list[Problem] = []
    if not propagation.known(config.propagators):
        listed = ", ".join(propagation.NAMES)
        problems.append(Problem("tracing.propagators", f"must be some of {listed}, got {', '.join(config.propagators)}"))
    who = resource(config.service_name, config.resource_attributes, version, environ)
    exporters, more = built("tracing", config.exporters, known, lambda name: Context(name, who, reach))
    problems += more
    return (Exporting(config, exporters, environ) if exporters and not problems else None), problems


def _formats(config: TracingConfig, exporters: Sequence[Any], environ: Mapping[str, str]) -> Sequence[str]:
    """The user's; else those of OTEL_PROPAGATORS; else those that go with the exporters; else the default."""
    if config.propagators:
        return config.propagators
    named = [name.strip() for name in environ.get("OTEL_PROPAGATORS", "").split(",") if name.strip()]
    if named:
        if propagation.known(named):
            return named
        log.warning("OTEL_PROPAGATORS names an unknown format; %s is used", ",".join(propagation.DEFAULT))
        return propagation.DEFAULT
    own = [name for exporter in exporters for name in getattr(exporter, "propagators", ())]
    return own or propagation.DEFAULT


def _sampling(config: TracingConfig, exporters: Sequence[Any]) -> Sampling:
    """What old exporters have in their own options counts, too: the smaller of the rates."""
    return Sampling(
        min(config.share, max((getattr(each, "sample_rate", 1.0) for each in exporters), default=1.0)),
        config.sample_errors,
        config.sample_slow,
        all(getattr(each, "short_trace_ids", False) for each in exporters),
        all(getattr(each, "same_span", False) for each in exporters),
        _wanted([getattr(each, "sample", None) for each in exporters]),
    )


def _wanted(samplers: Sequence[Callable[[str], bool] | None]) -> Callable[[str], bool] | None:
    """What one exporter wants is traced; one that does not choose wants all."""
    choosing = [each for each in samplers if each is not None]
    if not choosing or len(choosing) < len(samplers):
        return None
    return choosing[0] if len(choosing) == 1 else lambda trace_id: any(each(trace_id) for each in choosing)
