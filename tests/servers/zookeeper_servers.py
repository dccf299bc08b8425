"""ZooKeeper from Debian: on a port of 127.0.0.1 that was free, in a folder of its own."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from pointsman.testing import free_port

JAR = Path("/usr/share/java/zookeeper.jar")
MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"

needs_zookeeper = pytest.mark.skipif(
    not shutil.which("java") or not JAR.exists(),
    reason="ZooKeeper is not installed: apt-get install --no-install-recommends default-jre-headless libzookeeper-java",
)


class ZooKeeper:
    """One server; `start` again after `kill` gives one with the same nodes on the same port."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder, self.port = folder, free_port()
        options = {
            "tickTime": 500,
            "dataDir": folder,
            "clientPort": self.port,
            "clientPortAddress": "127.0.0.1",
            "admin.enableServer": "false",
            "4lw.commands.whitelist": "*",
        }
        (folder / "zoo.cfg").write_text("".join(f"{key}={value}\n" for key, value in options.items()))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> "ZooKeeper":
        command = ["java", "-Xmx128m", "-cp", f"{self.folder}:{JAR}", MAIN, str(self.folder / "zoo.cfg")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            if self._is_ok():
                return self
            time.sleep(0.05)
        raise TimeoutError(f"ZooKeeper does not answer\n{(self.folder / 'log').read_text()[-3000:]}")

    def _is_ok(self) -> bool:
        """A port that listens is not enough: before it is ready it accepts and closes."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as connection:
                connection.sendall(b"ruok")
                return connection.recv(4) == b"imok"
        except OSError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Writer:
    """Somebody who writes nodes, each with all that are above it."""

    def __init__(self, server: ZooKeeper) -> None:
        self._client = KazooClient(server.endpoint)
        self._client.start()

    def put(self, pairs: dict[str, str]) -> None:
        for path, value in pairs.items():
            self._client.ensure_path(path)
            self._client.set(path, value.encode())

    def delete(self, path: str) -> None:
        self._client.delete(path, recursive=True)

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)

    def close(self) -> None:
        self._client.stop()
        self._client.close()
