"""Plugin instances, requests and handlers without a gateway around them."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pointsman import paths
from pointsman.api import Binder, Handler, ListeningPoint, Middleware, SharedState
from pointsman.config.bodies import read_json, read_yaml
from pointsman.config.convert import structure
from pointsman.config.labels import from_keys, from_labels
from pointsman.deadlines import Deadlines
from pointsman.errors import ConfigError, Problem
from pointsman.measures import Metric
from pointsman.message import NOTHING, Address, Body, Exchange, HeaderList, Headers, Link, Request, Response
from pointsman.net.client_tls import ClientTls
from pointsman.shared import LocalState
from pointsman.spans import REQUEST, SERVER, Attributes, Resource, Span
from pointsman.upstream.transport import peer_from

F = TypeVar("F")
HeaderLines = Mapping[str, str | Iterable[str]] | Iterable[tuple[bytes, bytes]]
"""Headers as tests write them: `{"X-A": "1", "X-B": ["1", "2"]}`, or lines of bytes."""


def header_lines(headers: HeaderLines) -> HeaderList:
    """Lines with lower-case names, values as latin-1 where that is possible and UTF-8 elsewhere."""
    if not isinstance(headers, Mapping):
        return [(name.lower(), value) for name, value in headers]
    lines: HeaderList = []
    for name, values in headers.items():
        for value in [values] if isinstance(values, str) else values:
            lines.append((name.lower().encode(), _wire(value)))
    return lines


def _wire(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


class FakeNumber:
    """A counter or gauge whose `value` tests may look at."""

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, amount: float = 1.0) -> None:
        self.value += amount

    def set(self, value: float) -> None:
        self.value = value


class FakeContext:
    """A BuildContext, ProviderContext, MetricsContext and ExporterContext made of dictionaries.

    `servers` are those that `server` knows, by their URLs; `problems` is what `check` finds in any document. Instances that
    are built with the same context have its `shared` state in common, as two workers' would. `metrics` is what `read` gives;
    `numbers` are those that were asked for, by name and sorted labels: `("pointsman_x_total", ("why", "full"))`.
    """

    def __init__(
        self,
        name: str = "test@file",
        *,
        services: Mapping[str, Handler] | None = None,
        middlewares: Mapping[str, Middleware] | None = None,
        servers: Mapping[str, Handler] | None = None,
        problems: Sequence[Problem] = (),
        shared: SharedState | None = None,
        resource: Resource | None = None,
        metrics: Sequence[Metric] = (),
        entry_points: Sequence[ListeningPoint] = (),
        rule_syntax: str = "v3",
        providers: Mapping[str, Any] | None = None,
    ) -> None:
        self._name = name
        self._providers = dict(providers or {})
        self.entry_points = entry_points
        self.rule_syntax = rule_syntax
        self.deadlines = Deadlines()
        self.resource = resource or Resource({"service.name": "traefik"}, "0.1.0")
        self._services = dict(services or {})
        self._middlewares = dict(middlewares or {})
        self._servers = dict(servers or {})
        self._problems = tuple(problems)
        self.span_names: dict[str, str] = {}
        """What traces would call requests to each URL that was asked for."""
        self.metrics = metrics
        self.lost = 0
        """Samples that were said to be dropped."""
        self.numbers: dict[tuple[Any, ...], FakeNumber] = {}
        self.shared: SharedState = shared or LocalState(b"a secret of this context, for tests")

    @property
    def name(self) -> str:
        return self._name

    @property
    def logger(self) -> logging.Logger:
        return logging.getLogger(f"pointsman.testing.{self._name}")

    def configured(self, provider: str) -> Any:
        return self._providers.get(provider)

    def handler_for(self, service: str) -> Handler:
        if service not in self._services:
            raise ConfigError(f'the service "{service}" does not exist')
        return self._services[service]

    def server(
        self, url: str, *, tls: ClientTls | None = None, timeout_seconds: float = 0.0, span_name: str = REQUEST
    ) -> Handler:
        peer_from(url)
        self.span_names[url] = span_name
        return self._servers.get(url) or answering(503)

    def counter(self, name: str, help: str, **labels: str) -> FakeNumber:
        """The same number for the same name and labels; it is in `numbers`."""
        if not name.startswith("pointsman_"):
            raise ValueError(f"a metric of a plugin is called pointsman_..., not '{name}'")
        return self.numbers.setdefault((name, *sorted(labels.items())), FakeNumber())

    gauge = counter

    async def read(self) -> Sequence[Metric]:
        return self.metrics

    def dropped(self, samples: int) -> None:
        self.lost += samples

    def chain(self, middlewares: Sequence[str]) -> Binder:
        for name in middlewares:
            if name not in self._middlewares:
                raise ConfigError(f'middleware "{name}" does not exist')
        members = [self._middlewares[name] for name in middlewares]
        return lambda call_next: a_chain(members, call_next)

    def check(self, document: Mapping[str, Any]) -> Sequence[Problem]:
        return self._problems

    def from_labels(self, labels: Mapping[str, str]) -> tuple[dict[str, Any], Sequence[Problem]]:
        """As a provider gets it where no middleware is installed."""
        return from_labels(labels, {})

    def from_keys(self, pairs: Mapping[str, str]) -> dict[str, Any]:
        """As a provider gets it where no middleware is installed."""
        return from_keys(pairs, {})[0]

    def from_yaml(self, data: bytes, name: str) -> tuple[dict[str, Any], Sequence[Problem]]:
        return self._given(read_yaml(data, name))

    def from_json(self, data: bytes) -> tuple[Any, Sequence[Problem]]:
        return self._given(read_json(data))

    def _given(self, document: Any) -> tuple[Any, Sequence[Problem]]:
        """As it stands: what is known of middlewares is not known here."""
        if not all(problem.warning for problem in self._problems):
            raise ConfigError(self._problems)
        return document, self._problems


def a_span(
    name: str = "GET",
    kind: int = SERVER,
    attributes: Attributes = (),
    *,
    parent: Span | None = None,
    start: float = 1.0,
    seconds: float = 0.002,
    error: str | None = None,
) -> Span:
    """A span as exporters get it: of one trace, below `parent` if given, begun `start` after 2023-11-14 22:13:20 UTC."""
    number = 1 if parent is None else int(parent.span_id, 16) + 1
    span = Span(name, kind, "0af7651916cd43dd8448eb211c80319c", f"{number:016x}", parent.span_id if parent else "")
    span.start, span.end, span.epoch_ns, span.error = start, start + seconds, 1_700_000_000_000_000_000, error
    span.describes = lambda described: attributes
    return span


def build(plugin: Callable[..., F], raw_config: Any = None, context: FakeContext | None = None) -> F:
    """An instance of a plugin class from configuration as users write it. ConfigError with every problem in it."""
    config_class: type[Any] = plugin.Config  # type: ignore[attr-defined]
    kind: str = plugin.name  # type: ignore[attr-defined]
    config, problems = structure(config_class, {} if raw_config is None else raw_config, kind)
    if problems:
        raise ConfigError(problems)
    return plugin(config, FakeContext() if context is None else context)


def a_request(
    method: str = "GET",
    url: str = "http://a.example/path?x=1",
    headers: HeaderLines = (),
    body: bytes = b"",
    client: str = "127.0.0.1",
) -> Request:
    """A request as the server hands it to the chain: canonical path, routing path, authority and host set."""
    parts = urlsplit(url)
    raw_path = parts.path.encode() or b"/"
    query = parts.query.encode() if "?" in url else None
    target = raw_path if query is None else raw_path + b"?" + query
    local = Address("127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80))
    request = Request(
        method.encode(),
        target,
        Headers(header_lines(headers)),
        Body.of(body) if body else NOTHING,
        authority=parts.netloc.encode(),
        host=(parts.hostname or "").encode(),
        link=Link(Address(client, 40000), local, parts.scheme.encode(), "web"),
    )
    request.rewrite(paths.sanitise(paths.normalise(raw_path)) if raw_path.startswith(b"/") else raw_path)
    request.query = query
    request.exchange = Exchange()
    request.exchange.request = request
    return request


class Answering:
    """A handler that gives the same answer each time and keeps the requests it saw."""

    def __init__(self, status: int, headers: HeaderLines, body: bytes) -> None:
        self._status = status
        self._lines = header_lines(headers)
        self._body = body
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Awaitable[Response]:
        self.requests.append(request)
        return Response(self._status, self._lines.copy(), self._body)

    @property
    def last(self) -> Request:
        """The request it saw last."""
        return self.requests[-1]


def answering(status: int = 200, headers: HeaderLines = (), body: bytes = b"") -> Answering:
    """A handler in place of a service: answers `status`, and records `.requests`."""
    return Answering(status, headers, body)


def a_chain(middlewares: Iterable[Middleware], handler: Handler) -> Handler:
    """The middlewares, in order, before the handler: bound as the gateway binds them."""
    for middleware in reversed(list(middlewares)):
        handler = _bound(middleware, handler)
    return handler


def _bound(middleware: Middleware, call_next: Handler) -> Handler:
    bind: Binder | None = getattr(middleware, "bind", None)
    return bind(call_next) if bind is not None else lambda request: middleware(request, call_next)
