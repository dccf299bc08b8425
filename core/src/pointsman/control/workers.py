"""Starts, feeds, counts and replaces workers.

A worker is either held directly (`workers: 1`) or a process that is fed frames over a socket pair: `begin`, then deltas in
small frames, each batch closed by `apply`, the `proofs` that are shown, `serve` when the first has been applied, and
`health` whenever there is news. A process that dies is replaced and gets everything anew; its listening sockets, and whoever
waits in them, are kept here. One that does not answer its `ping`s any more, or does not end when it should, is killed.
"""

import asyncio
import json
import logging
import pickle
import socket
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from pointsman.compile import Secrets
from pointsman.config.static import Static
from pointsman.control.listeners import entry_point_of
from pointsman.control.merge import Delta, Tree, diff, empty_tree
from pointsman.errors import Problem
from pointsman.observe.meter import Counted, Recording
from pointsman.shared import MemoryFile
from pointsman.upstream.health import Down, News

log = logging.getLogger("pointsman.control")

FRAME_ELEMENTS = 500
RESTART_SECONDS = (0.05, 5.0)
STEADY_SECONDS = 10.0
SLOW_START = 6
"""How many times longer a worker may keep silent before it speaks for the first time."""
STOP_SECONDS = 15.0
"""How much longer than the grace times of its entry points a worker may take to stop."""
ANSWER_SECONDS = 10.0
MAX_MESSAGE_BYTES = 1 << 26


COUNT_SECONDS = 0.5
"""How long a worker may take to tell what it has counted."""


def _nobody(counted: Counted | None) -> None:
    """Nobody wants to know what is counted."""


class Unanswered(Exception):
    """A worker does not say what it was asked; why, in words.

    `refused`: for what it was asked is wrong; `gone`: for it has ended, and whoever takes its place gets everything anew.
    """

    def __init__(self, why: str, *, refused: bool = False, gone: bool = False) -> None:
        super().__init__(why)
        self.refused = refused
        self.gone = gone


class DataPlane(Protocol):
    """What the control side asks of a worker, wherever it runs."""

    @property
    def alive(self) -> bool: ...

    async def apply(self, tree: Tree, delta: Delta) -> None: ...
    def learn(self, news: News) -> None: ...
    async def count(self) -> None:
        """Have it tell what it has counted; return when it did, or when that took too long."""

    def reopen(self) -> None: ...
    async def ask(self, question: str, arguments: Mapping[str, Any]) -> list[Any]:
        """The parts of its answer (inspection/questions.py): data of a worker, so not to be believed more than that.

        Unanswered, if there is none in time.
        """

    async def serve(self) -> None: ...
    async def stop(self) -> None: ...


