"""The providers that the static configuration asks for, built (providers.md §1.2)."""

from collections.abc import Mapping

from pointsman.api import Provider
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
    for kind, config in static.providers.kinds.items():
        name = kind.lower()
        context = Context(name, registry.middlewares, registry.tcp_middlewares)
        try:
            provider = registry.providers[kind](config, context)
        except ConfigError as error:
            problems += [Problem(problem.path or f"providers.{kind}", problem.message) for problem in error.problems]
        except Exception as error:  # a plugin's constructor may do anything
            problems.append(Problem(f"providers.{kind}", f"the plugin failed: {type(error).__name__}: {error}"))
        else:
            built.append((name, provider))
            contexts[name] = context
    return built, contexts, problems
