import pytest

from pointsman.errors import ConfigError
from pointsman.testing import build
from pointsman_zookeeper import ZooKeeperProvider


def problems(**config):
    with pytest.raises(ConfigError) as caught:
        build(ZooKeeperProvider, config)
    return [str(problem) for problem in caught.value.problems]


def test_without_options_it_reads_the_usual_place():
    assert repr(build(ZooKeeperProvider)) == "<ZooKeeperProvider 127.0.0.1:2181 /traefik>"
    assert repr(build(ZooKeeperProvider, {"endpoints": "[::1]:1,b:2", "rootKey": "/a/b/"})) == (
        "<ZooKeeperProvider [::1]:1, b:2 /a/b>"
    )


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"endpoints": []}, "zooKeeper.endpoints: is empty"),
        ({"endpoints": ["a"]}, "providers.zooKeeper.endpoints: 'a' is no server; write host:port"),
        ({"endpoints": ["a:1/chroot"]}, "providers.zooKeeper.endpoints: 'a:1/chroot' is no server"),
        ({"endpoints": ["a/b:1"]}, "providers.zooKeeper.endpoints: 'a/b:1' is no server"),
        ({"endpoints": ["a:99999"]}, "providers.zooKeeper.endpoints: 'a:99999' is no server"),
        ({"rootKey": "/"}, "providers.zooKeeper.rootKey: '/' is no path of a node"),
        ({"rootKey": "a//b"}, "providers.zooKeeper.rootKey: 'a//b' is no path of a node"),
        ({"username": "u"}, "providers.zooKeeper: username and password go together"),
        ({"username": "u:v", "password": "p"}, "providers.zooKeeper.username: holds a colon"),
    ],
)
def test_what_cannot_be_used_is_refused(config, expected):
    assert [problem for problem in problems(**config) if problem.startswith(expected)]


def test_a_password_is_not_repeated():
    assert "hidden" not in "".join(problems(endpoints=["zk://user:hidden@host:2181"]))
    assert "hidden" not in repr(build(ZooKeeperProvider, {"username": "u", "password": "hidden"}))
