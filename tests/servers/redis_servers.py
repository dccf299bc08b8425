"""Redis and Sentinel, from Debian: each on a port of 127.0.0.1 that was free, in a folder of its own."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest
import trustme

from pointsman.testing import free_port

needs_redis = pytest.mark.skipif(
    not shutil.which("redis-server") or not shutil.which("redis-sentinel"),
    reason="Redis is not installed: apt-get install redis-server redis-sentinel",
)


class Redis:
    """One server; `start` again after `kill` gives an empty one on the same port. With `tls` it speaks that, on another."""

    def __init__(self, folder: Path, *options: str, password: str = "", tls: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True)
        self.folder, self.password = folder, password
        self.port, self.tls_port = free_port(), free_port()
        self.options = [*options, *(("--requirepass", password) if password else ())]
        if tls:
            self.options += ["--tls-port", str(self.tls_port), *tls]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.tls_port if '--tls-port' in self.options else self.port}"

    def start(self) -> "Redis":
        own = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            command = ["redis-server", *self.first(), *own, *self.rest(), *self.options]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.wait(lambda: b"PONG" in self.ask("PING"), "it answers")
        return self

    def first(self) -> list[str]:
        return []

    def rest(self) -> list[str]:
        return ["--save", "", "--appendonly", "no"]

    def wait(self, condition: Callable[[], object], what: str) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if self.process is not None and self.process.poll() is not None:
                break
            try:
                if condition():
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise TimeoutError(f"not within 20 s: {what}\n{(self.folder / 'log').read_text()[-3000:]}")

    def ask(self, *words: str) -> bytes:
        """The answer to one command, as it comes."""
        with (
            socket.create_connection(("127.0.0.1", self.port), 2) as connection,
            connection.makefile("rb") as answers,
        ):
            if self.password:
                connection.sendall(_command(("AUTH", self.password)))
                _answer(answers)
            connection.sendall(_command(words))
            return _answer(answers)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Sentinel(Redis):
    """Watches one master, and puts a replica in its place when it has been away for half a second."""

    def __init__(self, folder: Path, master: Redis) -> None:
        super().__init__(folder)
        self.configuration = folder / "sentinel.conf"
        self.configuration.write_text(
            f"sentinel monitor mymaster 127.0.0.1 {master.port} 1\n"
            "sentinel down-after-milliseconds mymaster 500\n"
            "sentinel failover-timeout mymaster 3000\n"
        )

    def first(self) -> list[str]:
        return [str(self.configuration), "--sentinel"]

    def rest(self) -> list[str]:
        return []

    def knows_replicas(self, count: int) -> bool:
        return f"slaves={count}".encode() in self.ask("INFO", "sentinel")


def _answer(answers: BinaryIO) -> bytes:
    line = answers.readline()
    count = int(line[1:]) if line[:1] in b"$*" else 0
    if line[:1] == b"$":
        return line + answers.read(count + 2)
    return line + b"".join(_answer(answers) for _ in range(count))


def _command(words: tuple[str, ...]) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words]
    return b"".join(parts)


def certificates(folder: Path, authority: trustme.CA) -> list[str]:
    """Options for a server that speaks TLS and wants a client's certificate."""
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    folder.mkdir(parents=True, exist_ok=True)
    leaf.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    files = {"--tls-cert-file": "cert.pem", "--tls-key-file": "key.pem", "--tls-ca-cert-file": "ca.pem"}
    return [part for option, name in files.items() for part in (option, str(folder / name))]
