"""The contracts between the kernel and its plugins: Protocols and plain types, no behaviour.

A plugin needs no base class; the type checker compares it with the contract where its hook returns it.
"""

import argparse
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Generator, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from attrs import field, frozen

from pointsman.deadlines import Deadlines
from pointsman.errors import Problem
from pointsman.measures import Metric, Needs
from pointsman.message import Facts, Link, Request, Response
from pointsman.net.client_tls import ClientTls
from pointsman.records import LogRecord
from pointsman.spans import REQUEST, Resource, Span

Handler = Callable[[Request], Awaitable[Response]]
"""Answers a request. A plain function that returns an awaitable costs less than a coroutine function."""


class Receiver(Protocol):
    """Takes the outcome of a pending answer: one of the two, once."""

    def respond(self, response: Response, /) -> None: ...
    def fail(self, error: BaseException, /) -> None: ...


class Pending(Protocol):
    """An answer that is on its way and can be had without a task: what the kernel's own handlers return.

    A middleware need not know; awaiting works as with any awaitable.
    """

    def subscribe(self, receiver: Receiver, /) -> None: ...
    def cancel(self) -> None: ...
    def __await__(self) -> Generator[Any, None, Response]: ...


Predicate = Callable[[Request], bool]
TcpPredicate = Callable[[Facts], bool]
Binder = Callable[[Handler], Handler]
"""Puts something in front of a handler, once, while a configuration is compiled."""


class Retries(Protocol):
    """A retry budget, as whoever retries sees it."""

    def withdraw(self) -> bool:
        """Whether one more retry is allowed; it is counted if so."""


class Peer:
    """One server of a service: where it is and what balancers may know of it.

    `ready` says whether it may be picked: it is `up`, and neither `failing` nor `ejected`. `in_flight` counts the requests
    it answers now, and those that wait for a connection to it.
    """

    __slots__ = (
        "authority",
        "base_path",
        "ejected",
        "failing",
        "h2c",
        "host",
        "in_flight",
        "pool",
        "port",
        "preserve_path",
        "ready",
        "retries",
        "tls",
        "up",
        "url",
        "watchers",
        "weight",
    )

    def __init__(
        self,
        url: str,
        *,
        host: str,
        port: int,
        tls: bool = False,
        h2c: bool = False,
        base_path: bytes = b"",
        preserve_path: bool = False,
        weight: int = 1,
    ) -> None:
        self.url = url
        self.host = host
        self.port = port
        self.tls = tls
        self.h2c = h2c
        """Whether it is spoken to in HTTP/2 without TLS, and without asking."""
        self.authority = b""
        """The Host header that names this server."""
        self.base_path = base_path
        self.preserve_path = preserve_path
        self.weight = weight
        self.ready = True
        self.up = True
        """What active health checks say."""
        self.failing = False
        """Whether the passive health check has put it out."""
        self.ejected = False
        """Whether outlier detection has."""
        self.watchers: tuple[Callable[[Peer], None], ...] = ()
        """The kernel's: whom to tell when `ready` has changed."""
        self.in_flight = 0
        self.pool: Any = None
        """The kernel's: where connections to this server come from."""
        self.retries: Retries | None = None
        """What its service allows in retries; None is without limit."""

    def __repr__(self) -> str:
        return f"<Peer {self.url}{'' if self.ready else ' down'}, {self.in_flight} in flight>"


Pick = Callable[[Request, Collection[Peer]], Peer | None]
"""Given the peers already tried for this request, another one, or None if none is left."""


class Publish(Protocol):
    """Takes all that a provider knows: plain data in the dialect's spelling, replacing everything it said before.

    `problems` are those the provider found itself (an unreadable file, a container with bad labels).
    """

    def __call__(self, document: Mapping[str, Any], problems: Sequence[Problem] = (), /) -> None: ...


