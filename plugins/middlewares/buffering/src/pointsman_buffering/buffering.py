"""The middleware: the request whole, then the attempts, then the answer whole."""

import asyncio
from collections.abc import Awaitable
from typing import ClassVar

from attrs import field, frozen
from attrs.validators import ge

from pointsman import Body, BuildContext, Handler, Request, Response, followed
from pointsman.dialect.expressions import Expression, ExpressionError, compile_expression
from pointsman.errors import BodyTooLarge, ConfigError, GatewayError, Problem
from pointsman_buffering.again import FUNCTIONS, MAX_REPLAYS, Outcome
from pointsman_buffering.spool import NoRoom, Spool

MEMORY = 1024 * 1024
QUIET_SECONDS = 60.0
"""How long a full disk is not told of again."""


@frozen
class BufferingConfig:
    """Sizes in bytes. 0 is no limit; for what is kept in memory it is the default."""

    max_request_body_bytes: int = field(default=0, validator=ge(0))
    mem_request_body_bytes: int = field(default=MEMORY, validator=ge(0))
    max_response_body_bytes: int = field(default=0, validator=ge(0))
    mem_response_body_bytes: int = field(default=MEMORY, validator=ge(0))
    retry_expression: str = ""
    disable_request_buffer: bool = False
    disable_response_buffer: bool = False


class AnswerTooLarge(GatewayError):
    """The body of an answer exceeds its limit: 500, and another attempt would not help."""

    def __init__(self, limit: int) -> None:
        super().__init__(500, f"the answer's body is larger than {limit} bytes", side="internal")


class Buffering:
    name: ClassVar[str] = "buffering"
    span_name: ClassVar[str] = "Buffer"
    Config: ClassVar[type] = BufferingConfig
    allow_empty: ClassVar[bool] = True

    def __init__(self, config: BufferingConfig, context: BuildContext) -> None:
        self._request_limit = config.max_request_body_bytes
        self._request_memory = config.mem_request_body_bytes or MEMORY
        self._response_limit = config.max_response_body_bytes
        self._response_memory = config.mem_response_body_bytes or MEMORY
        self._keeps_requests = not config.disable_request_buffer
        self._keeps_answers = not config.disable_response_buffer
        self._again = _expression(config.retry_expression)
        self._logger = context.logger
        self._quiet_until = 0.0

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        has_body = _has_body(request)
        again = self._again is not None and (self._keeps_requests or not has_body)
        if self._keeps_answers or again:
            request.exchange.tentative += 1  # an answer that comes whole, or may be given up, is not announced by 1xx
        if again or (has_body and self._keeps_requests):
            return self._exchange(request, call_next)
        return followed(call_next, request, lambda response: self._whole(request, response))

    async def _exchange(self, request: Request, call_next: Handler) -> Response:
        kept = await self._kept(request) if _has_body(request) else None
        mark = request.mark()
        for attempts in range(1, MAX_REPLAYS + 2):
            if kept is not None:
                request.body = kept.body()
            elif request.body.attached:  # an empty one, but somebody's own
                request.body = Body.of(b"")
            try:
                response = await call_next(request)
                if not self._goes_again(request, attempts, response.status):
                    return await self._whole(request, response)
                response.abandon()
            except GatewayError as error:
                if isinstance(error, AnswerTooLarge | NoRoom) or error.side == "client":
                    raise
                if not self._goes_again(request, attempts, error.status):
                    raise
            request.rewind(mark)
        raise AssertionError("the last attempt is not made again")

    def _goes_again(self, request: Request, attempts: int, status: int) -> bool:
        """Whether the user wants another attempt, and the service bears one."""
        if self._again is None or attempts > MAX_REPLAYS:
            return False
        outcome = Outcome(attempts, status, request.method.decode("latin-1"))
        return self._again.holds(outcome) and request.exchange.retry()

    async def _kept(self, request: Request) -> Spool:
        """The request's body. BodyTooLarge at once if it says that it is, without asking the client for it."""
        limit, body = self._request_limit, request.body
        if limit and body.length is not None and body.length > limit:
            raise BodyTooLarge(limit)
        return await self._read(request, body, self._request_memory, limit, BodyTooLarge)

    def _whole(self, request: Request, response: Response) -> Awaitable[Response]:
        """The answer with its whole body; itself, if that is here or there is none."""
        limit = self._response_limit
        if response.tunnel is not None or not self._keeps_answers:
            return response
        length = len(response.content) if response.content is not None else response.body.length
        if limit and length is not None and length > limit:
            response.abandon()
            raise AnswerTooLarge(limit)
        return response if response.content is not None else self._collected(request, response)

    async def _collected(self, request: Request, response: Response) -> Response:
        body = response.body
        spool = await self._read(request, body, self._response_memory, self._response_limit, AnswerTooLarge)
        response.body = spool.body()
        return response

    async def _read(
        self, request: Request, body: Body, memory: int, limit: int, too_large: type[BodyTooLarge] | type[AnswerTooLarge]
    ) -> Spool:
        """All of a body, which is kept until the exchange is over or goes back behind this point."""
        spool = Spool(memory)
        request.on_done(spool.close)
        try:
            async for chunk in body:
                if limit and spool.size + len(chunk) > limit:
                    body.abandon()
                    raise too_large(limit)
                await spool.add(chunk)
            await spool.end(body.trailers)
        except NoRoom as error:
            body.abandon()
            self._complain(error)
            raise
        return spool

    def _complain(self, error: NoRoom) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_SECONDS
            self._logger.error("%s; make room, point TMPDIR at another disk, or set limits", error)


def _has_body(request: Request) -> bool:
    """Whether something may come; an upgrade's connection is no body."""
    return request.body.length != 0 and not request.upgrade


def _expression(text: str) -> Expression[Outcome] | None:
    if not text:
        return None
    try:
        return compile_expression(text, FUNCTIONS)
    except ExpressionError as error:
        raise ConfigError(Problem("retryExpression", str(error))) from None
