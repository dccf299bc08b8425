"""`tls.*` to what handshakes need: certificates and options by name, and the default of both (routing.md §1.6, §8.1)."""

from collections.abc import Generator, Mapping
from typing import Any, Final

from attrs import Factory, define, frozen

from pointsman.compile.parts import MENTIONED, Status, Surroundings, Tree, qualify
from pointsman.compile.tls_options import DEFAULT, OPTIONS, OptionsEntry, build_options
from pointsman.config.dynamic import CERTIFICATES, structure_element
from pointsman.config.resolver_model import provider_of
from pointsman.config.spelling import suggestion
from pointsman.config.tls_model import Certificate, ServedCertificate, TLSStore
from pointsman.dialect.hostnames import clean
from pointsman.errors import ConfigError, Problem
from pointsman.net.pem import read_pem
from pointsman.server.certificates import CertificateStore, Pair
from pointsman.server.terms import TlsTerms

STORES: Final = "tls.stores"
SLICE: Final = 16
"""Certificates read between two yields; each takes some 0.1 ms."""

Texts = tuple[str, str]
"""Certificate and key."""


@frozen(eq=False)
class CertificateEntry:
    """One of `tls.certificates`; without a pair it is not served, and the problems say why."""

    raw: Any
    pair: Pair | None
    problems: tuple[Problem, ...]


@frozen
class Read:
    """A pair as it was read, and what to warn of."""

    pair: Pair
    warnings: tuple[str, ...]


@define
class TlsParts:
    """What one compilation made of `tls.*`, and what the next may take over."""

    certificates: dict[str, CertificateEntry] = Factory(dict)
    pairs: dict[Texts, Read] = Factory(dict)
    options: dict[str, OptionsEntry] = Factory(dict)
    store: CertificateStore | None = None
    served: tuple[Pair, ...] = ()

    @property
    def default(self) -> TlsTerms | None:
        """The options `default`; None if they are broken."""
        return self.options[DEFAULT].terms


