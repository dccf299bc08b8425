"""A section of a document, done as it says: its files written, its commands run, on ports that are free here."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from pointsman.testing import connect, eventually

from .documents import Section

PROGRAMS = Path(sys.executable).parent


class Followed:
    """The folder that a reader works in. `ports` are those of the document and what stands for them here."""

    def __init__(self, sections: Sequence[Section], ports: Mapping[int, int], words: Mapping[str, str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pointsman-docs-"))
        self.log = ""
        self._ports = ports
        self._words = words
        self._commands = [command for section in sections for command in section.commands]
        for section in sections:
            for name, text in section.files.items():
                (self.folder / name).write_text(self.here(text))

    def here(self, text: str) -> str:
        """With the ports and words that are meant here."""
        for word, other in self._words.items():
            text = text.replace(word, other)
        return re.sub(r"\b\d{4,5}\b", lambda found: str(self._ports.get(int(found[0]), found[0])), text)

    def begun(self, *beginning: str) -> list[str]:
        """The commands of the sections that begin so."""
        return [command for command in self._commands if command.startswith(beginning)]

    async def run(self, command: str) -> "subprocess.CompletedProcess[str]":
        """As the reader would, in a shell."""
        path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"

        def done() -> "subprocess.CompletedProcess[str]":
            return subprocess.run(
                ["bash", "-c", self.here(command)],
                cwd=self.folder,
                env={**os.environ, "PATH": path},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )

        return await asyncio.to_thread(done)

    async def says(self, *beginning: str) -> str:
        """What the one command prints that begins so. It must succeed."""
        (command,) = self.begun(*beginning)
        ran = await self.run(command)
        assert ran.returncode == 0, (command, ran)
        return ran.stdout


@asynccontextmanager
async def followed(
    *sections: Section, ports: Mapping[int, int], until: int, words: Mapping[str, str] | None = None
) -> AsyncIterator[Followed]:
    """Keys are made, then the gateway runs until the block ends. `until`: the document's port to wait for, or 0."""
    story = Followed(sections, ports, words or {})
    process: asyncio.subprocess.Process | None = None
    try:
        for command in story.begun("openssl"):
            made = await story.run(command)
            assert made.returncode == 0, made
        with (story.folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(PROGRAMS / "pointsman", cwd=story.folder, stdout=log, stderr=log)
        if until:
            await eventually(lambda: _listening(process, ports[until]), "the gateway listens")
        yield story
        assert process.returncode is None
    finally:
        if process is not None:
            await _ended(process)
        log = story.folder / "log"
        print(log.read_text() if log.exists() else "")  # shown if the test fails
        shutil.rmtree(story.folder)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Sessions of UDP, which have as long as their timeout, are not waited for."""
    with suppress(ProcessLookupError):
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 2)
        except TimeoutError:
            process.kill()
    await process.wait()


async def _listening(process: asyncio.subprocess.Process, port: int) -> bool:
    if process.returncode is not None:
        raise RuntimeError(f"the gateway ended with {process.returncode}")
    try:
        async with connect(port):
            return True
    except OSError:
        return False
