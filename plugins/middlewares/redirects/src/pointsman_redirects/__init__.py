"""Middlewares that send clients elsewhere (middlewares.md §3.18, §3.19)."""

from pointsman import Middleware, hookimpl
from pointsman_redirects.regex import RedirectRegex
from pointsman_redirects.scheme import RedirectScheme


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [RedirectRegex, RedirectScheme]
