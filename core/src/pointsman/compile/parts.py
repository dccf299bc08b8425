"""What compilation is made of: names, statuses, and what the compiler is given."""

import logging
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

from attrs import Factory, define, evolve, field, frozen

from pointsman.api import Binder, Counter, Gauge, Handler, SharedState
from pointsman.config.spelling import join, suggestion
from pointsman.config.static import Static
from pointsman.deadlines import Deadlines
from pointsman.errors import ConfigError, Problem
from pointsman.measures import Kind
from pointsman.net.client_tls import ClientTls
from pointsman.net.names import Names
from pointsman.net.openssl import SECRET_BYTES
from pointsman.observe.numbers import Number, Numbers
from pointsman.observe.observer import Signal
from pointsman.plugins import Registry
from pointsman.server.certificates import Pair
from pointsman.shared import Commons, LocalCommons, place_key
from pointsman.spans import REQUEST

Tree = Mapping[str, Mapping[str, Any]]
"""Section path -> full name -> raw element: the merged dynamic configuration."""

ROUTERS, SERVICES = "http.routers", "http.services"
MIDDLEWARES, TRANSPORTS = "http.middlewares", "http.serversTransports"
DEEPEST: Final = 16
"""How many elements may be below one another: whoever may write some of them shall not exhaust the stack, or memory."""
MOST_REMARKS: Final = 20
"""What an instance may say of its options."""
TCP_ROUTERS, TCP_SERVICES = "tcp.routers", "tcp.services"
TCP_MIDDLEWARES, TCP_TRANSPORTS = "tcp.middlewares", "tcp.serversTransports"
UDP_ROUTERS, UDP_SERVICES = "udp.routers", "udp.services"
_SECTIONS: Final = ("http.", "tcp.", "udp.")
OUTAGES: Final = b"outages"
"""The place of the state in which workers agree who tells of an outage."""
MENTIONED: Final = 10
"""How many known names a message lists."""


def _generate() -> Pair:
    from pointsman.server.x509 import generate_default

    return generate_default()


@frozen
class Secrets:
    """What all workers of one gateway have in common, and nobody else has. Made once, when it starts."""

    default_certificate: Pair = field(factory=_generate)
    """What is shown where no other certificate fits."""
    tickets: bytes = field(factory=partial(os.urandom, SECRET_BYTES), repr=False)
    """What session ticket keys are made of."""
    shared: bytes = field(factory=partial(os.urandom, SECRET_BYTES), repr=False)
    """What the keys and secrets of shared states are made of."""


@frozen
class Surroundings:
    """What a configuration is compiled into: the static side, the plugins, and the worker's own handlers."""

    static: Static
    registry: Registry
    deadlines: Deadlines
    internal: Mapping[str, Handler] = field(factory=dict)
    """Handlers of `ping@internal` and its kin, where they are enabled."""
    secrets: Secrets = field(factory=Secrets)
    names: Names = field(factory=Names)
    commons: Commons = field(factory=LocalCommons)
    """What all workers have in common."""
    signals: Sequence[Signal] = ()
    """Who may want to follow exchanges."""
    clock: Callable[[], float] = time.monotonic
    """The loop's."""
    numbers: Numbers = field(factory=Numbers)
    """What is counted beside requests."""

    def counting(self, name: str, place: tuple[str, ...]) -> Callable[[Kind, str, str, Mapping[str, str]], Number]:
        """What gives a middleware in one place, of a router or a service, its counters and gauges."""
        owner = {"middleware": name, "router": "", "service": ""}
        if place[0] == "declared":  # built to be judged; nobody is served by it
            return lambda *_: Number()
        owner["service" if place[0] == "service" else "router"] = place[1]

        def number(kind: Kind, name: str, help: str, labels: Mapping[str, str]) -> Number:
            if not name.startswith("pointsman_"):
                raise ValueError(f"'{name}' is no name of a plugin's metric; write pointsman_<kind>_<what>")
            return self.numbers.number(kind, name, help, {**labels, **owner}, place)

        return number

    def of_service(self, name: str, help: str, service: str) -> Number:
        """A counter that a service has for itself."""
        return self.numbers.number("counter", name, help, {"service": service}, (SERVICES, service))

    def shared_state(self, place: Sequence[str], raw: Any) -> SharedState:
        """The state of an instance in one place with one configuration, as that is written."""
        return self.commons.state(place_key(self.secrets.shared, place, raw))


@define
class Status:
    """How an element fares (routing.md §4.4)."""

    problems: list[Problem] = Factory(list)
    using: tuple[str, ...] = ()
    """The entry points of a router."""

    @property
    def word(self) -> str:
        """enabled, warning or disabled."""
        if any(not problem.warning for problem in self.problems):
            return "disabled"
        return "warning" if self.problems else "enabled"


@frozen
class Points:
    """The entry points that routers of one kind can be on."""

    protocol: str
    """TCP or UDP."""
    names: Sequence[str]
    defaults: Sequence[str]
    """Those of routers that name none."""
    others: Collection[str] = ()
    """Entry points of the other protocol."""

    def of(self, named: Sequence[str], path: str, status: Status) -> tuple[str, ...]:
        """Those that a router asks for and that are there; what is wrong with the others goes to its status."""
        points = [point for point in dict.fromkeys(named or self.defaults) if point in self.names]
        path = f"{path}.entryPoints"
        if not named:
            if not points:
                status.problems.append(Problem(path, f"there is no entry point for {self.protocol} that it could be on"))
            return tuple(points)
        status.problems += [
            Problem(path, self._missing(point), warning=True) for point in dict.fromkeys(named) if point not in points
        ]
        if not points:
            status.problems.append(Problem(path, "no valid entryPoint for this router"))
        return tuple(points)

    def _missing(self, point: str) -> str:
        listed = ", ".join(self.names[:MENTIONED]) + (", ..." if len(self.names) > MENTIONED else "")
        there = f"there are {listed}" if self.names else "there is none"
        if point in self.others:
            return f'entryPoint "{point}" is not for {self.protocol}; of those for {self.protocol} {there}'
        return f'entryPoint "{point}" doesn\'t exist{suggestion(point, self.names) or f"; {there}"}'


