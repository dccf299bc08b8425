"""The middleware: ask, judge the answer, and go on or say no.

Whatever goes wrong with the question is a no: 500, or 401 for what is larger than allowed. A call is a request beside the
client's and costs no task, unless a body must be waited for.
"""

from collections.abc import Awaitable
from contextlib import aclosing
from functools import partial
from typing import Any, ClassVar, Final

import re2  # type: ignore[import-untyped]

from pointsman import Body, BuildContext, Handler, Headers, Request, Response, amended, followed
from pointsman.dialect.vouching.address import Address
from pointsman.dialect.vouching.grant import Cookies, Grant
from pointsman.dialect.vouching.names import OF_THE_CONNECTION
from pointsman.dialect.vouching.question import Question
from pointsman.dialect.vouching.silence import Silence
from pointsman.errors import BodyTooLarge, ConfigError, GatewayError, Problem
from pointsman_forwardauth.config import ForwardAuthConfig, header_names

KEPT_AT_MOST: Final = 16 * 1024 * 1024
"""Bytes of a request's body that are kept to be sent twice where `maxBodySize` says nothing."""
READ_AT_MOST: Final = 1024 * 1024
"""Bytes of a yes that are waited for where `maxResponseBodySize` says nothing; nobody looks at them."""


class ForwardAuth:
    name: ClassVar[str] = "forwardAuth"
    Config: ClassVar[type] = ForwardAuthConfig

    def __init__(self, config: ForwardAuthConfig, context: BuildContext) -> None:
        self._silence = Silence(context.logger)
        self._address = Address.of(config.address)
        tls = config.tls.settings("tls", context.logger)
        try:
            self._server = context.server(
                self._address.url, tls=tls, timeout_seconds=config.timeout, span_name="AuthRequest"
            )
        except ValueError as error:
            raise ConfigError(Problem("address", str(error))) from None
        only = header_names("authRequestHeaders", config.auth_request_headers)
        self._question = Question(config.trust_forward_header, only, self._address.authorization)
        listed = header_names("authResponseHeaders", config.auth_response_headers)
        self._grant = Grant(set(listed) - OF_THE_CONNECTION, _pattern(config.auth_response_headers_regex))
        self._cookies = Cookies(config.add_auth_cookies_to_response)
        self._user_field = header_names("headerField", [config.header_field])[0] if config.header_field else b""
        self._method = b"" if config.preserve_request_method else b"GET"
        self._with_body = config.forward_body
        self._body_limit = KEPT_AT_MOST if config.max_body_size < 0 else config.max_body_size
        self._answer_limit = config.max_response_body_size
        self._keep_location = config.preserve_location_header
        self._signin = _location(config.auth_signin_url)
        """Since the log heard of them last."""
        _warn(config, set(listed) & OF_THE_CONNECTION, context)

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        body = request.body
        if self._with_body and not (body.ended and body.length == 0):
            return self._keep_and_ask(request, call_next)
        return self._ask(request, None, call_next)

    # the question

    async def _keep_and_ask(self, request: Request, call_next: Handler) -> Response:
        body = request.body
        try:
            content = await body.read(self._body_limit)
        except BodyTooLarge:
            request.exchange.refuse("Authentication failed")
            return Response(401)
        request.body = _again(body, content)
        return await self._ask(request, _again(body, content), call_next)

    def _ask(self, request: Request, body: Body | None, call_next: Handler) -> Awaitable[Response]:
        method = self._method or request.method
        asked = request.beside(method, self._address.target, self._question.headers(request), body)
        asked.append_forwarded_for = False
        failed = partial(self._silence.answer, request)
        return followed(self._server, asked, lambda answer: self._hear(request, answer, call_next), failed)

    # the answer

    def _hear(self, request: Request, answer: Response, call_next: Handler) -> Awaitable[Response]:
        """Wait for what must be known of its body, and judge."""
        if self._user_field and (user := answer.headers.get(self._user_field)) is not None:
            request.exchange.user = user
        limit, content = self._answer_limit, answer.content
        if content is not None:
            if 0 <= limit < len(content):
                request.exchange.refuse("Authentication failed")
                return Response(401)
        elif limit >= 0:
            return self._read_and_judge(request, answer, call_next, limit)
        elif 200 <= answer.status < 300 and not answer.body.ended:
            return self._wait_and_judge(request, answer, call_next)
        return self._judge(request, answer, call_next)

    async def _read_and_judge(self, request: Request, answer: Response, call_next: Handler, limit: int) -> Response:
        body = answer.body
        try:
            answer.body = Body.of(await body.read(limit))
        except BodyTooLarge:
            body.abandon()
            request.exchange.refuse("Authentication failed")
            return Response(401)
        except GatewayError as error:
            return self._silence.answer(request, error)
        return await self._judge(request, answer, call_next)

    async def _wait_and_judge(self, request: Request, answer: Response, call_next: Handler) -> Response:
        """A yes that breaks off is none."""
        size = 0
        try:
            async with aclosing(aiter(answer.body)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    size += len(chunk)
                    if size > READ_AT_MOST:
                        answer.body.abandon()
                        break
        except GatewayError as error:
            return self._silence.answer(request, error)
        return await self._judge(request, answer, call_next)

    def _judge(self, request: Request, answer: Response, call_next: Handler) -> Awaitable[Response]:
        if 200 <= answer.status < 300:
            self._grant.apply(request, answer.headers)
            edit = self._cookies.edit(answer.headers)
            return call_next(request) if edit is None else amended(call_next, request, edit)
        request.exchange.refuse("The authentication server said no")
        if answer.status == 401 and self._signin:
            answer.body.discard(READ_AT_MOST)
            return Response(302, [(b"location", self._signin)])
        location = answer.headers.get(b"location")
        if location and not self._keep_location:
            try:
                answer.headers.set(b"location", self._address.resolved(location))
            except ValueError:
                answer.abandon()
                return self._silence.answer(request, GatewayError(502, "its Location is no URL"))
        return answer


def _again(body: Body, content: bytes) -> Body:
    """A body that has been read, framed as it came."""
    again = Body.of(content)
    again.length = body.length
    again.trailers = body.trailers
    return again


def _location(url: str) -> bytes:
    """The value of a Location header, as it is written. ConfigError if it can be none."""
    value = url.strip().encode()
    try:
        Headers().add(b"location", value)
    except ValueError:
        raise ConfigError(Problem("authSigninURL", "this is no URL: it holds a line break")) from None
    return value


def _pattern(text: str) -> Any:
    if not text:
        return None
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise ConfigError(Problem("authResponseHeadersRegex", f"'{text}' is not an expression: {reason}")) from None


def _warn(config: ForwardAuthConfig, useless: set[bytes], context: BuildContext) -> None:
    if config.trust_forward_header is None:
        context.logger.warning(
            "forwardAuth.trustForwardHeader is not set, which lets some X-Forwarded headers through to the authentication "
            "server; set it to false, or to true if every client is a proxy of yours"
        )
    if config.forward_body and config.max_body_size < 0:
        context.logger.warning("forwardAuth.maxBodySize is not set; bodies of more than %d bytes are refused", KEPT_AT_MOST)
    for name in sorted(useless):
        context.logger.warning(
            "forwardAuth.authResponseHeaders: %s has no effect: it is about the connection, not the request", name.decode()
        )