class SharedState(Protocol):
    """What one instance has in common over all workers: numbers under keys, counts, a secret. Its calls never wait for long.

    It belongs to a place (a router and a position in its list) and a configuration: the same after a reload that changes
    neither, new after one that does. Keys are bytes of any length, also straight from a client. To be used by the loop's
    thread alone.
    """

    @property
    def secret(self) -> bytes:
        """32 bytes, the same in every worker, that nobody outside the gateway knows. Another after each start."""

    def update(
        self,
        key: bytes,
        change: Callable[[tuple[float, float] | None], tuple[float, float] | None],
        seconds: float,
    ) -> None:
        """Replace the two numbers under a key by what `change` makes of them: atomically, no other worker in between.

        None is: not there, or to be forgotten. Without another update they are forgotten after `seconds`; before that only
        where more than 65 536 keys crowd each other out, those nearest their end first. `change` has to be quick, and must
        not use the state itself; what it raises changes nothing. `time.monotonic` is the same clock in every worker.
        """

    def enter(self, key: bytes, limit: int) -> bool:
        """Count one more under a key, if that makes no more than `limit` in all workers. What a dead worker held is free.

        Also refused: a new key where so many are counted (more than 65 536) that there is no room for it.
        """

    def leave(self, key: bytes) -> None:
        """Count one less: once for every `enter` that was true, in the same worker."""


class Counter(Protocol):
    """A number that grows. Cheap enough for every request."""

    def add(self, amount: float = 1.0, /) -> None: ...


class Gauge(Protocol):
    """A number as it is now; exporters see the sum over all workers."""

    def set(self, value: float, /) -> None: ...
    def add(self, amount: float, /) -> None:
        """Below 0 to count down."""


class BuildContext(Protocol):
    """What a plugin instance may ask of the kernel while it is built."""

    @property
    def name(self) -> str:
        """The instance's full name, `limit@file`; of a provider its key."""

    @property
    def logger(self) -> logging.Logger: ...

    @property
    def deadlines(self) -> Deadlines:
        """The sweep over all that must be over some time: an attribute instead of a timer for each request."""

    @property
    def shared(self) -> SharedState:
        """What this instance has in common with its likes in all other workers."""

    def handler_for(self, service: str) -> Handler:
        """The handler of a service, named as this instance's configuration names it. ConfigError if there is none."""

    def server(
        self, url: str, *, tls: ClientTls | None = None, timeout_seconds: float = 0.0, span_name: str = REQUEST
    ) -> Handler:
        """The handler of one server outside the services: `http`, `https` or `h2c`, and a host. ValueError for another URL.

        Requests keep their own path and query; their Host is that of the URL. Connections are kept, and shared by all
        instances that ask for the same. After `timeout_seconds` (0: never) from the request to the end of its answer it is
        given up: a GatewayError, or a body that breaks off. `pointsman.dialect.client_tls` makes `tls`; None trusts whom
        the system trusts. In traces each `Request.beside` is a span called `span_name`, a word for its kind.
        """

    def chain(self, middlewares: Sequence[str]) -> Binder:
        """Those middlewares, in order, as one. ConfigError if one does not exist or they reach themselves."""

    def counter(self, name: str, help: str, **labels: str) -> Counter:
        """What exporters of metrics tell as `name`, summed over all workers: `pointsman_<kind>_..._total`.

        Labels `middleware`, `router` and `service` say where the instance is; one of the last two is empty. The same name
        always has the same labels. ValueError for a name that does not begin with `pointsman_`, or is none.
        """

    def gauge(self, name: str, help: str, **labels: str) -> Gauge:
        """The same for a number that goes up and down. It is forgotten with the instance, and with its worker."""


@frozen
class ListeningPoint:
    """An entry point, as far as providers need to know it."""

    name: str
    port: int
    protocol: str
    """tcp or udp"""
    tls: bool = False
    """Whether all HTTP routers there are for TLS."""
    default: bool = False
    """Whether routers that name no entry point are on it."""


class ProviderContext(BuildContext, Protocol):
    """What a provider may ask besides."""

    @property
    def entry_points(self) -> Sequence[ListeningPoint]:
        """Those of the static configuration, by name."""

    @property
    def rule_syntax(self) -> str:
        """`v2` or `v3`: how rules of routers that do not say it themselves are read."""

    def configured(self, provider: str) -> Any:
        """The configuration of another provider, by its name: what it says, and calls things by, follows from that.

        None if it does not run.
        """

    def check(self, document: Mapping[str, Any]) -> Sequence[Problem]:
        """Problems in the shape of a document: unknown keys, wrong types. Empty if it would be accepted whole."""

    def from_labels(self, labels: Mapping[str, str]) -> tuple[dict[str, Any], Sequence[Problem]]:
        """The document that labels with the root `traefik.` say, and warnings (providers.md §3.1-§3.4).

        Other labels are passed over. `loadBalancer.server` stays a block of its own, with `port` and `scheme` as text.
        ConfigError, with every problem, for labels that cannot be used.
        """

    def from_keys(self, pairs: Mapping[str, str]) -> dict[str, Any]:
        """The document that a store's keys say, given relative to its root key: `http/routers/r/rule` (providers.md §4.1).

        ConfigError, with every problem, refuses all of it; warnings are logged, each once.
        """

    def from_yaml(self, data: bytes, name: str) -> tuple[dict[str, Any], Sequence[Problem]]:
        """The document that YAML, or JSON, says, with all sections: one that is missing clears what was there.

        The problems are warnings. ConfigError, its places beginning with `name`, for what refuses it: no UTF-8, bad syntax,
        a wrong shape. It may be called in a thread.
        """

    def from_json(self, data: bytes) -> tuple[Any, Sequence[Problem]]:
        """The document that strict JSON says, as it is but for unknown keys, which are left out (providers.md §1.8).

        Otherwise as `from_yaml`.
        """


