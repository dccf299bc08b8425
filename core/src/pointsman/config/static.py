"""The static configuration: what is read once at start (operations.md §1.8).

`structure_static` turns plain data into `Static`; `checks.py` tells what is wrong with its meaning, `implied.py` adds what
follows from it.
"""

import os
import re
from collections.abc import Mapping
from typing import Any, Final

import attrs
from attrs import field, frozen

from pointsman.api import Feature
from pointsman.catalogue import missing
from pointsman.config.convert import structure
from pointsman.config.entrypoint_model import EntryPoint
from pointsman.config.observability_model import AccessLog, Log, Metrics, Tracing
from pointsman.config.plain import unstructure
from pointsman.config.removed import REMOVED
from pointsman.config.resolver_model import CertificatesResolver
from pointsman.config.scalars import kind_of
from pointsman.config.sections import Sections, structure_section
from pointsman.config.spelling import camel_case, spelled, suggestion, unknown_key
from pointsman.config.tls_model import Spiffe
from pointsman.errors import Problem
from pointsman.values import MASK, Duration, FileOrContent, allow_empty, option

PRECEDENCE: Final = (
    "kubernetesgateway", "kubernetescrd", "kubernetes", "kubernetesingressnginx", "swarm", "docker", "file", "redis",
    "knative", "consul", "consulcatalog", "nomad", "etcd", "ecs", "http", "zookeeper", "rest",
)  # fmt: skip
"""Which provider's router wins among equal priorities, strongest first (providers.md §1.1)."""


@frozen
class Global:
    check_new_version: bool = True
    """Accepted; Pointsman asks nobody."""
    send_anonymous_usage: bool = False
    """Accepted and ignored."""
    not_append_x_forwarded_for: bool = False
    """The default of all entry points."""


@frozen
class StaticForwardingTimeouts:
    dial_timeout: Duration = Duration(30.0)
    response_header_timeout: Duration = Duration(0.0)
    idle_conn_timeout: Duration = Duration(90.0)


@frozen
class StaticServersTransport:
    """What becomes `default@internal` for HTTP."""

    insecure_skip_verify: bool = option(default=False, help="Do not verify servers' certificates")
    root_cas: list[FileOrContent] = option("rootCAs", factory=list)
    max_idle_conns_per_host: int = 200
    forwarding_timeouts: StaticForwardingTimeouts = field(factory=StaticForwardingTimeouts)
    spiffe: Spiffe | None = allow_empty(default=None)


@frozen
class StaticClientTLS:
    insecure_skip_verify: bool = False
    root_cas: list[FileOrContent] = option("rootCAs", factory=list)
    spiffe: Spiffe | None = allow_empty(default=None)


@frozen
class StaticTCPServersTransport:
    """What becomes `default@internal` for TCP."""

    dial_keep_alive: Duration = Duration(15.0)
    dial_timeout: Duration = Duration(30.0)
    termination_delay: Duration = Duration(0.1)
    tls: StaticClientTLS | None = allow_empty(default=None)


@frozen
class HostResolver:
    cname_flattening: bool = False
    resolv_config: str = "/etc/resolv.conf"
    resolv_depth: int = 5


@frozen
class DNSCache:
    """How workers keep the addresses of servers that are called by name (new)."""

    ttl: Duration = option(default=Duration(30.0), help="How long an address is used before it is looked up again")


@frozen
class Core:
    default_rule_syntax: str = ""
    """Deprecated; empty is `v3`."""
    strict_tls_options: bool = option("strictTLSOptions", default=False)


@frozen
class StaticSpiffe:
    workload_api_addr: str = option("workloadAPIAddr", default="")


@frozen
class OCSP:
    responder_overrides: dict[str, str] = field(factory=dict)


@frozen
class PluginSettings:
    envs: list[str] = field(factory=list)
    mounts: list[str] = field(factory=list)
    use_unsafe: bool = False


@frozen
class RemotePlugin:
    module_name: str = ""
    version: str = ""
    hash: str = ""
    settings: PluginSettings | None = None


@frozen
class LocalPlugin:
    module_name: str = ""
    settings: PluginSettings | None = None


@frozen
class FastProxy:
    debug: bool = False


@frozen
class Experimental:
    plugins: dict[str, RemotePlugin] = field(factory=dict)
    local_plugins: dict[str, LocalPlugin] = field(factory=dict)
    abort_on_plugin_failure: bool = False
    fast_proxy: FastProxy | None = allow_empty(default=None)
    otlp_logs: bool = False
    knative: bool = False
    kubernetes_gateway: bool = False
    kubernetes_ingress_nginx: bool = option("kubernetesIngressNGINX", default=False)