def qualify(name: str, owner: str) -> str:
    """A reference in full: the part after the first `@`, or else the provider of whoever refers (routing.md §2)."""
    return name if "@" in name else f"{name}@{owner.partition('@')[2]}"


def problems_under(path: str, error: ConfigError | ValueError) -> list[Problem]:
    """The problems of an error; those that know no place of their own stand at `path`."""
    if isinstance(error, ConfigError):
        return [problem if problem.path else evolve(problem, path=path) for problem in error.problems]
    return [Problem(path, str(error))]


def problems_in(path: str, error: ConfigError | ValueError) -> list[Problem]:
    """The problems that a plugin found in its options at `path`, each in full. Those of other elements are so already."""
    return [
        problem if problem.path.startswith(_SECTIONS) else evolve(problem, path=join(path, problem.path))
        for problem in problems_under("", error)
    ]


def said_of(path: str, instance: Any, remarks: Sequence[str]) -> list[Problem]:
    """Warnings: what a plugin says of its options, and that it should not be used any more, if it says so."""
    found = [Problem(path, remark, warning=True) for remark in remarks]
    instead = getattr(instance, "deprecated", "")
    if instead:
        found.append(Problem(f"{path}.{instance.name}", f"is deprecated; {instead}", warning=True))
    return found


class Notebook(logging.Logger):
    """The logger of an instance. What it warns of while it is built is about its options, and is kept for whoever asks what
    is wrong: it would be said for each place, by each worker. All else goes to the log."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._log_of = logging.getLogger(name)
        self.parent = self._log_of
        self.is_open = True
        self.remarks: list[str] = []

    def isEnabledFor(self, level: int) -> bool:
        return (self.is_open and level >= logging.WARNING) or self._log_of.isEnabledFor(level)

    def handle(self, record: logging.LogRecord) -> None:
        if not self.is_open or record.levelno < logging.WARNING:
            self._log_of.handle(record)
        elif (remark := record.getMessage()) not in self.remarks and len(self.remarks) <= MOST_REMARKS:
            self.remarks.append(remark if len(self.remarks) < MOST_REMARKS else "and more like that")


class Context:
    """The BuildContext of one plugin instance. Remembers what it asked for, for when that changes."""

    def __init__(
        self,
        name: str,
        deadlines: Deadlines,
        service: Callable[[str, str], Any],
        chain: Callable[[Any, str], tuple[Binder, list[Any]]],
        shared: Callable[[], SharedState],
        server: Callable[[str, ClientTls | None, float, str], Any],
        number: Callable[[Kind, str, str, Mapping[str, str]], Number],
    ) -> None:
        self._name = name
        self._number: Callable[[Kind, str, str, Mapping[str, str]], Number] | None = number
        self._deadlines = deadlines
        self._service: Callable[[str, str], Any] | None = service
        self._server: Callable[[str, ClientTls | None, float, str], Any] | None = server
        self._chain: Callable[[Any, str], tuple[Binder, list[Any]]] | None = chain
        self._shared: Callable[[], SharedState] | None = shared
        self.needs: list[Any] = []
        self._notebook: Notebook | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def logger(self) -> logging.Logger:
        if self._notebook is None:
            self._notebook = Notebook(f"pointsman.plugin.{self._name}")
            self._notebook.is_open = self._number is not None
        return self._notebook

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the instance warned of while it was built, each thing once."""
        return tuple(self._notebook.remarks) if self._notebook is not None else ()

    @property
    def deadlines(self) -> Deadlines:
        return self._deadlines

    @property
    def shared(self) -> SharedState:
        if self._shared is None:
            raise RuntimeError("shared can be asked only while the instance is built")
        return self._shared()

    def handler_for(self, service: str) -> Handler:
        if self._service is None:
            raise RuntimeError("handler_for can be asked only while the instance is built")
        child = self._service(service, self._name)
        self.needs += child.needs
        handler: Handler = child.handler
        return handler

    def server(
        self, url: str, *, tls: ClientTls | None = None, timeout_seconds: float = 0.0, span_name: str = REQUEST
    ) -> Handler:
        if self._server is None:
            raise RuntimeError("server can be asked only while the instance is built")
        entry = self._server(url, tls, timeout_seconds, span_name)
        self.needs.append(entry)
        handler: Handler = entry.handler
        return handler

    def chain(self, middlewares: Any) -> Binder:
        if self._chain is None:
            raise RuntimeError("chain can be asked only while the instance is built")
        binder, needs = self._chain(middlewares, self._name)
        self.needs += needs
        return binder

    def counter(self, name: str, help: str, **labels: str) -> Counter:
        return self._numbered("counter", name, help, labels)

    def gauge(self, name: str, help: str, **labels: str) -> Gauge:
        return self._numbered("gauge", name, help, labels)

    def _numbered(self, kind: Kind, name: str, help: str, labels: Mapping[str, str]) -> Number:
        if self._number is None:
            raise RuntimeError(f"a {kind} can be asked for only while the instance is built")
        return self._number(kind, name, help, labels)

    def seal(self) -> None:
        """The instance is built: let go of the compilation, which a plugin that keeps its context would keep with it."""
        self._service = self._chain = self._shared = self._server = self._number = None
        if self._notebook is not None:
            self._notebook.is_open = False
