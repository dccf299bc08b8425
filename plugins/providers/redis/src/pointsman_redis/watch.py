"""Told when something changes: keyspace notifications, which the server is asked to send (providers.md §4.3)."""

import asyncio
from types import TracebackType
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from pointsman_redis.connections import Unreachable, answered
from pointsman_redis.tree import pattern

SETTLE_SECONDS: Final = 0.1
"""How long nothing may change before it is read: writers change one key after the other."""
LONGEST_SETTLE_SECONDS: Final = 0.5
_OPTION: Final = "notify-keyspace-events"
_NEEDED: Final = "Kg$xe"
"""Keyspace notifications of keys that are deleted or renamed, strings that are set, keys that expire and are evicted."""


class Watch:
    """Notifications of the keys below the root. Used as an async context manager; `begin`, then `changed`."""

    def __init__(self, client: "Redis", db: int, root: str) -> None:
        self._client = client
        self._pattern = f"__keyspace@{db}__:".encode() + pattern(root)
        self._pubsub: Any = client.pubsub()
        self._answered = True
        """Whether anything came since the last question whether somebody is there."""

    async def __aenter__(self) -> "Watch":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._pubsub.aclose()

    async def begin(self) -> None:
        """Subscribe: whatever changes after this, `changed` will tell."""
        await answered(self._pubsub.psubscribe(self._pattern))
        await answered(self._confirmed())

    async def _confirmed(self) -> None:
        while True:
            message = await self._pubsub.get_message(timeout=None)
            if message is not None and message["type"] == "psubscribe":
                return

    async def ask_for_notifications(self) -> str:
        """Have the server send them. Empty, or its words why it does not let itself be asked."""
        try:
            known = await self._switched_on()
            if known is None:
                await answered(self._client.config_set(_OPTION, "KEA"))
            elif missing := [flag for flag in _NEEDED if flag not in known]:
                await answered(self._client.config_set(_OPTION, known + "".join(missing)))
        except ResponseError as error:
            return str(error)
        return ""

    async def _switched_on(self) -> str | None:
        """What it sends already, all flags spelled out; None if it does not say."""
        try:
            answer: dict[Any, Any] = await answered(self._client.config_get(_OPTION))
        except NoPermissionError:
            return None
        value = next(iter(answer.values()), "")
        text = value.decode() if isinstance(value, bytes) else str(value)
        return text.replace("A", "g$lshzxetd")

    async def changed(self, patience: float) -> bool:
        """Whether anything did within so many seconds; if so, it waits until nothing more does for a moment.

        An error of the library when the connection is lost, or nobody is at its other end any more.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        told = 0.0
        while (left := end - loop.time()) > 0:
            message = await answered(self._pubsub.get_message(timeout=left), left)
            if message is None:
                continue
            self._answered = True
            if message["type"] == "pmessage":
                told = told or loop.time()
                end = min(loop.time() + SETTLE_SECONDS, told + LONGEST_SETTLE_SECONDS)
        if not told:
            await self._ping()
        return bool(told)

    async def _ping(self) -> None:
        if not self._answered:
            raise Unreachable("the connection for notifications is dead")
        self._answered = False
        await answered(self._pubsub.ping())
