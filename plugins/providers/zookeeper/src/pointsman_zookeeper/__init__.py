"""Routers, services and all else from nodes in ZooKeeper."""

from pointsman import Provider, hookimpl
from pointsman_zookeeper.config import ZooKeeperConfig as ZooKeeperConfig
from pointsman_zookeeper.provider import ZooKeeperProvider as ZooKeeperProvider


@hookimpl
def pointsman_providers() -> list[type[Provider]]:
    return [ZooKeeperProvider]
