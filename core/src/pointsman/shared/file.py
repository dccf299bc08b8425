"""The memory file: made by the control side, mapped by every worker.

It has a header (how many workers, and a generation for each), a table of *entries* (an expiry and two numbers) and one of
*counts* (a cell for each worker). Tables are set-associative: a key's hash says which set it belongs to, and a set has room
for WAYS keys. A set is locked by a record lock on its first byte (`fcntl`, 2.3 µs for both calls; robust mutexes of pthread
take 0.7 µs, and are not worth their ctypes), which the kernel takes back from a worker that dies. What such a worker was
writing is one entry, at worst half of it new.

A count is a worker's, and good for as long as the worker's generation: when one has died, the control side begins its next
generation, and all that it held is free.
"""

import mmap
import os
import tempfile
from struct import Struct
from typing import Final

WAYS: Final = 16
KEY: Final = 16
KEYS: Final = WAYS * KEY
"""Bytes of all keys of a set; the values follow, in the same order."""
ENTRY_SETS: Final = 1 << 14
COUNT_SETS: Final = 1 << 13
NO_KEY: Final = bytes(KEY)
_PAGE: Final = 4096
_WORKERS: Final = Struct("I")
_GENERATIONS: Final = 64


class Table:
    """Where the sets of one table lie in the file."""

    __slots__ = ("end", "mask", "start", "stride", "value")

    def __init__(self, start: int, sets: int, value: Struct) -> None:
        self.start = start
        self.mask = sets - 1
        self.value = value
        self.stride = WAYS * (KEY + value.size)
        self.end = start + sets * self.stride

    def at(self, digest: bytes) -> int:
        """The first byte of the set that a key belongs to."""
        return self.start + (int.from_bytes(digest[4:8], "little") & self.mask) * self.stride

    def value_at(self, at: int, way: int) -> int:
        """The first byte of the value whose key is the `way`-th of the set at `at`."""
        return at + KEYS + way * self.value.size


class MemoryFile:
    """A mapping of it. The descriptor must never be closed while it is used: the process would lose its locks."""

    def __init__(self, descriptor: int) -> None:
        """Map one that somebody made. ValueError if it is none."""
        self.descriptor = descriptor
        (self.workers,) = _WORKERS.unpack(os.pread(descriptor, _WORKERS.size, 0))
        self.generations = Struct(f"{self.workers}I")
        self.entries, self.counts = _tables(self.workers)
        self.memory = mmap.mmap(descriptor, self.counts.end)

    @classmethod
    def create(cls, workers: int) -> "MemoryFile":
        """A new one without a name: it is gone when nobody has it any more. Pages take memory when they are first used."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("pointsman", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, _tables(workers)[1].end)
        os.pwrite(descriptor, _WORKERS.pack(workers), 0)
        return cls(descriptor)

    def release(self, worker: int) -> None:
        """That worker is dead: what it held is free."""
        at = _GENERATIONS + worker * _WORKERS.size
        (generation,) = _WORKERS.unpack_from(self.memory, at)
        _WORKERS.pack_into(self.memory, at, generation + 1 & 0xFFFFFFFF)

    def alive(self) -> tuple[int, ...]:
        """The generation of each worker whose counts are good."""
        return self.generations.unpack_from(self.memory, _GENERATIONS)

    def close(self) -> None:
        self.memory.close()
        os.close(self.descriptor)


def _tables(workers: int) -> tuple[Table, Table]:
    header = -(-(_GENERATIONS + workers * _WORKERS.size) // _PAGE) * _PAGE
    entries = Table(header, ENTRY_SETS, Struct("3d"))
    return entries, Table(entries.end, COUNT_SETS, Struct(f"{workers}Q"))
