"""errors: pages of one's own in place of answers with certain statuses (middlewares.md §3.10)."""

from pointsman import Middleware, hookimpl
from pointsman_errors.errors import Errors


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [Errors]
