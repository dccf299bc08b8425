"""What a well-formed static configuration still must not say (operations.md §1.6). Every check yields Problems."""

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from itertools import chain

from pointsman.config.entrypoint_model import EntryPoint, parse_address
from pointsman.config.resolver_model import CertificatesResolver
from pointsman.config.spelling import suggestion
from pointsman.config.static import PRECEDENCE, Static
from pointsman.errors import Problem

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "PANIC", "DISABLED")
_PLUGINS = ("accessLog", "internal", "log", "metrics", "plugin", "providers", "resolvers", "tracing")
AREAS = ("accesslog", "compile", "control", "health", "server", "upstream", "worker", *_PLUGINS)
"""How the names of areas of the gateway's own log begin."""
STRATEGIES = ("keep", "delete", "reject")
_BASE_PATH = re.compile(r"/[a-zA-Z0-9/_.:~-]*")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_STATUS_RANGE = re.compile(r"[1-9][0-9]{2}(?:-[1-9][0-9]{2})?")
Problems = Iterator[Problem]


def check(static: Static) -> list[Problem]:
    """Everything wrong with the meaning of a static configuration, fatal or not."""
    points = chain.from_iterable(_entry_point(name, point) for name, point in static.entry_points.items())
    resolvers = chain.from_iterable(_resolver(name, each, static) for name, each in static.certificates_resolvers.items())
    return [*points, *resolvers, *chain.from_iterable(each(static) for each in _CHECKS)]


def _entry_point(name: str, point: EntryPoint) -> Problems:
    path = f"entryPoints.{name}"
    protocol = "tcp"
    if not point.address:
        yield Problem(
            f"{path}.address", "an entry point needs an address, such as ':80'; without one it would take any port"
        )
    else:
        try:
            protocol = parse_address(point.address).protocol
        except ValueError as error:
            yield Problem(f"{path}.address", str(error))
    proxy, headers, http, strategy = point.proxy_protocol, point.forwarded_headers, point.http, "HeadersStrategy"
    if proxy is not None:
        if not proxy.insecure and not proxy.trusted_ips:
            yield Problem(f"{path}.proxyProtocol", "no trusted IPs provided; give trustedIPs, or insecure: true")
        yield from _networks(f"{path}.proxyProtocol.trustedIPs", proxy.trusted_ips)
    yield from _networks(f"{path}.forwardedHeaders.trustedIPs", headers.trusted_ips)
    for field, value in (
        ("http2.maxConcurrentStreams", point.http2.max_concurrent_streams),
        ("http2.maxDecoderHeaderTableSize", point.http2.max_decoder_header_table_size),
        ("http2.maxEncoderHeaderTableSize", point.http2.max_encoder_header_table_size),
        ("http3.advertisedPort", point.http3.advertised_port if point.http3 else 0),
    ):
        if value < 0:
            yield Problem(f"{path}.{field}", f"must not be negative, got {value}")
    if protocol == "udp" and point.udp.timeout <= 0:
        yield Problem(f"{path}.udp.timeout", "must be more than 0")
    for kind, word in (("alias", http.alias_headers_strategy), ("underscore", http.underscore_headers_strategy)):
        if word and word not in STRATEGIES:
            message = f"unknown strategy '{word}'; use {', '.join(STRATEGIES)}{suggestion(word, STRATEGIES)}"
            yield Problem(f"{path}.http.{kind}{strategy}", message)
    both = {http.alias_headers_strategy, http.underscore_headers_strategy} - {""}
    if len(both) > 1:
        message = "differs from underscoreHeadersStrategy, which is deprecated; keep only this one"
        yield Problem(f"{path}.http.alias{strategy}", message)
    yield from (
        Problem(f"{path}.http.middlewares", f"'{each}' names no provider; write {each}@file or the like", warning=True)
        for each in http.middlewares
        if "@" not in each
    )


def _networks(path: str, networks: list[str]) -> Problems:
    for network in networks:
        try:
            ip_network(network, strict=False)
        except ValueError:
            yield Problem(path, f"'{network}' is neither an IP address nor a CIDR range")


def _redirects(static: Static) -> Problems:
    for name, point in static.entry_points.items():
        redirect = point.http.redirections.entry_point if point.http.redirections else None
        if redirect is None:
            continue
        path, to = f"entryPoints.{name}.http.redirections.entryPoint", redirect.to
        if not to:
            yield Problem(f"{path}.to", "a redirection needs an entry point, or a port such as ':443'")
        elif to.startswith(":"):
            if not re.fullmatch(r":[0-9]{1,5}", to) or not 0 < int(to[1:]) < 65536:
                yield Problem(f"{path}.to", f"'{to}' is not a port")
        elif to not in static.entry_points:
            # Traefik goes on without it; then what was to be redirected would be served, or not, unnoticed
            hint = suggestion(to, static.entry_points)
            yield Problem(f"{path}.to", f"'to' entry point field references a non-existing entry point: {to}{hint}")
        if not _SCHEME.fullmatch(redirect.scheme):
            yield Problem(f"{path}.scheme", f"'{redirect.scheme}' is not a scheme; write http or https")


