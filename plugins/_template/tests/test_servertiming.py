import pytest

from pointsman.errors import ConfigError
from pointsman.testing import a_request, answering, build
from pointsman_servertiming import ServerTiming


async def test_the_answer_says_how_long_it_took_and_keeps_what_the_service_said():
    timing, upstream = build(ServerTiming, {"metric": "edge"}), answering(200, {"Server-Timing": "db;dur=5"})
    timing.clock = iter([10.0, 10.0421]).__next__

    response = await timing(a_request(), upstream)

    assert response.headers.get_all(b"server-timing") == [b"db;dur=5", b"edge;dur=42.1"]


def test_a_metric_that_is_no_token_is_a_configuration_error():
    with pytest.raises(ConfigError, match=r"serverTiming\.metric"):
        build(ServerTiming, {"metric": "a b"})
