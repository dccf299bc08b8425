"""One quick look, for `check` and `explain`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from pointsman.errors import Problem
from pointsman_docker.engine import Engine, EngineError

_SECONDS: Final = 10.0

Found = tuple[Mapping[str, Any], Sequence[Problem]]


def read_now(
    path: str, connecting: AbstractAsyncContextManager[Engine], look: Callable[[Engine], Awaitable[Found]]
) -> Found:
    """What `look` finds; a warning alone, with this path, if the engine cannot be asked within 10 s."""

    async def found() -> Found:
        async with asyncio.timeout(_SECONDS), connecting as engine:
            return await look(engine)

    try:
        return asyncio.run(found())
    except (EngineError, TimeoutError) as error:
        message = f"cannot be asked now, so what it says is not looked at: {str(error) or 'no answer in time'}"
        return {}, [Problem(path, message, warning=True)]
