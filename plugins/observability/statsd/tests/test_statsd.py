"""What may be said below `metrics.statsD`, and what is measured for it."""

import pytest

from pointsman.errors import ConfigError
from pointsman.testing import build
from pointsman_statsd import StatsD, StatsDConfig


def test_defaults_are_those_of_the_dialect():
    config = StatsDConfig()

    assert (config.address, config.prefix, config.push_interval) == ("localhost:8125", "traefik", 10.0)
    needs = build(StatsD).needs
    assert (needs.entry_points, needs.routers, needs.services, needs.semantic) == (True, False, True, False)
    assert len(needs.boundaries) > 20


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"address": "localhost"}, r"statsD\.address: 'localhost' is no address; write it as host:port"),
        ({"address": "unix:///run/x"}, r"write it as host:port"),
        ({"prefix": "a|b"}, r"statsD\.prefix: the prefix 'a\|b' has characters"),
        ({"pushInterval": 0}, r"statsD\.pushInterval: 'pushInterval' must be at least 100ms"),
        ({"maxDatagramBytes": 70_000}, r"maxDatagramBytes"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(raw, said):
    with pytest.raises(ConfigError, match=said):
        build(StatsD, raw)
