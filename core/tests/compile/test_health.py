"""Health checks in a load balancer's configuration: who is checked, and what is said of odd ones (routing.md §5.4, §5.5)."""

from typing import Any

import pytest

from pointsman.compile.health import odd_checks, passive_check
from pointsman.compile.tcp_services import odd_check
from pointsman.config.convert import structure
from pointsman.config.http_model import LoadBalancer
from pointsman.config.tcp_model import TCPHealthCheck
from pointsman.upstream.transport import peer_from

PEER = peer_from("http://a.example")


def balancer(**options: Any) -> LoadBalancer:
    made, problems = structure(LoadBalancer, {"servers": [{"url": PEER.url}], **options})
    assert made is not None, problems
    return made


@pytest.mark.parametrize("interval", ["0s", "-1s"])
def test_an_interval_that_is_none_is_30_seconds_and_says_so(interval: str):
    [problem] = odd_checks("p", balancer(healthCheck={"interval": interval}))
    assert problem.path == "p.healthCheck.interval"
    assert "so it is 30s; give a duration above 0" in problem.message
    assert problem.warning


def test_a_passive_check_is_made_when_it_can_ever_find_something():
    assert passive_check("s", balancer(), [PEER]) is None
    assert passive_check("s", balancer(passiveHealthCheck={"maxFailedAttempts": 3}), [PEER]) is not None
    nothing = balancer(passiveHealthCheck={"failureWindow": "0s"})
    assert passive_check("s", nothing, [PEER]) is None
    assert [problem.path for problem in odd_checks("p", nothing)] == ["p.passiveHealthCheck.failureWindow"]


def test_thresholds_below_one_probe_are_one_and_say_so():
    problems = odd_checks("p", balancer(healthCheck={"healthyThreshold": 0, "unhealthyThreshold": -2}))
    assert [problem.path for problem in problems] == ["p.healthCheck.healthyThreshold", "p.healthCheck.unhealthyThreshold"]
    assert all("so it is 1; give at least 1" in problem.message and problem.warning for problem in problems)
    problems = odd_check(TCPHealthCheck(healthy_threshold=0), "p")
    assert [problem.path for problem in problems] == ["p.healthCheck.healthyThreshold"]
