"""TCP routers to tables, services and middlewares on the way, with a status for every element (routing.md §3.6, §8.4)."""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Final

from attrs import Factory, define, frozen

from pointsman.builtin.tcp_matchers import TCP_MATCHERS_V2
from pointsman.compile.middlewares import Place, Use
from pointsman.compile.parts import (
    TCP_MIDDLEWARES,
    TCP_ROUTERS,
    TCP_SERVICES,
    TCP_TRANSPORTS,
    Points,
    Status,
    Surroundings,
    Tree,
    problems_under,
    said_of,
)
from pointsman.compile.tcp_middlewares import TcpMiddlewares
from pointsman.compile.tcp_services import TcpServiceEntry, TcpServices, TcpTransportEntry
from pointsman.config.dynamic import structure_element
from pointsman.config.tcp_model import TCPRouter
from pointsman.errors import ConfigError, Problem
from pointsman.routing.ranking import check_priority
from pointsman.routing.rules import Rule, parse
from pointsman.routing.syntax import RuleError
from pointsman.routing.table import Entry
from pointsman.routing.tcp_table import Part, TcpRoutes, tcp_rank
from pointsman.server.door import TcpRoute, Terms

SLICE = 64
FindTerms = Callable[[str, str], Terms]
"""(reference, owner) -> the TLS options of that name. ConfigError if there are none, or broken ones."""


@frozen(eq=False)
class Parsed:
    """A router as far as it can be read alone."""

    raw: Any
    router: TCPRouter | None
    rule: Rule | None
    problems: tuple[Problem, ...]


@frozen(eq=False)
class TcpRow:
    """A router, compiled, and what it was made of."""

    parsed: Parsed
    service: TcpServiceEntry
    uses: tuple[Use, ...]
    terms: Terms | None
    entry: Entry


@frozen
class TcpTables:
    """The TCP routers of one entry point, in the parts that a new connection is offered to (routing.md §8.3)."""

    plain: TcpRoutes
    secure: Part
    secure_catch_all: Part


_NOTHING: Final = TcpRoutes.build(())
NO_TCP: Final = TcpTables(_NOTHING, Part(_NOTHING, False), Part(_NOTHING, True))


@define
class CompiledTcp:
    """The result, and what the next compilation may take over."""

    tables: dict[str, TcpTables] = Factory(dict)
    parsed: dict[str, Parsed] = Factory(dict)
    rows: dict[str, TcpRow] = Factory(dict)
    services: dict[str, TcpServiceEntry] = Factory(dict)
    transports: dict[str, TcpTransportEntry] = Factory(dict)
    uses: dict[Place, Use] = Factory(dict)
    statuses: dict[str, dict[str, Status]] = Factory(dict)


