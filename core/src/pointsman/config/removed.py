"""Options that are gone, and options that will go (operations.md §1.7). Looked for in raw data, before it is structured."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pointsman.config.spelling import join
from pointsman.errors import Problem

_OTLP = "export by tracing.otlp instead"
_TLS = "caOptional was removed: client certificates are never optional towards a server; leave it out"
_NAMESPACE = "was replaced by namespaces, a list"
REMOVED: Final[Mapping[str, str]] = {
    "pilot": "Pilot is gone; leave it out",
    "experimental.http3": "HTTP/3 needs no switch any more; leave it out",
    "providers.marathon": "the Marathon provider was removed",
    "providers.rancher": "the Rancher provider was removed",
    "providers.docker.swarmMode": "use providers.swarm instead",
    **{f"providers.{name}.tls.caOptional": _TLS for name in ("docker", "swarm", "consul", "etcd", "redis", "http")},
    **{f"providers.{name}.endpoint.tls.caOptional": _TLS for name in ("consulCatalog", "nomad")},
    **{f"providers.{name}.namespace": _NAMESPACE for name in ("consul", "consulCatalog", "nomad")},
    **{f"tracing.{name}": _OTLP for name in ("datadog", "instana", "haystack", "elastic")},
    "tracing.spanNameLimit": "span names are not cut any more; leave it out",
}
REMOVED_IF_STRICT: Final[Mapping[str, str]] = {
    f"tracing.{name}": f"{_OTLP}, or leave strict mode, where Pointsman exports to it itself"
    for name in ("jaeger", "zipkin")
}
_DNS = "certificatesResolvers.*.acme.dnsChallenge"
DEPRECATED: Final[Mapping[str, str]] = {
    "core.defaultRuleSyntax": "rules of v2 will go; rewrite them and leave this out",
    "tracing.globalAttributes": "use tracing.resourceAttributes",
    "experimental.kubernetesGateway": "the provider needs no switch any more",
    "experimental.kubernetesIngressNGINX": "the provider needs no switch any more",
    "providers.kubernetesIngress.disableIngressClassLookup": "use disableClusterScopeResources",
    f"{_DNS}.delayBeforeCheck": "use propagation.delayBeforeChecks",
    f"{_DNS}.disablePropagationCheck": "use propagation.disableChecks",
    "entryPoints.*.http.underscoreHeadersStrategy": "use aliasHeadersStrategy",
}
_DNS_PROVIDERS = ("googledomains", "cloudxns", "brandit", "dnspod", "azure")


def removed_options(raw: Any, *, strict: bool = False) -> list[Problem]:
    """A fatal Problem for each removed option in `raw`; with `strict`, also for what only Pointsman has."""
    table = {**REMOVED, **REMOVED_IF_STRICT} if strict else REMOVED
    return [
        Problem(path, f"this option was removed: {hint}")
        for option, hint in table.items()
        for path, _ in _found(raw, option)
    ]


def removed_name(segments: Sequence[str]) -> list[Problem]:
    """The Problem of a flag or variable, given by its path, that is a removed option."""
    raw: Any = "given"
    for segment in reversed(segments):
        raw = {segment: raw}
    return removed_options(raw)


def without_removed(problems: Iterable[Problem], gone: Iterable[Problem]) -> list[Problem]:
    """The problems without those that call a removed option unknown, since that has been said better."""
    said = {join(path, f"unknown key '{key}'") for path, _, key in (problem.path.rpartition(".") for problem in gone)}
    return [problem for problem in problems if join(problem.path, problem.message.partition(" (")[0]) not in said]


def deprecated_options(raw: Any) -> list[Problem]:
    """A warning for each deprecated option in `raw`."""
    problems = [
        Problem(path, f"this option is deprecated: {hint}", warning=True)
        for option, hint in DEPRECATED.items()
        for path, _ in _found(raw, option)
    ]
    for path, value in _found(raw, f"{_DNS}.provider"):
        if value in _DNS_PROVIDERS:
            problems.append(Problem(path, f"the DNS provider '{value}' is deprecated", warning=True))
    return problems


def _found(raw: Any, option: str) -> Iterator[tuple[str, Any]]:
    head, _, rest = option.partition(".")
    for key, value in raw.items() if isinstance(raw, Mapping) else ():
        if value is None or (head != "*" and str(key).lower() != head.lower()):
            continue
        spelled = str(key) if head == "*" else head
        if not rest:
            yield spelled, value
        else:
            for path, found in _found(value, rest):
                yield f"{spelled}.{path}", found
