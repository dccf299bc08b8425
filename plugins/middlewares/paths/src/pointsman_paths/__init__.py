"""Middlewares that rewrite the path (middlewares.md §2.1): what they share is in `rewriting`, each has a module."""

from pointsman import Middleware, hookimpl
from pointsman_paths.addprefix import AddPrefix
from pointsman_paths.stripprefix import StripPrefix


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [AddPrefix, StripPrefix]
