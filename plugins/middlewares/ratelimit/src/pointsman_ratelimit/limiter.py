"""The middleware (middlewares.md §3.17)."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import ClassVar

from pointsman import BuildContext, Handler, Request, Response, amended
from pointsman.dialect.sources import remote_address, source
from pointsman_ratelimit.bucket import WAITING, Bucket, Limit
from pointsman_ratelimit.config import RateLimitConfig
from pointsman_ratelimit.waiting import Waiting
from pointsman_ratelimit.words import refusal, standing

NO_BUCKET = "Could not insert/update bucket\n"


class RateLimit:
    """Limits each source. What cannot be counted in Redis is decided by `onFailure`."""

    name: ClassVar[str] = "rateLimit"
    span_name: ClassVar[str] = "RateLimiter"
    Config: ClassVar[type] = RateLimitConfig

    def __init__(self, config: RateLimitConfig, context: BuildContext) -> None:
        self._source = source(config.source_criterion, remote_address)
        self._limit = Limit.of(config)
        self._tells = config.rate_limit_headers
        self._redis = None
        if config.redis is not None:
            from pointsman_ratelimit.redis_buckets import RedisBuckets  # a library that is not always there

            self._on_failure = config.redis.on_failure
            self._redis = RedisBuckets(config.redis, context)
            if (
                self._limit is not None
            ):  # whoever has nothing to open is not asked to: there may be one for each of many routers
                self.start, self.aclose = self._open, self._redis.close
        if self._limit is not None:
            self._shared = context.shared
            self._bucket = Bucket(self._limit)

    async def _open(self) -> None:
        assert self._redis is not None
        self._redis.open()

    def bind(self, call_next: Handler) -> Handler:
        if self._limit is None:
            return call_next
        decide = self._here if self._redis is None else self._there
        return lambda request: decide(request, call_next)

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        return self.bind(call_next)(request)

    def _here(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        """By what all workers share."""
        bucket = self._bucket
        self._shared.update(self._source(request), bucket.take, bucket.limit.seconds)
        if bucket.refused:
            return self._refusal(request, bucket.wait, bucket.left)
        go_on = call_next
        if bucket.wait:
            waiting = Waiting(bucket, request, call_next)
            go_on = lambda _: waiting  # noqa: E731
        return amended(go_on, request, partial(self._tell, left=bucket.left)) if self._tells else go_on(request)

    async def _there(self, request: Request, call_next: Handler) -> Response:
        """By what all gateways share."""
        assert self._redis is not None
        assert self._limit is not None
        taken = await self._redis.take(self._source(request), self._limit)
        if taken is None:
            if self._on_failure == "deny":
                request.exchange.refuse("Requests cannot be counted")
                return Response.text(500, NO_BUCKET)
            return await (self._here(request, call_next) if self._on_failure == "local" else call_next(request))
        wait, left = taken
        if wait > self._limit.max_delay or (wait and self._bucket.waiting >= WAITING):
            return self._refusal(request, wait, left)
        if wait:
            await self._sleep(wait)
        if self._tells:
            return await amended(call_next, request, partial(self._tell, left=left))
        return await call_next(request)

    async def _sleep(self, seconds: float) -> None:
        self._bucket.waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._bucket.waiting -= 1

    def _refusal(self, request: Request, wait: float, left: float) -> Response:
        request.exchange.refuse("Too many requests")
        answer = refusal(wait)
        if self._tells:
            self._tell(answer, left)
        return answer

    def _tell(self, response: Response, left: float) -> None:
        """Say what is left, in place of what others say."""
        assert self._limit is not None
        for name, value in standing(self._limit.burst, left, self._limit.rate):
            response.headers.set(name, value)
