"""One session with an ensemble, for asyncio: questions are futures, watches and states arrive on the loop.

A session that is interrupted is given up: watches are lost with the connection, so everything has to be read again anyway.
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final

from kazoo.client import KazooClient  # type: ignore[import-untyped]
from kazoo.exceptions import ConnectionClosedError, ConnectionLoss, SessionExpiredError  # type: ignore[import-untyped]
from kazoo.protocol.states import EventType, KazooState, KeeperState  # type: ignore[import-untyped]

from pointsman_zookeeper.threads import SILENT, Handler, in_background

CONNECT_SECONDS: Final = 5.0
SESSION_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 2.0
SETTLE_SECONDS: Final = 0.1
"""How long nothing may change before it is read: writers change one node after the other."""
LONGEST_SETTLE_SECONDS: Final = 0.5
_LOST: Final = (ConnectionLoss, ConnectionClosedError, SessionExpiredError)


class Unreachable(ConnectionError):
    """Why there is no session, or no longer."""


class Session:
    """Connected as long as its context lasts. Unreachable when it cannot be made or is lost."""

    def __init__(self, hosts: Sequence[str], username: str, password: str) -> None:
        self._hosts = ",".join(hosts)
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._state: Any = None
        self._told = self._tell  # one object: the client keeps each watcher of a node once
        self._client = KazooClient(
            hosts=self._hosts,
            timeout=SESSION_SECONDS,
            handler=Handler(),
            auth_data=[("digest", f"{username}:{password}")] if username else None,
            connection_retry={"max_tries": -1, "delay": 0.1, "backoff": 2, "max_delay": 1.0},
            logger=SILENT,
        )
        self._client.add_listener(self._on_state)

    async def __aenter__(self) -> "Session":
        try:
            self._client.start_async()
            async with asyncio.timeout(CONNECT_SECONDS):
                while self._state != KazooState.CONNECTED:
                    self._check()
                    await self._news.wait()
                    self._news.clear()
        except TimeoutError:
            await self._close()
            raise Unreachable(f"none of {self._hosts} has answered within {CONNECT_SECONDS:.0f} s") from None
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        def close() -> None:
            self._client.stop()
            self._client.close()

        self._client.remove_listener(self._on_state)
        await in_background(close, CLOSE_SECONDS)

    # called in kazoo's threads

    def _on_state(self, state: Any) -> None:
        self._soon(self._enter, state)

    def _tell(self, event: Any) -> None:
        if event.type != EventType.NONE:
            self._soon(self._news.set)

    def _soon(self, function: Any, *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    # on the loop

    def _enter(self, state: Any) -> None:
        self._state = state
        self._news.set()

    def _check(self) -> None:
        if self._client.client_state == KeeperState.AUTH_FAILED:
            raise Unreachable(f"{self._hosts} does not accept name and password")
        if self._state in (KazooState.SUSPENDED, KazooState.LOST):
            raise self._lost()

    def _lost(self) -> Unreachable:
        return Unreachable(f"the connection to {self._hosts} is lost")

    def exists(self, path: str) -> "asyncio.Future[Any]":
        """The node's stat, or None. Watched; so are those below."""
        return self._answer(self._client.exists_async(path, watch=self._told))

    def get(self, path: str) -> "asyncio.Future[Any]":
        """Value and stat."""
        return self._answer(self._client.get_async(path, watch=self._told))

    def children(self, path: str) -> "asyncio.Future[Any]":
        """Their names."""
        return self._answer(self._client.get_children_async(path, watch=self._told))

    def _answer(self, result: Any) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._loop.create_future()

        def settle() -> None:
            if not future.done():
                if result.successful():
                    future.set_result(result.value)
                else:
                    future.set_exception(self._lost() if isinstance(result.exception, _LOST) else result.exception)

        result.rawlink(lambda _: self._soon(settle))
        return future

    async def changed(self, patience: float) -> bool:
        """Whether anything did within so many seconds; if so, it waits until nothing more does for a moment."""
        end = self._loop.time() + patience
        told = 0.0
        while True:
            self._check()
            try:
                async with asyncio.timeout_at(end):
                    await self._news.wait()
            except TimeoutError:
                return bool(told)
            self._news.clear()
            told = told or self._loop.time()
            end = min(self._loop.time() + SETTLE_SECONDS, told + LONGEST_SETTLE_SECONDS)
