"""requestId: each request gets a name, the same for servers, clients and logs (new in Pointsman)."""

import re
from collections.abc import Awaitable
from typing import ClassVar, Final, Literal

from attrs import frozen

from pointsman import BuildContext, Handler, Headers, Middleware, Request, Response, amended, hookimpl
from pointsman.errors import ConfigError, Problem
from pointsman_requestid.names import FORMATS

SANE: Final = re.compile(rb"[0-9A-Za-z._~:@+/=#|-]{1,128}")
"""A client's own name for its request: nothing that could mean something in a log, a URL or a shell."""
MANAGED: Final = frozenset(
    b"authorization connection content-length content-type cookie date expect host keep-alive proxy-connection set-cookie "
    b"te trailer transfer-encoding upgrade x-forwarded-for".split()
)
"""Headers that say something else."""


@frozen
class RequestIdConfig:
    header: str = "X-Request-Id"
    accept: Literal["trusted", "always", "never"] = "trusted"
    format: Literal["uuid4", "uuid7", "hex"] = "uuid4"
    response: bool = True


class RequestId:
    """Names requests; one that was named further out keeps its name."""

    name: ClassVar[str] = "requestId"
    Config: ClassVar[type] = RequestIdConfig
    allow_empty: ClassVar[bool] = True

    def __init__(self, config: RequestIdConfig, context: BuildContext) -> None:
        self._header = _header(config.header)
        self._accepts_trusted = config.accept != "never"
        self._accepts_all = config.accept == "always"
        self._new = FORMATS[config.format]()
        self._response = config.response

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        header, exchange = self._header, request.exchange
        said = request.headers.get_all(header)
        named = exchange.request_id
        if not named:
            accepts = self._accepts_all or (self._accepts_trusted and request.link.trusted)
            named = exchange.request_id = said[0] if accepts and self._is_sane(said) else self._new()
        if said != [named]:
            request.headers.set(header, named)
        if not self._response:
            return call_next(request)

        def answer(response: Response) -> None:
            response.headers.set(header, named)

        return amended(call_next, request, answer)

    @staticmethod
    def _is_sane(said: list[bytes]) -> bool:
        return len(said) == 1 and SANE.fullmatch(said[0]) is not None


def _header(name: str) -> bytes:
    """The header's name as it is compared. ConfigError if it is none, or one that says something else."""
    lower = name.strip().lower().encode()
    try:
        Headers().add(lower, b"")
    except ValueError as error:
        raise ConfigError(Problem("header", str(error))) from None
    if lower in MANAGED:
        raise ConfigError(Problem("header", f"'{name}' says something else; take one such as X-Request-Id"))
    return lower


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [RequestId]
