"""Middlewares that rewrite the path (middlewares.md §2.1): what they share is in `rewriting`, each has a module."""

from pointsman import Middleware, hookimpl
from pointsman_paths.addprefix import AddPrefix
from pointsman_paths.replacepath import ReplacePath
from pointsman_paths.replacepathregex import ReplacePathRegex
from pointsman_paths.stripprefix import StripPrefix
from pointsman_paths.stripprefixregex import StripPrefixRegex


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [AddPrefix, ReplacePath, ReplacePathRegex, StripPrefix, StripPrefixRegex]
