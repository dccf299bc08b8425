"""One provider under supervision: run, restarted after failures, its messages checked and throttled (providers.md §1.2).

What it said last and well stays in force until it says something better. Every way of failing ends in a problem that the API
shows, never in the other providers.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from attrs import frozen

from pointsman.api import Provider
from pointsman.config.dynamic import SECTIONS
from pointsman.control.backoff import Backoff
from pointsman.control.context import Shape
from pointsman.errors import ConfigError, Problem

Pause = Callable[[float], Awaitable[object]]

LARGE: Final = 2000
"""Values in a document above which it is checked in a thread."""


@frozen
class ProviderState:
    """How a provider is doing, for the API. Times are seconds since the epoch."""

    name: str
    running: bool
    last_success: float | None
    last_error: str
    last_error_at: float | None
    next_try: float | None
    problems: tuple[Problem, ...]


class Feed:
    """Takes the messages of one provider; `document` is what is in force.

    `on_change` is called when that or the problems may have changed.
    """

    def __init__(
        self,
        name: str,
        provider: Provider,
        shape: Shape,
        throttle_seconds: float,
        on_change: Callable[[], None],
        pause: Pause,
    ) -> None:
        self.name = name
        self.provider = provider
        self.document: Mapping[str, Any] = {}
        self.heard = asyncio.Event()
        """Set when it has been heard of: a message was examined, it failed, or it ended."""
        self.logger = logging.getLogger(f"pointsman.providers.{name}")
        self._shape = shape
        self._throttle = throttle_seconds
        self._on_change = on_change
        self._pause = pause
        self._backoff = Backoff()
        self._waiting: tuple[Mapping[str, Any], tuple[Problem, ...]] | None = None
        self._arrived = asyncio.Event()
        self._refusal: tuple[Problem, ...] = ()
        self._reported: tuple[Problem, ...] = ()
        self._failure: tuple[Problem, ...] = ()
        self._running = False
        self._ended = False
        self._last_success: float | None = None
        self._last_error = ""
        self._last_error_at: float | None = None
        self._next_try: float | None = None

    def __repr__(self) -> str:
        return f"<Feed {self.name}{'' if self._running else ' down'}, {len(self.problems)} problems>"

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is wrong now: with the provider, with what it read, with what it published."""
        return (*self._failure, *self.findings)

    @property
    def awaited(self) -> bool:
        """Whether it has said nothing yet that could be taken, and still may."""
        return self._last_success is None and not self._ended

    @property
    def findings(self) -> tuple[Problem, ...]:
        """What is wrong with its words. That it failed is not among it: `run` logs that, each time."""
        return (*self._reported, *(each for each in self._refusal if each not in self._reported))

    @property
    def state(self) -> ProviderState:
        return ProviderState(
            self.name,
            self._running,
            self._last_success,
            self._last_error,
            self._last_error_at,
            self._next_try,
            self.problems,
        )

    def publish(self, document: Mapping[str, Any], problems: Sequence[Problem] = (), /) -> None:
        """Take a message. A newer one replaces one that still waits."""
        self._waiting = (document, tuple(problems))
        self._arrived.set()

    async def run(self) -> None:
        """Run the provider for ever: begin again after each failure, a little later each time."""
        begun = False
        while True:
            start = time.monotonic()
            self._running, self._next_try = True, None
            try:
                opening = None if begun else getattr(self.provider, "start", None)
                if opening is not None:
                    await opening()
                begun = True
                await self.provider.provide(self.publish)
            except Exception as error:  # a provider may fail in any way; it must not take anyone with it
                delay = self._backoff.next(time.monotonic() - start)
                self._fail(error, delay)
            else:
                self._ended = True
                self.logger.info(
                    "provider %s: ended; what it said last stays in force", self.name, extra={"providerName": self.name}
                )
                return
            finally:
                self._running = False
                if self._waiting is None:
                    self.heard.set()
            self._on_change()
            await self._pause(delay)

    def _fail(self, error: Exception, delay: float) -> None:
        what = _first_line(error)
        self._last_error, self._last_error_at = what, time.time()
        self._next_try = self._last_error_at + delay
        if isinstance(error, ConfigError):
            self._failure, self._reported = (), error.problems
        else:
            message = f"failed: {what}; what it said last stays in force, and it is tried again"
            self._failure = (Problem(f"providers.{self.name}", message),)
        self.logger.error(
            "provider %s: %s; trying again in %.1f s", self.name, what, delay, extra={"providerName": self.name}
        )
        self.logger.debug("provider %s: how it failed", self.name, exc_info=error, extra={"providerName": self.name})

    async def deliver(self) -> None:
        """Examine messages for ever: the first at once, then never two within the throttle."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self._waiting is None:
                continue
            (document, problems), self._waiting = self._waiting, None
            changed = await self._examine(document, problems)
            self.heard.set()
            self._on_change()
            if changed and self._throttle > 0:
                await self._pause(self._throttle)

    async def _examine(self, document: Mapping[str, Any], problems: tuple[Problem, ...]) -> bool:
        """Whether what is in force changed."""
        self._failure, self._reported = (), problems
        try:
            changed = await self._accept(document)
        except Exception as error:  # what a provider gives may be anything at all
            changed = False
            self._refuse((Problem(f"providers.{self.name}", f"gave what cannot be checked: {_first_line(error)}"),))
        broken = next((problem for problem in problems if not problem.warning), None)
        if broken is not None:
            self._last_error, self._last_error_at = str(broken), time.time()
        elif not self._refusal:
            self._last_success = time.time()
        return changed

    async def _accept(self, document: Mapping[str, Any]) -> bool:
        if _says_nothing(document):
            return False
        accept = self._shape.accept
        large = exceeds(document, LARGE)
        verdict = await asyncio.to_thread(accept, document, self.name) if large else accept(document, self.name)
        if not verdict.accepted:
            self._refuse(tuple(verdict.problems))
            return False
        self._refusal = tuple(verdict.problems)
        if verdict.changed:
            self.document = document
        return verdict.changed

    def _refuse(self, problems: tuple[Problem, ...]) -> None:
        self._refusal = problems
        self._last_error, self._last_error_at = str(problems[0]), time.time()

    def refresh(self) -> None:
        refresh = getattr(self.provider, "refresh", None)
        if refresh is None:
            return
        try:
            refresh()
        except Exception as error:  # a plugin's own mistake
            self.logger.error(
                "provider %s: cannot refresh: %s", self.name, _first_line(error), extra={"providerName": self.name}
            )

    async def aclose(self) -> None:
        close = getattr(self.provider, "aclose", None)
        if close is None:
            return
        with suppress(asyncio.CancelledError):
            try:
                await close()
            except Exception as error:  # a plugin's own mistake
                self.logger.error(
                    "provider %s: cannot close: %s", self.name, _first_line(error), extra={"providerName": self.name}
                )


def _first_line(error: Exception) -> str:
    """What is wrong, without the type of the error where somebody wrote a sentence."""
    text = str(error).strip().partition("\n")[0]
    if " " in text and type(error).__module__ != "builtins":
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _says_nothing(document: Any) -> bool:
    """No section at all, which changes nothing; an empty section clears (providers.md §1.2, dropped messages)."""
    if not document:
        return True
    if not isinstance(document, Mapping):
        return False
    sections = {
        f"{root}.{key}".lower(): elements
        for root, protocol in document.items()
        if isinstance(protocol, Mapping)
        for key, elements in protocol.items()
    }
    areas = {str(root).lower(): protocol for root, protocol in document.items() if protocol is not None}
    known = [path.lower() for path in SECTIONS]
    return not (
        any(sections.get(path) is not None for path in known)
        or any(path not in known and path.partition(".")[0] in _ROOTS for path in sections)
        or any(root in _ROOTS and not isinstance(protocol, Mapping) for root, protocol in areas.items())
    )


_ROOTS = {path.partition(".")[0] for path in SECTIONS}


def exceeds(document: Any, limit: int) -> bool:
    """Whether there are more values in it than that."""
    left = [document]
    count = 0
    while left:
        value = left.pop()
        count += len(value) if isinstance(value, Mapping | list) else 0
        if count > limit:
            return True
        if isinstance(value, Mapping):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return False
