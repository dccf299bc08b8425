"""headers: edit headers, answer CORS preflights, add security headers (middlewares.md §3.13)."""

from pointsman import Middleware, hookimpl
from pointsman_headers.headers import Headers


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [Headers]