class Feature(Protocol):
    """Every plugin class: a name, a configuration, a constructor without I/O.

    Optional, and looked up once: `async def start(self) -> None` opens what is needed; `async def aclose(self) -> None`
    closes it and is safe without `start` and when called twice. `deprecated: ClassVar[str] = "use ipAllowList"` says what to
    write instead; who uses it is warned.
    """

    name: ClassVar[str]
    """The key users write."""
    Config: ClassVar[type]
    """A frozen attrs class; its defaults are the documented defaults."""

    def __init__(self, config: Any, context: Any) -> None: ...


class Middleware(Feature, Protocol):
    """Stands between the router and its service.

    Optional: `def bind(self, call_next: Handler) -> Handler`, called once per place in a chain, when the instance can do
    more with the next handler known beforehand than with `__call__`. For traces at detailed verbosity: `span_name:
    ClassVar[str]`, what its span is called (the kind, capitalised, if it does not say; "" for none), and `span_per_attempt:
    ClassVar[bool] = True` for one that may call the next handler several times, and gets a span for each.
    """

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]: ...


class TcpMiddleware(Feature, Protocol):
    """Stands before a TCP router, whose connections it lets in or not, before anything is dialled (middlewares.md §6)."""

    def admit(self, link: Link) -> Callable[[], None] | None:
        """What to call, once, when the connection is over; None: it is closed at once, without a byte."""


class Provider(Feature, Protocol):
    """A source of dynamic configuration.

    Optional: `def read(self) -> tuple[Mapping[str, Any], Sequence[Problem]]` reads everything once, for `check` and
    `explain`; `def refresh(self) -> None` asks a running `provide` to read everything again (SIGHUP). One that is told by
    requests is an internal service at the same time: it has the `answer` of InternalService, and what is optional with it;
    it is called `<key>@internal`, the key in lower case. `@classmethod def instances(cls, config) -> Mapping[str, Any]`
    gives the configurations of several providers, one for each namespace of a registry, by the names after the `@`.
    """

    async def provide(self, publish: Publish) -> None:
        """Publish what is known and every change of it, until cancelled."""


@frozen
class CertificateRequest:
    """A certificate that the configuration wants of a resolver."""

    names: tuple[str, ...]
    """The main one first; lower case, without a dot at the end. They may be wildcards."""
    origin: str
    """What wants it: `router shop@docker`, `tls.stores.default`."""
    rule: str = ""
    """Of the router."""


@frozen
class KeyPair:
    """A certificate with its chain, and its key, both as PEM text."""

    certificate: str
    key: str = field(repr=False)


class ResolverContext(Protocol):
    """What a certificate resolver may ask of the kernel."""

    @property
    def name(self) -> str:
        """As users call it."""

    @property
    def logger(self) -> logging.Logger: ...

    def answer_http(self, host: str, token: str, content: str) -> Callable[[], None]:
        """Have `/.well-known/acme-challenge/<token>` at `host` answered by this, until what is returned is called."""

    async def answer_tls(self, host: str, pair: KeyPair) -> Callable[[], None]:
        """Have whoever asks for `acme-tls/1` and `host` be shown this, in every worker, until what is returned is called.

        OSError if a worker cannot be told.
        """


PublishCertificates = Callable[[Sequence[KeyPair], Sequence[Problem]], None]
"""All that a resolver has, and what is wrong: in force soon after, in the default store."""


