"""The providers that the static configuration asks for, built (providers.md §1.2)."""

from collections.abc import Mapping

from pointsman.api import ListeningPoint, Provider
from pointsman.config.static import Static
from pointsman.control.context import Context
from pointsman.control.internal import Internal
from pointsman.errors import ConfigError, Problem
from pointsman.plugins import Registry

Built = list[tuple[str, Provider]]


def build_providers(static: Static, registry: Registry) -> tuple[Built, Mapping[str, Context], list[Problem]]:
    """Instances by name, their contexts, and what is wrong with those that are left out for it; the rest runs."""
    built: Built = [(Internal.name, Internal(static, registry))]
    contexts: dict[str, Context] = {}
    problems: list[Problem] = []
    entry_points, syntax = _entry_points(static), static.core.default_rule_syntax or "v3"
    kinds = static.providers.kinds
    by_lower = {kind.lower(): cls for kind, cls in registry.providers.items()}
    asked = [(f"providers.{kind}", kind.lower(), kind, config) for kind, config in kinds.items()]
    for kind, config in static.providers.plugin.items():
        asked.append((f"providers.plugin.{kind}", f"plugin-{kind.lower()}", kind, config))
    for path, whole, kind, config in asked:
        cls = by_lower[kind.lower()]
        try:
            spread = getattr(cls, "instances", None)
            for name, own in (spread(config) if spread is not None else {whole: config}).items():
                context = Context(name, registry.middlewares, registry.tcp_middlewares, entry_points, syntax, kinds)
                built.append((name, cls(own, context)))
                contexts[name] = context
        except ConfigError as error:
            problems += [Problem(problem.path or path, problem.message) for problem in error.problems]
        except Exception as error:  # a plugin's constructor may do anything
            problems.append(Problem(path, f"the plugin failed: {type(error).__name__}: {error}"))
    return built, contexts, problems


def _entry_points(static: Static) -> list[ListeningPoint]:
    default = {*static.default_entry_points, *static.udp_entry_points}
    return [
        ListeningPoint(name, point.listen.port, point.listen.protocol, point.http.tls is not None, name in default)
        for name, point in sorted(static.entry_points.items())
    ]
