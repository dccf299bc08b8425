"""addPrefix: put a prefix before the path (middlewares.md §3.1)."""

from collections.abc import Awaitable
from typing import Any, ClassVar

from attrs import field, frozen

from pointsman import BuildContext, Handler, Request, Response
from pointsman_paths.rewriting import literal


def _not_empty(_instance: object, _attribute: Any, value: str) -> None:
    if not value:
        raise ValueError("prefix cannot be empty")


@frozen
class AddPrefixConfig:
    prefix: str = field(default="", validator=_not_empty)


class AddPrefix:
    name: ClassVar[str] = "addPrefix"
    Config: ClassVar[type] = AddPrefixConfig

    def __init__(self, config: AddPrefixConfig, context: BuildContext) -> None:
        self._prefix = literal(config.prefix).removesuffix(b"/")

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        request.rewrite(self._prefix + request.path)
        return call_next(request)

    def bind(self, call_next: Handler) -> Handler:
        prefix = self._prefix

        def add_prefix(request: Request) -> Awaitable[Response]:
            request.rewrite(prefix + request.path)
            return call_next(request)

        return add_prefix if prefix else call_next