def _resolver(name: str, resolver: CertificatesResolver, static: Static) -> Problems:
    path, acme = f"certificatesResolvers.{name}", resolver.acme
    if acme is None:
        if resolver.tailscale is None:
            yield Problem(path, "a resolver needs acme or tailscale")
        return
    if resolver.tailscale is not None:
        yield Problem(path, "acme and tailscale exclude each other; make two resolvers")
    if not acme.storage:
        yield Problem(f"{path}.acme.storage", "must not be empty; name a file, such as acme.json")
    if acme.certificates_duration < 1:
        yield Problem(f"{path}.acme.certificatesDuration", f"must be at least 1 hour, got {acme.certificates_duration}")
    if acme.client_timeout < acme.client_response_header_timeout:
        yield Problem(f"{path}.acme.clientTimeout", "must not be shorter than clientResponseHeaderTimeout")
    point = acme.http_challenge.entry_point if acme.http_challenge is not None else None
    if point is not None and point not in static.entry_points:
        hint = suggestion(point, static.entry_points) or "; name one that is reached at port 80"
        yield Problem(f"{path}.acme.httpChallenge.entryPoint", f"there is no entry point '{point}'{hint}", warning=True)


def _providers(static: Static) -> Problems:
    known = {*PRECEDENCE, "internal", *(name.lower() for name in static.providers.kinds)}
    known |= {f"plugin-{name.lower()}" for name in static.providers.plugin}
    for name in static.providers.precedence:
        kind, dash, _ = name.lower().partition("-")
        if name.lower() not in known and not (dash and kind in PRECEDENCE):  # one of its namespaces
            hint = suggestion(name, known)
            yield Problem("providers.precedence", f'provider "{name}" is not a valid provider name{hint}')
    if any(name.lower() == "knative" for name in static.providers.kinds) and not static.experimental.knative:
        yield Problem("providers.knative", "needs experimental.knative: true")


def _observability(static: Static) -> Problems:
    if static.log.level.upper() not in LEVELS:
        message = f"unknown level '{static.log.level}'; ERROR is used{suggestion(static.log.level, LEVELS)}"
        yield Problem("log.level", message, warning=True, loud=True)
    for area, level in static.log.levels.items():
        if level.upper() not in LEVELS:
            message = f"unknown level '{level}'; that of the rest is used{suggestion(level, LEVELS)}"
            yield Problem(f"log.levels.{area}", message, warning=True, loud=True)
        begins = area.removeprefix("pointsman").removeprefix(".").partition(".")[0]
        if begins and begins not in AREAS:
            message = (
                f"no area of the log begins with '{begins}'{suggestion(begins, AREAS) or '; ' + ', '.join(AREAS) + ' do'}"
            )
            yield Problem(f"log.levels.{area}", message, warning=True, loud=True)
    for section, exporters in (("log", static.log.exporters), ("accessLog", getattr(static.access_log, "exporters", {}))):
        if "otlp" in exporters and not static.experimental.otlp_logs:
            yield Problem(f"{section}.otlp", "needs experimental.otlpLogs: true")
    if static.metrics is not None and static.metrics.max_label_values < 1:
        yield Problem("metrics.maxLabelValues", f"must be at least 1, got {static.metrics.max_label_values}")
    tracing = static.tracing
    if tracing is not None and tracing.share != tracing.sample_rate:
        message = f"must be a share from 0 to 1, got {tracing.sample_rate:g}; {tracing.share:g} is used"
        yield Problem("tracing.sampleRate", message, warning=True)
    if tracing is not None and tracing.sample_slow < 0:
        yield Problem("tracing.sampleSlow", f"must not be negative, got {tracing.sample_slow:g}s; 0 is off")
    filters = static.access_log.filters if static.access_log else None
    for text in filters.status_codes if filters else ():
        low, _, high = text.partition("-")
        if not _STATUS_RANGE.fullmatch(text) or (high and high < low):
            message = f"'{text}' is not a status code or range, such as 404 or 500-599"
            yield Problem("accessLog.filters.statusCodes", message)


def _others(static: Static) -> Problems:
    if static.workers is not None and static.workers < 1:
        yield Problem("workers", f"must be at least 1, got {static.workers}")
    if static.ping is not None and not 200 <= static.ping.terminating_status_code <= 599:
        message = f"must be a status from 200 to 599, got {static.ping.terminating_status_code}"
        yield Problem("ping.terminatingStatusCode", message)
    if static.ping is not None and static.ping.await_providers < 0:
        yield Problem("ping.awaitProviders", f"must not be negative, got {static.ping.await_providers:g}s")
    if static.api is not None and not _BASE_PATH.fullmatch(static.api.base_path):
        yield Problem("api.basePath", "must begin with / and hold only letters, digits and / _ . : ~ -")
    if static.core.default_rule_syntax not in ("", "v2", "v3"):
        yield Problem("core.defaultRuleSyntax", f"must be v2 or v3, got '{static.core.default_rule_syntax}'")
    for url, override in (static.ocsp.responder_overrides if static.ocsp else {}).items():
        if not override:
            yield Problem(f"ocsp.responderOverrides.{url}", "must not be empty")
    experimental = static.experimental
    for name in experimental.plugins.keys() & experimental.local_plugins.keys():
        yield Problem("experimental", f"the plugin name '{name}' is used in plugins and in localPlugins")
    for section, names in (("plugins", experimental.plugins), ("localPlugins", experimental.local_plugins)):
        for name in names:
            message = "code written for Traefik cannot run here; a Python package that registers this name can"
            yield Problem(f"experimental.{section}.{name}", message, warning=True)


_CHECKS: tuple[Callable[[Static], Problems], ...] = (_redirects, _providers, _observability, _others)
