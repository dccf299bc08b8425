"""All keys below the root and their values, within limits (providers.md §4.3)."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from pointsman.errors import ConfigError, Problem
from pointsman_redis.config import PATH
from pointsman_redis.connections import MOST_BYTES, answered

SECTIONS: Final = {b"http", b"tcp", b"udp", b"tls"}
MOST_KEYS: Final = 100_000
LISTING_SECONDS: Final = 60.0
_SCANNED: Final = 1000
_READ: Final = 100


def pattern(root: str) -> bytes:
    """What matches the keys below the root and no others, in Redis' own kind of patterns."""
    return b"".join(b"\\%c" % byte if byte in b"*?[]\\^-" else b"%c" % byte for byte in root.encode()) + b"/*"


async def read_tree(client: "Redis", root: str) -> dict[str, str]:
    """Values by key, without the root. Only strings that are not empty count (P-70), in sections that mean something.

    ConfigError for what cannot be used, TimeoutError when it takes longer than a minute.
    """
    async with asyncio.timeout(LISTING_SECONDS):
        keys = await _keys(client, root)
        pairs: dict[str, str] = {}
        left = MOST_BYTES
        for start in range(0, len(keys), _READ):
            part = keys[start : start + _READ]
            left -= sum(map(len, part))
            strings = await _strings(client, part, left)
            values: Sequence[Any] = await answered(client.mget(strings)) if strings else []
            for key, value in zip(strings, values, strict=True):
                if value:
                    left -= len(value)
                    shown = key.decode("utf-8", "backslashreplace")
                    name = _text(key, shown, "is no key in UTF-8")
                    pairs[name[len(root) + 1 :]] = _text(value, shown, "does not hold text in UTF-8")
            if left < 0:
                raise _too_much()
        return pairs


async def _keys(client: "Redis", root: str) -> list[bytes]:
    found: set[bytes] = set()
    skip = len(root.encode()) + 1
    match, cursor = pattern(root), 0
    while True:
        answer: tuple[int, Any] = await answered(client.scan(cursor, match=match, count=_SCANNED))
        cursor, keys = answer
        found.update(key for key in keys if key[skip:].partition(b"/")[0].lower() in SECTIONS)
        if len(found) > MOST_KEYS:
            raise ConfigError(Problem(f"{PATH}.rootKey", f"there are more than {MOST_KEYS} keys below '{root}'"))
        if not cursor:
            return sorted(found)


async def _strings(client: "Redis", keys: list[bytes], left: int) -> list[bytes]:
    """Those that hold a string. Asked before they are read, so that a huge one is not even sent."""
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.strlen(key)
    strings: list[bytes] = []
    answers: list[Any] = await answered(pipeline.execute(raise_on_error=False))
    for key, length in zip(keys, answers, strict=True):
        if isinstance(length, int):
            left -= length
        elif isinstance(length, ResponseError) and str(length).startswith("WRONGTYPE"):
            continue
        elif not isinstance(length, NoPermissionError):
            raise length
        strings.append(key)
    if left < 0:
        raise _too_much()
    return strings


def _too_much() -> ConfigError:
    return ConfigError(Problem(f"{PATH}.rootKey", f"keys and values hold more than {MOST_BYTES >> 20} MiB"))


def _text(content: bytes, where: str, demand: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ConfigError(Problem(where, demand)) from None
