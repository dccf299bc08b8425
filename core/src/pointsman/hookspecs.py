"""Every hook: one signature, one line of docstring. All run while the registry is built, never per request."""

from collections.abc import Sequence

import pluggy

from pointsman.api import (
    Balancer,
    CertificateResolver,
    Command,
    InternalService,
    LogExporter,
    LogFormat,
    Matcher,
    MetricsExporter,
    Middleware,
    Provider,
    SpanExporter,
    TcpMatcher,
    TcpMiddleware,
)

hookspec = pluggy.HookspecMarker("pointsman")
hookimpl = pluggy.HookimplMarker("pointsman")


@hookspec
def pointsman_providers() -> Sequence[type[Provider]]:  # type: ignore[empty-body]
    """Sources of dynamic configuration, enabled by their key below `providers` in the static configuration."""


@hookspec
def pointsman_middlewares() -> Sequence[type[Middleware]]:  # type: ignore[empty-body]
    """HTTP middlewares, written `http.middlewares.<name>.<kind>`."""


@hookspec
def pointsman_certificate_resolvers() -> Sequence[type[CertificateResolver]]:  # type: ignore[empty-body]
    """Who gets certificates, written `certificatesResolvers.<name>.<kind>` in the static configuration."""


@hookspec
def pointsman_balancers() -> Sequence[type[Balancer]]:  # type: ignore[empty-body]
    """Balancing strategies, written `loadBalancer.strategy: <name>`."""


@hookspec
def pointsman_matchers() -> Sequence[Matcher]:  # type: ignore[empty-body]
    """Functions of the rule language."""


@hookspec
def pointsman_tcp_middlewares() -> Sequence[type[TcpMiddleware]]:  # type: ignore[empty-body]
    """TCP middlewares, written `tcp.middlewares.<name>.<kind>`."""


@hookspec
def pointsman_tcp_matchers() -> Sequence[TcpMatcher]:  # type: ignore[empty-body]
    """Functions of the rule language of TCP routers."""


@hookspec
def pointsman_metrics_exporters() -> Sequence[type[MetricsExporter]]:  # type: ignore[empty-body]
    """Where metrics go, enabled by their key below `metrics` in the static configuration."""


@hookspec
def pointsman_span_exporters() -> Sequence[type[SpanExporter]]:  # type: ignore[empty-body]
    """Where traces go, enabled by their key below `tracing` in the static configuration."""


@hookspec
def pointsman_internal_services() -> Sequence[type[InternalService]]:  # type: ignore[empty-body]
    """Services that the gateway answers itself, written `<name>@internal`."""


@hookspec
def pointsman_log_exporters() -> Sequence[type[LogExporter]]:  # type: ignore[empty-body]
    """Where logs go besides, enabled by their key below `log` and `accessLog` in the static configuration."""


@hookspec
def pointsman_log_formats() -> Sequence[type[LogFormat]]:  # type: ignore[empty-body]
    """Ways to write the access log, written `accessLog.format: <name>`."""


@hookspec
def pointsman_commands() -> Sequence[Command]:  # type: ignore[empty-body]
    """Subcommands of `pointsman`."""
