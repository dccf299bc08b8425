"""Health checks in a load balancer's configuration: who is checked, and what is said of odd ones (routing.md §5.4, §5.5)."""

from typing import Any

import pytest

from pointsman.builtin.roundrobin import RoundRobin
from pointsman.compile.health import Care, care, odd_checks, passive_check
from pointsman.compile.tcp_services import odd_check
from pointsman.config.convert import structure
from pointsman.config.http_model import LoadBalancer
from pointsman.config.tcp_model import TCPHealthCheck
from pointsman.deadlines import Deadlines
from pointsman.upstream.forward import Forwarder
from pointsman.upstream.health import Judges
from pointsman.upstream.transport import Transport, TransportSettings, peer_from

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


@pytest.mark.parametrize(
    ("detection", "said"),
    [
        ({}, []),
        (
            {"interval": "0s", "baseEjectionTime": "-1s"},
            ["interval: 0s is no time, so it is 10s", "baseEjectionTime: -1s is"],
        ),
        ({"maxEjectionPercent": 101}, ["maxEjectionPercent: 101 is not in 0..100; it is 100"]),
        (
            {"maxEjectionPercent": -1, "requestVolume": 0},
            ["maxEjectionPercent: -1 is not in 0..100; it is 0", "requestVolume"],
        ),
        ({"consecutive5xxErrors": 0}, [": has no limit, so nobody is ejected; set consecutive5xxErrors"]),
        ({"consecutive5xxErrors": 0, "consecutiveGatewayErrors": 1}, []),
    ],
)
def test_odd_outlier_detection_is_corrected_and_says_so(detection: dict[str, Any], said: list[str]):
    problems = odd_checks("p", balancer(outlierDetection=detection))
    assert len(problems) == len(said)
    for problem, text in zip(problems, said, strict=True):
        assert str(problem).partition("p.outlierDetection")[2].removeprefix(".").startswith(text)
        assert problem.warning


def test_who_looks_after_servers_is_there_only_when_asked_for():
    def cared(strategy: Any = RoundRobin, **options: Any) -> tuple[Care, Forwarder]:
        forwarder = Forwarder("s", lambda request, tried: None, Transport(TransportSettings(), Deadlines()))
        return care("s", balancer(**options), strategy, [PEER], [PEER], forwarder), forwarder

    nobody, forwarder = cared()
    assert not nobody
    assert forwarder.judge is None
    both, forwarder = cared(passiveHealthCheck={"maxFailedAttempts": 1}, outlierDetection={}, slowStart="30s")
    assert isinstance(forwarder.judge, Judges)
    assert forwarder.judge.judges == (both.passive, both.outliers)
    assert both.slow_start is not None
    one, forwarder = cared(outlierDetection={"maxEjectionPercent": 900})
    assert forwarder.judge is one.outliers
    assert [problem.path for problem in odd_checks("p", balancer(slowStart="-1s"))] == ["p.slowStart"]
    assert not cared(slowStart="-1s")[0]

    class Keeping(RoundRobin):
        sticky = False

    assert not cared(Keeping, slowStart="1s")[0], "where clients keep their servers there is nothing to grow"


@pytest.mark.parametrize("url", ["ftp://bob:hush@a.example", "http://bob:hush@", "http://bob:hush@a.example/ "])
def test_what_is_wrong_with_a_url_is_said_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"server URL '[a-z]+://bob:REDACTED@"):
        peer_from(url)
