"""basicAuth and digestAuth: ask for a name and a password (middlewares.md §3.2, §3.8)."""

from pointsman import Middleware, hookimpl
from pointsman_auth.basic import BasicAuth
from pointsman_auth.digest import DigestAuth


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [BasicAuth, DigestAuth]
