"""External authentication, as `auth-url` has it: somebody is asked, 2xx goes on, everything else is the answer.

Whatever goes wrong with the question is a no: 500. What the client says of itself by the names that authentication servers
of ingress-nginx believe is never passed on.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from pointsman import BuildContext, Headers, Request, Response, followed
from pointsman.dialect.header_names import HeaderNames
from pointsman.dialect.redirection import scheme_of, target_of
from pointsman.dialect.urls import visible
from pointsman.dialect.variables import Scope, Text
from pointsman.dialect.vouching.address import Address
from pointsman.dialect.vouching.grant import Grant
from pointsman.dialect.vouching.names import OF_THE_CONNECTION
from pointsman.dialect.vouching.question import Question
from pointsman.dialect.vouching.silence import Silence
from pointsman.errors import ConfigError, GatewayError, Problem
from pointsman_nginx.config import SnippetAuthConfig
from pointsman_nginx.levels import Effective
from pointsman_nginx.locations import redirection
from pointsman_nginx.requests import METHOD, header_name, set_method

READ_AT_MOST: Final = 64 * 1024
"""Bytes of an answer that nobody will see which are let come, so that its connection can be used again."""
_OURS: Final = ("X-Original-Url", "X-Original-Method", "X-Auth-Request-Redirect")
_SIGN_IN_BACK: Final = "rd"

Go = Callable[[Response], Awaitable[Response]]
"""What becomes of the request after a yes."""


class Auth:
    """Asks, for one middleware."""

    def __init__(self, config: SnippetAuthConfig, custom: frozenset[str], context: BuildContext) -> None:
        if not config.address:
            raise ConfigError(Problem("auth.address", "address is required in auth configuration"))
        self._silence = Silence(context.logger)
        origin, self._target = _taken_apart(config.address, custom)
        self._address = Address.of(origin)
        tls = config.tls.settings("auth.tls", context.logger)
        try:
            self._server = context.server(
                self._address.url, tls=tls, timeout_seconds=config.timeout, span_name="AuthRequest"
            )
        except ValueError as error:
            raise ConfigError(Problem("auth.address", str(error))) from None
        self._method = (config.method or "GET").strip().upper().encode()
        if not METHOD.fullmatch(self._method):
            raise ConfigError(Problem("auth.method", f"'{config.method}' is no method"))
        self._question = Question(None, (), self._address.authorization)
        self._ours = HeaderNames(_OURS)
        self._grant = Grant(_names(config.auth_response_headers) - OF_THE_CONNECTION)
        self._signin = Text(_with_way_back(config.auth_signin_url), custom) if config.auth_signin_url else None
        """Since the log heard of them last."""

    def ask(self, request: Request, scope: Scope, said: Effective, go: Go) -> Awaitable[Response]:
        """`said` are the directives for the question itself."""
        headers = self._question.headers(request)
        self._ours.remove_from(headers)
        self._tell(headers, request)
        target = self._target(scope)
        asked = request.beside(self._method, visible(target.partition(b"#")[0]) or b"/", headers)
        asked.append_forwarded_for = False
        for edit in (*said.input, *said.told):
            edit(asked, scope)
        if said.method is not None:
            set_method(asked, said.method(scope))
        return followed(
            self._server, asked, partial(self._judge, request, scope, go), partial(self._silence.answer, request)
        )

    def _tell(self, headers: Headers, request: Request) -> None:
        port = headers.get(b"x-forwarded-port")
        if not port:
            headers.set(b"x-forwarded-port", b"443" if scheme_of(request) == b"https" else b"80")
        if b"x-real-ip" not in headers:
            headers.add(b"x-real-ip", request.client.host.encode())
        there = target_of(request)
        headers.add(b"x-original-url", scheme_of(request) + b"://" + request.authority + there)
        headers.add(b"x-original-method", request.method)
        headers.add(b"x-auth-request-redirect", there)

    def _judge(self, request: Request, scope: Scope, go: Go, answer: Response) -> Awaitable[Response]:
        if 200 <= answer.status < 300:
            try:
                self._grant.apply(request, answer.headers)
            except ValueError as error:
                answer.abandon()
                return self._silence.answer(request, GatewayError(502, str(error)))
            answer.body.discard(READ_AT_MOST)
            scope.upstream = answer.headers
            return go(answer)
        request.exchange.refuse("The authentication server said no")
        if answer.status == 401 and self._signin is not None:
            answer.body.discard(READ_AT_MOST)
            return redirection(302, self._signin(scope))
        location = answer.headers.get(b"location")
        if location:
            try:
                answer.headers.set(b"location", self._address.resolved(location))
            except ValueError:
                answer.abandon()
                return self._silence.answer(request, GatewayError(502, "its Location is no URL"))
        return answer


def _taken_apart(address: str, custom: frozenset[str]) -> tuple[str, Text]:
    """Scheme, user and host, which may hold no variable; path and query, which may."""
    scheme, mark, rest = address.strip().partition("://")
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    origin, target = scheme + mark + rest[:end], rest[end:]
    if Text(origin, custom).constant is None:
        message = (
            "scheme and host of who is asked cannot be variables, for clients would choose whom to ask (auth-url);"
            " write them out, and put variables into path or query: https://auth.example/check?host=$host"
        )
        raise ConfigError(Problem("auth.address", message))
    Address.of(origin)
    if not target.startswith("/"):
        target = "/" + target
    return origin, Text(target, custom)


def _with_way_back(url: str) -> str:
    """The sign-in page, told where to send the client afterwards, unless it says so itself."""
    query = urlsplit(url.replace("$", "_")).query
    if any(pair.partition("=")[0] == _SIGN_IN_BACK for pair in query.split("&")):
        return url
    return f"{url}{'&' if query else '?'}{_SIGN_IN_BACK}=$scheme://$best_http_host$escaped_request_uri"


def _names(names: tuple[str, ...]) -> set[bytes]:
    try:
        return {header_name(name) for name in names if name.strip()}
    except ValueError as error:
        raise ConfigError(Problem("auth.authResponseHeaders", str(error))) from None
