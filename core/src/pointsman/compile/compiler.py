"""The compiler: routers to tables, services and middlewares on the way, with a status for every element."""

import logging
from collections.abc import Awaitable, Generator, Mapping, Sequence
from typing import Any

from attrs import Factory, define, evolve, frozen

from pointsman.api import Handler
from pointsman.compile.entrypoints import is_model
from pointsman.compile.https import Claim, filling, named_hosts, settling
from pointsman.compile.loopguard import guarded
from pointsman.compile.middlewares import Middlewares, Place, Use
from pointsman.compile.observing import Observing
from pointsman.compile.parts import (
    MIDDLEWARES,
    ROUTERS,
    SERVICES,
    TCP_SERVICES,
    TRANSPORTS,
    Points,
    Status,
    Surroundings,
    Tree,
    problems_under,
    qualify,
    said_of,
)
from pointsman.compile.redirections import redirections
from pointsman.compile.servers import Key, ServerEntry, Servers
from pointsman.compile.services import DEFAULT_TRANSPORT, ServiceEntry, Services, TransportEntry
from pointsman.compile.tcp import NO_TCP, CompiledTcp, TcpRun
from pointsman.compile.tcp_services import TcpServiceEntry, default_tcp_transport
from pointsman.compile.tls import Tls, TlsParts, options_name
from pointsman.compile.tls_options import DEFAULT
from pointsman.compile.transports import default_settings
from pointsman.compile.udp import CompiledUdp, UdpRun
from pointsman.config.dynamic import structure_router
from pointsman.config.entrypoint_model import EntryPoint
from pointsman.config.http_model import Router, RouterObservability, RouterTLS
from pointsman.config.middlewares import structure_middleware
from pointsman.errors import ConfigError, Problem
from pointsman.message import Request, Response
from pointsman.observe.steps import router_attributes, step
from pointsman.routing.layers import Forest, Layer, layers
from pointsman.routing.ranking import check_priority, provider_place, rank
from pointsman.routing.rules import Rule, parse
from pointsman.routing.snapshot import Route, Snapshot
from pointsman.routing.syntax import RuleError
from pointsman.routing.table import Entry, RouteTable
from pointsman.server.door import CLOSED, Door
from pointsman.upstream.transport import Transport

log = logging.getLogger("pointsman.compile")
SLICE = 64
HTTPS_PORT = 443

Slices = Generator[None, None, Any]


@frozen(eq=False)
class Parsed:
    """A router as far as it can be read alone."""

    raw: Any
    router: Router | None
    rule: Rule | None
    problems: tuple[Problem, ...]


@frozen(eq=False)
class Row:
    """A router on one entry point (or, with children below it, at its place in the tree), compiled."""

    parsed: Parsed
    service: ServiceEntry | None
    uses: tuple[Use, ...]
    children: tuple["Row", ...]
    entry: Entry


@frozen
class Copy:
    """A router on some of its entry points, and how it fares there."""

    router: str
    points: tuple[str, ...]
    status: Status


@define
class Compiled:
    """The result: a snapshot, how every element fares, and what the next compilation may take over."""

    snapshot: Snapshot
    statuses: dict[str, dict[str, Status]]
    parsed: dict[str, Parsed] = Factory(dict)
    rows: dict[str, Row] = Factory(dict)
    services: dict[str, ServiceEntry] = Factory(dict)
    transports: dict[str, TransportEntry] = Factory(dict)
    servers: dict[Key, ServerEntry] = Factory(dict)
    """Those that middlewares reach beside the services."""
    uses: dict[Place, Use] = Factory(dict)
    tls: TlsParts = Factory(TlsParts)
    tcp: CompiledTcp = Factory(CompiledTcp)
    udp: CompiledUdp = Factory(CompiledUdp)
    copies: dict[str, Copy] = Factory(dict)
    """Routers on entry points that treat them differently, by the name of each copy."""
    successions: list[tuple[ServiceEntry, ServiceEntry]] = Factory(list)
    """Services of the one before, and those here that serve in their place, to be handed over once this is live."""

    @property
    def problems(self) -> list[Problem]:
        """Every problem and warning, in order of place, each once."""
        found = [problem for section in self.statuses.values() for status in section.values() for problem in status.problems]
        return sorted(dict.fromkeys(found), key=lambda problem: problem.path)

    @property
    def reached(self) -> list[Transport]:
        """All ways to servers that this configuration asked for."""
        beside = [entry.transport for entry in self.servers.values()]
        return [entry.transport for entry in self.transports.values()] + beside

    def checked(self, key: str) -> ServiceEntry | TcpServiceEntry | None:
        """The service that health checks call so: by its full name, one of TCP by its path."""
        name = key.removeprefix(f"{TCP_SERVICES}.")
        return self.services.get(key) if name is key else self.tcp.services.get(name)


