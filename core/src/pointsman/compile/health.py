"""The two health checks of a load balancer, as configured (routing.md §5.4, §5.5): who is checked, what is odd about it."""

from collections.abc import Sequence

from pointsman.api import Peer
from pointsman.config.http_model import HealthCheck, LoadBalancer
from pointsman.config.tcp_model import TCPHealthCheck
from pointsman.errors import Problem
from pointsman.upstream.health import Passive


def passive_check(name: str, balancer: LoadBalancer, peers: Sequence[Peer]) -> Passive | None:
    """The judge of these peers' answers, if one is asked for."""
    config = balancer.passive_health_check
    if config is None or config.failure_window <= 0:
        return None
    return Passive(
        name,
        peers,
        window_seconds=config.failure_window,
        attempts=config.max_failed_attempts,
        probed=balancer.health_check is not None,
    )


def odd_thresholds(check: HealthCheck | TCPHealthCheck, path: str) -> list[Problem]:
    """Fewer than one probe cannot decide."""
    thresholds = (("healthyThreshold", check.healthy_threshold), ("unhealthyThreshold", check.unhealthy_threshold))
    return [
        Problem(f"{path}.healthCheck.{key}", f"{value} is no number of probes, so it is 1; give at least 1", warning=True)
        for key, value in thresholds
        if value < 1
    ]


def odd_checks(path: str, balancer: LoadBalancer) -> list[Problem]:
    """What does not mean what it says."""
    problems = []
    check, passive = balancer.health_check, balancer.passive_health_check
    if check is not None:
        problems += odd_thresholds(check, path)
    if check is not None and check.interval <= 0:
        message = f"{check.interval:g}s is no interval, so it is 30s; give a duration above 0"
        problems.append(Problem(f"{path}.healthCheck.interval", message, warning=True))
    if passive is not None and passive.failure_window <= 0:
        message = f"in {passive.failure_window:g}s nothing can fail, so there is no such check; give a duration above 0"
        problems.append(Problem(f"{path}.passiveHealthCheck.failureWindow", message, warning=True))
    return problems
