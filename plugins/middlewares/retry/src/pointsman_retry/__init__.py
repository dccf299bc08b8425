"""retry: ask again when a server cannot be reached, or answers with certain statuses (middlewares.md §3.22)."""

from pointsman import Middleware, hookimpl
from pointsman_retry.retry import Retry


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [Retry]
