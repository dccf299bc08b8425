"""Bytes kept until they are wanted, as often as that may be: the first in memory, the rest in a file without a name.

The file is read and written in threads, a piece at a time, so a slow disk holds nobody but whoever waits for it. A lock lets
nothing happen to a file while it is closed; that is done in a thread, too, for to free many blocks takes time.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from threading import Lock
from typing import IO, Final

from pointsman import Body
from pointsman.errors import GatewayError

PIECE: Final = 256 * 1024
"""Bytes that are read or written at once."""
Trailers = list[tuple[bytes, bytes]]


class NoRoom(GatewayError):
    """A temporary file cannot be made, or not be written: 500."""

    def __init__(self, error: OSError) -> None:
        super().__init__(500, f"no room to keep a body: {error}", side="internal")


class Spool:
    """Filled by `add`, then `end`; given by `body`, until `close`. NoRoom from `add` and `end`."""

    __slots__ = ("_content", "_file", "_given", "_head", "_memory", "_tail", "size", "trailers")

    def __init__(self, memory: int) -> None:
        """`memory` is the number of bytes that go to no file; besides these, up to a piece waits to be written."""
        self.size = 0
        self.trailers: Trailers = []
        self._memory = memory
        self._head = bytearray()
        self._tail = bytearray()
        self._file: _File | None = None
        self._content: bytes | None = None
        self._given: Body | None = None

    async def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        room = self._memory - len(self._head)
        if room > 0:
            self._head += chunk[:room]
        if room < len(chunk):
            self._tail += chunk[max(room, 0) :]
            if len(self._tail) >= PIECE:
                await self._write()

    async def end(self, trailers: Trailers) -> None:
        """Everything is there."""
        self.trailers = trailers
        if self._tail:
            await self._write()
        self._content = bytes(self._head)
        self._head.clear()

    async def _write(self) -> None:
        if self._file is None:
            self._file = _File()
        data = bytes(self._tail)
        self._tail.clear()
        try:
            await asyncio.to_thread(self._file.append, data)
        except OSError as error:
            raise NoRoom(error) from error

    def body(self) -> Body:
        """All of it, as a body of its own; the one before is given up.

        It has a length, unless it has trailers, for which HTTP/1 needs chunks.
        """
        self._drop()
        file = self._file
        body = Body.of(self._content or b"") if file is None else Body.stream(self._pieces(file), self.size)
        self._given = body
        if self.trailers:
            body.length = None
            body.trailers = self.trailers.copy()
        return body

    async def _pieces(self, file: "_File") -> AsyncIterator[bytes]:
        content = self._content or b""
        for start in range(0, len(content), PIECE):
            yield content[start : start + PIECE]
        offset = 0
        while data := await asyncio.to_thread(file.read, offset):
            offset += len(data)
            yield data

    def close(self) -> None:
        """Let go of everything."""
        self._drop()
        file, self._file = self._file, None
        if file is not None:
            asyncio.get_running_loop().run_in_executor(None, file.close)

    def _drop(self) -> None:
        """Nobody reads the body that was given last, though the file may have more of it."""
        given, self._given = self._given, None
        if given is not None:
            given.abandon()

    def __repr__(self) -> str:
        return f"<Spool {self.size} bytes{', some in a file' if self._file is not None else ''}>"


class _File:
    """A temporary file that nobody else can open, made by the first `append`. OSError from a closed one."""

    __slots__ = ("_closed", "_file", "_lock")

    def __init__(self) -> None:
        self._lock = Lock()
        self._file: IO[bytes] | None = None
        self._closed = False

    def append(self, data: bytes) -> None:
        with self._lock:
            if self._closed:
                raise OSError("the file is closed")
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # closed when the exchange is over
            left = memoryview(data)
            while left:
                left = left[os.write(self._file.fileno(), left) :]

    def read(self, offset: int) -> bytes:
        with self._lock:
            if self._file is None:
                raise OSError("the file is closed")
            return os.pread(self._file.fileno(), PIECE, offset)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            file, self._file = self._file, None
            if file is not None:
                file.close()
