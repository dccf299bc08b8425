"""Entry points to registry: the only file that calls hooks, and it does so once.

A plugin that cannot be loaded is named with its distribution and left out; the rest works.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

import pluggy
from attrs import Factory, define, frozen
from importlib_metadata import EntryPoint, entry_points, version

from pointsman import hookspecs
from pointsman.api import (
    Balancer,
    CertificateResolver,
    Command,
    Feature,
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
from pointsman.errors import Problem

GROUP = "pointsman"
T = TypeVar("T")


@frozen
class Plugin:
    """One installed plugin: its entry point's name, its distribution and version, and what it brings by kind."""

    name: str
    distribution: str
    version: str
    brings: Mapping[str, tuple[str, ...]]


@define
class Registry:
    """What the installed plugins bring, by the names users write."""

    providers: dict[str, type[Provider]] = Factory(dict)
    middlewares: dict[str, type[Middleware]] = Factory(dict)
    certificate_resolvers: dict[str, type[CertificateResolver]] = Factory(dict)
    balancers: dict[str, type[Balancer]] = Factory(dict)
    matchers: dict[str, Matcher] = Factory(dict)
    tcp_middlewares: dict[str, type[TcpMiddleware]] = Factory(dict)
    tcp_matchers: dict[str, TcpMatcher] = Factory(dict)
    span_exporters: dict[str, type[SpanExporter]] = Factory(dict)
    log_exporters: dict[str, type[LogExporter]] = Factory(dict)
    log_formats: dict[str, type[LogFormat]] = Factory(dict)
    internal_services: dict[str, type[InternalService]] = Factory(dict)
    metrics_exporters: dict[str, type[MetricsExporter]] = Factory(dict)
    commands: dict[str, Command] = Factory(dict)
    plugins: list[Plugin] = Factory(list)
    problems: list[Problem] = Factory(list)

    def names(self, kind: str) -> dict[str, Any]:
        return getattr(self, kind)  # type: ignore[no-any-return]

    @property
    def sections(self) -> Mapping[str, Mapping[str, type[Feature]]]:
        """What may be named in sections of the static configuration."""
        return {
            "providers": self.providers,
            "metrics": self.metrics_exporters,
            "tracing": self.span_exporters,
            "log": self.log_exporters,
            "accessLog": self.log_exporters,
        }


KINDS = (
    "providers", "certificate_resolvers", "middlewares", "balancers", "matchers", "tcp_middlewares", "tcp_matchers",
    "metrics_exporters", "span_exporters", "log_exporters", "log_formats", "internal_services", "commands",
)  # fmt: skip


def load_registry(
    *modules: ModuleType | object, entry_point_plugins: bool = True, without: Collection[str] = ()
) -> Registry:
    """The registry of the built-in plugins, `modules`, and, unless told not to, every installed entry point.

    `without`: names of entry points that are left alone, and not even imported.
    """
    from pointsman import builtin  # the built-in plugins come by the same hooks as any other

    registry = Registry()
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    for module in (builtin, *modules):
        name = getattr(module, "__name__", repr(module))
        _register(manager, registry, name, "pointsman" if module is builtin else name, "", partial(_itself, module))
    for point in _installed() if entry_point_plugins else ():
        if point.name in without:
            continue
        distribution = point.dist.name if point.dist else point.value
        _register(manager, registry, point.name, distribution, point.dist.version if point.dist else "", point.load)
    return registry


def idle_in_workers(registry: Registry, providers: Collection[str]) -> frozenset[str]:
    """Names of plugins that bring but providers, resolvers and commands, none of these among the configured `providers`.

    A worker has no use for them; the libraries of some take 10 MB and 0.1 s.
    """
    return frozenset(
        plugin.name
        for plugin in registry.plugins
        if plugin.brings
        and plugin.brings.keys() <= {"providers", "certificate_resolvers", "commands"}
        and not any(name in providers for name in plugin.brings.get("providers", ()))
    )


def _itself(module: object) -> object:
    return module


def _installed() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda point: (point.dist.name if point.dist else "", point.name))


def _register(
    manager: pluggy.PluginManager, registry: Registry, name: str, distribution: str, version: str, load: Callable[[], object]
) -> None:
    try:
        module = load()
        manager.register(module, name=name)
        manager.check_pending()
    except Exception as error:  # a plugin's import may fail in any way
        if manager.has_plugin(name):
            manager.unregister(name=name)
        cause = f"{type(error).__name__}: {error}"
        registry.problems.append(Problem(f"plugins.{name}", f"cannot be loaded from {distribution}: {cause}"))
        return
    brings = {kind: tuple(_take(manager, registry, module, kind, distribution)) for kind in KINDS}
    registry.plugins.append(Plugin(name, distribution, version, {kind: names for kind, names in brings.items() if names}))


def _take(manager: pluggy.PluginManager, registry: Registry, module: object, kind: str, distribution: str) -> Iterable[str]:
    others = manager.get_plugins() - {module}
    hook = manager.subset_hook_caller(f"pointsman_{kind}", remove_plugins=others)
    known = registry.names(kind)
    for offered in hook():
        for item in offered:
            if item.name in known:
                owner = _owner(registry, kind, item.name)
                message = f"{kind} '{item.name}' of {distribution} is refused: {owner} has that name already"
                registry.problems.append(Problem(f"plugins.{distribution}", message))
                continue
            known[item.name] = item
            yield item.name


def _owner(registry: Registry, kind: str, name: str) -> str:
    return next(
        (plugin.distribution for plugin in registry.plugins if name in plugin.brings.get(kind, ())), "another plugin"
    )


def version_of(distribution: str) -> str:
    """The installed version of a package; "" if it is not installed."""
    try:
        return version(distribution)
    except ImportError:
        return ""
