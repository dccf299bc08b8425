"""What may be said below `metrics.datadog`, and what the environment says."""

import pytest

from pointsman.errors import ConfigError
from pointsman.testing import build
from pointsman_datadog import Datadog, DatadogConfig


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, "localhost:8125"),
        ({"DD_AGENT_HOST": "agent"}, "agent:8125"),
        ({"DD_DOGSTATSD_PORT": "9"}, "localhost:9"),
        ({"DD_AGENT_HOST": "fd00::1", "DD_DOGSTATSD_PORT": "9"}, "[fd00::1]:9"),
    ],
)
def test_the_environment_says_where_the_agent_is(environ, address, monkeypatch):
    for name in ("DD_AGENT_HOST", "DD_DOGSTATSD_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert DatadogConfig().address == address


def test_an_address_that_is_written_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("DD_AGENT_HOST", "not one")

    assert build(Datadog, {"address": "unix:///run/dsd.socket"})
    with pytest.raises(ConfigError, match=r"datadog: 'not one:8125' is no address"):
        build(Datadog)


def test_it_needs_what_its_options_say():
    needs = build(Datadog, {"address": "a:1", "addServicesLabels": False, "addRoutersLabels": True}).needs

    assert (needs.entry_points, needs.routers, needs.services) == (True, True, False)
