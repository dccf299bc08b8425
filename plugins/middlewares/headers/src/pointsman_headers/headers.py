"""The middleware: at construction it finds out which steps its configuration needs, and `bind` puts only those together.

A request passes: preflight, request headers, response headers around (host check, next). Every step is a plain function:
the one that edits the response has that done when the answer comes.
"""

from collections.abc import Awaitable, Callable
from typing import ClassVar

from pointsman import BuildContext, Handler, HeaderEdit, Request, Response, amended
from pointsman.errors import ConfigError, Problem
from pointsman_headers.config import WITHOUT_EFFECT, HeadersConfig
from pointsman_headers.cors import ALLOW_ORIGIN, Cors, add_vary
from pointsman_headers.lines import FRAMING, HOP_BY_HOP, Edit, lines
from pointsman_headers.security import NONCE, POLICIES, HostCheck, Secured, new_nonce, plain_headers, secure_headers

Step = Callable[[Handler], Handler]


class Headers:
    name: ClassVar[str] = "headers"
    Config: ClassVar[type] = HeadersConfig

    def __init__(self, config: HeadersConfig, context: BuildContext) -> None:
        if not config.says_something:
            raise ConfigError("headers configuration not valid: no option is set")
        _warn(config, context)
        steps = (
            _host_step(config),
            _response_step(config, context),
            _request_step(config, context),
            _preflight_step(config),
        )
        self._steps: tuple[Step, ...] = tuple(step for step in steps if step is not None)

    def bind(self, call_next: Handler) -> Handler:
        for step in self._steps:  # the innermost first
            call_next = step(call_next)
        return call_next

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        return self.bind(call_next)(request)


def _warn(config: HeadersConfig, context: BuildContext) -> None:
    for option in WITHOUT_EFFECT:
        if getattr(config, option):
            context.logger.warning("headers.%s is deprecated and has no effect", option)
    for pattern in config.access_control_allow_origin_list_regex:
        if not (pattern.startswith(("^", r"\A")) and pattern.endswith(("$", r"\z"))):
            context.logger.warning(
                "headers.accessControlAllowOriginListRegex: '%s' is searched anywhere in the origin; put it in ^...$",
                pattern,
            )


def _preflight_step(config: HeadersConfig) -> Step | None:
    if not config.has_cors:
        return None
    preflight = Cors(config).preflight

    def step(call_next: Handler) -> Handler:
        return lambda request: preflight(request) or call_next(request)

    return step


def _request_step(config: HeadersConfig, context: BuildContext) -> Step | None:
    headers = lines("customRequestHeaders", config.custom_request_headers)
    _drop(headers, HOP_BY_HOP | FRAMING, "customRequestHeaders", context)
    authority = headers.pop(b"host", b"")
    hides_client = headers.get(b"x-forwarded-for") == b""
    withheld = (frozenset(headers).__contains__,)
    edit = HeaderEdit(headers, [(name, value) for name, value in headers.items() if value])

    def step(call_next: Handler) -> Handler:
        def edit_names(request: Request) -> Awaitable[Response]:
            edit.apply(request.headers)
            body = request.body
            if not body.ended or body.trailers:  # some servers take trailers for headers
                request.withheld += withheld
            return call_next(request)

        def edit_all(request: Request) -> Awaitable[Response]:
            if authority:
                request.authority = authority
            if hides_client:
                request.append_forwarded_for = False
            return edit_names(request)

        return edit_all if authority or hides_client else edit_names

    return step if headers or authority else None


def _host_step(config: HeadersConfig) -> Step | None:
    if not config.allowed_hosts or config.is_development:
        return None
    check = HostCheck(config)

    def step(call_next: Handler) -> Handler:
        return lambda request: check.refusal() if check.refuses(request) else call_next(request)

    return step


def _response_step(config: HeadersConfig, context: BuildContext) -> Step | None:
    """The response's edits, known beforehand as far as they can be: one for HTTP and one for HTTPS requests."""
    custom = lines("customResponseHeaders", config.custom_response_headers)
    _refuse_framing(custom)
    _drop(custom, HOP_BY_HOP, "customResponseHeaders", context)
    cors = Cors(config)
    plain = {**plain_headers(config), **custom, **cors.headers}
    secure = {**plain_headers(config), **secure_headers(config), **custom, **cors.headers}
    edit, secure_edit = Edit.of(plain), Edit.of(secure)
    is_secure = Secured(config)
    nonced = frozenset(name for name in POLICIES if name not in custom and NONCE in plain.get(name, b""))
    by_origin, vary = not cors.same_for_all, config.add_vary_header
    if edit == secure_edit and not (nonced or by_origin or vary):
        return _fixed_step(edit) if edit else None

    def step(call_next: Handler) -> Handler:
        def edit_response(request: Request) -> Awaitable[Response]:
            origin = request.headers.get(b"origin") or b""
            wanted = secure_edit if is_secure(request) else edit

            def amend(response: Response) -> None:
                if nonced:
                    _with_nonce(wanted, nonced).apply(response.headers.raw)
                else:
                    wanted.prepared.apply(response.headers)
                if by_origin and (allowed := cors.allowed(origin)) is not None:
                    Edit.of({ALLOW_ORIGIN: allowed}).apply(response.headers.raw)
                if vary:
                    add_vary(response.headers.raw)

            return amended(call_next, request, amend)

        return edit_response

    return step


def _fixed_step(edit: Edit) -> Step:
    prepared = edit.prepared

    def amend(response: Response) -> None:
        prepared.apply(response.headers)

    return lambda call_next: lambda request: amended(call_next, request, amend)


def _with_nonce(edit: Edit, names: frozenset[bytes]) -> Edit:
    """One nonce for both policies."""
    nonce = new_nonce()
    lines = ((name, value.replace(NONCE, nonce) if name in names else value) for name, value in edit.lines)
    return Edit(edit.names, tuple(lines))


def _drop(headers: dict[bytes, bytes], unwanted: frozenset[bytes], key: str, context: BuildContext) -> None:
    for name in unwanted & set(headers):
        del headers[name]
        context.logger.warning(
            "headers.%s.%s has no effect: it is about the connection, not the message", key, name.decode()
        )


def _refuse_framing(headers: dict[bytes, bytes]) -> None:
    refused = sorted(FRAMING & set(headers))
    if refused:
        reason = "says where the message ends, which the gateway alone decides; leave it out"
        raise ConfigError(Problem(f"customResponseHeaders.{name.decode()}", reason) for name in refused)
