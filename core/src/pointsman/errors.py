"""The exception family: what is wrong with a configuration, and what went wrong with a request."""

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

from attrs import frozen

Side = Literal["client", "upstream", "internal"]
Retry = Literal["never", "if_reused", "always"]
MAX_CHAIN: Final = 100
"""Errors of which one came from the next; they may go in circles."""


@frozen
class Problem:
    """One mistake: where it stands (`http.routers.shop@file.rule`) and what is wrong, with the way out."""

    path: str
    message: str
    warning: bool = False
    loud: bool = False
    """A warning that is logged as an error is: it closes nothing, and nobody shall miss it."""
    missing: str = ""
    """The full name of what is referred to and not there, `shop@docker`, if that is what is wrong."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class PointsmanError(Exception):
    """The root of all errors raised here."""


class ConfigError(PointsmanError):
    """A configuration that cannot be used. Carries every problem found, not only the first."""

    def __init__(self, problems: Iterable[Problem] | Problem | str) -> None:
        if isinstance(problems, str):
            problems = Problem("", problems)
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class GatewayError(PointsmanError):
    """A request that cannot be answered by its service.

    `side` says whose fault it was, `status` what the client gets, `retry` whether the same request may be sent again:
    `never`, `if_reused` (only if it failed on a kept-alive connection), `always` (nothing was sent).
    `body` is the plain word for the client; None means the status's reason phrase. It never names a peer.
    """

    def __init__(
        self,
        status: int,
        message: str = "",
        *,
        side: Side = "upstream",
        retry: Retry = "never",
        body: bytes | None = None,
    ) -> None:
        super().__init__(message or f"status {status}")
        self.status = status
        self.side: Side = side
        self.retry: Retry = retry
        self.body = body
        self.amendments: list[Callable[[Any], None]] = []

    def amend(self, edit: Callable[[Any], None]) -> None:
        """Have `edit` called with the Response that this error becomes; a middleware does so and raises it again."""
        self.amendments.append(edit)


class NoServer(GatewayError):
    """No server is left to pick (routing.md §6.7): 503."""

    def __init__(self) -> None:
        super().__init__(503, "no available server", body=b"no available server\n")


class TooLate(GatewayError):
    """Somebody took longer than is allowed: 504, unless the limit says otherwise. DEADLINE_EXCEEDED for gRPC clients."""

    def __init__(self, message: str, *, status: int = 504, side: Side = "upstream") -> None:
        super().__init__(status, message, side=side)


class ClientGone(GatewayError):
    """The client closed its connection before it had the answer: 499, only ever seen in logs."""

    def __init__(self, message: str = "client closed the connection") -> None:
        super().__init__(499, message, side="client")


class BodyTooLarge(GatewayError):
    """A body exceeded the limit that its reader gave: 413."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"body larger than {limit} bytes", side="client")


def without_frames(error: BaseException) -> None:
    """Drop the tracebacks of an error that has been told of, and of those it came from.

    They keep alive what was called, and what that was about: the request, say, which may have the error itself.
    """
    found: BaseException | None = error
    for _ in range(MAX_CHAIN):
        if found is None:
            return
        found.__traceback__ = None
        found = found.__cause__ or found.__context__
