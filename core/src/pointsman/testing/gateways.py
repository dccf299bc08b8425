"""A real gateway: `python -m pointsman` as a process of its own, on free ports, configured by files.

The files are JSON, which is YAML; text given by a test is written as it is. Nothing here sleeps until things are probably
well: every write carries a generation, a router of its own answers for it, and whoever waits asks for that router until it
is there.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count, islice
from pathlib import Path
from typing import Any, Final

from pointsman.testing.wire import connect, eventually

Document = Mapping[str, Any] | str
COMMAND = (sys.executable, "-m", "pointsman")
READY_ENTRY_POINT = "traefik"
"""Never a default entry point, so routers under test do not land on it (routing.md section 4.1)."""


_PORTS: Final = range(12_000, 32_000)
"""Below those that systems give to connections: nothing else takes one between being found free and being used."""
_next_port = count(os.getpid() * 7919)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that was free on 127.0.0.1 a moment ago. Processes that ask at the same time begin at different places."""
    for number in islice(_next_port, len(_PORTS)):
        port = _PORTS[number % len(_PORTS)]
        with socket.socket(socket.AF_INET, kind) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no port of 127.0.0.1 is free")


class Gateway:
    """A gateway process and the folder it is configured from."""

    def __init__(
        self,
        dynamic: Document,
        static: Mapping[str, Any] | None = None,
        *,
        workers: int | None = 1,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pointsman-"))
        self.workers = workers or 1
        self.command = tuple(command)
        self._generation = 0
        self._ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        (self.folder / "dynamic").mkdir()
        own = {} if workers is None else {"workers": workers}
        self._write_static({**own, **(static or {})})
        self._write_dynamic(dynamic)

    def port(self, entry_point: str = "web") -> int:
        """Where an entry point listens."""
        return self._ports[entry_point]

    def url(self, entry_point: str = "web") -> str:
        return f"http://127.0.0.1:{self.port(entry_point)}"

    def log(self) -> str:
        """Everything it has printed."""
        path = self.folder / "gateway.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError("this gateway has not been started")
        return self._process

    @property
    def arguments(self) -> list[str]:
        return [*self.command, f"--configFile={self.folder / 'static.yml'}"]

    def spawn(self, **environment: str) -> None:
        """Start the process, and do not wait for anything."""
        with (self.folder / "gateway.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
            )

    async def start(self) -> None:
        """Start it and wait until the first configuration is live in every worker."""
        self.spawn()
        await self.live()

    async def update(self, dynamic: Document, until: Callable[[], Awaitable[object] | object] | None = None) -> None:
        """Replace the dynamic configuration and wait until it is live, or until `until` is true."""
        self._write_dynamic(dynamic)
        await (self.live() if until is None else self._while_running(until))

    async def live(self) -> None:
        """Wait until what was written last is live in every worker."""
        await self._while_running(self._answers_for_generation)

    async def exited(self) -> int:
        """Wait for the process to end by itself; its exit status."""
        await eventually(lambda: self.process.poll() is not None, "the gateway ends")
        return self.process.wait()

    async def stop(self, with_signal: int = signal.SIGTERM) -> int:
        """Ask it to stop, kill it if it does not, and give its exit status. Safe when it has ended or never begun."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
            try:
                await eventually(lambda: self.process.poll() is not None, "the gateway stops")
            except TimeoutError:
                self._process.kill()
        return self._process.wait()

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _while_running(self, condition: Callable[[], Awaitable[object] | object]) -> None:
        async def asked() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(f"the gateway exited with {self.process.returncode}\n{self.log()}")
            answer = condition()
            return bool(await answer if isinstance(answer, Awaitable) else answer)

        try:
            await eventually(asked)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.log()[-4000:]}") from error.__cause__

    async def _answers_for_generation(self) -> bool:
        # Connections are spread over workers by chance, so several workers are asked several times each.
        for _ in range(1 if self.workers == 1 else 8 * self.workers):
            async with connect(self.port(READY_ENTRY_POINT)) as client:
                answer = await client.get(f"/generation/{self._generation}", "pointsman.testing", connection="close")
            if answer.status == 404:
                return False
        return True

    def _write_static(self, static: dict[str, Any]) -> None:
        entry_points = {name: dict(point or {}) for name, point in static.get("entryPoints", {"web": {}}).items()}
        entry_points.setdefault(READY_ENTRY_POINT, {})
        for name, point in entry_points.items():
            host, _, rest = point.get("address", "127.0.0.1:0").rpartition(":")
            port, slash, kind = rest.partition("/")
            if port in ("", "0"):
                port = str(free_port(socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM))
            point["address"] = f"{host or '127.0.0.1'}:{port}{slash}{kind}"
            self._ports[name] = int(port)
        files = {"directory": str(self.folder / "dynamic"), "watch": True}
        providers = {"providersThrottleDuration": "20ms", "file": files, **static.get("providers", {})}
        static = {**static, "entryPoints": entry_points, "providers": providers}
        (self.folder / "static.yml").write_text(json.dumps(static, indent=2))

    def _write_dynamic(self, dynamic: Document) -> None:
        """Files are read in order of name: whoever has seen the generation reads the rest no older than that."""
        self._generation += 1
        text = dynamic if isinstance(dynamic, str) else json.dumps(dict(dynamic), indent=2)
        self._replace("dynamic.yml", textwrap.dedent(text))
        self._replace("00-generation.yml", json.dumps(_generation_router(self._generation)))

    def _replace(self, name: str, text: str) -> None:
        beside = self.folder / f"{name}.new"
        beside.write_text(text)
        beside.replace(self.folder / "dynamic" / name)


def _generation_router(generation: int) -> dict[str, Any]:
    """A router whose service has no server: 503 once it is there, 404 before."""
    router = {
        "rule": f"Path(`/generation/{generation}`)",
        "entryPoints": [READY_ENTRY_POINT],
        "service": "pointsman-testing",
    }
    service: dict[str, Any] = {"loadBalancer": {"servers": []}}
    return {"http": {"routers": {"pointsman-testing": router}, "services": {"pointsman-testing": service}}}


@asynccontextmanager
async def gateway(
    dynamic: Document,
    static: Mapping[str, Any] | None = None,
    *,
    workers: int | None = 1,
    command: Sequence[str] = COMMAND,
) -> AsyncIterator[Gateway]:
    """A running gateway for as long as the block lasts. If the block fails, the log is printed.

    `static` is merged over one HTTP entry point `web` and a file provider, watched and hardly throttled; addresses without a
    port get a free one.
    `command` may start the gateway of another virtual environment, or, with `workers=None`, another program that reads such
    a configuration.
    """
    running = Gateway(dynamic, static, workers=workers, command=command)
    try:
        await running.start()
        yield running
    except BaseException:
        print(f"--- log of the gateway in {running.folder}\n{running.log()}", file=sys.stderr)
        raise
    finally:
        await asyncio.shield(running.stop())
        running.remove()
