"""The provider: read everything, say it, wait until something changes, read everything again.

What fails is raised, and the kernel begins anew with all there is to do: find the server, have it send notifications, read.
Notifications are no proof (FLUSHALL sends none, somebody may switch them off), so there is a slow look besides.
"""

import asyncio
import time
from typing import ClassVar, Final

from redis.asyncio import Redis

from pointsman import ProviderContext, Publish
from pointsman.errors import ConfigError
from pointsman_redis.config import PATH, Place, RedisConfig, checked, shown
from pointsman_redis.connections import Access, Unreachable, answered
from pointsman_redis.sentinels import FAILURES, candidates, chosen
from pointsman_redis.tree import read_tree
from pointsman_redis.watch import Watch

RESYNC_SECONDS: Final = 10.0
"""How often to look without being told; longer where looking takes long."""
_RESYNC_SHARE: Final = 50
_LARGE: Final = 2000
"""Keys above which the document is made in a thread."""


class RedisProvider:
    """Keys of Redis"""

    name: ClassVar[str] = "redis"
    Config: ClassVar[type] = RedisConfig

    def __init__(self, config: RedisConfig, context: ProviderContext) -> None:
        self._endpoints, self._root = checked(config)
        self._config = config
        self._context = context
        self._access()
        self._complained = False
        """Whether it was said that the server does not let itself be asked for notifications."""

    def __repr__(self) -> str:
        return f"<RedisProvider {', '.join(map(shown, self._endpoints))} {self._root}>"

    def _access(self, *, to_sentinels: bool = False) -> Access:
        """ConfigError for certificates that cannot be used; they are read anew each time."""
        config = self._config
        tls = config.tls.settings(f"{PATH}.tls").context() if config.tls is not None else None
        if to_sentinels and config.sentinel is not None:
            return Access(config.sentinel.username, config.sentinel.password, tls)
        return Access(config.username, config.password, tls, config.db)

    async def provide(self, publish: Publish) -> None:
        while True:
            access = self._access()
            place = await self._place(access)
            client = access.client(place)
            try:
                await answered(client.ping())  # a wrong password is no matter of notifications
                await self._follow(client, place, publish)
            except Unreachable as error:
                raise Unreachable(f"{shown(place)}: {error}") from None
            finally:
                await client.aclose()

    async def _place(self, access: Access) -> Place:
        sentinel = self._config.sentinel
        if sentinel is None:
            return self._endpoints[0]
        return await chosen(await self._candidates(), access, sentinel)

    async def _candidates(self) -> list[Place]:
        assert self._config.sentinel is not None
        return await candidates(self._endpoints, self._access(to_sentinels=True), self._config.sentinel)

    async def _follow(self, client: "Redis", place: Place, publish: Publish) -> None:
        """Say what there is and what becomes of it, until another server is to be read."""
        async with Watch(client, self._config.db, self._root) as watch:
            await self._ask_for_notifications(watch)
            await watch.begin()
            known: dict[str, str] | None = None
            while True:
                start = time.monotonic()
                known = await self._look(client, known, publish)
                patience = max(RESYNC_SECONDS, _RESYNC_SHARE * (time.monotonic() - start))
                if not await watch.changed(patience):
                    if not await self._is_still_right(place):
                        return
                    await self._ask_for_notifications(watch)

    async def _look(self, client: "Redis", known: dict[str, str] | None, publish: Publish) -> dict[str, str] | None:
        """Read everything, and publish it if it is not what is known. What cannot be used only changes the problems."""
        try:
            pairs = await read_tree(client, self._root)
            if pairs == known:
                return known
            from_keys = self._context.from_keys
            document = await asyncio.to_thread(from_keys, pairs) if len(pairs) > _LARGE else from_keys(pairs)
        except ConfigError as error:
            publish({}, error.problems)
            return None
        document.setdefault("http", {}).setdefault("routers", {})  # a document without any section would clear nothing
        publish(document)
        return pairs

    async def _ask_for_notifications(self, watch: Watch) -> None:
        refused = await watch.ask_for_notifications()
        if refused and not self._complained:
            self._complained = True
            self._context.logger.warning(
                "Redis does not let notify-keyspace-events be set (%s); unless it is set there to 'KEA', changes are seen "
                "every %.0f s only",
                refused,
                RESYNC_SECONDS,
            )

    async def _is_still_right(self, place: Place) -> bool:
        """Whether the Sentinels still name this server. While none answers, they have said nothing else."""
        if self._config.sentinel is None:
            return True
        try:
            return place in await self._candidates()
        except FAILURES:
            return True
