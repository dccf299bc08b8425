"""Which certificates the configuration wants, and of which resolver (operations.md §7.3). Pure."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from pointsman.api import CertificateRequest
from pointsman.builtin.tcp_matchers import TCP_MATCHERS_V2
from pointsman.compile.tls_options import DEFAULT
from pointsman.config.dynamic import structure_element
from pointsman.config.http_model import RouterTLS
from pointsman.config.resolver_model import provider_of
from pointsman.config.static import Static
from pointsman.config.tls_model import Domain
from pointsman.control.certificates import Expiries
from pointsman.control.merge import SLICE, Slices, Tree
from pointsman.dialect.hostnames import clean, covered
from pointsman.errors import Problem
from pointsman.plugins import Registry
from pointsman.routing.rules import parse
from pointsman.routing.syntax import RuleError

HTTP: Final = "http.routers"
TCP: Final = "tcp.routers"
STORES: Final = "tls.stores"
Requests = dict[str, list[CertificateRequest]]


class _Ask(NamedTuple):
    resolver: str
    request: CertificateRequest


class Wanting:
    """Reads trees one after the other; a router that has not changed is not read again."""

    def __init__(self, static: Static, registry: Registry) -> None:
        self.problems: list[Problem] = []
        """Of the last tree."""
        self._static = static
        self._registry = registry
        self._known: dict[tuple[str, str], tuple[Any, Sequence[_Ask], Sequence[Problem]]] = {}
        self._certificates = Expiries()

    def reading(self, tree: Tree) -> Slices[Requests]:
        """What is wanted of each resolver. A generator that yields between its pieces."""
        known: dict[tuple[str, str], tuple[Any, Sequence[_Ask], Sequence[Problem]]] = {}
        asked: list[_Ask] = []
        self.problems = []
        for section in (HTTP, TCP, STORES):
            for number, (name, raw) in enumerate(tree.get(section, {}).items()):
                before = self._known.get((section, name))
                if before is None or before[0] is not raw:
                    before = (raw, *self._read(section, name, raw))
                known[section, name] = before
                asked += before[1]
                self.problems += before[2]
                if number % SLICE == SLICE - 1:
                    yield
        self._known = known
        yield from self._certificates.following(tree)
        return self._sorted(asked)

    def _sorted(self, asked: Sequence[_Ask]) -> Requests:
        """What users' certificates cover is not wanted, nor what a resolver before gets."""
        own = {provider_of(name) for name in self._static.certificates_resolvers}
        there = set[str]().union(*(names for owner, names in self._certificates.names() if owner not in own))
        requests: Requests = {}
        for resolver in self._static.certificates_resolvers:
            mine = {request.names: request for name, request in reversed(asked) if name == resolver}
            wanted = [mine[names] for names in reversed(mine) if not all(covered(name, there) for name in names)]
            requests[resolver] = wanted
            there.update(name for request in wanted for name in request.names)
        return requests

    def _read(self, section: str, name: str, raw: Any) -> tuple[Sequence[_Ask], Sequence[Problem]]:
        element, _ = structure_element(section, raw, name)
        problems: list[Problem] = []
        if element is None:
            return (), ()
        if section == STORES:
            generated = element.default_generated_cert
            if name != DEFAULT or generated is None or generated.domain is None:
                return (), ()
            names = names_of([generated.domain], f"{STORES}.{name}.defaultGeneratedCert.domain", problems)
            return [_Ask(generated.resolver, CertificateRequest(each, f"{STORES}.{name}")) for each in names], problems
        asks = []
        for tls, path in self._blocks(section, name, element):
            if not tls.cert_resolver:
                continue
            names = names_of(tls.domains, f"{path}.domains", problems) if tls.domains else self._hosts(section, element)
            origin = f"{'tcp ' if section == TCP else ''}router {name}"
            asks += [_Ask(tls.cert_resolver, CertificateRequest(each, origin, element.rule)) for each in names]
        return asks, problems

    def _blocks(self, section: str, name: str, router: Any) -> Iterator[tuple[Any, str]]:
        """What asks for TLS on behalf of a router: itself, or its entry points."""
        if router.tls is not None:
            if not getattr(router.tls, "passthrough", False):
                yield router.tls, f"{section}.{name}.tls"
        elif section == HTTP:
            for point in router.entry_points or self._static.default_entry_points:
                settings = self._static.entry_points.get(point)
                tls: RouterTLS | None = settings.http.tls if settings is not None else None
                if tls is not None:
                    yield tls, f"entryPoints.{point}.http.tls"

    def _hosts(self, section: str, router: Any) -> list[tuple[str, ...]]:
        """One certificate for all names in the rule; none if there are none, or the rule is broken."""
        try:
            hosts = self._rule_hosts(section, router)
        except RuleError:
            return []
        names = tuple(dict.fromkeys(name for host in hosts if (name := clean(host))))
        return [names] if names else []

    def _rule_hosts(self, section: str, router: Any) -> Sequence[str]:
        syntax = router.rule_syntax or self._static.core.default_rule_syntax
        if section == TCP:
            return parse(router.rule, TCP_MATCHERS_V2 if syntax == "v2" else self._registry.tcp_matchers).hosts
        if syntax == "v2":
            from pointsman.routing.v2 import parse_v2

            return parse_v2(router.rule).hosts
        return parse(router.rule, self._registry.matchers).hosts


def names_of(domains: Sequence[Domain], path: str, problems: list[Problem]) -> list[tuple[str, ...]]:
    """The names of each certificate; those that are there twice, or below a wildcard that is there, are left out."""
    listed = {clean(name) for domain in domains for name in (domain.main, *domain.sans)}
    wildcards = {name for name in listed if name.startswith("*.")}
    found, seen = [], set[str]()
    for number, domain in enumerate(domains):
        kept = []
        for written in (domain.main, *domain.sans):
            name = clean(written)
            if not name:
                if written:
                    message = f"'{written}' is no name that a certificate can be for"
                    problems.append(Problem(f"{path}[{number}]", message, True))
            elif name in seen or (name not in wildcards and covered(name, wildcards)):
                problems.append(Problem(f"{path}[{number}]", f"'{written}' is there already, so it is left out here", True))
            else:
                seen.add(name)
                kept.append(name)
        if kept:
            found.append(tuple(kept))
    return found
