"""State of all workers together, in a memory file. Only for the loop's thread: a lock is the process's, not a thread's."""

import time
from collections import Counter
from collections.abc import Callable
from fcntl import LOCK_EX, LOCK_UN, lockf
from hashlib import blake2b
from struct import Struct
from typing import Final

from pointsman.shared.file import KEY, KEYS, NO_KEY, MemoryFile
from pointsman.shared.local import Change

_CELL: Final = Struct("Q")
_COUNT: Final = 0xFFFFFFFF
_TAG: Final = 4
"""The first bytes of a key say whose place it is."""
_EACH_KEY: Final = Struct(f"{KEY}s" * (KEYS // KEY))


class AcrossState:
    """One place's.

    A key in the file is a tag of the place and a keyed hash: nobody who does not know the gateway's secret can choose two
    that meet in one set. When a set is full, the place with the most entries there loses the one that is nearest its end.
    """

    __slots__ = ("_clock", "_file", "_hash", "_tag", "_worker", "refused", "secret")

    def __init__(self, file: MemoryFile, worker: int, key: bytes, clock: Callable[[], float] = time.monotonic) -> None:
        self.secret = blake2b(b"secret", key=key, digest_size=32).digest()
        self.refused = 0
        """How often `enter` refused because there was no room for one more key."""
        self._file = file
        self._worker = worker
        self._hash = blake2b(key=key, digest_size=KEY - _TAG)
        self._tag = blake2b(b"tag", key=key, digest_size=_TAG).digest()
        self._clock = clock

    def _digest(self, key: bytes) -> bytes:
        hashed = self._hash.copy()
        hashed.update(key)
        return self._tag + hashed.digest()

    # entries

    def update(self, key: bytes, change: Change, seconds: float) -> None:
        digest = self._digest(key)
        file = self._file
        table, memory, descriptor = file.entries, file.memory, file.descriptor
        at = table.at(digest)
        lockf(descriptor, LOCK_EX, 1, at)
        try:
            now = self._clock()
            found = memory[at : at + KEYS].find(digest)
            value_at = table.value_at(at, found // KEY)
            pair = None
            if found >= 0:
                expiry, one, other = table.value.unpack_from(memory, value_at)
                if expiry > now:
                    pair = (one, other)
            pair = change(pair)
            if pair is not None:
                if found >= 0:
                    table.value.pack_into(memory, value_at, now + seconds, *pair)
                else:
                    self._add(at, digest, (now + seconds, *pair), now)
            elif found >= 0:
                memory[at + found : at + found + KEY] = NO_KEY
        finally:
            lockf(descriptor, LOCK_UN, 1, at)

    def _add(self, at: int, digest: bytes, value: tuple[float, float, float], now: float) -> None:
        """Nobody's key stands there while the value is written: one that is interrupted belongs to nobody."""
        memory, table = self._file.memory, self._file.entries
        way = self._free_way(at, now)
        key_at = at + way * KEY
        memory[key_at : key_at + KEY] = NO_KEY
        table.value.pack_into(memory, table.value_at(at, way), *value)
        memory[key_at : key_at + KEY] = digest

    def _free_way(self, at: int, now: float) -> int:
        memory, table = self._file.memory, self._file.entries
        keys: tuple[bytes, ...] = _EACH_KEY.unpack_from(memory, at)
        if NO_KEY in keys:
            return keys.index(NO_KEY)
        expiries = [table.value.unpack_from(memory, table.value_at(at, way))[0] for way in range(len(keys))]
        first = min(range(len(keys)), key=expiries.__getitem__)
        if expiries[first] <= now:
            return first
        ((greedy, _),) = Counter(key[:_TAG] for key in keys).most_common(1)
        return min((way for way, key in enumerate(keys) if key[:_TAG] == greedy), key=expiries.__getitem__)

    # counts

    def enter(self, key: bytes, limit: int) -> bool:
        digest = self._digest(key)
        file = self._file
        table, memory, descriptor = file.counts, file.memory, file.descriptor
        at = table.at(digest)
        lockf(descriptor, LOCK_EX, 1, at)
        try:
            alive = file.alive()
            found = memory[at : at + KEYS].find(digest)
            way = found // KEY
            counts: list[int] = []
            if found >= 0:
                counts = self._counts(table.value_at(at, way), alive)
            if sum(counts) >= limit:
                return False
            if found < 0:
                way = self._vacant_way(at, alive)
                if way < 0:
                    self.refused += 1
                    return False
                self._take(at, way, digest)
            mine = counts[self._worker] if counts else 0
            self._set(table.value_at(at, way), alive, mine + 1)
            return True
        finally:
            lockf(descriptor, LOCK_UN, 1, at)

    def leave(self, key: bytes) -> None:
        digest = self._digest(key)
        file = self._file
        table, memory, descriptor = file.counts, file.memory, file.descriptor
        at = table.at(digest)
        lockf(descriptor, LOCK_EX, 1, at)
        try:
            found = memory[at : at + KEYS].find(digest)
            if found < 0:
                return
            alive = file.alive()
            value_at = table.value_at(at, found // KEY)
            counts = self._counts(value_at, alive)
            mine = counts[self._worker]
            if mine and sum(counts) == 1:
                memory[at + found : at + found + KEY] = NO_KEY
            elif mine:
                self._set(value_at, alive, mine - 1)
        finally:
            lockf(descriptor, LOCK_UN, 1, at)

    def _counts(self, value_at: int, alive: tuple[int, ...]) -> list[int]:
        """What each worker holds; one that has died since holds nothing."""
        cells = self._file.counts.value.unpack_from(self._file.memory, value_at)
        return [cell & _COUNT if cell >> 32 == one else 0 for cell, one in zip(cells, alive, strict=True)]

    def _set(self, value_at: int, alive: tuple[int, ...], count: int) -> None:
        worker = self._worker
        _CELL.pack_into(self._file.memory, value_at + worker * _CELL.size, alive[worker] << 32 | count)

    def _vacant_way(self, at: int, alive: tuple[int, ...]) -> int:
        keys: tuple[bytes, ...] = _EACH_KEY.unpack_from(self._file.memory, at)
        if NO_KEY in keys:
            return keys.index(NO_KEY)
        table = self._file.counts
        held = (sum(self._counts(table.value_at(at, way), alive)) for way in range(len(keys)))
        return next((way for way, count in enumerate(held) if not count), -1)

    def _take(self, at: int, way: int, digest: bytes) -> None:
        memory, table = self._file.memory, self._file.counts
        key_at, value_at = at + way * KEY, table.value_at(at, way)
        memory[key_at : key_at + KEY] = NO_KEY
        memory[value_at : value_at + table.value.size] = bytes(table.value.size)
        memory[key_at : key_at + KEY] = digest

    def __repr__(self) -> str:
        return f"<AcrossState of worker {self._worker}, one of {self._file.workers}>"


class AcrossCommons:
    """All places, as one worker of several sees them."""

    def __init__(self, file: MemoryFile, worker: int) -> None:
        self._file = file
        self._worker = worker

    def state(self, key: bytes) -> AcrossState:
        """The state of the place that is called so; its secret is made of that."""
        return AcrossState(self._file, self._worker, key)
