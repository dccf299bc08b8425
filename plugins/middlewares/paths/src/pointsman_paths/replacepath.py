"""replacePath: another path in place of the client's (middlewares.md §3.20)."""

from collections.abc import Awaitable
from typing import Any, ClassVar

from attrs import field, frozen

from pointsman import BuildContext, Handler, Request, Response, sanitise
from pointsman.dialect.made_paths import canonical
from pointsman_paths.replacing import disclaim, replace


def _usable(_instance: object, _attribute: Any, value: str) -> None:
    canonical(value.encode())


@frozen
class ReplacePathConfig:
    path: str = field(default="", validator=_usable)


class ReplacePath:
    name: ClassVar[str] = "replacePath"
    Config: ClassVar[type] = ReplacePathConfig

    def __init__(self, config: ReplacePathConfig, context: BuildContext) -> None:
        self._path = sanitise(canonical(config.path.encode()))

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        disclaim(request)
        replace(request, self._path)
        return call_next(request)
