"""The provider: read everything, say it, wait until something changes, read everything again.

What fails is raised, and the kernel begins anew with a new session. Each reading watches all nodes anew; the slow look
besides costs little and trusts nobody.
"""

import asyncio
import time
from typing import ClassVar, Final

from pointsman import ProviderContext, Publish
from pointsman.errors import ConfigError
from pointsman_zookeeper.config import ZooKeeperConfig, checked
from pointsman_zookeeper.session import Session
from pointsman_zookeeper.tree import read_tree

RESYNC_SECONDS: Final = 30.0
"""How often to look without being told; longer where looking takes long."""
_RESYNC_SHARE: Final = 50
_LARGE: Final = 2000
"""Keys above which the document is made in a thread."""


class ZooKeeperProvider:
    """Nodes of ZooKeeper"""

    name: ClassVar[str] = "zooKeeper"
    Config: ClassVar[type] = ZooKeeperConfig

    def __init__(self, config: ZooKeeperConfig, context: ProviderContext) -> None:
        self._hosts, self._root = checked(config)
        self._config = config
        self._context = context

    def __repr__(self) -> str:
        return f"<ZooKeeperProvider {', '.join(self._hosts)} {self._root}>"

    async def provide(self, publish: Publish) -> None:
        async with Session(self._hosts, self._config.username, self._config.password) as session:
            known: dict[str, str] | None = None
            while True:
                start = time.monotonic()
                known = await self._look(session, known, publish)
                await session.changed(max(RESYNC_SECONDS, _RESYNC_SHARE * (time.monotonic() - start)))

    async def _look(self, session: Session, known: dict[str, str] | None, publish: Publish) -> dict[str, str] | None:
        """Read everything, and publish it if it is not what is known. What cannot be used only changes the problems."""
        try:
            pairs = await read_tree(session, self._root)
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
