"""State of the one worker there is: dictionaries, bounded."""

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Final
from weakref import WeakValueDictionary

Pair = tuple[float, float]
Change = Callable[[Pair | None], Pair | None]

ENTRIES: Final = 65_536
LONG_KEY: Final = 64
"""Keys above this length are kept as their hashes: what a client sends must not be what memory is filled with."""


class LocalState:
    """One place's. Entries stand in the order of their last update, so that the first are the first to go."""

    __slots__ = ("__weakref__", "_clock", "_counts", "_entries", "_limit", "refused", "secret")

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.monotonic, limit: int = ENTRIES) -> None:
        self.secret = secret
        self.refused = 0
        """How often `enter` refused because there was no room for one more key."""
        self._clock = clock
        self._limit = limit
        self._entries: OrderedDict[bytes, tuple[float, Pair]] = OrderedDict()
        self._counts: dict[bytes, int] = {}

    def update(self, key: bytes, change: Change, seconds: float) -> None:
        if len(key) > LONG_KEY:
            key = _short(key)
        entries, now = self._entries, self._clock()
        entry = entries.get(key)
        pair = change(entry[1] if entry is not None and entry[0] > now else None)
        if pair is None:
            entries.pop(key, None)
            return
        entries[key] = (now + seconds, pair)
        if entry is not None:
            entries.move_to_end(key)
        elif len(entries) > self._limit:
            entries.popitem(last=False)
        oldest = next(iter(entries))
        if entries[oldest][0] <= now:
            del entries[oldest]

    def enter(self, key: bytes, limit: int) -> bool:
        if len(key) > LONG_KEY:
            key = _short(key)
        count = self._counts.get(key, 0)
        if count >= limit:
            return False
        if not count and len(self._counts) >= self._limit:
            self.refused += 1
            return False
        self._counts[key] = count + 1
        return True

    def leave(self, key: bytes) -> None:
        if len(key) > LONG_KEY:
            key = _short(key)
        count = self._counts.get(key, 0)
        if count > 1:
            self._counts[key] = count - 1
        else:
            self._counts.pop(key, None)

    def __repr__(self) -> str:
        return f"<LocalState {len(self._entries)} entries, {len(self._counts)} in flight>"


def _short(key: bytes) -> bytes:
    return blake2b(key, digest_size=LONG_KEY).digest()


class LocalCommons:
    """All places of the one worker. A state stays for as long as somebody uses it."""

    def __init__(self) -> None:
        self._states: WeakValueDictionary[bytes, LocalState] = WeakValueDictionary()

    def state(self, key: bytes) -> LocalState:
        """The state of the place that is called so; its secret is made of that."""
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = LocalState(blake2b(b"secret", key=key, digest_size=32).digest())
        return state