class CertificateResolver(Feature, Protocol):
    """Gets certificates, written `certificatesResolvers.<name>.<kind>`; there is one instance, on the control side."""

    async def resolve(self, wanted: AsyncIterator[Sequence[CertificateRequest]], publish: PublishCertificates, /) -> None:
        """Until cancelled. `wanted` gives all that is wanted, at first and each time that this changes.

        What other certificates cover is not wanted. Whatever is raised is logged, and it is begun anew a little later.
        """


class Balancer(Feature, Protocol):
    """Chooses a peer for each request.

    Optional: `sticky: ClassVar[bool] = False` says that a sticky cookie has no effect; `weighs: ClassVar[bool] = False` that
    weights have none, so that peers whose weight is 0 are picked too. A method `answered(self, peer, seconds)` is told how
    long each peer that was picked took to begin its answer; whoever a cookie chose is not counted. Fields of its Config that
    are called as options of `loadBalancer`, `nginx_upstream_hash_by`, have what the service says there.
    """

    def over(self, peers: Sequence[Peer]) -> Pick:
        """A way of picking among these; built anew when they change."""


class ExporterContext(Protocol):
    """What an exporter of telemetry may ask of the kernel while it is built."""

    @property
    def name(self) -> str:
        """Its key, such as `zipkin`."""

    @property
    def logger(self) -> logging.Logger: ...

    @property
    def resource(self) -> Resource:
        """Who sends what is exported."""

    def server(self, url: str, *, tls: ClientTls | None = None, timeout_seconds: float = 0.0) -> Handler:
        """The handler of the collector's server, as `BuildContext.server`: HTTP/1.1, HTTP/2 where TLS agrees on it, `h2c`.

        Requests to it are made by `Request.own`, and are neither traced nor counted.
        """


class SpanExporter(Feature, Protocol):
    """Sends spans somewhere. Its context is an `ExporterContext`; there is an instance in every worker.

    Optional: `propagators: ClassVar[Sequence[str]]`, the formats of trace headers that go with it unless the user names
    some (`("b3",)`). Of old exporters that have options of their own for it: `sample_rate`, and, if all exporters say so,
    `short_trace_ids` (64 bits) and `same_span` (the server span has the id of its parent; `span.parent_id` is that of the
    one above, if the client said it). Instances may say them, too. `sample(trace_id)` chooses among the traces that begin
    here, if all exporters have it: what one of them wants is traced.
    """

    async def export(self, spans: Sequence[Span], /) -> None:
        """Send these, at most 512. Whatever is raised means that they are lost: they are counted, and the log says so once.

        Called by one task, one batch after the other; given up when it takes too long.
        """


@frozen
class InternalRequest:
    """A request for a service that the gateway answers itself."""

    method: str
    path: str
    """Percent-encoded, as it is after the router's middlewares."""
    query: Mapping[str, Sequence[str]] = field(factory=dict)
    """Every value of every parameter, decoded, in order."""
    headers: Mapping[str, str] = field(factory=dict)
    """By lower-case name; several of one name are joined by a comma."""
    body: bytes = field(default=b"", repr=False)
    """At most 4 MiB, for services that take bodies: what is longer is answered with 413 before it gets here."""


@frozen
class InternalResponse:
    """Its answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    """"" says nothing of it."""
    headers: Mapping[str, str] = field(factory=dict)


class InternalContext(Protocol):
    """What an internal service may ask of the kernel."""

    @property
    def name(self) -> str:
        """As users write it: `dashboard@internal`."""

    @property
    def logger(self) -> logging.Logger: ...

    @property
    def options(self) -> Any:
        """What the static configuration says at the service's `section`."""

    @property
    def api_path(self) -> str:
        """Where the endpoints of the API are: `/api/`, below `api.basePath`."""


class InternalService(Protocol):
    """What the gateway answers itself, in its control process: `<name>@internal`, to which routers lead as to any service.

    It is there where the static configuration says something at `section` (`api.dashboard`) that is not false. Optional:
    with `path: ClassVar[str] = "/metrics"` it gets a router for that prefix, on the entry point that its options name
    (`entryPoint`), unless they say `manualRouting`; with `takes_bodies: ClassVar[bool] = True` it gets bodies of requests.
    `dashboard@internal` is asked for `/` and what is below it, wherever it is mounted.
    """

    name: ClassVar[str]
    section: ClassVar[str]

    def __init__(self, context: InternalContext) -> None: ...

    async def answer(self, request: InternalRequest) -> InternalResponse:
        """Quick: it runs on the loop of the control side. What it raises is a 500."""


