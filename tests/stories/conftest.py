"""What the stories share: a server process, /proc, and how long a story is.

POINTSMAN_LONG_STORIES=1 tells them at full length; what they measure is printed (pytest -s) and never asserted tightly.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

LONG: Final = os.environ.get("POINTSMAN_LONG_STORIES") == "1"


@pytest.fixture(scope="session")
def long_stories() -> bool:
    return LONG


@pytest.fixture(scope="module")
def backend() -> Iterator[str]:
    """The URL of backend.py, running."""
    with served("backend.py") as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def mirror() -> Iterator[str]:
    """The URL of mirror.py, running."""
    with served("mirror.py") as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def sockets(count: int) -> Iterator[str]:
    """The URL of sockets.py, running: after the test has asked for as many files as it needs."""
    with served("sockets.py") as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def served(script: str) -> Iterator[int]:
    """A server script as a process of its own; the port it listens on."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:  # connections wait in it until it is served
        number, port = listening.fileno(), listening.getsockname()[1]
        command = [sys.executable, str(Path(__file__).with_name(script)), str(number)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[number])
    try:
        yield port
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Proc:
    """What Linux tells about processes."""

    @staticmethod
    def children(pid: int) -> list[int]:
        """The live children of a process."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                    if int(parent) == pid and state != "Z":
                        found.append(int(entry.name))
        return found

    @staticmethod
    def state(pid: int) -> str:
        """R, S, T ... as ps shows it."""
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

    @staticmethod
    def clients(pid: int, port: int) -> set[int]:
        """The client ports of the connections to `port` that this process has accepted."""
        own = set()
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                name = os.readlink(entry)
                if name.startswith("socket:["):
                    own.add(name[8:-1])
        clients = set()
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            local, remote, inode = fields[1], fields[2], fields[9]
            if inode in own and int(local.rpartition(":")[2], 16) == port and fields[3] != "0A":
                clients.add(int(remote.rpartition(":")[2], 16))
        return clients

    @staticmethod
    def resident(pid: int) -> float:
        """MiB of memory it has now."""
        return Proc._status(pid, "VmRSS")

    @staticmethod
    def forget_peak(pid: int) -> None:
        """Begin to measure the peak anew."""
        Path(f"/proc/{pid}/clear_refs").write_text("5")

    @staticmethod
    def peak(pid: int) -> float:
        """The most MiB it had since then."""
        return Proc._status(pid, "VmHWM")

    @staticmethod
    def _status(pid: int, name: str) -> float:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
        raise LookupError(name)


@pytest.fixture(scope="session")
def proc() -> type[Proc]:
    if not Path("/proc/net/tcp").exists():
        pytest.skip("these stories look into /proc, which is Linux's")
    return Proc


@pytest.fixture
def tell(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Print what was measured."""

    def told(**numbers: object) -> None:
        for name, number in numbers.items():
            record_property(name, number)
        print(f"\nSTORY {request.node.name}: " + ", ".join(f"{name} {number}" for name, number in numbers.items()))

    return told
