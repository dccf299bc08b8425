"""circuitBreaker: stop asking a service that fails or is slow, and let it come back slowly (middlewares.md §3.5)."""

from pointsman import Middleware, hookimpl
from pointsman_circuitbreaker.breaker import CircuitBreaker


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [CircuitBreaker]
