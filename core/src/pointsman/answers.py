"""Answers that are on their way: something done to one when it comes, without a task, and what Pendings are made of."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from pointsman.api import Handler, Pending, Receiver
from pointsman.errors import ClientGone, GatewayError
from pointsman.message import Request, Response

Edit = Callable[[Response], None]
Follow = Callable[[Response], Awaitable[Response]]
Instead = Callable[[GatewayError], Awaitable[Response]]


def edited(answer: Awaitable[Response], edit: Edit, *, errors: bool = False) -> Awaitable[Response]:
    """The same answer, with `edit` done to its head; with `errors` also to what the gateway answers for a GatewayError.

    For a middleware that is a plain function: an answer that comes from a server is edited without a task.
    """
    if type(answer) is Response:
        edit(answer)
        return answer
    return Edited(pending(answer), edit, errors)


def amended(call_next: Handler, request: Request, edit: Edit) -> Awaitable[Response]:
    """What the next handler answers, and what the gateway answers for its errors, with `edit` done to the head."""
    try:
        answer = call_next(request)
    except GatewayError as error:
        error.amend(edit)
        raise
    return edited(answer, edit, errors=True)


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


def pending(answer: Awaitable[Response]) -> Pending:
    """The same answer as one that calls back: itself if it does, else from a task of its own, begun on `subscribe`.

    For whoever has to decide something when the answer comes. A Response that is here calls back at once.
    """
    return answer if hasattr(answer, "subscribe") else _Awaited(answer)  # type: ignore[return-value]


class Deferred:
    """What a Pending of one's own is made of: `subscribe` and `cancel` are the subclass's, awaiting it follows from them."""

    __slots__ = ()

    def subscribe(self, receiver: Receiver) -> None:
        raise NotImplementedError

    def cancel(self) -> None:
        raise NotImplementedError

    def __await__(self) -> Generator[Any, None, Response]:
        waiter = _Waiter(asyncio.get_running_loop().create_future())
        self.subscribe(waiter)
        try:
            response: Response = yield from waiter.future
            return response
        except asyncio.CancelledError:
            self.cancel()
            waiter.leave()
            raise


class _Waiter:
    """The receiver that somebody awaits."""

    __slots__ = ("future",)

    def __init__(self, future: "asyncio.Future[Response]") -> None:
        self.future = future

    def respond(self, response: Response) -> None:
        if self.future.done():
            response.abandon()
        else:
            self.future.set_result(response)

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def leave(self) -> None:
        """Nobody awaits it any more, though it may have come."""
        future = self.future
        if future.done() and not future.cancelled() and future.exception() is None:
            future.result().abandon()


class _Awaited(Deferred):
    """An answer that can only be awaited, or is here."""

    __slots__ = ("_answer", "_receiver", "_task")

    def __init__(self, answer: Awaitable[Response]) -> None:
        self._answer = answer
        self._receiver: Receiver | None = None
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, receiver: Receiver) -> None:
        if type(self._answer) is Response:
            receiver.respond(self._answer)
            return
        self._receiver = receiver
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            response = await self._answer
        except asyncio.CancelledError:
            self._fail(ClientGone())
            raise
        except Exception as error:
            self._fail(error)
            return
        receiver, self._receiver = self._receiver, None
        self._task = None
        if receiver is None:
            response.abandon()
        else:
            receiver.respond(response)

    def _fail(self, error: Exception) -> None:
        receiver, self._receiver = self._receiver, None
        self._task = None
        if receiver is not None:
            receiver.fail(error)

    def cancel(self) -> None:
        self._receiver = None
        task, self._task = self._task, None
        if task is None:
            return
        answer = self._answer
        if inspect.iscoroutine(answer) and inspect.getcoroutinestate(answer) == inspect.CORO_CREATED:
            answer.close()  # its task has not run yet, and will not: nobody else would
        task.cancel()


def followed(call_next: Handler, request: Request, follow: Follow, instead: Instead | None = None) -> Awaitable[Response]:
    """What `follow` makes of the next handler's answer: the same one, another, or one that is still to come.

    `instead` is asked for another answer in place of a GatewayError; it may raise it again. Without a task as long as what
    they give needs none.
    """
    try:
        answer = call_next(request)
    except GatewayError as error:
        if instead is None:
            raise
        return instead(error)
    return follow(answer) if type(answer) is Response else Followed(pending(answer), follow, instead)


class Followed(Deferred):
    """A Pending in front of another, whose receiver it is, and then of what follows that."""

    __slots__ = ("_answer", "_follow", "_instead", "_receiver")

    def __init__(self, answer: Pending, follow: Follow, instead: Instead | None) -> None:
        self._answer = answer
        self._follow = follow
        self._instead = instead
        self._receiver: Receiver | None = None

    def subscribe(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._answer.subscribe(self)

    def cancel(self) -> None:
        self._receiver = None
        self._answer.cancel()

    def respond(self, response: Response) -> None:
        receiver = self._receiver
        if receiver is None:  # cancelled, and whoever answers now knows it too
            response.abandon()
            return
        try:
            after = self._follow(response)
        except Exception as error:
            response.abandon()
            receiver.fail(error)
            return
        self._go_on(after, receiver)

    def fail(self, error: BaseException) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        if self._instead is None or not isinstance(error, GatewayError):
            receiver.fail(error)
            return
        try:
            after = self._instead(error)
        except Exception as problem:
            receiver.fail(problem)
            return
        self._go_on(after, receiver)

    def _go_on(self, after: Awaitable[Response], receiver: Receiver) -> None:
        if type(after) is Response:
            receiver.respond(after)
        else:
            self._answer = pending(after)
            try:
                self._answer.subscribe(receiver)
            except Exception as error:  # here it would reach nobody but the first answer
                receiver.fail(error)