@frozen
class API:
    insecure: bool = option(default=False, help="Serve the API on entry point traefik without authentication")
    dashboard: bool = option(default=True, help="Serve the dashboard")
    debug: bool = option(default=False, help="Serve /debug/*")
    base_path: str = option(default="/", help="Prefix of API and dashboard")
    traffic: bool = option(default=True, help="Count requests for /api/traffic")
    """New."""
    disable_dashboard_ad: bool = False
    dashboard_name: str = ""


@frozen
class Ping:
    entry_point: str = option(default="traefik", help="Entry point of /ping")
    manual_routing: bool = option(default=False, help="No router; bind ping@internal yourself")
    terminating_status_code: int = 503
    await_providers: Duration = option(
        default=Duration(0.0), help="How long /ping answers 503 after the start while a provider has said nothing"
    )
    """New."""


@frozen
class Providers:
    """Which providers run: `kinds` by the registry's name and `plugin` by the user's, each with its own Config instance."""

    providers_throttle_duration: Duration = option(
        default=Duration(2.0), help="Shortest time between two applied changes of one provider"
    )
    precedence: list[str] = option(factory=lambda: list(PRECEDENCE), help="Who wins among equal priorities, strongest first")
    kinds: dict[str, Any] = field(factory=dict)
    plugin: dict[str, Any] = field(factory=dict)


@frozen
class Static:
    """The whole static configuration."""

    workers: int | None = option(default=None, help="Data processes; the default is the CPUs this process may use")
    global_: Global = field(factory=Global)
    entry_points: dict[str, EntryPoint] = field(factory=dict)
    providers: Providers = field(factory=Providers)
    servers_transport: StaticServersTransport = field(factory=StaticServersTransport)
    tcp_servers_transport: StaticTCPServersTransport = field(factory=StaticTCPServersTransport)
    api: API | None = allow_empty(default=None)
    ping: Ping | None = allow_empty(default=None)
    log: Log = allow_empty(factory=Log)
    access_log: AccessLog | None = allow_empty(default=None)
    metrics: Metrics | None = None
    tracing: Tracing | None = allow_empty(default=None)
    certificates_resolvers: dict[str, CertificatesResolver] = field(factory=dict)
    host_resolver: HostResolver | None = allow_empty(default=None)
    dns_cache: DNSCache = option("dnsCache", factory=DNSCache)
    core: Core = field(factory=Core)
    spiffe: StaticSpiffe | None = None
    ocsp: OCSP | None = allow_empty(default=None)
    experimental: Experimental = field(factory=Experimental)

    @property
    def worker_count(self) -> int:
        """How many data processes to run."""
        if self.workers:
            return self.workers
        usable = getattr(os, "sched_getaffinity", None)
        return max(1, len(usable(0)) if usable else os.cpu_count() or 1)

    @property
    def default_entry_points(self) -> list[str]:
        """Where routers without entry points go: the ones marked `asDefault`, else all TCP ones but `traefik` (§2.2)."""
        tcp = sorted(name for name, point in self.entry_points.items() if point.listen.protocol == "tcp")
        marked = [name for name in tcp if self.entry_points[name].as_default]
        return marked or [name for name in tcp if name != "traefik"]

    @property
    def udp_entry_points(self) -> list[str]:
        """Where UDP routers without entry points go: all UDP ones."""
        return sorted(name for name, point in self.entry_points.items() if point.listen.protocol == "udp")


_QUERY_VALUE: Final = re.compile(r"(?<==)[^&]+")
_EXPORTING: Final[Mapping[str, tuple[str, type[Any], str]]] = {
    "metrics": ("metrics", Metrics, ""),
    "tracing": ("tracing", Tracing, "otlp"),
    "log": ("log", Log, ""),
    "accesslog": ("access_log", AccessLog, ""),
}
"""Sections whose exporters are plugins: their attribute, how they look, and the exporter of one that names none."""

ROOTS: Final = {spelled(attribute).lower(): spelled(attribute) for attribute in attrs.fields(Static)}
"""Root keys, lower-cased, to their spelling."""


