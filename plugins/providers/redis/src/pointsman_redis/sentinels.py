"""Which server to read, as the Sentinels know it (providers.md §4.2)."""

import asyncio
import random
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from pointsman_redis.config import Place, SentinelConfig, shown
from pointsman_redis.connections import Access, Unreachable, answered

FAILURES: Final = (RedisError, OSError, TimeoutError, ssl.SSLError, ValueError, LookupError)


async def candidates(sentinels: Sequence[Place], access: Access, config: SentinelConfig) -> list[Place]:
    """Whom the strategy allows, as the first Sentinel says that knows. Unreachable, with the reasons, if none does."""
    reasons: list[str] = []
    for place in sentinels:
        client = access.client(place)
        try:
            return await _known(client, config)
        except FAILURES as error:
            reasons.append(f"{shown(place)}: {error}")
        finally:
            await client.aclose()
    raise Unreachable(f"no Sentinel tells where '{config.master_name}' is ({'; '.join(reasons)})")


async def _known(sentinel: "Redis", config: SentinelConfig) -> list[Place]:
    state: Any = await answered(sentinel.sentinel_master(config.master_name))
    master = [] if _down(state) else [_place(state)]
    found = master
    if config.latency_strategy or config.random_strategy or config.replica_strategy:
        known: Sequence[Any] = await answered(sentinel.sentinel_slaves(config.master_name))
        replicas = [state for state in known if not _down(state)]
        usable = [state for state in replicas if not _disconnected(state)]
        if config.use_disconnected_replicas:
            usable = usable or replicas
        places = [_place(state) for state in usable]
        found = (places or master) if config.replica_strategy else [*master, *places]
    if not found:
        raise LookupError("all of them are down")
    return found


def _down(state: Mapping[str, Any]) -> bool:
    return bool(state["is_sdown"] or state["is_odown"])


def _disconnected(state: Mapping[str, Any]) -> bool:
    return bool(state["is_disconnected"]) or state.get("master-link-status", "ok") != "ok"


def _place(state: Mapping[str, Any]) -> Place:
    return str(state["ip"]), int(state["port"])


async def chosen(places: Sequence[Place], access: Access, config: SentinelConfig) -> Place:
    """One of the candidates. Unreachable if nearness counts and none of them answers."""
    if not config.latency_strategy or len(places) == 1:
        return random.choice(places)
    times = await asyncio.gather(*(_seconds(place, access) for place in places))
    seconds, nearest = min(zip(times, places, strict=True))
    if seconds == float("inf"):
        raise Unreachable(f"none of {', '.join(map(shown, places))} answers")
    return nearest


async def _seconds(place: Place, access: Access) -> float:
    """How long an answer takes, without the time to connect; infinite if there is none."""
    client = access.client(place)
    try:
        await answered(client.ping())
        start = time.monotonic()
        await answered(client.ping())
        return time.monotonic() - start
    except FAILURES:
        return float("inf")
    finally:
        await client.aclose()
