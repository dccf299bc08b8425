"""buffering: requests and answers are read whole before they go on, and may be sent again (middlewares.md §3.3)."""

from pointsman import Middleware, hookimpl
from pointsman_buffering.buffering import Buffering


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [Buffering]