def structure_static(raw: Any, sections: Sections) -> tuple[Static | None, list[Problem]]:
    """The static configuration from plain data, and its problems; unknown root keys only warn (operations.md §1.2).

    `sections` says which plugins may be named in some of them.
    """
    if not isinstance(raw, Mapping) or not raw:
        came = f", got {kind_of(raw)}" if raw else ""
        return None, [Problem("", f"the configuration is empty; it needs sections such as entryPoints and providers{came}")]
    problems = [
        Problem("", f"unknown key '{key}' is ignored{suggestion(str(key), ROOTS.values())}", warning=True)
        for key in raw
        if str(key).lower() not in ROOTS and str(key).lower() not in REMOVED
    ]
    known = {key: value for key, value in raw.items() if str(key).lower() in ROOTS}
    if not known:
        return None, [
            *problems,
            Problem("", "no known section is in the configuration; it needs entryPoints, providers ..."),
        ]
    written = [value for key, value in known.items() if str(key).lower() == "providers" and value is not None]
    rest = {key: value for key, value in known.items() if str(key).lower() not in ("providers", *_EXPORTING)}
    static, mistakes = structure(Static, rest)
    chosen, more = _providers(written[-1], sections.get("providers", {})) if written else (Providers(), [])
    problems += mistakes + more
    exporting: dict[str, Any] = {}
    for key, value in known.items():
        name = str(key).lower()
        if name in _EXPORTING and value is not None:
            attribute, cls, default = _EXPORTING[name]
            section = camel_case(attribute)
            may_be_empty = bool(attrs.fields_dict(Static)[attribute].metadata.get("allow_empty"))
            kinds = sections.get(section, {})
            found, more = structure_section(cls, value, section, kinds, default, allow_empty=may_be_empty)
            problems += more
            if more:
                chosen = None
            if found is not None:
                exporting[attribute] = found
    return (attrs.evolve(static, providers=chosen, **exporting) if static and chosen else None), problems


def _providers(raw: Any, known: Mapping[str, type[Feature]]) -> tuple[Providers | None, list[Problem]]:
    if not isinstance(raw, Mapping):
        return None, [Problem("providers", f"expected a block of providers, got {kind_of(raw)}")]
    if not raw:
        return None, [Problem("providers", "providers cannot be a standalone element; name a provider, or leave it out")]
    by_lower = {name.lower(): name for name in known}
    common = {"providersthrottleduration", "precedence"}
    own, problems = structure(
        Providers, {key: value for key, value in raw.items() if str(key).lower() in common}, "providers"
    )
    kinds: dict[str, Any] = {}
    plugins: dict[str, Any] = {}
    for key, options in raw.items():
        lower = str(key).lower()
        if lower in common or options is None:
            continue
        if lower == "plugin" and "plugin" not in by_lower:
            _plugins(options, known, by_lower, plugins, problems)
        elif lower in by_lower:
            name = by_lower[lower]
            _provider(known[name], options, f"providers.{name}", name, kinds, problems)
        else:
            spoken = missing("providers", str(key), known)
            if "pip install" not in spoken:
                spoken = unknown_key(str(key), [*known, "providersThrottleDuration", "precedence"])
                problems.append(Problem("providers", f"{spoken}; see 'pointsman plugins' for what is installed"))
            else:
                problems.append(Problem(f"providers.{key}", spoken))
    return (attrs.evolve(own, kinds=kinds, plugin=plugins) if own else None), problems


def _plugins(
    raw: Any, known: Mapping[str, type[Feature]], by_lower: Mapping[str, str], into: dict[str, Any], problems: list[Problem]
) -> None:
    if not isinstance(raw, Mapping):
        problems.append(Problem("providers.plugin", f"expected a block of plugin names, got {kind_of(raw)}"))
        return
    for name, options in raw.items():
        path = f"providers.plugin.{name}"
        kind = by_lower.get(str(name).lower())
        if kind is None:
            problems.append(Problem(path, missing("providers", str(name), known)))
        elif options is not None:
            _provider(known[kind], options, path, str(name), into, problems)


def _provider(cls: type[Feature], options: Any, path: str, name: str, into: dict[str, Any], problems: list[Problem]) -> None:
    config, mistakes = structure(cls.Config, options, path)
    problems += mistakes
    if config is not None:
        into[name] = config


def print_static(static: Static) -> dict[str, Any]:
    """The whole static configuration as plain data, secrets masked, providers under their own names."""
    plain = unstructure(static)
    providers = plain["providers"]
    providers |= providers.pop("kinds")
    if not providers["plugin"]:
        del providers["plugin"]
    for section in (camel_case(attribute) for attribute, _, _ in _EXPORTING.values()):
        if section in plain:
            plain[section] |= plain[section].pop("exporters")
    hushed: dict[str, Any] = _without_queries(plain)
    return hushed


def _without_queries(plain: Any) -> Any:
    """The same, but for the values in queries of URLs: some collectors take their keys there."""
    if isinstance(plain, dict):
        return {key: _without_queries(value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [_without_queries(item) for item in plain]
    if isinstance(plain, str) and "://" in plain and "?" in plain:
        before, _, query = plain.partition("?")
        return f"{before}?{_QUERY_VALUE.sub(MASK, query)}"
    return plain