class MetricsContext(Protocol):
    """What an exporter of metrics may ask of the kernel."""

    @property
    def name(self) -> str:
        """Its key below `metrics`."""

    @property
    def logger(self) -> logging.Logger: ...

    @property
    def resource(self) -> Resource:
        """Who sends, with `service_name` and `resource_attributes` of the exporter's Config, where it has them."""

    async def read(self) -> Sequence[Metric]:
        """All that its `needs` name, and what the gateway and plugins count besides, sorted by name.

        Workers are asked first, and have half a second to answer. What belongs to a router, service or server that has left
        the configuration is there once more, and then no more. Not before `start`.
        """

    def dropped(self, samples: int) -> None:
        """So many samples could not be delivered: every exporter tells their number."""

    def server(self, url: str, *, tls: ClientTls | None = None, timeout_seconds: float = 0.0) -> Handler:
        """A server to send to, as in BuildContext; `Request.own` makes requests for it."""


class MetricsExporter(Feature, Protocol):
    """Brings what is measured to somebody who keeps it: one instance, on the control side, written `metrics.<name>`.

    One that waits to be asked is an internal service at the same time: it has the `path` and `answer` of InternalService,
    and `entry_point` and `manual_routing` among its options. Its constructor gets a MetricsContext. `start` and `aclose` are
    those of any Feature; `aclose` has 5 seconds, for a last push, too. Nothing it does may disturb requests, so it does not
    block the loop, and bounds what it holds.
    """

    @property
    def needs(self) -> Needs:
        """Asked once, before `start`."""


@frozen
class LogField:
    """One field of access log records.

    `read(record)` gives its value. Its kind: "number"; "word", which nobody has to escape; "text", which may hold whatever a
    client made up; "headers", a list of names and texts that are fields each.
    """

    name: str
    kind: str
    read: Callable[[Any], Any]
    needs: int = 0
    """Bits that all must be in `record.has`: only then may it be read."""
    always: bool = True
    """False: even then it may be None."""


class LogExporter(Feature, Protocol):
    """Sends log records somewhere, enabled below `log` or `accessLog`. Its context is an `ExporterContext`.

    `service_name` and `resource_attributes` of its Config, where it has them, say what `context.resource` is.
    """

    async def export(self, records: Sequence[LogRecord], /) -> None:
        """Send these, at most 512. Whatever is raised means that they are lost: they are counted, and the log says so once.

        Called by one task, one batch after the other; given up when it takes too long.
        """


class LogFields(Protocol):
    """The fields that are not dropped."""

    def __iter__(self) -> Iterator[LogField]:
        """In the order of their names."""

    def get(self, name: str, /) -> LogField | None:
        """The field of this name, in any case, also that of one header (`request_User-Agent`); None if it is dropped.

        KeyError if there is no such field.
        """


class LogFormat(Feature, Protocol):
    """A way to write the access log, chosen by `accessLog.format`; its options stand in `accessLog.options`.

    A ConfigError of the constructor has its paths below `accessLog.options`. The context is None.
    """

    def over(self, fields: LogFields, /) -> Callable[[Any], str]:
        """What writes a record with these fields as one line, without its end. ConfigError if they are not enough for it."""


@frozen
class Matcher:
    """A function of the rule language.

    `compile(*arguments)` gives the predicate; ValueError says what is wrong with the arguments. `index(*arguments)` may
    give a necessary condition that the route table can look up: `("host", b"a.example")`, `("host_suffix", b".example")`
    for exactly one label before it, `("path", b"/a")`, `("path_prefix", b"/a")`; None if there is none.
    `explain(request)` says in a few words what the request has in place of what was asked.
    """

    name: str
    arity: range
    compile: Callable[..., Predicate]
    index: Callable[..., tuple[str, bytes] | None] | None = None
    explain: Callable[[Request], str] | None = None


@frozen
class TcpMatcher:
    """A function of the rule language of TCP routers: a Matcher whose predicates look at Facts.

    `index` may give `("host", b"a.example")` or `("host_suffix", b".example")`, conditions on the server name.
    """

    name: str
    arity: range
    compile: Callable[..., TcpPredicate]
    index: Callable[..., tuple[str, bytes] | None] | None = None
    explain: Callable[[Facts], str] | None = None


@frozen
class Command:
    """A subcommand of `pointsman`."""

    name: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
