"""Middlewares that filters of the Gateway API come to (middlewares.md §4)."""

from pointsman import Middleware, hookimpl
from pointsman_gatewayapi.modifiers import RequestHeaderModifier, ResponseHeaderModifier
from pointsman_gatewayapi.redirect import RequestRedirect
from pointsman_gatewayapi.rewrite import UrlRewrite


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [RequestHeaderModifier, RequestRedirect, ResponseHeaderModifier, UrlRewrite]
