"""Buckets in Redis, for all gateways that use it: one script, run by the server in one piece (middlewares.md §3.17, 9).

A bucket is the hash `rate:<middleware>@<provider>:<source>` with the fields `last` (µs) and `tokens`, gone after some time
without a request. Time is the server's own: those of several gateways differ.
"""

import math
from hashlib import blake2b
from typing import Any, Final

from pointsman import BuildContext
from pointsman.errors import ConfigError, Problem
from pointsman_ratelimit.bucket import SHORTEST, Limit
from pointsman_ratelimit.config import RedisConfig

LONG_SOURCE: Final = 256
LONGEST_SECONDS: Final = 10**9
"""No bucket is kept longer without a request: Redis refuses what does not fit into its clock."""
SCRIPT: Final = """
local rate, burst, ttl, max_delay = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local bucket = redis.call('HMGET', KEYS[1], 'last', 'tokens')
local last, tokens = tonumber(bucket[1]), tonumber(bucket[2])
if last == nil or tokens == nil then
  tokens = burst
elseif now > last then
  tokens = math.min(burst, tokens + (now - last) * rate)
end
local delay = 0
if tokens < 1 then
  delay = (1 - tokens) / rate
end
if delay <= max_delay then
  tokens = tokens - 1
end
redis.call('HSET', KEYS[1], 'last', string.format('%.0f', now), 'tokens', string.format('%.17g', tokens))
redis.call('EXPIRE', KEYS[1], ttl)
return {string.format('%.17g', delay), string.format('%.17g', tokens)}
"""


class RedisBuckets:
    """The buckets of one middleware name."""

    def __init__(self, config: RedisConfig, context: BuildContext) -> None:
        try:
            from pointsman_ratelimit.redis_server import settings_of
        except ImportError as error:
            message = f"needs the library redis ({error}); pip install 'pointsman-ratelimit[redis]'"
            raise ConfigError(Problem("redis", message)) from None
        self._settings = settings_of(config, context.logger)
        self._prefix = f"rate:{context.name}:".encode()
        self._server: Any = None

    def open(self) -> None:
        """Use the connections of this worker to that Redis; they are made when they are needed."""
        from pointsman_ratelimit.redis_server import shared_server

        self._server = shared_server(self._settings)

    async def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.release()

    async def take(self, source: bytes, limit: Limit) -> tuple[float, float] | None:
        """Seconds until the token is there, and what is left; None if Redis does not answer."""
        if len(source) > LONG_SOURCE:
            source = blake2b(source, digest_size=32).hexdigest().encode()
        ttl = min(int(limit.seconds) + 1, LONGEST_SECONDS)
        arguments = (repr(limit.rate / 1e6), limit.burst, ttl, repr(limit.max_delay * 1e6))
        if self._server is None:
            return None
        found: tuple[float, float] | None = await self._server.run(SCRIPT, self._prefix + source, arguments, _numbers)
        if found is None:
            return None
        delay, left = found
        return (delay / 1e6 if delay >= SHORTEST * 1e6 else 0.0), left


def _numbers(answer: Any) -> tuple[float, float]:
    """What the script says. ValueError or TypeError for what it would never say."""
    delay, left = map(float, answer)
    if not (0 <= delay < math.inf and math.isfinite(left)):
        raise ValueError(f"a delay of {delay:g} µs, {left:g} tokens")
    return delay, left
