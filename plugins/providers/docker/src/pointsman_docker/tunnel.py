"""Connections through programs: `ssh <host> docker system dial-stdio` carries one each."""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

_TAIL: Final = 500


class Tunnel:
    """A unix socket, in a folder that only this user may enter; each connection to it gets a program of its own.

    A program's standard input and output are the connection itself, so nothing is copied here.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.command = tuple(command)
        self.path = ""
        self._folder = ""
        self._complaint = ""
        self._listening: asyncio.Task[None] | None = None
        self._carrying: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """OSError if there is no such program."""
        if shutil.which(self.command[0]) is None:
            raise FileNotFoundError(f"the program '{self.command[0]}' is not installed")
        self._folder = tempfile.mkdtemp(prefix="pointsman-docker-")
        self.path = str(Path(self._folder) / "engine")
        listener = socket.socket(socket.AF_UNIX)
        listener.setblocking(False)
        listener.bind(self.path)
        listener.listen()
        self._listening = asyncio.create_task(self._listen(listener))

    async def complaint(self) -> str:
        """The last that a program said before it gave up; "" if none did."""
        carrying = [task for task in self._carrying if not task.done()]
        if not self._complaint and carrying:
            await asyncio.wait(carrying, timeout=1, return_when=asyncio.FIRST_COMPLETED)
        return self._complaint

    async def _listen(self, listener: socket.socket) -> None:
        with listener:
            while True:
                connection, _ = await asyncio.get_running_loop().sock_accept(listener)
                task = asyncio.create_task(self._carry(connection))
                self._carrying.add(task)
                task.add_done_callback(self._carrying.discard)

    async def _carry(self, connection: socket.socket) -> None:
        with connection:
            connection.setblocking(True)
            number = connection.fileno()
            process = await asyncio.create_subprocess_exec(
                *self.command, stdin=number, stdout=number, stderr=asyncio.subprocess.PIPE
            )
        tail = b""
        try:
            while process.stderr is not None and (said := await process.stderr.read(4096)):
                tail = (tail + said)[-_TAIL:]
            if await process.wait():
                self._complaint = tail.decode(errors="replace").strip().rpartition("\n")[2]
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def aclose(self) -> None:
        """End every program. Safe without `open`."""
        tasks = [task for task in (self._listening, *self._carrying) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
