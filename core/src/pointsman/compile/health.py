"""Who looks after the servers of a load balancer, as configured (routing.md §5.4, §5.5), and what is odd about it."""

from collections.abc import Sequence
from typing import Any

from attrs import evolve, frozen

from pointsman.api import Balancer, Peer
from pointsman.config.http_model import HealthCheck, LoadBalancer, OutlierDetection
from pointsman.config.tcp_model import TCPHealthCheck
from pointsman.errors import Problem
from pointsman.upstream.forward import Forwarder
from pointsman.upstream.health import Judge, Judges, Passive
from pointsman.upstream.outliers import Outliers
from pointsman.upstream.slowstart import SlowStart

DEFAULTS = OutlierDetection()


@frozen(eq=False)
class Care:
    """Who looks after the servers of one load balancer, in one worker."""

    passive: Passive | None = None
    outliers: Outliers | None = None
    slow_start: SlowStart | None = None

    def __bool__(self) -> bool:
        return self.passive is not None or self.outliers is not None or self.slow_start is not None

    def take_over(self, old: "Care", before: Sequence[Peer]) -> None:
        """The service of these peers is served by another from now on, which knows what was seen of servers that stay."""
        if old.passive is not None:
            if self.passive is not None:
                self.passive.take_over(old.passive)
            else:
                old.passive.close()
        if old.outliers is not None:
            if self.outliers is not None:
                self.outliers.take_over(old.outliers)
            else:
                old.outliers.close()
        if self.slow_start is not None:
            self.slow_start.take_over(before, old.slow_start)


NO_CARE = Care()


def care(
    name: str,
    balancer: LoadBalancer,
    strategy: type[Balancer],
    peers: Sequence[Peer],
    picked: Sequence[Peer],
    forwarder: Forwarder,
) -> Care:
    """All that is asked for, at work in `forwarder`; its strategy chooses among those that are `picked`."""
    passive, detection = passive_check(name, balancer, peers), balancer.outlier_detection
    outliers = Outliers(name, peers, picked, _within_limits(detection)) if detection is not None else None
    judges: list[Judge] = [each for each in (passive, outliers) if each is not None]
    forwarder.judge = Judges(*judges) if len(judges) > 1 else next(iter(judges), None)
    slow_start = None
    if balancer.slow_start > 0 and getattr(strategy, "sticky", True):
        slow_start = SlowStart(forwarder, picked, balancer.slow_start, weighs=getattr(strategy, "weighs", True))
    return Care(passive, outliers, slow_start)


def _within_limits(config: OutlierDetection) -> OutlierDetection:
    """With what `_odd_detection` says in place of what cannot be."""
    return evolve(config, **{attribute: value for attribute, _, value, _ in _corrected(config)})


def _corrected(config: OutlierDetection) -> list[tuple[str, str, Any, str]]:
    """Attribute, key, what is used, and why, of each that cannot be used as it is."""
    found: list[tuple[str, str, Any, str]] = []
    for attribute, key in (
        ("interval", "interval"),
        ("base_ejection_time", "baseEjectionTime"),
        ("max_ejection_time", "maxEjectionTime"),
    ):
        seconds, default = getattr(config, attribute), getattr(DEFAULTS, attribute)
        if seconds <= 0:
            message = f"{seconds:g}s is no time, so it is {default:g}s; give a duration above 0"
            found.append((attribute, key, default, message))
    percent = config.max_ejection_percent
    if not 0 <= percent <= 100:
        nearest = min(100, max(0, percent))
        found.append(("max_ejection_percent", "maxEjectionPercent", nearest, f"{percent} is not in 0..100; it is {nearest}"))
    if config.request_volume < 1:
        message = f"{config.request_volume} is no number of requests, so it is 1; give at least 1"
        found.append(("request_volume", "requestVolume", 1, message))
    return found


def _odd_detection(config: OutlierDetection, path: str) -> list[Problem]:
    limits = (config.consecutive_5xx_errors, config.consecutive_gateway_errors, config.failure_percentage)
    problems = [Problem(f"{path}.{key}", message, warning=True) for _, key, _, message in _corrected(config)]
    if all(limit <= 0 for limit in limits):
        message = (
            "has no limit, so nobody is ejected; set consecutive5xxErrors, consecutiveGatewayErrors or failurePercentage"
        )
        problems.append(Problem(path, message, warning=True))
    return problems


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
    if balancer.outlier_detection is not None:
        problems += _odd_detection(balancer.outlier_detection, f"{path}.outlierDetection")
    if balancer.slow_start < 0:
        message = f"{balancer.slow_start:g}s is no time, so there is no slow start; give a duration above 0"
        problems.append(Problem(f"{path}.slowStart", message, warning=True))
    return problems
