"""HTTPS routers of one entry point: which TLS options each host gets, and what becomes of conflicts (routing.md §4.3)."""

from collections.abc import Generator, Mapping
from typing import Final

from attrs import Factory, define

from pointsman.compile.tls_options import DEFAULT
from pointsman.routing.snapshot import Route
from pointsman.routing.table import Entry
from pointsman.server.door import CLOSED, Closed, Terms

SLICE: Final = 256


@define
class Claim:
    """A router with `tls` on one entry point: its hosts, and the options that it wants for them."""

    router: str
    hosts: tuple[str, ...]
    options: str
    """Full name; "" if they are unknown or broken."""
    entry: Entry | None
    """None if the router is not served."""
    disputed: list[str] = Factory(list)
    """Hosts that another router wants other options for."""

    def on_table(self, point: str) -> Entry | None:
        """The router as it is served: one whose options were disputed goes by another name, under the default ones."""
        entry = self.entry
        if entry is None or entry.target.tls_options == self.options:
            return entry
        route: Route = entry.target
        conflicted = Route(f"{point}-conflicted-{route.name}", route.service, route.handler, self.options)
        return Entry(conflicted.name, entry.rule, entry.rank, conflicted)


class HostTerms:
    """TLS options by server name; an exact host goes before a wildcard (R-110)."""

    __slots__ = ("_by_name", "_by_suffix", "catch_all")

    def __init__(self) -> None:
        self._by_name: dict[bytes, Terms | Closed] = {}
        self._by_suffix: dict[bytes, Terms | Closed] = {}
        self.catch_all = False

    def put(self, host: str, terms: Terms | Closed) -> None:
        name = host.encode()
        if name.startswith(b"*."):
            self._by_suffix[name[1:]] = terms
        else:
            self._by_name[name] = terms

    def find(self, name: bytes) -> Terms | Closed | None:
        found = self._by_name.get(name)
        if found is None and self._by_suffix:
            dot = name.find(b".")
            found = self._by_suffix.get(name[dot:]) if dot > 0 else None
        return found

    def __len__(self) -> int:
        return len(self._by_name) + len(self._by_suffix)

    def __repr__(self) -> str:
        return f"<HostTerms {len(self._by_name)} hosts, {len(self._by_suffix)} wildcards>"


def named_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """The hosts of a rule that a server name can be; `*` is none."""
    return tuple(host.removesuffix(".") for host in hosts if host != "*")


def settling(claims: list[Claim]) -> Generator[None, None, dict[str, str]]:
    """Settle disputes, and say which options each host gets; "" for one that is closed.

    Whoever is served speaks first. A host that is named only by routers which are not served keeps the options that they
    want, since that is safer than any others.
    """
    by_host: dict[str, list[Claim]] = {}
    unserved: list[Claim] = []
    for number, claim in enumerate(claims):
        if claim.entry is None:
            unserved.append(claim)
        else:
            for host in claim.hosts:
                by_host.setdefault(host, []).append(claim)
        if not number % SLICE:
            yield
    waiting: list[str] = []
    for number, (host, claimed) in enumerate(by_host.items()):
        if len(claimed) > 1:
            waiting.append(host)
        if not number % SLICE:
            yield
    while waiting:
        host = waiting.pop()
        if len({claim.options for claim in by_host[host]}) > 1:
            for claim in by_host[host]:
                claim.disputed.append(host)
                if claim.options != DEFAULT:
                    claim.options = DEFAULT
                    waiting += claim.hosts
        yield
    agreed: dict[str, str] = {}
    for number, (host, claimed) in enumerate(by_host.items()):
        agreed[host] = claimed[0].options
        if not number % SLICE:
            yield
    for claim in unserved:
        for host in claim.hosts:
            if host not in by_host:  # of two that are not served, the one that is closed decides
                agreed[host] = claim.options and agreed.get(host, claim.options)
    return agreed


def filling(
    claims: list[Claim], agreed: Mapping[str, str], terms: Mapping[str, Terms | None]
) -> Generator[None, None, HostTerms]:
    """The answers for server names."""
    hosts = HostTerms()
    for number, (host, options) in enumerate(agreed.items()):
        hosts.put(host, terms.get(options) or CLOSED)
        if not number % SLICE:
            yield
    yield
    hosts.catch_all = any(claim.entry is not None and not claim.hosts for claim in claims)
    return hosts
