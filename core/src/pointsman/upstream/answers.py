"""Something done to an answer when it comes, without a task of its own."""

from collections.abc import Awaitable, Callable, Generator
from typing import Any

from pointsman.api import Pending, Receiver
from pointsman.message import Response

Edit = Callable[[Response], None]


def edited(answer: Awaitable[Response], edit: Edit) -> Awaitable[Response]:
    """The same answer, with `edit` done to its head. Errors are not edited."""
    if type(answer) is Response:
        edit(answer)
        return answer
    if hasattr(answer, "subscribe"):
        return Edited(answer, edit)  # type: ignore[arg-type]  # a Pending, then
    return _awaited(answer, edit)


async def _awaited(answer: Awaitable[Response], edit: Edit) -> Response:
    response = await answer
    edit(response)
    return response


class Edited:
    """A Pending in front of another."""

    __slots__ = ("_answer", "_edit", "_receiver")

    def __init__(self, answer: Pending, edit: Edit) -> None:
        self._answer = answer
        self._edit = edit
        self._receiver: Receiver | None = None

    def subscribe(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._answer.subscribe(self)

    def cancel(self) -> None:
        self._receiver = None
        self._answer.cancel()

    def __await__(self) -> Generator[Any, None, Response]:
        response = yield from self._answer.__await__()
        self._edit(response)
        return response

    # as the receiver of the other

    def respond(self, response: Response) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is None:  # cancelled, and whoever answers now knows it too
            response.body.abandon()
            return
        self._edit(response)
        receiver.respond(response)

    def fail(self, error: BaseException) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.fail(error)