class Compiler:
    """Compiles tree after tree for one worker. `compile` is to be iterated; its return value is the Compiled."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        static = around.static
        settings, warnings = default_settings(static.servers_transport)
        self.default_transport = TransportEntry(None, Transport(settings, around.deadlines, around.names), tuple(warnings))
        self.default_tcp_transport = default_tcp_transport(static.tcp_servers_transport)
        self._numbers = 0
        self._precedence = tuple(name.lower() for name in static.providers.precedence)
        self._points: dict[str, EntryPoint] = {
            name: point for name, point in static.entry_points.items() if point.listen.protocol == "tcp"
        }
        udp = tuple(name for name in static.entry_points if name not in self._points)
        self._tcp_points = Points("TCP", tuple(self._points), tuple(static.default_entry_points), udp)
        directed = list(redirections(static))
        self._redirecting = {redirection.entry_point for redirection in directed}
        self._meant_for_tls = {name for name, point in self._points.items() if point.listen.port == HTTPS_PORT}
        self._meant_for_tls |= {redirection.target for redirection in directed if redirection.scheme == b"https"}
        self._udp_points = Points("UDP", udp, udp, tuple(self._points))
        self.observing = Observing(static, around.signals, around.clock)
        self.unrouted = self.observing.of_the_rest()

    def compile(self, tree: Tree, old: Compiled | None = None, failed: Mapping[Place, str] | None = None) -> Slices:
        """Build what `tree` says, taking over from `old`. Yields often; returns a Compiled."""
        old = old or Compiled(Snapshot({}), {})
        self._numbers += 1
        run = _Run(self, tree, old, failed or {}, self._numbers)
        return run.run()

    def compile_now(self, tree: Tree, old: Compiled | None = None) -> Compiled:
        """The same at one go, for whoever serves nobody meanwhile."""
        steps = self.compile(tree, old)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                result: Compiled = stop.value
                return result


class _Run:
    """One compilation."""

    def __init__(self, compiler: Compiler, tree: Tree, old: Compiled, failed: Mapping[Place, str], number: int) -> None:
        self.compiler = compiler
        self.around = compiler.around
        self.tree = tree
        self.old = old
        self.number = number
        self.failed = failed
        self.routers: Mapping[str, Any] = tree.get(ROUTERS, {})
        self.statuses: dict[str, dict[str, Status]] = {ROUTERS: {}, SERVICES: {}, MIDDLEWARES: {}, TRANSPORTS: {}}
        self.parsed: dict[str, Parsed] = {}
        self.rows: dict[str, Row] = {}
        self.children: dict[str, Row | None] = {}
        self.copies: dict[str, Copy] = {}
        self.forest = Forest()
        self.services = Services.begin(tree, self.around, compiler.default_transport, old.services, old.transports)
        self.servers = Servers.begin(self.around, old.servers)
        self.middlewares = Middlewares.begin(tree, self.around, self.services, self.servers, old.uses, failed)
        self.services.front = self._service_middlewares
        self._fronted: dict[str, tuple[Handler, list[Use]]] = {}
        self.tls = Tls(tree, self.around, old.tls)
        self.plain: dict[str, list[Entry]] = {name: [] for name in compiler._points}
        self.claims: dict[str, list[Claim]] = {name: [] for name in compiler._points}

    def run(self) -> Slices:
        yield from self._parse()
        yield from self._judge_services_and_middlewares()
        self.forest = self._plant()
        yield
        for name, problems in self.forest.problems.items():
            self.statuses[ROUTERS][name].problems += problems
        yield from self.tls.building(self.statuses)
        for number, name in enumerate(self.forest.roots):
            self._root(name)
            if number % SLICE == 0:
                yield
        tables = yield from _tables(self.plain)
        tcp = yield from self._tcp().run()
        udp = yield from UdpRun(self.tree, self.compiler._udp_points, self.old.udp).run()
        secure, doors = yield from self._https(tcp)
        self.services.seal()
        return Compiled(
            Snapshot(tables, self.number, secure=secure, doors=doors, udp=udp.routes, unrouted=self.compiler.unrouted),
            {**self.statuses, **tcp.statuses, **udp.statuses},
            self.parsed,
            self.rows,
            self.services.built,
            self.services.transports,
            self.servers.built,
            {**self.middlewares.built, **tcp.uses},
            self.tls.parts,
            tcp,
            udp,
            self.copies,
            self.services.successions,
        )

    def _tcp(self) -> TcpRun:
        points, default = self.compiler._tcp_points, self.compiler.default_tcp_transport
        return TcpRun(self.tree, self.around, default, points, self.tls.terms, self.old.tcp, self.failed)

    # reading

    def _parse(self) -> Slices:
        statuses = self.statuses[ROUTERS]
        old = self.old.parsed
        for number, (name, raw) in enumerate(self.routers.items()):
            parsed = old.get(name)
            if parsed is None or parsed.raw is not raw:
                parsed = self._read(name, raw)
            self.parsed[name] = parsed
            statuses[name] = Status(list(parsed.problems))
            if number % SLICE == 0:
                yield

    def _read(self, name: str, raw: Any) -> Parsed:
        path = f"{ROUTERS}.{name}"
        router, problems = structure_router(raw, path)
        if router is None:
            return Parsed(raw, None, None, tuple(problems))
        syntax = router.rule_syntax or self.around.static.core.default_rule_syntax
        if router.rule_syntax not in ("", "default"):  # the latter is what providers write who write v3 themselves
            problems.append(Problem(f"{path}.ruleSyntax", "is deprecated; write the rule in v3 syntax", warning=True))
        problems += self._unknown_resolver(router.tls, f"{path}.tls")
        rule: Rule | None = None
        try:
            check_priority(router.priority, name)
        except ValueError as error:
            problems.append(Problem(f"{path}.priority", str(error)))
        else:
            try:
                rule = self._rule(router.rule, syntax)
            except RuleError as error:
                problems.append(Problem(f"{path}.rule", str(error)))
        return Parsed(raw, router, rule, tuple(problems))

    def _unknown_resolver(self, tls: RouterTLS | None, path: str) -> list[Problem]:
        """The router is served nevertheless, with a certificate that is there (routing.md §4.3)."""
        if tls is None or not tls.cert_resolver or tls.cert_resolver in self.around.static.certificates_resolvers:
            return []
        message = f"the certificate resolver '{tls.cert_resolver}' does not exist; a certificate that is there is used"
        return [Problem(f"{path}.certResolver", message, warning=True, loud=True)]

    def _rule(self, text: str, syntax: str) -> Rule:
        if syntax == "v2":
            from pointsman.routing.v2 import parse_v2

            return parse_v2(text)
        return parse(text, self.around.registry.matchers)

    def _judge_services_and_middlewares(self) -> Slices:
        """Every declared transport, service and middleware gets a status, also one that nobody uses."""
        transports = self.statuses[TRANSPORTS]
        transports[DEFAULT_TRANSPORT] = Status(list(self.compiler.default_transport.warnings))
        for name in self.tree.get(TRANSPORTS, {}):
            try:
                transports[name] = Status(list(self.services.transport(name, name).warnings))
            except ConfigError as error:
                transports[name] = Status(list(error.problems))
            yield
        for number, name in enumerate(self.tree.get(SERVICES, {})):
            status = self.statuses[SERVICES][name] = Status()
            try:
                entry = self.services.get(name, name)
                self._service_middlewares(entry)
                status.problems += entry.warnings
            except ConfigError as error:
                status.problems += problems_under(f"{SERVICES}.{name}", error)
            if number % SLICE == 0:
                yield
        for number, (name, raw) in enumerate(self.tree.get(MIDDLEWARES, {}).items()):
            path = f"{MIDDLEWARES}.{name}"
            _, config, problems = structure_middleware(raw, path, self.around.registry.middlewares)
            self.statuses[MIDDLEWARES][name] = Status(problems)
            if config is not None:
                try:
                    _, (use,) = self.middlewares.binder([name], name, ("declared",))
                    self.statuses[MIDDLEWARES][name].problems += said_of(path, use.instance, use.remarks)
                except ConfigError as error:
                    self.statuses[MIDDLEWARES][name].problems += problems_under(path, error)
            if number % SLICE == 0:
                yield

    def _service_middlewares(self, entry: ServiceEntry) -> tuple[Handler, list[Use]]:
        """The service's handler behind its own middlewares (routing.md §1.3)."""
        if not entry.middlewares:
            return entry.handler, []
        fronted = self._fronted.get(entry.name)
        if fronted is None:
            detailed = self.compiler.observing.is_detailed(())
            binder, uses = self.middlewares.binder(entry.middlewares, entry.name, ("service", entry.name), detailed=detailed)
            fronted = self._fronted[entry.name] = binder(entry.handler), uses
        return fronted

    def _plant(self) -> Forest:
        if not any(parsed.router and parsed.router.parent_refs for parsed in self.parsed.values()):
            return Forest(roots=tuple(name for name, parsed in self.parsed.items() if parsed.rule is not None))
        disabled = [name for name, parsed in self.parsed.items() if parsed.rule is None]
        return layers({name: self._layer(name, parsed) for name, parsed in self.parsed.items()}, disabled)

    def _layer(self, name: str, parsed: Parsed) -> Layer:
        router = parsed.router
        if router is None:
            return Layer(has_service=True)
        return Layer(
            parent_refs=[qualify(parent, name) for parent in router.parent_refs],
            has_service=bool(router.service),
            has_tls=router.tls is not None,
            has_entry_points=bool(router.entry_points),
            has_observability=router.observability is not None
            and router.observability != RouterObservability(metadata=router.observability.metadata),
        )

    # building

    def _root(self, name: str) -> None:
        parsed = self.parsed[name]
        router = parsed.router
        assert router is not None
        status = self.statuses[ROUTERS][name]
        points = self.compiler._tcp_points.of(router.entry_points, f"{ROUTERS}.{name}", status)
        if not points:
            return
        if router.tls is None:
            self._warn_of_plaintext(name, points, status)
        copies = [(point,) for point in points if self._is_model(point)]
        plain = tuple(point for point in points if (point,) not in copies)
        served: list[str] = []
        closed: list[tuple[str, Problem]] = []
        for where in (*copies, plain) if plain else copies:
            shown = name if where is plain or len(points) == 1 else f"{where[0]}-{name}"
            own = Status(list(status.problems))
            self._place(name, shown, where, own, model=where is not plain)
            if copies:
                self.copies[shown] = Copy(name, where, own)
            new = [problem for problem in own.problems if problem not in status.problems]
            if own.word == "disabled":
                closed += [(", ".join(where), problem) for problem in new]
            else:
                served += where
                status.problems += new
        status.using = tuple(point for point in points if point in served) or points
        for place, problem in closed:
            if served:  # what closes a router on one entry point does not close it on the others (routing.md §4.6)
                problem = evolve(problem, message=f"{problem.message} (on {place})", warning=True, loud=True)
            if problem not in status.problems:
                status.problems.append(problem)

    def _warn_of_plaintext(self, name: str, points: Sequence[str], status: Status) -> None:
        """A router without `tls` that nobody can reach who speaks as its entry points expect: easily forgotten."""
        compiler = self.compiler
        useless = [
            point for point in points if point in compiler._meant_for_tls and compiler._points[point].http.tls is None
        ]
        if useless and compiler._redirecting.issuperset(set(points) - set(useless)):
            message = (
                f"has no tls, so on {', '.join(useless)} it takes plaintext requests only; "
                f"add `tls: {{}}` to it, or `http: {{tls: {{}}}}` to the entry point"
            )
            status.problems.append(Problem(f"{ROUTERS}.{name}", message, warning=True))

    def _is_model(self, point: str) -> bool:
        return is_model(self.compiler._points[point])

    def _place(self, name: str, shown: str, points: Sequence[str], status: Status, *, model: bool) -> None:
        """Compile a root router for entry points that treat it alike, and put it where their connections find it."""
        parsed = self.parsed[name]
        assert parsed.router is not None
        http = self.compiler._points[points[0]].http
        before = tuple(http.middlewares) if model else ()
        tls, asked = parsed.router.tls, f"{ROUTERS}.{name}.tls"
        if tls is None and model:
            tls, asked = http.tls, f"entryPoints.{points[0]}.http.tls"
            status.problems += self._unknown_resolver(tls, asked)
        if tls is None:
            row = self._row(name, shown, before, status, points=points)
            if row is not None:
                for point in points:
                    self.plain[point].append(row.entry)
            return
        hosts = named_hosts(parsed.rule.hosts) if parsed.rule is not None else ()
        options = self._options_of(name, tls, f"{asked}.options", hosts, status)
        row = self._row(name, shown, before, status, options, points)
        for point in points:
            self.claims[point].append(Claim(name, hosts, options, row.entry if row is not None else None))

    def _options_of(self, name: str, tls: RouterTLS, path: str, hosts: tuple[str, ...], status: Status) -> str:
        """The TLS options that a router gets, "" if there are none to be had (routing.md §4.3). `path` asks for them."""
        options = options_name(tls.options, name)
        try:
            self.tls.terms(options, name)
        except ConfigError as error:
            status.problems += problems_under(path, error)
            return ""
        if not hosts and options != DEFAULT:
            message = f"no domain found in rule, so the TLS options {options} cannot be applied; '{DEFAULT}' is used"
            status.problems.append(Problem(path, message, warning=True))
            return DEFAULT
        return options

    def _https(self, tcp: CompiledTcp) -> Generator[None, None, tuple[dict[str, RouteTable], dict[str, Door]]]:
        """The tables of HTTPS routers, and what becomes of a new connection, by entry point."""
        parts = self.tls.parts
        entries: dict[str, list[Entry]] = {}
        doors: dict[str, Door] = {}
        for point, claims in self.claims.items():
            agreed = yield from settling(claims)
            hosts = yield from filling(claims, agreed, {name: entry.terms for name, entry in parts.options.items()})
            entries[point] = on_point = []
            for number, claim in enumerate(claims):
                entry = claim.on_table(point)
                if entry is not None:
                    on_point.append(entry)
                if claim.disputed:
                    self._warn_of_dispute(claim, point)
                if not number % SLICE:
                    yield
            routers = tcp.tables.get(point, NO_TCP)
            doors[point] = Door(
                plain=routers.plain,
                secure=routers.secure,
                secure_catch_all=routers.secure_catch_all,
                https=hosts,
                has_https=bool(claims),
                default=parts.default or CLOSED,
                certificates=parts.store,
            )
            yield
        secure = yield from _tables(entries)
        return secure, doors

    def _warn_of_dispute(self, claim: Claim, point: str) -> None:
        message = (
            f"found different TLS options for the host {', '.join(sorted(claim.disputed))} on entry point {point}, so the "
            f"options '{DEFAULT}' are used for it there; give its routers the same options"
        )
        problems = self.statuses[ROUTERS][claim.router].problems
        problems.append(Problem(f"{ROUTERS}.{claim.router}.tls.options", message, warning=True, loud=True))

    def _child(self, name: str) -> Row | None:
        """A router below another, compiled once however often it is reached."""
        if name not in self.children:
            self.children[name] = self._row(name, name, (), self.statuses[ROUTERS][name])
        return self.children[name]

    def _row(
        self,
        name: str,
        shown: str,
        before: tuple[str, ...],
        status: Status,
        tls_options: str = "",
        points: Sequence[str] = (),
    ) -> Row | None:
        """A router with all that is below it; None, and a status that says why, if it cannot be built."""
        parsed = self.parsed[name]
        router, rule = parsed.router, parsed.rule
        if router is None or rule is None or status.word == "disabled":
            return None
        path = f"{ROUTERS}.{name}"
        service: ServiceEntry | None = None
        children: list[Row] = []
        uses: list[Use] = []
        last: Handler | None = None
        problems: list[Problem] = []
        if names := self.forest.children.get(name, ()):
            children = [row for child in names if (row := self._child(child)) is not None]
            if children:
                last = _to_children(RouteTable.build(row.entry for row in children))
            else:
                problems.append(Problem(path, "no child routers could be added to muxer"))
        elif not router.service:
            problems.append(Problem(path, "router has no service and no child routers"))
        else:
            try:
                service = self.services.get(router.service, name)
                last, uses = self._service_middlewares(service)
            except ConfigError as error:
                problems += problems_under(f"{path}.service", error)
        references = [*before, *router.middlewares]
        detailed = self.compiler.observing.is_detailed(points, router.observability)
        if references:
            try:
                binder, own = self.middlewares.binder(references, name, ("router", shown), detailed=detailed)
                last = binder(last) if last is not None else None
                uses = [*own, *uses]
            except ConfigError as error:
                problems += problems_under(f"{path}.middlewares", error)
        if last is None or problems:
            status.problems += [problem for problem in problems if problem not in status.problems]
            return None
        old = self.old.rows.get(shown)
        if (
            old is not None
            and old.parsed is parsed
            and old.service is service
            and old.children == tuple(children)
            and old.entry.target.tls_options == tls_options
            and len(old.uses) == len(uses)
            and all(one is other for one, other in zip(old.uses, uses, strict=True))
        ):
            row = old
        else:
            place = provider_place(name, self.compiler._precedence)
            serves = service.name if service is not None else ""
            if router.loop_guard:
                last = guarded(last, shown)
            if detailed:
                last = step(last, "Router", router_attributes(shown, serves, router.rule))
            observers = self.compiler.observing.of_router(points, shown, serves, router.rule, router.observability)
            route = Route(shown, serves, last, tls_options, observers)
            entry = Entry(shown, rule, rank(router.priority, rule, place, shown), route)
            row = Row(parsed, service, tuple(uses), tuple(children), entry)
        self.rows[shown] = row
        return row


def _tables(entries: Mapping[str, Sequence[Entry]]) -> Generator[None, None, dict[str, RouteTable]]:
    tables = {}
    for point, on_point in entries.items():
        building = RouteTable.building(on_point)
        yield from building
        tables[point] = building.table
    return tables


def _to_children(table: RouteTable) -> Handler:
    """The last handler of a router that has routers below it (routing.md §3.8)."""

    def handle(request: Request) -> Awaitable[Response]:
        found = table.match(request)
        if found is None:
            return Response.text(404, "404 page not found\n")
        route: Route = found.target
        exchange = request.exchange
        exchange.router = f"{exchange.router} -> {route.name}"
        exchange.service = route.service
        return route.handler(request)

    return handle
