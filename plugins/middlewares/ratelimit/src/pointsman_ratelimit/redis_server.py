"""A Redis as one worker uses it: connections, how many at a time, how long, and what happens while it is away.

Connections are shared by all instances with the same settings. No more than `poolSize` commands are under way, no more than
QUEUE wait for one of them to be over, and none for longer than the timeouts together. After a failure nobody asks for a
moment, then one tries; that moment doubles up to two seconds. An outage is one line in the log when it begins, and one when
it is over.
"""

import asyncio
import logging
import os
import ssl
from collections.abc import Callable
from hashlib import sha1
from typing import Any, Final, TypeVar

from attrs import field, frozen
from redis.asyncio import ConnectionPool, Redis, RedisCluster, SSLConnection
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedSSLConnection
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ReadOnlyError, RedisClusterException, RedisError

from pointsman.dialect.client_tls import ClientTls
from pointsman.errors import ConfigError, Problem
from pointsman_ratelimit.config import RedisConfig

QUEUE: Final = 1024
PAUSE_SECONDS: Final = (0.1, 2.0)
FAILURES: Final = (
    RedisError, RedisClusterException, OSError, TimeoutError, ssl.SSLError,
    ValueError, TypeError, RecursionError,  # of something that answers, and is no Redis
)  # fmt: skip
Endpoint = tuple[str, int]
T = TypeVar("T")


@frozen
class Settings:
    """What makes two instances use the same connections."""

    endpoints: tuple[Endpoint, ...]
    config: RedisConfig
    identity: tuple[object, ...] | None
    tls: ClientTls | None = field(eq=False)
    logger: logging.Logger = field(eq=False)


def settings_of(config: RedisConfig, logger: logging.Logger) -> Settings:
    """ConfigError for what cannot be used."""
    if not config.endpoints:
        raise ConfigError(Problem("redis.endpoints", "is empty; name a server as host:port"))
    endpoints = tuple(map(_endpoint, config.endpoints))
    tls = config.tls.settings("redis.tls", logger) if config.tls is not None else None
    if config.db and len(endpoints) > 1 and config.sentinel is None:
        logger.warning("redis.db has no effect: a cluster has the database 0 only")
    return Settings(endpoints, config, tls.identity if tls is not None else None, tls, logger)


def _endpoint(text: str) -> Endpoint:
    host, colon, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:
        raise ConfigError(Problem("redis.endpoints", f"'{text}' is no server; write host:port"))
    return host, int(port)