@define
class Tls:
    """`tls.*` of one compilation."""

    tree: Tree
    around: Surroundings
    old: TlsParts
    parts: TlsParts = Factory(TlsParts)

    def building(self, statuses: dict[str, dict[str, Status]]) -> Generator[None, None, None]:
        """Build it all, in slices, and say how every element fares."""
        yield from self._options(statuses.setdefault(OPTIONS, {}))
        yield from self._certificates(statuses.setdefault(CERTIFICATES, {}))
        default = self._default(statuses.setdefault(STORES, {}))
        served = tuple(entry.pair for entry in self.parts.certificates.values() if entry.pair is not None)
        self.parts.served = served
        store = self.old.store
        if store is None or store.default is not default or not _identical(self.old.served, served):
            store = CertificateStore(default)
            yield from store.filling(served)
        self.parts.store = store

    def terms(self, reference: str, owner: str) -> TlsTerms:
        """The options that `owner` calls `reference`. ConfigError if they are unknown or broken."""
        name = options_name(reference, owner)
        entry = self.parts.options.get(name)
        if entry is None:
            declared = [known for known in self.parts.options if known != DEFAULT]
            there = f"; there are {', '.join(declared[:MENTIONED])}" if declared else "; none are declared"
            raise ConfigError(Problem("", f"unknown TLS options: {name}{suggestion(name, declared) or there}", missing=name))
        if entry.terms is None:
            reason = next(problem for problem in entry.problems if not problem.warning)
            raise ConfigError(Problem("", f"the TLS options {name} are broken: {reason}"))
        return entry.terms

    def _options(self, statuses: dict[str, Status]) -> Generator[None, None, None]:
        declared: Mapping[str, Any] = self.tree.get(OPTIONS, {})
        for name, raw in declared.items():
            entry = self._option(name, raw)
            statuses[name] = Status(list(entry.problems))
            yield
        if DEFAULT not in declared:
            self._option(DEFAULT, None)

    def _option(self, name: str, raw: Any) -> OptionsEntry:
        entry = self.old.options.get(name)
        if entry is None or entry.raw is not raw:
            entry = build_options(name, raw, self.around.secrets.tickets)
        self.parts.options[name] = entry
        return entry

    def _certificates(self, statuses: dict[str, Status]) -> Generator[None, None, None]:
        for number, (name, raw) in enumerate(self.tree.get(CERTIFICATES, {}).items()):
            entry = self.old.certificates.get(name)
            if entry is None or entry.raw is not raw:
                entry = self._certificate(name, raw)
            elif entry.pair is not None:
                texts = entry.pair.certificate, entry.pair.key
                self.parts.pairs[texts] = self.old.pairs[texts]
            self.parts.certificates[name] = entry
            statuses[name] = Status(list(entry.problems))
            if number % SLICE == 0:
                yield

    def _certificate(self, name: str, raw: Any) -> CertificateEntry:
        path = f"{CERTIFICATES}.{name}"
        served: ServedCertificate | None
        served, problems = structure_element(CERTIFICATES, raw, path)
        if served is None:
            return CertificateEntry(raw, None, tuple(problems))
        useless = [store for store in served.stores if store != DEFAULT]
        problems += [Problem(f"{path}.stores", _only_default(store), True) for store in useless]
        pair = self._pair(served.cert_file, served.key_file, path, problems)
        if served.stores and DEFAULT not in served.stores:
            pair = None
        return CertificateEntry(raw, pair, tuple(problems))

    def _pair(self, certificate: str, key: str, path: str, problems: list[Problem]) -> Pair | None:
        """Read it, unless the same texts were read before, in whatever place."""
        found: list[str] = []
        for field, value in (("certFile", certificate), ("keyFile", key)):
            try:
                found.append(read_pem(value))
            except ValueError as error:
                problems.append(Problem(f"{path}.{field}", str(error)))
        if len(found) != 2:
            return None
        texts = found[0], found[1]
        read = self.old.pairs.get(texts) or self.parts.pairs.get(texts)
        if read is None:
            from pointsman.server.x509 import read_pair

            try:
                pair, warnings = read_pair(*texts)
            except ValueError as error:
                problems.append(Problem(path, str(error)))
                return None
            read = Read(pair, tuple(warnings))
        self.parts.pairs[texts] = read
        problems += [Problem(path, warning, True) for warning in read.warnings]
        return read.pair

    def _default(self, statuses: dict[str, Status]) -> Pair:
        default: Pair | None = None
        for name, raw in self.tree.get(STORES, {}).items():
            path = f"{STORES}.{name}"
            store: TLSStore | None
            store, problems = structure_element(STORES, raw, path)
            statuses[name] = Status(problems)
            if name != DEFAULT:
                problems.append(Problem(path, _only_default(name.partition("@")[0]), True))
            elif store is not None:
                default = self._default_of(store, path, problems)
        return default or self.around.secrets.default_certificate

    def _default_of(self, store: TLSStore, path: str, problems: list[Problem]) -> Pair | None:
        given: Certificate | None = store.default_certificate
        if given is not None:
            return self._pair(given.cert_file, given.key_file, f"{path}.defaultCertificate", problems)
        generated = store.default_generated_cert
        if generated is not None and generated.resolver not in self.around.static.certificates_resolvers:
            message = f"no certificate resolver '{generated.resolver}'; the gateway's own certificate is used"
            problems.append(Problem(f"{path}.defaultGeneratedCert.resolver", message))
        elif generated is not None and generated.domain is not None:
            return self._generated(generated.resolver, clean(generated.domain.main))
        return None

    def _generated(self, resolver: str, name: str) -> Pair | None:
        """What that resolver has for the name; None while it has nothing."""
        owner = f"@{provider_of(resolver)}"
        pairs = (entry.pair for full, entry in self.parts.certificates.items() if full.endswith(owner))
        return next((pair for pair in pairs if pair is not None and name.encode() in pair.names), None)


def options_name(reference: str, owner: str) -> str:
    """The full name of TLS options; `default` belongs to nobody (routing.md §2)."""
    return DEFAULT if reference in ("", DEFAULT) else qualify(reference, owner)


def _only_default(store: str) -> str:
    return f"nothing is served from the store '{store}'; only '{DEFAULT}' serves"


def _identical(some: tuple[Pair, ...], others: tuple[Pair, ...]) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))
