"""Connections to a Redis or a Sentinel: when they give up, how much an answer may hold, TLS.

Nothing is tried again in here: a connection that fails says so, and the kernel begins anew.
"""

import asyncio
import ssl
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

from attrs import frozen
from redis._parsers.resp2 import _AsyncRESP2Parser
from redis.asyncio import ConnectionPool, Redis, SSLConnection
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse

from pointsman_redis.config import Place

ANSWER_SECONDS: Final = 5.0
"""How long an answer, or making a connection, may take."""
T = TypeVar("T")
MOST_BYTES: Final = 64 * 1024 * 1024
"""What one answer may hold, and all keys and values together."""


class Unreachable(RedisConnectionError):
    """Why Redis cannot be asked."""


async def answered(command: Awaitable[T], seconds: float = 0.0) -> T:
    """What a command gives. Unreachable if that takes longer than is sane, beside the seconds that it may wait.

    The library's own limit uses `asyncio.wait_for`, which before Python 3.12 forgets a cancellation that comes just when the
    command is done: the gateway would wait for ever at its end.
    """
    limit = ANSWER_SECONDS + seconds
    try:
        async with asyncio.timeout(limit):
            return await command
    except TimeoutError:
        raise Unreachable(f"Redis has not answered within {limit:g} s") from None


class _Parser(_AsyncRESP2Parser):
    """Refuses to read more than is sane: what the length of a string says is memory, as soon as the bytes come."""

    async def _read(self, length: int) -> bytes:
        if not 0 <= length <= MOST_BYTES - self._pos:
            raise InvalidResponse(f"an answer of more than {MOST_BYTES >> 20} MiB")
        return await super()._read(length)


class _Tls(SSLConnection):
    """A connection with a TLS context that is there already."""

    def __init__(self, *, tls_context: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context.context = tls_context


@frozen
class Access:
    """How to reach servers of one kind, wherever they are."""

    username: str
    password: str
    tls: ssl.SSLContext | None
    db: int = 0

    def client(self, place: Place) -> Redis:
        """A client with connections of its own, made when needed; `aclose` closes them."""
        host, port = place
        options: dict[str, Any] = {
            "username": self.username or None,
            "password": self.password or None,
            "db": self.db,
            "protocol": 2,
            "parser_class": _Parser,
            "socket_timeout": None,  # see `answered`
            "socket_connect_timeout": ANSWER_SECONDS,
            "socket_keepalive": True,
            "retry": Retry(NoBackoff(), 0),
        }
        if self.tls is not None:
            options["tls_context"] = self.tls
        return Redis.from_pool(ConnectionPool(Connection if self.tls is None else _Tls, host=host, port=port, **options))
