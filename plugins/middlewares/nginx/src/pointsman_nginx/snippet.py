"""snippet: not there yet; nobody gets past it."""

from collections.abc import Awaitable
from typing import ClassVar

from pointsman import BuildContext, Handler, Request, Response
from pointsman_nginx.config import SnippetConfig


class Snippet:
    name: ClassVar[str] = "snippet"
    Config: ClassVar[type] = SnippetConfig

    def __init__(self, config: SnippetConfig, context: BuildContext) -> None: ...

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        return Response.plain(501)
