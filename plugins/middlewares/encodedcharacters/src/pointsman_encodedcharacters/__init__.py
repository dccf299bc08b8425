"""encodedCharacters: refuse paths that hold certain escapes (middlewares.md §3.9)."""

from collections.abc import Awaitable
from typing import ClassVar

from attrs import frozen

from pointsman import BuildContext, Handler, Middleware, Request, Response, hookimpl
from pointsman.dialect.escapes import denied_escapes


@frozen
class EncodedCharactersConfig:
    allow_encoded_slash: bool = False
    allow_encoded_back_slash: bool = False
    allow_encoded_null_character: bool = False
    allow_encoded_semicolon: bool = False
    allow_encoded_percent: bool = False
    allow_encoded_question_mark: bool = False
    allow_encoded_hash: bool = False


class EncodedCharacters:
    name: ClassVar[str] = "encodedCharacters"
    Config: ClassVar[type] = EncodedCharactersConfig
    allow_empty: ClassVar[bool] = True
    """`{}` refuses all seven (D19)."""

    def __init__(self, config: EncodedCharactersConfig, context: BuildContext) -> None:
        self._denied = denied_escapes(config)

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        path = request.path
        if 0x25 in path:
            path = path.upper()
            for escape in self._denied:
                if escape in path:
                    return Response(400)
        return call_next(request)


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [EncodedCharacters]
