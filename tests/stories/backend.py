"""The server behind the gateway in these stories, a process of its own: it must keep up, and its memory must not be ours.

    python backend.py FD     serves on the listening socket FD

/small        answers at once
/download     ?bytes=N: that many, none of them twice in the same place; ?chunked: without telling how many
/upload       reads the body and tells its size and hash; ?stall: stops reading after a MiB until /go is asked
/go           lets all stalled uploads go on
/progress     how many bytes of the last body have passed, and their hash
"""

import asyncio
import hashlib
import json
import os
import re
import socket
import sys
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

MEBIBYTE = 2**20
BLOCK = os.urandom(MEBIBYTE - 8)


class State:
    """What all connections share: the last body's progress, and who is stalled."""

    passed = 0
    digest = hashlib.sha256()
    stalled: list["Connection"] = []  # noqa: RUF012  # one process, one state


class Connection(asyncio.Protocol):
    """One connection, one exchange at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made
        self._held = bytearray()
        self._target = ""
        self._left: int | None = None
        """Of the request body; -1 while a chunked one is read, None while a head is awaited."""
        self._chunk_left = 0
        self._stalls = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        for task in self._tasks:
            task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        if self._left is not None and self._left > 0 and not self._held:
            self._body(data)
            return
        self._held += data
        if self._left == -1:
            self._chunks()
            return
        while self._left is None and (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._held[:end])
            del self._held[: end + 4]
            self._begin(head)

    def _begin(self, head: bytes) -> None:
        self._target = head.split(b" ", 2)[1].decode()
        length = re.search(rb"\r\ncontent-length: *([0-9]+)", head, re.IGNORECASE)
        self._left = int(length[1]) if length else None
        if b"transfer-encoding: chunked" in head.lower():
            self._left = -1
        if self._target.startswith("/upload"):
            State.passed, State.digest = 0, hashlib.sha256()
            self._stalls = "stall" in self._target
        if not self._left:
            self._left = None
            self._answer()
        elif self._left < 0:
            self._chunks()
        else:
            held = bytes(self._held[: self._left])
            del self._held[: len(held)]
            self._body(held)

    def _body(self, data: bytes) -> None:
        assert self._left is not None
        self._take(data)
        self._left -= len(data)
        if not self._left:
            self._left = None
            self._answer()

    def _chunks(self) -> None:
        held = self._held
        while held:
            if self._chunk_left > 2:
                data = bytes(held[: self._chunk_left - 2])
                del held[: len(data)]
                self._chunk_left -= len(data)
                self._take(data)
                continue
            end = held.find(b"\r\n")
            if end < 0:
                return
            line = bytes(held[:end])
            del held[: end + 2]
            if self._chunk_left:  # the end of a chunk
                self._chunk_left = 0
            elif size := int(line, 16):
                self._chunk_left = size + 2
            else:
                del held[:2]
                self._left = None
                self._answer()
                return

    def _take(self, data: bytes) -> None:
        State.passed += len(data)
        State.digest.update(data)
        if self._stalls and State.passed > MEBIBYTE:
            self._stalls = False
            State.stalled.append(self)
            self.transport.pause_reading()

    def _answer(self) -> None:
        url = urlsplit(self._target)
        if url.path == "/small":
            self._send(b"hello world\n")
        elif url.path == "/download":
            query = parse_qs(url.query, keep_blank_values=True)
            task = asyncio.get_running_loop().create_task(self._download(int(query["bytes"][0]), "chunked" in query))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif url.path == "/go":
            stalled, State.stalled = State.stalled, []
            for connection in stalled:
                connection.transport.resume_reading()
            self._tell({"gone on": len(stalled)})
        else:
            self._tell({"bytes": State.passed, "sha256": State.digest.hexdigest()})

    def _tell(self, content: dict[str, Any]) -> None:
        self._send(json.dumps(content).encode())

    def _send(self, body: bytes) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async def _download(self, size: int, chunked: bool) -> None:
        State.passed, State.digest = 0, hashlib.sha256()
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
        self.transport.write(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % framing)
        while State.passed < size:
            await self._writable.wait()
            piece = (State.passed.to_bytes(8, "big") + BLOCK)[: size - State.passed]
            State.passed += len(piece)
            State.digest.update(piece)
            self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            await asyncio.sleep(0)
        if chunked:
            self.transport.write(b"0\r\n\r\n")


async def main(listening: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, sock=listening, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(main(socket.socket(fileno=int(sys.argv[1]))))
    else:
        uvloop.run(main(socket.socket(fileno=int(sys.argv[1]))))
