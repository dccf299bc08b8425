"""All providers to one tree: what each says is checked, merged, compared, and handed on when it changed.

Theory of operation. Each provider has a Feed, which runs it, checks its messages and keeps the last good one. One task here
waits until any feed has something new, merges all of them, puts the contents of files in place of their names
(`contents`), and awaits `on_change` with the new tree and what changed since the one before. The tree is replaced only after
`on_change` came back: what was not handed on is part of the next change. The first call waits until every provider has been
heard of, at most a second, so that the gateway opens its doors with as much as there is. (style.md, "The life of one
configuration change", steps 1 to 3)
"""

import asyncio
import logging
import operator
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from pointsman.api import Provider
from pointsman.config.middlewares import NO_KINDS, Kinds
from pointsman.control.contents import Contents
from pointsman.control.context import Context, Shape
from pointsman.control.feed import Feed, Pause, ProviderState
from pointsman.control.followed import FollowedFiles
from pointsman.control.merge import Delta, Tree, diffing, empty_tree, merge, merging
from pointsman.control.slices import in_slices
from pointsman.errors import ConfigError, Problem

OnChange = Callable[[Tree, Delta, Sequence[Problem]], Awaitable[None]]
"""Takes the whole tree, what changed in it, and what is wrong with it now. An empty delta: only the problems changed."""

PATIENCE_SECONDS: Final = 1.0
"""How long the first configuration waits for a provider that says nothing."""

log = logging.getLogger("pointsman.control.watcher")


class Watcher:
    """Runs providers and gives what they say together. `start`, then `first_ready`, then `aclose`."""

    def __init__(
        self,
        providers: Sequence[tuple[str, Provider]],
        middlewares: Kinds,
        throttle_seconds: float,
        on_change: OnChange,
        *,
        tcp_middlewares: Kinds = NO_KINDS,
        contexts: Mapping[str, Context] | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self.first_ready = asyncio.Event()
        """Set after the first `on_change`, which comes even if there is nothing to say."""
        self.tree: Tree = empty_tree()
        """What was handed on last."""
        self._on_change = on_change
        self._pause = pause
        self._dirty = asyncio.Event()
        self._files = FollowedFiles(self._dirty.set, middlewares)
        self._named: Tree = self.tree
        """The tree as the providers say it, with the names of files in it."""
        self._file_problems: tuple[Problem, ...] = ()
        self._merged: list[Mapping[str, Any]] = []
        self._disputes: tuple[Problem, ...] = ()
        self._told: list[Problem] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._feeds: list[Feed] = []
        for name, provider in providers:
            context = (contexts or {}).get(name)
            shape = Shape(name, middlewares, tcp_middlewares) if context is None else context.shape
            throttle = throttle_seconds if getattr(provider, "throttled", True) else 0.0
            self._feeds.append(Feed(name, provider, shape, throttle, self._dirty.set, pause))

    def __repr__(self) -> str:
        return f"<Watcher of {', '.join(feed.name for feed in self._feeds) or 'nothing'}>"

    @property
    def problems(self) -> list[Problem]:
        """All that is wrong now, provider by provider; also that one has failed, which is logged and not handed on."""
        return [*(problem for feed in self._feeds for problem in feed.problems), *self._disputes, *self._file_problems]

    @property
    def states(self) -> dict[str, ProviderState]:
        """How each provider is doing."""
        return {feed.name: feed.state for feed in self._feeds}

    @property
    def awaited(self) -> list[str]:
        """The providers that have said nothing yet that could be taken, and those whose last words were not handed on."""
        merged: list[Mapping[str, Any] | None] = [*self._merged] or [None] * len(self._feeds)
        pairs = zip(self._feeds, merged, strict=True)
        return [feed.name for feed, known in pairs if feed.awaited or feed.document is not known]

    def start(self) -> None:
        """Begin. Needs a running loop."""
        for feed in self._feeds:
            self._tasks.append(asyncio.create_task(feed.run(), name=f"provider {feed.name}"))
            self._tasks.append(asyncio.create_task(feed.deliver(), name=f"messages of provider {feed.name}"))
        self._tasks.append(asyncio.create_task(self._hand_on(), name="configuration"))

    def refresh(self) -> None:
        """Ask every provider that can to read everything again (SIGHUP)."""
        for feed in self._feeds:
            feed.refresh()
        self._files.refresh()

    async def aclose(self) -> None:
        """Stop the providers. Safe without `start`, and twice."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._files.close()
        for feed in self._feeds:
            await feed.aclose()

    async def _hand_on(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                for feed in self._feeds:
                    await feed.heard.wait()
        self._dirty.set()
        while True:
            await self._dirty.wait()
            await asyncio.sleep(0)  # what others publish in this pass of the loop comes along
            self._dirty.clear()
            try:
                await self._apply()
            except Exception:  # a mistake in here or in the receiver must not end all reloading
                log.exception(
                    "a new configuration could not be handed on; the one before stays in force until the next change"
                )
            self.first_ready.set()

    async def _apply(self) -> None:
        documents = {feed.name: feed.document for feed in self._feeds}
        named, tree, delta = self._named, self.tree, Delta()
        changed = not all(map(operator.is_, documents.values(), self._merged)) or not self._merged
        if changed:
            named, disputes = await in_slices(merging(documents, self._named))
            self._disputes = tuple(disputes)
        if changed or self._files.due:
            tree, file_problems = await self._files.inline(named)
            delta = await in_slices(diffing(self.tree, tree))
            self._file_problems = tuple(file_problems)
        findings = (finding for feed in self._feeds for finding in feed.findings)
        problems = [*findings, *self._disputes, *self._file_problems]
        if delta or problems != self._told or not self.first_ready.is_set():
            await self._on_change(tree, delta, problems)
        self.tree, self._named, self._told, self._merged = tree, named, problems, list(documents.values())


def read_once(
    providers: Sequence[tuple[str, Provider]], middlewares: Kinds, tcp_middlewares: Kinds = NO_KINDS
) -> tuple[Tree, list[Problem], set[str]]:
    """What the providers say now, without running them: for `check` and `explain`; and which of them said nothing.

    One that can only be asked while it runs is named in a warning.
    """
    documents: dict[str, Any] = {}
    found: list[Problem] = []
    for name, provider in providers:
        read = getattr(provider, "read", None)
        if read is None:
            message = "can only be asked while the gateway runs, so what it says is not looked at"
            found.append(Problem(f"providers.{name}", message, warning=True))
            continue
        try:
            document, problems = read()
        except ConfigError as error:
            found.extend(error.problems)
            continue
        except Exception as error:  # a provider may fail in any way
            found.append(Problem(f"providers.{name}", f"cannot be read: {type(error).__name__}: {error}"))
            continue
        verdict = Shape(name, middlewares, tcp_middlewares).check(document, name)
        found += [*problems, *(problem for problem in verdict.problems if problem not in problems)]
        if verdict.accepted:
            documents[name] = document
    tree, disputed = merge(documents)
    silent = {name for name, _ in providers if not documents.get(name)}
    return Contents(middlewares).inline(tree).tree, [*found, *disputed], silent