class _Tls(SSLConnection):
    """A connection with a TLS context that is there already."""

    def __init__(self, *, tls_context: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context.context = tls_context


class _SentinelTls(SentinelManagedSSLConnection):
    def __init__(self, *, tls_context: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self.ssl_context.context = tls_context


class Server:
    """One Redis, or one cluster, or the master that Sentinels name."""

    def __init__(self, settings: Settings) -> None:
        config = settings.config
        self._settings = settings
        self._limit = config.max_active_conns or config.pool_size or 10 * (os.cpu_count() or 1)
        timeouts = (config.dial_timeout, config.read_timeout, config.write_timeout)
        self._patience = sum(timeouts) if min(timeouts) > 0 else None
        self._sentinel: Any = None
        self._client: Any = self._made()
        self._free = asyncio.Semaphore(self._limit)
        self._queued = 0
        self._pause = 0.0
        """How long nobody asks after the latest failure; 0 while it answers."""
        self._again = 0.0
        """The loop's time at which somebody may ask again."""
        self._trying = False
        """Whether one of all asks, to see whether it is back."""
        self._since = 0.0
        self._unasked = 0
        self._digests: dict[str, str] = {}
        self.users = 0

    def __repr__(self) -> str:
        state = "away" if self._pause else "there"
        return f"<Server {self._named} {state}, {self._limit - self._free._value} busy, {self._queued} waiting>"

    @property
    def _named(self) -> str:
        return ", ".join(f"{host}:{port}" for host, port in self._settings.endpoints)

    # making

    def _made(self) -> Any:
        settings, config = self._settings, self._settings.config
        options: dict[str, Any] = {
            "username": config.username or None,
            "password": config.password or None,
            "socket_timeout": config.read_timeout if config.read_timeout > 0 else None,
            "socket_connect_timeout": config.dial_timeout if config.dial_timeout > 0 else None,
            "retry": Retry(NoBackoff(), 1, (RedisConnectionError,)),
        }
        tls: dict[str, Any] = {"tls_context": settings.tls.context()} if settings.tls is not None else {}
        if config.sentinel is not None:
            return self._by_sentinel(options, tls)
        if len(settings.endpoints) > 1:
            return self._cluster(options, tls)
        ((host, port),) = settings.endpoints
        pool = ConnectionPool(_Tls if tls else Connection, self._limit, host=host, port=port, db=config.db, **options, **tls)
        return Redis(connection_pool=pool)

    def _cluster(self, options: dict[str, Any], tls: dict[str, Any]) -> Any:
        nodes = [ClusterNode(host, port) for host, port in self._settings.endpoints]
        cluster = RedisCluster(startup_nodes=nodes, max_connections=self._limit, **options)
        if tls:
            cluster.connection_kwargs |= {"connection_class": _Tls, **tls}
            for node in cluster.nodes_manager.startup_nodes.values():
                node.connection_class = _Tls
                node.connection_kwargs |= tls
        return cluster

    def _by_sentinel(self, options: dict[str, Any], tls: dict[str, Any]) -> Any:
        config, own = self._settings.config, self._settings.config.sentinel
        assert own is not None
        sentinels = {**options, "username": own.username or None, "password": own.password or None, **tls}
        self._sentinel = Sentinel([])  # type: ignore[no-untyped-call]
        for host, port in self._settings.endpoints:
            pool = ConnectionPool(_Tls if tls else Connection, 4, host=host, port=port, **sentinels)
            self._sentinel.sentinels.append(Redis(connection_pool=pool))
        more = {"connection_class": _SentinelTls, **tls} if tls else {}
        masters: Any = SentinelConnectionPool
        pool = masters(own.master_name, self._sentinel, max_connections=self._limit, db=config.db, **options, **more)
        return Redis(connection_pool=pool)

    async def release(self) -> None:
        """One user less; the last one closes the connections."""
        self.users -= 1
        if not self.users:
            for key in [key for key, server in _SERVERS.items() if server is self]:
                del _SERVERS[key]
            for client in [self._client, *(self._sentinel.sentinels if self._sentinel is not None else ())]:
                await client.aclose()
                if isinstance(client, Redis):
                    await client.connection_pool.disconnect()

    # using

    async def run(self, script: str, key: bytes, arguments: tuple[Any, ...], read: Callable[[Any], T]) -> T | None:
        """What a script says, as `read` understands it; None if Redis cannot be asked now, or says something else."""
        away = self._pause > 0
        if (away and not self._may_try()) or self._queued >= QUEUE:
            self._unasked += 1
            return None
        self._trying = self._trying or away
        self._queued += 1
        try:
            async with asyncio.timeout(self._patience):
                async with self._free:
                    answer = read(await self._evaluated(script, key, arguments))
        except FAILURES as error:
            self._failed(error, away)
            if isinstance(error, ReadOnlyError) and isinstance(self._client, Redis):
                await self._client.connection_pool.disconnect(inuse_connections=False)  # its name may be another's by now
            return None
        finally:
            self._queued -= 1
            if away:
                self._trying = False
        if self._pause:
            self._came_back()
        return answer

    def _may_try(self) -> bool:
        return not self._trying and asyncio.get_running_loop().time() >= self._again

    async def _evaluated(self, script: str, key: bytes, arguments: tuple[Any, ...]) -> Any:
        digest = self._digests.get(script)
        if digest is None:
            digest = self._digests[script] = sha1(script.encode(), usedforsecurity=False).hexdigest()
        try:
            return await self._client.evalsha(digest, 1, key, *arguments)
        except NoScriptError:
            return await self._client.eval(script, 1, key, *arguments)

    def _failed(self, error: BaseException, tried: bool) -> None:
        now = asyncio.get_running_loop().time()
        self._unasked += 1
        if self._pause and not tried:
            return  # one of many that failed together
        if not self._pause:
            self._since, self._unasked = now, 1
            self._settings.logger.error(
                "Redis at %s cannot be used (%s: %s); until it can, onFailure '%s' decides",
                self._named,
                type(error).__name__,
                error or "no answer in time",
                self._settings.config.on_failure,
            )
        self._pause = min(max(PAUSE_SECONDS[0], self._pause * 2), PAUSE_SECONDS[1])
        self._again = now + self._pause

    def _came_back(self) -> None:
        seconds = asyncio.get_running_loop().time() - self._since
        self._settings.logger.warning(
            "Redis at %s answers again after %.1f s, in which %d requests could not be counted",
            self._named,
            seconds,
            self._unasked,
        )
        self._pause = 0.0


_SERVERS: dict[tuple[Any, ...], Server] = {}


def shared_server(settings: Settings) -> Server:
    """The one for these settings on this loop; `release` it at the end."""
    key = (asyncio.get_running_loop(), settings)
    server = _SERVERS.get(key)
    if server is None:
        server = _SERVERS[key] = Server(settings)
    server.users += 1
    return server
