"""Follows the files that the configuration names, and says when to look at them again (`contents` reads them)."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from pointsman.builtin.file_scan import Watched
from pointsman.builtin.file_watch import Watch
from pointsman.config.middlewares import NO_KINDS, Kinds
from pointsman.control.contents import Contents
from pointsman.control.merge import Tree
from pointsman.errors import Problem

SLOW_LOOK_SECONDS: Final = 5.0
"""How often to look without being told; longer where looking itself takes long."""

log = logging.getLogger("pointsman.control.files")


class FollowedFiles:
    """`inline` trees one after the other; `due` is true, and `on_change` called, when the last is to be inlined again."""

    def __init__(self, on_change: Callable[[], None], kinds: Kinds = NO_KINDS) -> None:
        self.due = False
        self._on_change = on_change
        self._contents = Contents(kinds)
        self._watched: frozenset[Watched] = frozenset()
        self._watch: Watch | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<FollowedFiles in {len(self._watched)} directories>"

    async def inline(self, tree: Tree) -> tuple[Tree, Sequence[Problem]]:
        """The tree with contents in place of paths, and what is wrong with files that were good before."""
        due, self.due = self.due, False
        if not self._contents.names_files(tree) and not self._watched:
            return tree, ()
        began = time.monotonic()
        found = await asyncio.to_thread(self._contents.inline, tree, look=due)
        if found.watch != self._watched:
            self._listen(found.watch)
            self._look()  # once more: what happened meanwhile nobody told
        seconds = found.again_seconds or max(SLOW_LOOK_SECONDS, 100 * (time.monotonic() - began))
        self._cancel()
        if self._watched:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._look)
        return found.tree, found.problems

    def refresh(self) -> None:
        """Read everything again."""
        self._contents.forget_times()
        self._look()

    def _look(self) -> None:
        self.due = True
        self._on_change()

    def _listen(self, watched: frozenset[Watched]) -> None:
        before, self._watch, self._watched = self._watch, None, watched
        try:
            self._watch = Watch([directory for directory, _, _ in watched], self._look) if watched else None
        except (OSError, UnicodeError, RuntimeError) as error:
            log.warning(
                "changes of files that the configuration names are not told (%s); they are looked at now and then", error
            )
        if before is not None:
            before.stop()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        self._cancel()
        self._listen(frozenset())
