"""contentType: say what an answer is when its service does not (middlewares.md §3.7)."""

from collections.abc import Awaitable
from typing import Any, ClassVar, Final

from attrs import frozen

from pointsman import BuildContext, Handler, Middleware, Request, Response, amended, hookimpl, sighted
from pointsman.dialect.sniffing import SNIFF_BYTES, sniff

MARK: Final = "contentType"
"""In the request's state: what encodes the answer behind this middleware says the type, for it sees the plain bytes."""


@frozen
class ContentTypeConfig:
    auto_detect: bool | None = None


class ContentType:
    name: ClassVar[str] = "contentType"
    span_name: ClassVar[str] = ""
    Config: ClassVar[type] = ContentTypeConfig
    allow_empty: ClassVar[bool] = True

    def __init__(self, config: ContentTypeConfig, context: BuildContext) -> None:
        self._detects = config.auto_detect is not False
        if config.auto_detect is not None:
            context.logger.warning(
                "contentType.autoDetect is deprecated; leave it out, and the middleware too if it is false"
            )

    def bind(self, call_next: Handler) -> Handler:
        if not self._detects:
            return call_next
        seeing = sighted(call_next, lambda request, response: _is_unknown(response))

        def handler(request: Request) -> Awaitable[Response]:
            if request.method == b"HEAD":
                return call_next(request)
            request.state[MARK] = True
            return amended(seeing, request, _say)

        return handler

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        return self.bind(call_next)(request)


def _is_unknown(response: Response) -> bool:
    if response.status < 200 or response.status in (204, 304):
        return False
    named: Any = (b"content-type", b"content-encoding")
    return not any(name in named for name, _ in response.headers)


def _say(response: Response) -> None:
    if _is_unknown(response) and (content := response.glimpse(SNIFF_BYTES)):
        response.headers.add(b"content-type", sniff(content))


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [ContentType]
