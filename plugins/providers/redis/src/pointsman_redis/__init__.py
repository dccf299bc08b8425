"""Routers, services and all else from keys in Redis."""

from pointsman import Provider, hookimpl
from pointsman_redis.config import RedisConfig as RedisConfig
from pointsman_redis.provider import RedisProvider as RedisProvider


@hookimpl
def pointsman_providers() -> list[type[Provider]]:
    return [RedisProvider]
