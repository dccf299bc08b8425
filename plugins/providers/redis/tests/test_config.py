import pytest

from pointsman.errors import ConfigError
from pointsman.testing import build
from pointsman_redis import RedisProvider

SENTINEL = {"masterName": "mymaster"}


def problems(**config):
    with pytest.raises(ConfigError) as caught:
        build(RedisProvider, config)
    return [str(problem) for problem in caught.value.problems]


def test_without_options_it_reads_the_usual_place():
    assert repr(build(RedisProvider)) == "<RedisProvider 127.0.0.1:6379 traefik>"
    assert repr(build(RedisProvider, {"endpoints": "[::1]:1,b:2", "rootKey": "/a/b/", "sentinel": SENTINEL})) == (
        "<RedisProvider [::1]:1, b:2 a/b>"
    )


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"endpoints": []}, "redis.endpoints: is empty"),
        ({"endpoints": ["a"]}, "providers.redis.endpoints: 'a' is no server; write host:port"),
        ({"endpoints": ["a:0"]}, "providers.redis.endpoints: 'a:0' is no server"),
        ({"endpoints": ["a:65536"]}, "providers.redis.endpoints: 'a:65536' is no server"),
        ({"endpoints": ["a:1", "b:2"]}, "providers.redis.endpoints: names several servers"),
        ({"rootKey": "/"}, "providers.redis.rootKey: is empty"),
        ({"username": "u"}, "providers.redis.username: needs a password"),
        ({"db": -1}, "redis.db"),
        ({"sentinel": {"username": "u"}}, "providers.redis.sentinel.masterName: is needed"),
        (
            {"sentinel": {**SENTINEL, "latencyStrategy": True, "replicaStrategy": True}},
            "providers.redis.sentinel: latencyStrategy and replicaStrategy exclude each other",
        ),
        ({"tls": {"cert": "x"}}, "providers.redis.tls: both TLS cert and key must be defined"),
        ({"tls": {"ca": "/no/such/file"}}, "providers.redis.tls.ca: "),
    ],
)
def test_what_does_not_go_together_is_refused(config, expected):
    assert [problem for problem in problems(**config) if problem.startswith(expected)]


def test_a_password_in_an_endpoint_is_not_repeated():
    assert "hidden" not in "".join(problems(endpoints=["redis://user:hidden@host:6379"]))
    assert "hidden" not in repr(build(RedisProvider, {"password": "hidden", "username": "u"}))