class Process:
    """A worker process, replaced whenever it dies.

    It is asked for a sign of life every `beat_seconds`, and killed after `patience` beats without one. Beats are counted,
    not time: a machine that was suspended has killed nobody.
    """

    beat_seconds = 1.0
    patience = 10

    def __init__(
        self,
        number: int,
        static: Static,
        sockets: Mapping[str, socket.socket],
        control_socket: str | None,
        secrets: Secrets,
        report: Callable[[Sequence[Problem]], None],
        memory: MemoryFile,
        recording: Recording | None = None,
        count: Callable[[Counted | None], None] = _nobody,
        idle: Collection[str] = (),
        proofs: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self.number = number
        self.restarts = 0
        self._static = static
        self._sockets = sockets
        self._control_socket = control_socket
        self._secrets = secrets
        self._report = report
        self._memory = memory
        self._recording = recording
        self._count = count
        """Takes what it has counted; None: it is no more."""
        self._idle = idle
        """Names of plugins that it need not load."""
        self._proofs = proofs
        """Certificate and key that prove a name, by name: what is shown now, for whoever starts (operations.md §7.6)."""
        self._asked = 0
        self._counting: dict[int, asyncio.Event] = {}
        self._tree = empty_tree()
        self._sent = 0
        self._applied = 0
        self._beats = 0
        """Since it was heard of last."""
        self._heard_of = False
        self._serving = False
        self._stopping = False
        self._changed = asyncio.Condition()
        self._sending = asyncio.Lock()
        self._down = Down()
        self._questions: dict[int, tuple[list[Any], asyncio.Future[list[Any]]]] = {}
        """By number: what has come of the answer, and who waits for it."""
        self._unsent: dict[str, dict[str, bool]] = {}
        self._news = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._task = asyncio.ensure_future(self._keep())

    @property
    def alive(self) -> bool:
        """Whether it runs and answers."""
        return self._writer is not None and self._heard_of and self._beats < self.patience

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def apply(self, tree: Tree, delta: Delta) -> None:
        """Send what changed, and wait until it is live; a worker that is being replaced gets it when it is back."""
        self._tree = tree
        self._sent += 1
        number = self._sent
        async with self._sending:  # after all that a new process is told first
            if self._writer is not None:
                await self._send_delta(self._writer, delta, number)
        async with self._changed:
            await self._changed.wait_for(lambda: self._applied >= number or self._stopping)

    def learn(self, news: News) -> None:
        """Pass on what health checks found, as soon as the worker takes it."""
        self._down.learn(news)
        for service, states in news.items():
            self._unsent.setdefault(service, {}).update(states)
        self._news.set()

    async def count(self) -> None:
        writer = self._writer
        if writer is None or self._recording is None:
            return
        self._asked += 1
        number = self._asked
        counted = self._counting[number] = asyncio.Event()
        try:
            async with asyncio.timeout(COUNT_SECONDS):
                await self._send(writer, "count", number)
                await counted.wait()
        except TimeoutError:
            pass  # what it has told so far is good enough
        finally:
            del self._counting[number]

    def reopen(self) -> None:
        """Have it open the files of its logs anew. Safe while it is replaced: whoever comes opens them anyway."""
        if self._writer is not None:
            self._writer.write(_framed("reopen", None))

    async def ask(self, question: str, arguments: Mapping[str, Any]) -> list[Any]:
        writer = self._writer
        if writer is None:
            raise Unanswered(f"worker {self.number} does not run", gone=True)
        self._asked += 1
        number, waiting = self._asked, asyncio.get_running_loop().create_future()
        self._questions[number] = [], waiting
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._send(writer, "ask", (number, question, dict(arguments)))
                answer: list[Any] = await waiting
                return answer
        except TimeoutError:
            raise Unanswered(f"worker {self.number} does not answer") from None
        finally:
            self._questions.pop(number, None)

    async def serve(self) -> None:
        self._serving = True
        if self._writer is not None:
            await self._send(self._writer, "serve", None)

    async def stop(self) -> None:
        """Stop gracefully. Each socket is closed here when the worker closes it: only then are new connections refused."""
        self._stopping = True
        async with self._changed:
            self._changed.notify_all()
        loop = asyncio.get_running_loop()
        points = self._static.entry_points
        closing = [
            loop.call_later(points[entry_point_of(name)].transport.life_cycle.request_accept_grace_timeout, listening.close)
            for name, listening in self._sockets.items()
        ]
        lives = [points[name].transport.life_cycle for name in map(entry_point_of, self._sockets)]
        grace = max((life.request_accept_grace_timeout + max(0.0, life.grace_time_out) for life in lives), default=0.0)
        try:
            async with asyncio.timeout(grace + STOP_SECONDS):
                if self._writer is not None:
                    await self._send(self._writer, "stop", None)
                await asyncio.shield(self._task)
        except TimeoutError:
            log.error("worker %d does not stop; it is killed", self.number, extra={"workerName": self.number})
            self._kill()
            await self._task
        for handle in closing:
            handle.cancel()

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _keep(self) -> None:
        """Run the process, again and again."""
        pause = RESTART_SECONDS[0]
        while not self._stopping:
            begun = time.monotonic()
            try:
                await self._run()
            except OSError as error:
                log.error(
                    "worker %d cannot be started: %s", self.number, error, extra={"workerName": self.number, "error": error}
                )
            if self._stopping:
                return
            status = self._process.returncode if self._process is not None else None
            self.restarts += 1
            log.error(
                "worker %d ended with status %s; it is replaced", self.number, status, extra={"workerName": self.number}
            )
            if time.monotonic() - begun > STEADY_SECONDS:
                pause = RESTART_SECONDS[0]
            await asyncio.sleep(pause)
            pause = min(pause * 2, RESTART_SECONDS[1])

    async def _run(self) -> None:
        ours, theirs = socket.socketpair()
        descriptors = {name: listening.fileno() for name, listening in self._sockets.items()}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "pointsman.worker",
            str(self.number),
            str(theirs.fileno()),
            str(self._memory.descriptor),
            *(f"{name}={descriptor}" for name, descriptor in descriptors.items()),
            pass_fds=(theirs.fileno(), self._memory.descriptor, *descriptors.values()),
            stdin=asyncio.subprocess.DEVNULL,
        )
        theirs.close()
        ours.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=ours)
        self._heard_of, self._beats = False, 0
        beating = asyncio.create_task(self._beat(writer))
        async with self._sending:
            beginning = (self._static, self._control_socket, self._secrets, self._recording, self._idle)
            await self._send(writer, "begin", beginning)
            self._unsent.clear()
            await self._send(writer, "health", self._down.news)
            await self._send_delta(writer, diff(empty_tree(), self._tree), self._sent)
            writer.write(_framed("proofs", dict(self._proofs)))
            if self._serving:
                writer.write(_framed("serve", None))
            self._writer = writer  # nothing was awaited since the proofs: it is asked to show all others
            if self._stopping:  # who asked for that found no writer
                await self._send(writer, "stop", None)
        passing_on = asyncio.create_task(self._pass_on(writer))
        try:
            while (message := await _message(reader)) is not None:
                await self._heard(message)
        finally:
            self._writer = None
            for _, waiting in self._questions.values():
                if not waiting.done():
                    waiting.set_exception(Unanswered(f"worker {self.number} has ended", gone=True))
            passing_on.cancel()
            beating.cancel()
            writer.close()
            await self._process.wait()
            self._memory.release(self.number)
            self._count(None)

    async def _pass_on(self, writer: asyncio.StreamWriter) -> None:
        """Send news of servers. A worker that is slow to read gets the latest of each, later."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._unsent:
                unsent, self._unsent = self._unsent, {}
                await self._send(writer, "health", unsent)

    async def _beat(self, writer: asyncio.StreamWriter) -> None:
        """Ask for signs of life until one does not come. While it stops a worker gives none."""
        while not self._stopping:
            if self._beats >= self.patience * (1 if self._heard_of else SLOW_START):
                log.error(
                    "worker %d has not answered for %g s; it is killed",
                    self.number,
                    self._beats * self.beat_seconds,
                    extra={"workerName": self.number},
                )
                self._kill()
                return
            if not self._beats:  # what it has not read yet need not be said twice
                writer.write(_framed("ping", None))
            self._beats += 1
            await asyncio.sleep(self.beat_seconds)

    async def _heard(self, message: dict[str, Any]) -> None:
        self._heard_of, self._beats = True, 0
        if "news" in message:
            self._count(message["news"])
        counted = self._counting.get(message["counted"]) if "counted" in message else None
        if counted is not None:
            counted.set()
        if "answered" in message:
            self._hear_answer(message)
        if "applied" in message:
            self._report([Problem(*problem) for problem in message["problems"]])
            async with self._changed:
                self._applied = message["applied"]
                self._changed.notify_all()

    def _hear_answer(self, message: dict[str, Any]) -> None:
        asked = self._questions.get(message["answered"])
        if asked is None or asked[1].done():
            return
        if "part" in message:
            asked[0].append(message["part"])
        elif "failed" in message:
            asked[1].set_exception(Unanswered(str(message["failed"]), refused=message.get("refused") is True))
        else:
            asked[1].set_result(asked[0])

    async def _send_delta(self, writer: asyncio.StreamWriter, delta: Delta, number: int) -> None:
        for part in _parts(delta):
            await self._send(writer, "delta", part)
        await self._send(writer, "apply", number)

    async def _send(self, writer: asyncio.StreamWriter, kind: str, content: Any) -> None:
        try:
            writer.write(_framed(kind, content))
            await writer.drain()
        except OSError:
            pass  # it has died; its replacement gets everything

    def __repr__(self) -> str:
        return f"<Process {self.number}, pid {self.pid}, {self.restarts} restarts>"


def _framed(kind: str, content: Any) -> bytes:
    data = pickle.dumps((kind, content), protocol=pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(4, "big") + data


def _parts(delta: Delta) -> list[Delta]:
    """The delta in pieces that are quick to read."""
    parts: list[Delta] = []
    for section, elements in delta.set.items():
        items = list(elements.items())
        for at in range(0, len(items), FRAME_ELEMENTS):
            parts.append(Delta(set={section: dict(items[at : at + FRAME_ELEMENTS])}))
    for section, names in delta.delete.items():
        for at in range(0, len(names), FRAME_ELEMENTS * 4):
            parts.append(Delta(delete={section: names[at : at + FRAME_ELEMENTS * 4]}))
    return parts


async def _message(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """What a worker says: JSON, for a worker meets the world and is believed nothing else."""
    try:
        size = int.from_bytes(await reader.readexactly(4), "big")
        if size > MAX_MESSAGE_BYTES:
            return None
        message: dict[str, Any] = json.loads(await reader.readexactly(size))
        return message if isinstance(message, dict) else None
    except (asyncio.IncompleteReadError, OSError, ValueError):
        return None
