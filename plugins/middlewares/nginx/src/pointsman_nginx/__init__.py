"""Middlewares that annotations of ingress-nginx ask for (middlewares.md §4)."""

from pointsman import Middleware, hookimpl
from pointsman_nginx.approot import AppRoot
from pointsman_nginx.certificate import AuthTLSPassCertificateToUpstream
from pointsman_nginx.rewritetarget import RewriteTarget
from pointsman_nginx.snippet import Snippet
from pointsman_nginx.upstreamvhost import UpstreamVHost


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [AppRoot, AuthTLSPassCertificateToUpstream, RewriteTarget, Snippet, UpstreamVHost]
