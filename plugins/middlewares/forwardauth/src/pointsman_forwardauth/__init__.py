"""forwardAuth: ask a server of one's own whether a request may go on (middlewares.md §3.11)."""

from pointsman import Middleware, hookimpl
from pointsman_forwardauth.forwardauth import ForwardAuth


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [ForwardAuth]
