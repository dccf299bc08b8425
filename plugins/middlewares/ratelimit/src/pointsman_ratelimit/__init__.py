"""rateLimit: so many requests of each source in a time, in all workers or, by Redis, all gateways together."""

from pointsman import Middleware, hookimpl
from pointsman_ratelimit.limiter import RateLimit

__all__ = ["RateLimit", "pointsman_middlewares"]


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [RateLimit]
