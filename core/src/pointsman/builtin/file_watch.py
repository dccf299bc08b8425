"""Hears of changes in directories, in a thread that does nothing else (watchfiles, "Rust backend direct usage").

Directories are watched one by one, not as trees: the provider knows each that matters, through links too, and asks for
another set when they change.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import Final

from watchfiles._rust_notify import RustNotify

STEP_MILLISECONDS: Final = 25
"""How long nothing more must happen before changes are told; also how often the thread wakes up."""
GATHER_MILLISECONDS: Final = 200
"""The longest that changes are gathered while they keep coming."""


class Watch:
    """From its construction on calls `told` on the loop after each change. OSError if the system cannot watch so much."""

    def __init__(self, directories: Iterable[str], told: Callable[[], None]) -> None:
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._notify = RustNotify(list(directories), False, False, 0, False, True)
        threading.Thread(target=self._listen, name="file provider's watch", daemon=True).start()

    def _listen(self) -> None:
        with self._notify as notify:
            while True:
                what = notify.watch(GATHER_MILLISECONDS, STEP_MILLISECONDS, 0, self._stop)
                if self._stop.is_set() or isinstance(what, str):
                    return
                try:
                    self._loop.call_soon_threadsafe(self._told)
                except RuntimeError:  # the loop is closed: nobody listens any more
                    return

    def stop(self) -> None:
        self._stop.set()