class TcpRun:
    """One compilation of everything below `tcp`."""

    def __init__(
        self,
        tree: Tree,
        around: Surroundings,
        default_transport: TcpTransportEntry,
        points: Points,
        find_terms: FindTerms,
        old: CompiledTcp,
        failed: Mapping[Place, str],
    ) -> None:
        static = around.static
        self._tree = tree
        self._around = around
        self._points = points
        self._find_terms = find_terms
        self._old = old
        self._precedence = tuple(name.lower() for name in static.providers.precedence)
        self._syntax = static.core.default_rule_syntax
        self._services = TcpServices(tree, default_transport, old.services, old.transports, around.names)
        self._middlewares = TcpMiddlewares(tree, around, old.uses, failed, {})
        sections = (TCP_ROUTERS, TCP_SERVICES, TCP_MIDDLEWARES, TCP_TRANSPORTS)
        self._made = CompiledTcp(statuses={section: {} for section in sections})

    def run(self) -> Generator[None, None, CompiledTcp]:
        made = self._made
        yield from self._judge()
        points = self._points.names
        plain: dict[str, list[Entry]] = {point: [] for point in points}
        secure: dict[str, list[Entry]] = {point: [] for point in points}
        for number, (name, raw) in enumerate(self._tree.get(TCP_ROUTERS, {}).items()):
            parsed = self._old.parsed.get(name)
            if parsed is None or parsed.raw is not raw:
                parsed = self._read(name, raw)
            made.parsed[name] = parsed
            status = made.statuses[TCP_ROUTERS][name] = Status(list(parsed.problems))
            router = parsed.router
            if router is not None and parsed.rule is not None and status.word != "disabled":
                status.using = self._points.of(router.entry_points, f"{TCP_ROUTERS}.{name}", status)
                row = self._row(name, parsed, router, parsed.rule, status)
                for point in status.using if row is not None else ():
                    (plain if router.tls is None else secure)[point].append(row.entry)  # type: ignore[union-attr]
            if number % SLICE == 0:
                yield
        for point in points:
            if plain[point] or secure[point]:
                in_clear = yield from TcpRoutes.building(plain[point])
                ciphered = yield from TcpRoutes.building(secure[point])
                made.tables[point] = TcpTables(in_clear, Part(ciphered, False), Part(ciphered, True))
        made.services, made.transports = self._services.built, self._services.transports
        made.uses = self._middlewares.built
        return made

    def _judge(self) -> Generator[None, None, None]:
        """Every declared transport, service and middleware gets a status, also one that nobody uses."""
        sections: Mapping[str, Callable[[str], Sequence[Problem]]] = {
            TCP_TRANSPORTS: lambda name: self._services.transport(name, name).warnings,
            TCP_SERVICES: lambda name: self._services.get(name, name).warnings,
            TCP_MIDDLEWARES: self._declared_middleware,
        }
        for section, attempt in sections.items():
            for number, name in enumerate(self._tree.get(section, {})):
                self._made.statuses[section][name] = _tried(f"{section}.{name}", attempt, name)
                if number % SLICE == 0:
                    yield

    def _declared_middleware(self, name: str) -> Sequence[Problem]:
        (use,) = self._middlewares.uses([name], name, ("declared", "tcp"))
        return said_of(f"{TCP_MIDDLEWARES}.{name}", use.instance, use.remarks)

    def _read(self, name: str, raw: Any) -> Parsed:
        path = f"{TCP_ROUTERS}.{name}"
        element, problems = structure_element(TCP_ROUTERS, raw, path)
        if element is None:
            return Parsed(raw, None, None, tuple(problems))
        router: TCPRouter = element
        if router.rule_syntax not in ("", "default"):  # the latter is what providers write who write v3 themselves
            problems.append(Problem(f"{path}.ruleSyntax", "is deprecated; write the rule in v3 syntax", warning=True))
        if not router.service:
            problems.append(Problem(path, "router has no service"))
        rule: Rule | None = None
        try:
            check_priority(router.priority, name)
            rule = parse(router.rule, self._matchers(router.rule_syntax or self._syntax))
        except RuleError as error:
            problems.append(Problem(f"{path}.rule", str(error)))
        except ValueError as error:
            problems.append(Problem(f"{path}.priority", str(error)))
        if rule is not None and router.tls is None and rule.hosts and rule.hosts[0] != "*":
            message = (
                f'invalid rule: "{router.rule}", has HostSNI matcher, but no TLS on router; add tls, or match HostSNI(`*`)'
            )
            problems.append(Problem(f"{path}.rule", message))
        return Parsed(raw, router, rule, tuple(problems))

    def _matchers(self, syntax: str) -> Mapping[str, Any]:
        return TCP_MATCHERS_V2 if syntax == "v2" else self._around.registry.tcp_matchers

    def _row(self, name: str, parsed: Parsed, router: TCPRouter, rule: Rule, status: Status) -> TcpRow | None:
        """The router compiled; None, and a status that says why, if it cannot be served at all."""
        path = f"{TCP_ROUTERS}.{name}"
        service: TcpServiceEntry | None = None
        uses: list[Use] = []
        terms: Terms | None = None
        problems: list[Problem] = []
        try:
            service = self._services.get(router.service, name)
        except ConfigError as error:
            problems += problems_under(f"{path}.service", error)
        try:
            uses = self._middlewares.uses(router.middlewares, name, ("tcp", name))
        except ConfigError as error:
            problems += problems_under(f"{path}.middlewares", error)
        served = service is not None and not problems
        if router.tls is not None and not router.tls.passthrough:
            try:
                terms = self._find_terms(router.tls.options or "default", name)
            except ConfigError as error:  # what its rule takes is closed, not left to other routers (routing.md §4.3)
                problems += problems_under(f"{path}.tls.options", error)
        status.problems += [problem for problem in problems if problem not in status.problems]
        if not served or service is None:
            return None
        old = self._old.rows.get(name)
        if (
            old is not None
            and old.parsed is parsed
            and old.service is service
            and old.terms is terms
            and list(map(id, old.uses)) == list(map(id, uses))
        ):
            row = old
        else:
            passthrough = router.tls is not None and router.tls.passthrough
            instances = [use.instance for use in uses]
            route = TcpRoute(name, service.service, instances, terms=terms, passthrough=passthrough)
            rank = tcp_rank(router.priority, rule, name, self._precedence)
            row = TcpRow(parsed, service, tuple(uses), terms, Entry(name, rule, rank, route))
        self._made.rows[name] = row
        return row


def _tried(path: str, build: Callable[[str], Sequence[Problem]], name: str) -> Status:
    """The status of an element that is built so."""
    try:
        return Status(list(build(name)))
    except ConfigError as error:
        return Status(problems_under(path, error))
