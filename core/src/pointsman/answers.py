"""Something done to an answer when it comes, without a task of its own."""

from collections.abc import Awaitable, Callable, Generator
from typing import Any

from pointsman.api import Handler, Pending, Receiver
from pointsman.errors import GatewayError
from pointsman.message import Request, Response

Edit = Callable[[Response], None]


def edited(answer: Awaitable[Response], edit: Edit, *, errors: bool = False) -> Awaitable[Response]:
    """The same answer, with `edit` done to its head; with `errors` also to what the gateway answers for a GatewayError.

    For a middleware that is a plain function: an answer that comes from a server is edited without a task.
    """
    if type(answer) is Response:
        edit(answer)
        return answer
    if hasattr(answer, "subscribe"):
        return Edited(answer, edit, errors)  # type: ignore[arg-type]  # a Pending, then
    return _awaited(answer, edit, errors)


def amended(call_next: Handler, request: Request, edit: Edit) -> Awaitable[Response]:
    """What the next handler answers, and what the gateway answers for its errors, with `edit` done to the head."""
    try:
        answer = call_next(request)
    except GatewayError as error:
        error.amend(edit)
        raise
    return edited(answer, edit, errors=True)


async def _awaited(answer: Awaitable[Response], edit: Edit, errors: bool) -> Response:
    try:
        response = await answer
    except GatewayError as error:
        if errors:
            error.amend(edit)
        raise
    edit(response)
    return response


class Edited:
    """A Pending in front of another."""

    __slots__ = ("_answer", "_edit", "_errors", "_receiver")

    def __init__(self, answer: Pending, edit: Edit, errors: bool = False) -> None:
        self._answer = answer
        self._edit = edit
        self._errors = errors
        self._receiver: Receiver | None = None

    def subscribe(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._answer.subscribe(self)

    def cancel(self) -> None:
        self._receiver = None
        self._answer.cancel()

    def __await__(self) -> Generator[Any, None, Response]:
        try:
            response = yield from self._answer.__await__()
        except GatewayError as error:
            if self._errors:
                error.amend(self._edit)
            raise
        self._edit(response)
        return response

    # as the receiver of the other

    def respond(self, response: Response) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is None:  # cancelled, and whoever answers now knows it too
            response.body.abandon()
            return
        try:
            self._edit(response)
        except Exception as error:
            response.body.abandon()
            receiver.fail(error)
            return
        receiver.respond(response)

    def fail(self, error: BaseException) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            if self._errors and isinstance(error, GatewayError):
                error.amend(self._edit)
            receiver.fail(error)
